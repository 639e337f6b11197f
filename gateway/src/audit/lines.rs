//! Records as JSON lines: in a file, which is synchronised, or on standard output.
//!
//! One thread writes them; records that wait together are made durable together.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tollgate_ledger::{Entry, Refusal};

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

impl AuditTarget {
    fn open(self) -> io::Result<Sink> {
        Ok(match self {
            AuditTarget::File(path) => {
                Sink::File(BufWriter::new(OpenOptions::new().create(true).append(true).open(path)?))
            }
            AuditTarget::Stdout => Sink::Stdout,
            AuditTarget::Nowhere => Sink::Nowhere,
        })
    }

    /// A writer for records that are durable elsewhere; nothing if they go nowhere.
    ///
    /// # Errors
    /// The file can't be opened for appending.
    pub fn export(self) -> io::Result<Option<Box<dyn Write + Send>>> {
        Ok(match self.open()? {
            Sink::File(file) => Some(Box::new(file)),
            Sink::Stdout => Some(Box::new(io::stdout())),
            Sink::Nowhere => None,
        })
    }
}

type Answer = oneshot::Sender<Result<(), Refusal>>;

struct Item {
    entry: Entry,
    durable: Option<Answer>,
}

/// The writer of a trail of lines. Dropping it writes what is queued.
pub(super) struct Lines {
    queue: Option<mpsc::Sender<Item>>,
    thread: Option<JoinHandle<()>>,
    /// When records could last not be written, if none could since.
    failed: Arc<Mutex<Option<Instant>>>,
}

/// For how long it is taken to go on failing; then somebody has to try.
const FAILING: Duration = Duration::from_secs(2);

impl Lines {
    pub(super) fn open(target: AuditTarget) -> io::Result<Lines> {
        let sink = target.open()?;
        // Unbounded, but never long: a query waits for its decision before it sends another record,
        // so there are at most a few entries per running query.
        let (queue, items) = mpsc::channel();
        let failed = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&failed);
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_all(sink, &items, &noted))?;
        Ok(Lines { queue: Some(queue), thread: Some(thread), failed })
    }

    /// Whether the last records could not be written, a moment ago.
    pub(super) fn is_failing(&self) -> bool {
        self.failed.lock().is_some_and(|failed| failed.elapsed() < FAILING)
    }

    pub(super) fn decide(&self, entry: Entry) -> oneshot::Receiver<Result<(), Refusal>> {
        let (durable, answer) = oneshot::channel();
        self.send(Item { entry, durable: Some(durable) });
        answer
    }

    pub(super) fn note(&self, entry: Entry) {
        self.send(Item { entry, durable: None });
    }

    fn send(&self, item: Item) {
        // `durable` drops where it can't be sent, so a decision that can't be written denies.
        if let Some(queue) = &self.queue
            && queue.send(item).is_err()
        {
            tracing::error!("the audit writer has stopped");
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

enum Sink {
    File(BufWriter<File>),
    Stdout,
    Nowhere,
}

impl Sink {
    fn write(&mut self, items: &[Item]) -> io::Result<()> {
        match self {
            Sink::File(file) => {
                for item in items {
                    file.write_all(item.entry.json().as_bytes())?;
                    file.write_all(b"\n")?;
                }
                file.flush()?;
                if items.iter().any(|item| item.durable.is_some()) {
                    file.get_ref().sync_data()?;
                }
                Ok(())
            }
            Sink::Stdout => {
                let mut out = io::stdout().lock();
                for item in items {
                    out.write_all(item.entry.json().as_bytes())?;
                    out.write_all(b"\n")?;
                }
                out.flush()
            }
            Sink::Nowhere => Ok(()),
        }
    }
}

/// Group commit: whatever waits is written and synchronised as one.
fn write_all(mut sink: Sink, items: &mpsc::Receiver<Item>, failed: &Mutex<Option<Instant>>) {
    while let Ok(first) = items.recv() {
        let mut group = vec![first];
        group.extend(items.try_iter().take(1023));
        let written = sink.write(&group);
        *failed.lock() = written.is_err().then(Instant::now);
        if let Err(error) = &written {
            tracing::error!(%error, "the audit trail can't be written");
        }
        let answer = match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(Refusal::Full),
            Err(_) => Err(Refusal::Failing),
        };
        for durable in group.into_iter().filter_map(|item| item.durable) {
            let _ = durable.send(answer);
        }
    }
}
