//! The ledger as a gateway holds it: entries go in, proofs that they are durable come out.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::error::{LedgerError, Refusal};
use crate::health::Health;
use crate::keys::{PublicKey, SigningKey};
use crate::record::{Correction, Decision, Kind, Line, Receipt, Text, now, spelled};
use crate::store::Place;
use crate::writer::Writer;

/// How long a decision waits for its turn while the writer is behind.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it waits until it is durable: longer than the writer tries.
const DURABLE: Duration = Duration::from_secs(45);

/// What a ledger is opened with.
pub struct Options {
    /// Where the records are kept.
    pub place: Place,
    /// The name of the chain: of this gateway among the replicas that share a PostgreSQL.
    pub chain: String,
    /// The file of the key that signs; it is made if there is none.
    pub key: PathBuf,
    /// After how many records a checkpoint is kept.
    pub checkpoint_every: u32,
    /// How many decisions may wait to be written; more wait before they are queued.
    pub queue: usize,
    /// How large the file of a SQLite may become: from then on queries are refused, until retention has
    /// made room.
    pub max_bytes: Option<u64>,
    /// Where each record goes too, a line each, once it is durable.
    pub export: Option<Box<dyn io::Write + Send>>,
}

impl Options {
    /// All defaults, at a place.
    pub fn at(place: Place, key: PathBuf) -> Options {
        let chain = "main".to_owned();
        Options {
            place,
            chain,
            key,
            checkpoint_every: 10_000,
            queue: 4096,
            max_bytes: None,
            export: None,
        }
    }
}

/// A record that waits to be written.
#[derive(Debug, Clone)]
pub struct Entry {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) principal: String,
    pub(crate) at: i64,
    pub(crate) body: String,
}

impl Entry {
    /// A decision.
    ///
    /// # Errors
    /// It can't be written as JSON.
    pub fn decision(decision: &Decision<'_>, rehearsal: bool) -> Result<Entry, serde_json::Error> {
        Entry::new(Kind::Decision, decision.id, decision.principal, rehearsal, decision)
    }

    /// A receipt.
    ///
    /// # Errors
    /// It can't be written as JSON.
    pub fn receipt(receipt: &Receipt<'_>, rehearsal: bool) -> Result<Entry, serde_json::Error> {
        Entry::new(Kind::Receipt, receipt.id, receipt.principal, rehearsal, receipt)
    }

    /// A long text.
    ///
    /// # Errors
    /// It can't be written as JSON.
    pub fn text(text: &Text<'_>, rehearsal: bool) -> Result<Entry, serde_json::Error> {
        Entry::new(Kind::Text, "", "", rehearsal, text)
    }

    /// A correction.
    pub(crate) fn correction(correction: &Correction) -> Result<Entry, serde_json::Error> {
        let (id, principal) = (&correction.id, &correction.principal);
        Entry::new(Kind::Correction, id, principal, false, correction)
    }

    fn new<T: Serialize>(
        kind: Kind,
        id: &str,
        principal: &str,
        rehearsal: bool,
        body: &T,
    ) -> Result<Entry, serde_json::Error> {
        let at = now();
        let line = Line { time: &spelled(at), record: kind.word(), rehearsal, body };
        let body = serde_json::to_string(&line)?;
        Ok(Entry { kind, id: id.to_owned(), principal: principal.to_owned(), at, body })
    }

    /// The record as JSON, without its number.
    pub fn json(&self) -> &str {
        &self.body
    }

    /// Which kind of record it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// An entry, and who waits for it.
pub(crate) struct Item {
    pub(crate) entry: Entry,
    pub(crate) answer: Option<Answer>,
}

/// Who waits for a decision. Its place in the queue is free once it is dropped.
pub(crate) struct Answer {
    pub(crate) to: oneshot::Sender<Result<(), Refusal>>,
    _place: OwnedSemaphorePermit,
}

/// An open ledger. Dropping it writes what is queued, and a checkpoint.
pub struct Ledger {
    queue: Option<mpsc::UnboundedSender<Item>>,
    places: Arc<Semaphore>,
    /// How many places there are.
    size: usize,
    thread: Option<JoinHandle<()>>,
    public: PublicKey,
    place: Place,
    interrupted: usize,
    health: Arc<Health>,
}

impl Ledger {
    /// Opens the ledger and starts its writer. Queries that an earlier run left without a receipt get
    /// one that says `interrupted`.
    ///
    /// # Errors
    /// The store or the key can't be used, somebody else uses it, or it isn't as a gateway left it.
    pub fn open(options: Options) -> Result<Ledger, LedgerError> {
        let key = SigningKey::open(&options.key)?;
        let place = options.place.clone();
        let public = key.public();
        let size = options.queue.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(size));
        // Unbounded, but never long: decisions need a place, receipts follow decisions that are
        // written, and a text goes with its decision.
        let (queue, items) = mpsc::unbounded_channel();
        let (opened, answer) = std::sync::mpsc::sync_channel(1);
        let health = Arc::new(Health::default());
        let noted = Arc::clone(&health);
        let run = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = opened.send(Err(LedgerError::System(error.to_string())));
                    return;
                }
            };
            runtime.block_on(async {
                match Writer::open(options, key, noted).await {
                    Err(error) => {
                        let _ = opened.send(Err(error));
                    }
                    Ok((writer, interrupted)) => {
                        if opened.send(Ok(interrupted)).is_ok() {
                            writer.run(items).await;
                        }
                    }
                }
            });
        };
        let system = |error: io::Error| LedgerError::System(error.to_string());
        let thread =
            std::thread::Builder::new().name("ledger".to_owned()).spawn(run).map_err(system)?;
        let stopped = || LedgerError::System("the ledger's writer did not start".to_owned());
        let interrupted = answer.recv().map_err(|_| stopped())??;
        let (queue, thread) = (Some(queue), Some(thread));
        Ok(Ledger { queue, places, size, thread, public, place, interrupted, health })
    }

    /// How its writer does.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// How many decisions wait to be written.
    pub fn waiting(&self) -> usize {
        self.size.saturating_sub(self.places.available_permits())
    }

    /// Why the last commit failed: until one succeeds, nothing may begin, and nothing is queued.
    pub fn refusal(&self) -> Option<Refusal> {
        self.health.refusal()
    }

    /// The key that verifies what this ledger signs.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Where its records are, for who reads them.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// How many queries an earlier run had left without a receipt.
    pub fn interrupted(&self) -> usize {
        self.interrupted
    }

    /// Sends a decision; the answer resolves once it is durable.
    pub fn decide(&self, entry: Entry) -> Pending {
        let (to, answer) = oneshot::channel();
        if let Some(refusal) = self.refusal() {
            let _ = to.send(Err(refusal));
            return Pending { answer, late: None };
        }
        let Some(queue) = &self.queue else { return Pending { answer, late: None } };
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                // A writer that is gone drops the answer.
                let _ = queue.send(Item { entry, answer: Some(Answer { to, _place: place }) });
                Pending { answer, late: None }
            }
            Err(_) => {
                let late =
                    Late { entry, to, places: Arc::clone(&self.places), queue: queue.clone() };
                Pending { answer, late: Some(Box::new(late)) }
            }
        }
    }

    /// Sends a receipt or a text. It is written before anything that is sent after it, and kept until
    /// it could be written.
    pub fn note(&self, entry: Entry) {
        if let Some(queue) = &self.queue
            && queue.send(Item { entry, answer: None }).is_err()
        {
            tracing::error!("the ledger's writer has stopped");
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A decision that is on its way to the disk.
#[must_use = "no row may leave before the decision is durable"]
pub struct Pending {
    answer: oneshot::Receiver<Result<(), Refusal>>,
    late: Option<Box<Late>>,
}

/// A decision that found no place in the queue.
struct Late {
    entry: Entry,
    to: oneshot::Sender<Result<(), Refusal>>,
    places: Arc<Semaphore>,
    queue: mpsc::UnboundedSender<Item>,
}

impl Pending {
    /// Waits until the decision is durable.
    ///
    /// # Errors
    /// It isn't recorded: its query must not run.
    pub async fn durable(self) -> Result<(), Refusal> {
        if let Some(late) = self.late {
            let Late { entry, to, places, queue } = *late;
            let place = tokio::time::timeout(PATIENCE, places.acquire_owned()).await;
            let place = place.map_err(|_| Refusal::Busy)?.map_err(|_| Refusal::Closed)?;
            let _ = queue.send(Item { entry, answer: Some(Answer { to, _place: place }) });
        }
        // If it becomes durable after all, the receipt of the refused query ends it.
        match tokio::time::timeout(DURABLE, self.answer).await {
            Ok(answer) => answer.unwrap_or(Err(Refusal::Closed)),
            Err(_) => Err(Refusal::Busy),
        }
    }
}
