//! The threads that plan and run queries: not those that serve sockets.
//!
//! One call of a function can't be interrupted. On these threads it holds up other queries at most,
//! never a timeout, a cancel request, a new connection or the health check.

use std::future::Future;

use futures::{StreamExt, stream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tollgate_catalog::{Error, ErrorKind};

use super::interrupt::Waited;
use crate::BatchStream;

/// Plans recurse deeply.
const STACK: usize = 8 << 20;

/// Batches that are ready before the client takes them; a running operator holds one more.
const AHEAD: usize = 1;

/// A pool of threads. Dropping it lets running calls end by themselves.
#[derive(Debug)]
pub(crate) struct Threads {
    runtime: Option<Runtime>,
}

impl Threads {
    /// A pool of `count` threads, but eight at least and four for each core: what was cancelled holds
    /// its thread until the call that it is in returns, and others must go on meanwhile.
    pub(crate) fn new(count: Option<usize>) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(count.unwrap_or(cores).max(cores.saturating_mul(4)).max(8))
            .thread_name("engine")
            .thread_stack_size(STACK)
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// How much is going on in the pool.
    #[cfg(test)]
    pub(crate) fn tasks(&self) -> usize {
        self.runtime.as_ref().map_or(0, |runtime| runtime.metrics().num_alive_tasks())
    }

    /// Does `work` in the pool.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let runtime = self.runtime.as_ref().ok_or_else(stopped)?;
        let mut task = JoinSet::new();
        task.spawn_on(async move { work() }, runtime.handle());
        task.join_next().await.ok_or_else(stopped)?.map_err(Error::internal)?
    }

    /// Does `work` in the pool, and then takes its rows as they are asked for. Dropping the future
    /// or the stream aborts the work, and tells it so.
    pub(crate) async fn run<W>(
        &self,
        work: impl FnOnce(Waited) -> W + Send + 'static,
    ) -> Result<BatchStream, Error>
    where
        W: Future<Output = Result<BatchStream, Error>> + Send + 'static,
    {
        let waited = Waited::default();
        let hold = waited.hold();
        let work = work(waited);
        let runtime = self.runtime.as_ref().ok_or_else(stopped)?;
        let (started, start) = oneshot::channel();
        let (give, batches) = mpsc::channel(AHEAD);
        let mut task = JoinSet::new();
        let pump = async move {
            let mut rows = match work.await {
                Ok(rows) => rows,
                Err(error) => return drop(started.send(Err(error))),
            };
            if started.send(Ok(())).is_err() {
                return;
            }
            while let Some(batch) = rows.next().await {
                if give.send(batch).await.is_err() {
                    return;
                }
            }
        };
        task.spawn_on(pump, runtime.handle());
        start.await.map_err(Error::internal)??;
        let rows = stream::unfold(Some((batches, task, hold)), |state| async {
            let (mut batches, mut task, hold) = state?;
            if let Some(batch) = batches.recv().await {
                return Some((batch, Some((batches, task, hold))));
            }
            // A task that didn't come to its end must not look like one that did.
            match task.join_next().await? {
                Ok(()) => None,
                Err(defect) => Some((Err(Error::internal(defect)), None)),
            }
        });
        Ok(rows.boxed())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Not by waiting: the last owner may be a task of another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::AdminShutdown, "the gateway is shutting down")
}
