//! Sessions that wait for a statement, kept alive, and those that are given to one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tollgate_catalog::Error;

use super::service::Service;
use super::session::Session;
use crate::connections::{Connections, Use, Uses};

/// Sessions that wait for a statement. How many there are in all, admission bounds.
const IDLE: usize = 16;
/// How often those are told to stay: the service forgets them after four hours.
const HEARTBEAT: Duration = Duration::from_secs(900);

/// The sessions of one account that one virtual warehouse runs the statements of: a session never changes
/// over to another one.
pub(super) struct Pool {
    pub(super) service: Arc<Service>,
    /// None: the user's own.
    pub(super) warehouse: Option<Arc<str>>,
    idle: Mutex<Vec<Arc<Session>>>,
    uses: Uses,
    keeper: Mutex<Option<AbortHandle>>,
}

impl Pool {
    pub(super) fn new(service: Arc<Service>, warehouse: Option<Arc<str>>) -> Self {
        let (idle, uses, keeper) = Default::default();
        Self { service, warehouse, idle, uses, keeper }
    }

    /// How many sessions there are.
    pub(super) fn connections(&self) -> Connections {
        Connections { idle: self.idle.lock().len(), used: self.uses.count() }
    }

    /// A session of one's own.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Error> {
        self.keep();
        let mut session = self.idle.lock().pop();
        if session.is_none() {
            let opened = Session::open(Arc::clone(&self.service), self.warehouse.clone()).await?;
            session = Some(Arc::new(opened));
        }
        let used = Some(self.uses.one());
        Ok(Lease { pool: Arc::clone(self), session, used, runtime: Handle::current() })
    }

    /// Ends the sessions that wait.
    pub(super) async fn close(&self) {
        let waiting = std::mem::take(&mut *self.idle.lock());
        for session in waiting {
            session.close().await;
        }
    }

    /// Sees to it that sessions that wait are kept alive, as long as there is this pool.
    fn keep(self: &Arc<Self>) {
        let mut keeper = self.keeper.lock();
        if keeper.as_ref().is_none_or(AbortHandle::is_finished) {
            let pool = Arc::downgrade(self);
            *keeper = Some(tokio::spawn(heartbeats(pool)).abort_handle());
        }
    }
}

async fn heartbeats(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let waiting = pool.upgrade().map(|pool| std::mem::take(&mut *pool.idle.lock()));
        let Some(waiting) = waiting else { return };
        for session in waiting {
            if session.heartbeat().await
                && let Some(pool) = pool.upgrade()
            {
                pool.idle.lock().push(session);
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get_mut().take() {
            keeper.abort();
        }
        let waiting = std::mem::take(self.idle.get_mut());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                for session in waiting {
                    session.close().await;
                }
            });
        }
    }
}

/// A session in use; dropped instead of given back, it is closed.
pub(super) struct Lease {
    pool: Arc<Pool>,
    session: Option<Arc<Session>>,
    used: Option<Use>,
    runtime: Handle,
}

impl Lease {
    /// The session.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.session.clone()
    }

    /// Gives the session back.
    pub(super) fn finish(mut self) {
        if let Some(session) = self.session.take() {
            let mut idle = self.pool.idle.lock();
            if idle.len() < IDLE {
                idle.push(session);
                return;
            }
            drop(idle);
            self.session = Some(session);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            let used = self.used.take();
            self.runtime.spawn(async move {
                // In use until it is closed.
                let _used = used;
                session.close().await;
            });
        }
    }
}
