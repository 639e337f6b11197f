//! The audit trail: one decision before the first row leaves, one receipt at the end.
//!
//! Records are JSON lines. One thread writes them; records that wait together are made durable
//! together. A decision is acknowledged once it is durable, and no row leaves before that.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::oneshot;
use tollgate_catalog::{Error, ErrorKind};

/// Where records go.
#[derive(Debug, Clone)]
pub enum AuditTarget {
    /// Appended to a file, which is synchronised to its disk.
    File(PathBuf),
    /// Written to standard output.
    Stdout,
}

/// The decision on one statement: made before anything ran.
#[derive(Debug, Serialize)]
pub struct Decision<'a> {
    /// The query's id; its receipt has the same.
    pub id: &'a str,
    /// The authenticated user.
    pub principal: &'a str,
    /// The active roles.
    pub roles: Vec<&'a str>,
    /// The client's address.
    pub address: String,
    /// What the client calls itself; never trusted.
    pub application: &'a str,
    /// The client's text.
    pub sql: &'a str,
    /// What runs instead; absent when refused.
    pub secured_sql: Option<&'a str>,
    /// The policy bundle that decided.
    pub bundle: &'a str,
    /// The catalog version.
    pub snapshot: u64,
    /// The base tables.
    pub tables: Vec<String>,
    /// The policies that shaped them, with file and line.
    pub policies: Vec<String>,
    /// `permitted` or `denied`.
    pub outcome: &'static str,
    /// The error's label, if denied.
    pub error: Option<&'static str>,
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All rows were taken.
    Complete,
    /// Refused before it ran.
    Denied,
    /// Failed, with the error's kind.
    Failed(ErrorKind),
    /// Dropped by the client or by the session before its end.
    Abandoned,
}

/// Exactly one per decision, at the end.
#[derive(Debug, Serialize)]
struct Receipt<'a> {
    id: &'a str,
    principal: &'a str,
    outcome: &'static str,
    error: Option<&'static str>,
    rows: u64,
    bytes: u64,
    elapsed_us: u64,
}

#[derive(Serialize)]
struct Line<'a, T> {
    time: String,
    record: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

struct Entry {
    line: Vec<u8>,
    durable: Option<oneshot::Sender<bool>>,
}

/// The writer of the trail.
pub struct Audit {
    queue: Option<mpsc::Sender<Entry>>,
    thread: Option<JoinHandle<()>>,
    next: AtomicU64,
    start: u64,
}

impl Audit {
    /// Opens the trail and starts its writer.
    ///
    /// # Errors
    /// The file can't be opened for appending, or the thread can't start.
    pub fn open(target: AuditTarget) -> io::Result<Audit> {
        let sink = match target {
            AuditTarget::File(path) => {
                Sink::File(BufWriter::new(OpenOptions::new().create(true).append(true).open(path)?))
            }
            AuditTarget::Stdout => Sink::Stdout,
        };
        // Unbounded, but never long: a query waits for its decision before it sends another record,
        // so there are at most a few entries per running query.
        let (queue, entries) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_all(sink, &entries))?;
        let start = chrono::Utc::now().timestamp_micros().unsigned_abs();
        Ok(Audit { queue: Some(queue), thread: Some(thread), next: AtomicU64::new(0), start })
    }

    /// A new query id, unique across restarts.
    pub fn next_id(&self) -> String {
        format!("{:x}-{:x}", self.start, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a decision; the answer resolves once it is durable.
    pub fn decide(&self, decision: &Decision<'_>) -> Pending {
        let (durable, pending) = oneshot::channel();
        self.send("decision", decision, Some(durable));
        Pending(pending)
    }

    fn send<T: Serialize>(
        &self,
        record: &'static str,
        body: &T,
        durable: Option<oneshot::Sender<bool>>,
    ) {
        let time = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let mut line = match serde_json::to_vec(&Line { time, record, body }) {
            Ok(line) => line,
            Err(error) => {
                // `durable` drops, so a decision that can't be written denies.
                tracing::error!(%error, "an audit record could not be written");
                return;
            }
        };
        line.push(b'\n');
        if let Some(queue) = &self.queue
            && queue.send(Entry { line, durable }).is_err()
        {
            tracing::error!("the audit writer has stopped");
        }
    }
}

impl Drop for Audit {
    /// Writes what is queued before it returns.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A decision that is on its way to the disk.
pub struct Pending(oneshot::Receiver<bool>);

impl Pending {
    /// Waits until the decision is durable.
    ///
    /// # Errors
    /// It could not be written: the statement must not run on.
    pub async fn durable(self) -> Result<(), Error> {
        match self.0.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Error::internal("the audit trail can't be written")),
        }
    }
}

enum Sink {
    File(BufWriter<File>),
    Stdout,
}

impl Sink {
    fn write(&mut self, lines: &[Entry]) -> io::Result<()> {
        match self {
            Sink::File(file) => {
                for entry in lines {
                    file.write_all(&entry.line)?;
                }
                file.flush()?;
                if lines.iter().any(|entry| entry.durable.is_some()) {
                    file.get_ref().sync_data()?;
                }
                Ok(())
            }
            Sink::Stdout => {
                let mut out = io::stdout().lock();
                for entry in lines {
                    out.write_all(&entry.line)?;
                }
                out.flush()
            }
        }
    }
}

/// Group commit: whatever waits is written and synchronised as one.
fn write_all(mut sink: Sink, entries: &mpsc::Receiver<Entry>) {
    while let Ok(first) = entries.recv() {
        let mut group = vec![first];
        group.extend(entries.try_iter().take(1023));
        let written = sink.write(&group);
        if let Err(error) = &written {
            tracing::error!(%error, "the audit trail can't be written");
        }
        for durable in group.into_iter().filter_map(|entry| entry.durable) {
            let _ = durable.send(written.is_ok());
        }
    }
}

/// Writes exactly one receipt: at [`Meter::end`], or when it is dropped before.
pub struct Meter {
    audit: std::sync::Arc<Audit>,
    id: String,
    principal: String,
    start: Instant,
    rows: u64,
    bytes: u64,
    ended: bool,
}

impl Meter {
    /// Starts counting for one statement.
    pub fn start(audit: std::sync::Arc<Audit>, id: String, principal: String) -> Self {
        Self { audit, id, principal, start: Instant::now(), rows: 0, bytes: 0, ended: false }
    }

    /// Adds rows and bytes that went to the client.
    pub fn add(&mut self, rows: u64, bytes: u64) {
        self.rows += rows;
        self.bytes += bytes;
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Ends the count. Only the first end counts.
    pub fn end(&mut self, ending: Ending) {
        if self.ended {
            return;
        }
        self.ended = true;
        let (outcome, error) = match ending {
            Ending::Complete => ("complete", None),
            Ending::Denied => ("denied", None),
            Ending::Failed(ErrorKind::QueryCanceled) => {
                ("canceled", Some(ErrorKind::QueryCanceled.label()))
            }
            Ending::Failed(kind) => ("failed", Some(kind.label())),
            Ending::Abandoned => ("abandoned", None),
        };
        let receipt = Receipt {
            id: &self.id,
            principal: &self.principal,
            outcome,
            error,
            rows: self.rows,
            bytes: self.bytes,
            elapsed_us: u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX),
        };
        self.audit.send("receipt", &receipt, None);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.end(Ending::Abandoned);
    }
}
