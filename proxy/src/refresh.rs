//! Asks warehouses at intervals which tables they have: each that is to be asked has a task, which asks
//! once at a time. A reload asks all of them, so the intervals begin anew.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tollgate_catalog::WarehouseName;

use crate::listener::stopping;
use crate::renew::Renewal;

/// By which part an interval may be shorter or longer, so that replicas don't ask all at once.
const JITTER: f64 = 0.1;

/// Asks until the signal to shut down.
pub(crate) async fn serve(renewal: Arc<Renewal>, mut shutdown: watch::Receiver<bool>) {
    let mut reloads = renewal.reloads();
    loop {
        reloads.borrow_and_update();
        let mut tasks = JoinSet::new();
        for (name, every) in renewal.refreshed() {
            tasks.spawn(ask(Arc::clone(&renewal), name, every));
        }
        let goes_on = tokio::select! {
            () = stopping(&mut shutdown) => false,
            told = reloads.changed() => told.is_ok(),
        };
        // Ended with whatever they wait for, and gone: nothing is put in force after this.
        tasks.shutdown().await;
        if !goes_on {
            return;
        }
    }
}

async fn ask(renewal: Arc<Renewal>, name: WarehouseName, every: Duration) {
    loop {
        tokio::time::sleep(jittered(every)).await;
        renewal.refresh(&name).await;
    }
}

fn jittered(every: Duration) -> Duration {
    every.mul_f64(rand::rng().random_range(1.0 - JITTER..1.0 + JITTER))
}
