//! The audit trail: one decision before the first row leaves, one receipt at the end.
//!
//! Records are JSON lines. One thread writes them; records that wait together are made durable
//! together. A decision is acknowledged once it is durable, and no row leaves before that.
//!
//! A long statement is written once, in a record of its own that later decisions refer to by its
//! SHA-256: executing a prepared statement costs its client a few bytes, and must not fill a disk.

use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ring::digest;
use serde::Serialize;
use tokio::sync::oneshot;
use tollgate_catalog::{Error, ErrorKind};

/// The longest text that every decision holds itself, in bytes.
const SHORT: usize = 8 * 1024;

/// Long texts that are remembered as written.
const TEXTS: usize = 16 * 1024;

/// Where records go.
#[derive(Debug, Clone)]
pub enum AuditTarget {
    /// Appended to a file, which is synchronised to its disk.
    File(PathBuf),
    /// Written to standard output.
    Stdout,
    /// Not written: for rehearsals whose operator was told so.
    Nowhere,
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
    /// The rows come from an earlier execution.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cached: bool,
    /// A limit left rows out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    /// Bytes that it was expected to scan, and that it scanned.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scanned_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Line<'a, T> {
    time: String,
    record: &'static str,
    /// Nobody authenticated: an operator tried it out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    rehearsal: bool,
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
    rehearsal: bool,
    texts: Mutex<Texts>,
}

/// The long texts that were written last, by hash.
#[derive(Default)]
struct Texts {
    written: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Texts {
    /// Whether a text has to be written; from then on it is.
    fn is_new(&mut self, hash: [u8; 32]) -> bool {
        if !self.written.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > TEXTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.written.remove(&oldest);
        }
        true
    }
}

/// A text that is too long for each record that names it.
#[derive(Serialize)]
struct Text<'a> {
    sha256: &'a str,
    text: &'a str,
}

impl Audit {
    /// Opens the trail and starts its writer.
    ///
    /// # Errors
    /// The file can't be opened for appending, or the thread can't start.
    pub fn open(target: AuditTarget) -> io::Result<Audit> {
        Self::start(target, false)
    }

    /// Opens the trail of rehearsals: each record says that it is one. A gateway with this trail takes
    /// rehearsed principals and no others.
    ///
    /// # Errors
    /// As [`Audit::open`].
    pub fn rehearsal(target: AuditTarget) -> io::Result<Audit> {
        Self::start(target, true)
    }

    /// Whether it is that of rehearsals.
    pub(crate) fn is_rehearsal(&self) -> bool {
        self.rehearsal
    }

    fn start(target: AuditTarget, rehearsal: bool) -> io::Result<Audit> {
        let sink = match target {
            AuditTarget::File(path) => {
                Sink::File(BufWriter::new(OpenOptions::new().create(true).append(true).open(path)?))
            }
            AuditTarget::Stdout => Sink::Stdout,
            AuditTarget::Nowhere => Sink::Nowhere,
        };
        // Unbounded, but never long: a query waits for its decision before it sends another record,
        // so there are at most a few entries per running query.
        let (queue, entries) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_all(sink, &entries))?;
        let start = chrono::Utc::now().timestamp_micros().unsigned_abs();
        let next = AtomicU64::new(0);
        let texts = Mutex::default();
        Ok(Audit { queue: Some(queue), thread: Some(thread), next, start, rehearsal, texts })
    }

    /// A new query id, unique across restarts.
    pub fn next_id(&self) -> String {
        format!("{:x}-{:x}", self.start, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a decision; the answer resolves once it is durable.
    pub fn decide(&self, decision: Decision<'_>) -> Pending {
        let (durable, pending) = oneshot::channel();
        let sql = self.shorten(decision.sql);
        let secured_sql = decision.secured_sql.map(|text| self.shorten(text));
        let decision = Decision {
            sql: sql.as_deref().unwrap_or(decision.sql),
            secured_sql: match &secured_sql {
                Some(Some(reference)) => Some(reference),
                Some(None) | None => decision.secured_sql,
            },
            ..decision
        };
        self.send("decision", &decision, Some(durable));
        Pending(pending)
    }

    /// What stands for a long text, which is written first unless it was before.
    fn shorten(&self, text: &str) -> Option<String> {
        if text.len() <= SHORT {
            return None;
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        let mut sha256 = String::new();
        for byte in hash {
            // Writing to a String can't fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        // Locked until it is queued, so that no decision that refers to it comes before.
        let mut texts = self.texts.lock();
        if texts.is_new(hash) {
            self.send("text", &Text { sha256: &sha256, text }, None);
        }
        Some(format!("sha256:{sha256}"))
    }

    fn send<T: Serialize>(
        &self,
        record: &'static str,
        body: &T,
        durable: Option<oneshot::Sender<bool>>,
    ) {
        let time = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let mut line =
            match serde_json::to_vec(&Line { time, record, rehearsal: self.rehearsal, body }) {
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

/// Proof that a decision is durable: no stream of rows is made without one.
///
/// ```compile_fail,E0423
/// let forged = tollgate_gateway::audit::Recorded(());
/// ```
/// ```compile_fail,E0277
/// fn again(recorded: &tollgate_gateway::audit::Recorded) -> tollgate_gateway::audit::Recorded {
///     Clone::clone(recorded)
/// }
/// ```
/// ```
/// async fn wait(pending: tollgate_gateway::audit::Pending) -> Option<tollgate_gateway::audit::Recorded> {
///     pending.durable().await.ok()
/// }
/// ```
#[derive(Debug)]
pub struct Recorded(());

/// A decision that is on its way to the disk.
#[must_use = "no row may leave before the decision is durable"]
pub struct Pending(oneshot::Receiver<bool>);

impl Pending {
    /// Waits until the decision is durable.
    ///
    /// # Errors
    /// It could not be written: the statement must not run on.
    pub async fn durable(self) -> Result<Recorded, Error> {
        match self.0.await {
            Ok(true) => Ok(Recorded(())),
            Ok(false) | Err(_) => Err(Error::internal("the audit trail can't be written")),
        }
    }
}

enum Sink {
    File(BufWriter<File>),
    Stdout,
    Nowhere,
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
            Sink::Nowhere => Ok(()),
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
///
/// A receipt can't be written in another way, and a meter can't be had twice:
/// ```compile_fail,E0603
/// use tollgate_gateway::audit::Receipt;
/// ```
/// ```compile_fail,E0277
/// fn copy(meter: &tollgate_gateway::audit::Meter) -> tollgate_gateway::audit::Meter {
///     Clone::clone(meter)
/// }
/// ```
/// ```compile_fail,E0616
/// fn again(meter: &mut tollgate_gateway::audit::Meter) {
///     meter.ended = false;
/// }
/// ```
/// ```
/// use tollgate_gateway::audit::{Ending, Meter};
/// fn once(meter: &mut Meter) {
///     meter.add(1, 10);
///     meter.end(Ending::Complete);
/// }
/// ```
pub struct Meter {
    audit: std::sync::Arc<Audit>,
    id: String,
    principal: String,
    start: Instant,
    rows: u64,
    bytes: u64,
    cached: bool,
    truncated: bool,
    estimated: Option<u64>,
    scanned: Option<u64>,
    ended: bool,
}

impl Meter {
    /// Starts counting for one statement.
    pub fn start(audit: std::sync::Arc<Audit>, id: String, principal: String) -> Self {
        let start = Instant::now();
        Self {
            audit,
            id,
            principal,
            start,
            rows: 0,
            bytes: 0,
            cached: false,
            truncated: false,
            estimated: None,
            scanned: None,
            ended: false,
        }
    }

    /// Notes how many bytes it is expected to scan.
    pub fn estimated(&mut self, bytes: Option<u64>) {
        self.estimated = bytes;
    }

    /// Notes how many bytes it has scanned.
    pub fn scanned(&mut self, bytes: Option<u64>) {
        self.scanned = bytes;
    }

    /// Notes that a limit left rows out.
    pub fn truncated(&mut self) {
        self.truncated = true;
    }

    /// Notes that the rows come from an earlier execution.
    pub fn cached(&mut self) {
        self.cached = true;
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
            cached: self.cached,
            truncated: self.truncated,
            estimated_bytes: self.estimated,
            scanned_bytes: self.scanned,
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
