//! The one writer of a chain: whatever waits is written, hashed, signed and committed as one.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::Connection;
use tokio::sync::mpsc;

use crate::batch::{Batch, Open};
use crate::chain::{Purpose, sign};
use crate::error::{LedgerError, Refusal};
use crate::head::{take, take_lock};
use crate::health::Health;
use crate::keys::SigningKey;
use crate::ledger::{Answer, Entry, Item, Options};
use crate::read::PAGE;
use crate::record::{Body, Kind, Receipt, now};
use crate::store::{ChainRow, Engine, Place, Store, begin};

/// The most entries of one commit.
const GROUP: usize = 2048;

/// How long to wait before a failed commit is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How long the database may take for one commit, or to be reached again.
const ANSWER: Duration = Duration::from_secs(15);

/// How many bytes a trial finds room for.
const TRIAL: usize = 64 << 10;

/// How many records one statement inserts, largest first.
const SIZES: [usize; 4] = [256, 32, 4, 1];

/// The writer.
pub(crate) struct Writer {
    place: Place,
    max_bytes: Option<u64>,
    key: SigningKey,
    every: i64,
    export: Option<Box<dyn io::Write + Send>>,
    /// Held as long as the store is.
    _lock: Option<File>,
    store: Option<Store>,
    chain: ChainRow,
    open: Open,
    /// Receipts and texts that could not be written yet.
    backlog: Vec<Entry>,
    /// A commit whose outcome isn't known. Nobody was told that it is durable.
    doubt: Option<Batch>,
    /// Why nothing can be written any more.
    closed: bool,
    health: Arc<Health>,
    inserts: Vec<(usize, String)>,
}

impl Writer {
    /// Takes the chain and ends what an earlier writer has left open; says how many queries that were.
    pub(crate) async fn open(
        options: Options,
        key: SigningKey,
        health: Arc<Health>,
    ) -> Result<(Writer, usize), LedgerError> {
        let Options { place, chain, checkpoint_every, max_bytes, export, key: _, queue: _ } =
            options;
        let lock = place.lock().await?;
        let mut store = Store::open(&place, max_bytes).await?;
        take_lock(&mut store, &chain).await?;
        let row = take(&mut store, &chain, &key).await?;
        let mut writer = Writer {
            place,
            max_bytes,
            key,
            every: i64::from(checkpoint_every.max(1)),
            export,
            _lock: lock,
            store: Some(store),
            chain: row,
            open: Open::default(),
            backlog: Vec::new(),
            doubt: None,
            closed: false,
            health,
            inserts: SIZES.map(|size| (size, insert(size))).into(),
        };
        let interrupted = writer.recover().await?;
        let adopted = writer.adopt().await?;
        Ok((writer, interrupted + adopted))
    }

    /// Writes until the queue is closed and empty.
    pub(crate) async fn run(mut self, mut items: mpsc::UnboundedReceiver<Item>) {
        loop {
            let mut group = Vec::new();
            let received = if self.owes() {
                tokio::time::timeout(RETRY, items.recv_many(&mut group, GROUP)).await.ok()
            } else {
                Some(items.recv_many(&mut group, GROUP).await)
            };
            if received == Some(0) {
                break;
            }
            self.commit(group).await;
        }
        self.finish().await;
    }

    /// Whether something is to be written even if nobody comes: what is owed, or a trial.
    fn owes(&self) -> bool {
        let failing = self.health.refusal().is_some();
        !self.closed && (failing || self.doubt.is_some() || !self.backlog.is_empty())
    }

    /// Writes what is owed, and a checkpoint.
    async fn finish(&mut self) {
        if self.owes() {
            self.commit(Vec::new()).await;
        }
        if !self.backlog.is_empty() {
            tracing::error!(receipts = self.backlog.len(), "the ledger could not be written");
        }
        if let Some(store) = &mut self.store
            && let Err(error) = keep_checkpoint(store, &self.chain).await
        {
            tracing::error!(%error, "no last checkpoint could be kept");
        }
        if let Some(store) = self.store.take() {
            let _ = store.close().await;
        }
    }

    /// Commits a group, and answers who waits.
    async fn commit(&mut self, items: Vec<Item>) {
        let mut answers = Vec::new();
        let mut entries = Vec::new();
        for Item { entry, answer } in items {
            answers.extend(answer);
            entries.push(entry);
        }
        let (from, start) = (self.chain.seq, Instant::now());
        let mut outcome = self.write(entries).await;
        let is_trial = self.health.refusal().is_some() && self.chain.seq == from;
        if is_trial && outcome.is_ok() {
            outcome = in_time(patience(&self.place), self.try_out()).await;
            if outcome.is_err() {
                // Whatever is left of its transaction ends with it.
                self.store = None;
            }
        }
        self.health.note(&outcome, (self.chain.seq - from, start.elapsed()), is_trial);
        let outcome = outcome.map_err(|error| Refusal::of(&error));
        for Answer { to, .. } in answers {
            let _ = to.send(outcome);
        }
    }

    /// Writes entries after what is owed. On an error no decision among them counts as recorded;
    /// receipts and texts are kept for the next time.
    async fn write(&mut self, entries: Vec<Entry>) -> Result<(), LedgerError> {
        if self.closed {
            return Err(LedgerError::InUse(self.chain.name.clone()));
        }
        let limit = patience(&self.place);
        if let Err(error) = in_time(limit, self.settle_doubt()).await {
            self.keep(entries);
            return Err(error);
        }
        let entries = std::mem::take(&mut self.backlog).into_iter().chain(entries);
        let batch = Batch::new((self.chain.seq, self.chain.hash), &self.open, entries);
        if batch.rows.is_empty() {
            return Ok(());
        }
        match in_time(limit, self.attempt(&batch)).await {
            Ok(head) => {
                self.written(&batch, head);
                Ok(())
            }
            Err(error) => {
                self.store = None;
                self.doubt = Some(batch);
                if matches!(error, LedgerError::InUse(_)) {
                    self.closed = true;
                    return Err(error);
                }
                // Perhaps only the answer to the commit was lost.
                match in_time(limit, self.settle_doubt()).await {
                    Ok(true) => Ok(()),
                    Ok(false) | Err(_) => Err(error),
                }
            }
        }
    }

    /// Keeps what belongs to decisions that are written, or may be. Others were refused to their clients.
    fn keep(&mut self, entries: Vec<Entry>) {
        let doubt = self.doubt.iter().flat_map(|batch| &batch.rows);
        let doubt = doubt.filter(|row| row.entry.kind == Kind::Decision);
        let doubt: HashSet<&str> = doubt.map(|row| row.entry.id.as_str()).collect();
        let known = |entry: &Entry| match entry.kind {
            Kind::Decision => false,
            Kind::Receipt => self.open.holds(&entry.id) || doubt.contains(entry.id.as_str()),
            // Later decisions may refer to it.
            Kind::Text | Kind::Correction => true,
        };
        let kept: Vec<_> = entries.into_iter().filter(known).collect();
        self.backlog.extend(kept);
    }

    /// Whether a commit would succeed again: one that writes as much as any record needs, and leaves the
    /// chain as it is.
    async fn try_out(&mut self) -> Result<(), LedgerError> {
        let chain = self.chain.id;
        let empty = Batch::new((self.chain.seq, self.chain.hash), &self.open, std::iter::empty());
        let Some(store) = &mut self.store else {
            return Err(LedgerError::System("the ledger is not connected".to_owned()));
        };
        let mut transaction = store.connection.begin_with(begin(store.engine)).await?;
        let place = "INSERT INTO records (chain, seq, kind, at, principal, body, hash) \
                     VALUES ($1, 0, 0, 0, '', $2, $3)";
        sqlx::query(place)
            .bind(chain)
            .bind(" ".repeat(TRIAL))
            .bind(self.chain.hash.bytes())
            .execute(&mut *transaction)
            .await?;
        transaction.rollback().await?;
        self.chain = self.attempt(&empty).await?;
        Ok(())
    }

    /// The batch is durable: moves the head, and tells who listens.
    fn written(&mut self, batch: &Batch, head: ChainRow) {
        batch.apply(&mut self.open);
        self.chain = head;
        if let Some(export) = &mut self.export {
            let mut lines = String::new();
            for row in &batch.rows {
                lines.push_str(&row.body);
                lines.push('\n');
            }
            if let Err(error) = export.write_all(lines.as_bytes()).and_then(|()| export.flush()) {
                tracing::error!(%error, "records could not be exported, they are in the ledger");
            }
        }
    }

    /// Finds out whether a commit of unknown outcome is there; says whether it is. If so, decisions in
    /// it have been refused to their clients: they are ended at once.
    async fn settle_doubt(&mut self) -> Result<bool, LedgerError> {
        if self.store.is_none() {
            let mut store = Store::reopen(&self.place, self.max_bytes).await?;
            take_lock(&mut store, &self.chain.name).await?;
            self.store = Some(store);
        }
        let (Some(store), Some(batch)) = (&mut self.store, &self.doubt) else { return Ok(false) };
        let name = self.chain.name.clone();
        let row = store.chains().await?.into_iter().find(|row| row.name == name);
        let row = row.filter(|row| row.epoch == self.chain.epoch);
        let Some(row) = row else {
            self.closed = true;
            return Err(LedgerError::InUse(name));
        };
        let there = row.seq == batch.seq && row.hash == batch.hash;
        if !there && (row.seq != self.chain.seq || row.hash != self.chain.hash) {
            self.closed = true;
            return Err(LedgerError::InUse(name));
        }
        let Some(batch) = self.doubt.take() else { return Ok(there) };
        if !there {
            let entries = batch.rows.into_iter().map(|row| row.entry).collect();
            self.keep(entries);
            return Ok(false);
        }
        self.written(&batch, row);
        Ok(true)
    }

    /// One transaction: the head moves on from where this writer left it, or nothing is written.
    async fn attempt(&mut self, batch: &Batch) -> Result<ChainRow, LedgerError> {
        let Some(store) = &mut self.store else {
            return Err(LedgerError::System("the ledger is not connected".to_owned()));
        };
        let at = now();
        let chain = &self.chain;
        let signature = sign(&self.key, Purpose::Head, &chain.name, batch.seq, &batch.hash, at);
        let head = ChainRow {
            seq: batch.seq,
            hash: batch.hash,
            at,
            signature,
            open_from: batch.open_from,
            ..chain.clone()
        };
        let mut transaction = store.connection.begin_with(begin(store.engine)).await?;
        let update = "UPDATE chains SET seq = $1, hash = $2, at = $3, signature = $4, open_from = $5 \
                      WHERE id = $6 AND epoch = $7 AND seq = $8";
        let moved = sqlx::query(update)
            .bind(head.seq)
            .bind(head.hash.bytes())
            .bind(head.at)
            .bind(head.signature.as_slice())
            .bind(head.open_from)
            .bind(head.id)
            .bind(head.epoch)
            .bind(chain.seq)
            .execute(&mut *transaction)
            .await?;
        if moved.rows_affected() != 1 {
            return Err(LedgerError::InUse(chain.name.clone()));
        }
        let mut rest = batch.rows.as_slice();
        while !rest.is_empty() {
            let fits = self.inserts.iter().find(|(size, _)| *size <= rest.len());
            let Some((size, statement)) = fits else { break };
            let (chunk, after) = rest.split_at(*size);
            let mut query = sqlx::query(statement);
            for row in chunk {
                query = query
                    .bind(head.id)
                    .bind(row.seq)
                    .bind(row.entry.kind.number())
                    .bind(row.entry.at)
                    .bind(row.entry.principal.as_str())
                    .bind(row.body.as_str())
                    .bind(row.hash.bytes());
            }
            query.execute(&mut *transaction).await?;
            rest = after;
        }
        if head.seq / self.every > chain.seq / self.every {
            checkpoint(&mut transaction, &head).await?;
        }
        transaction.commit().await?;
        Ok(head)
    }

    /// Writes a receipt for every query that is open and that nobody runs any more.
    async fn recover(&mut self) -> Result<usize, LedgerError> {
        let mut left: Vec<Body> = Vec::new();
        let mut after = self.chain.open_from - 1;
        let Some(store) = &mut self.store else { return Ok(0) };
        loop {
            let rows = store.records(self.chain.id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in rows {
                let body: Body = serde_json::from_str(&row.body).map_err(|_| {
                    LedgerError::Damaged(format!("record {} is not one of a gateway", row.seq))
                })?;
                if row.kind == Kind::Decision.number() {
                    self.open.begin(&body.id, row.seq);
                    left.push(Body { sql: String::new(), policies: Vec::new(), ..body });
                } else if row.kind == Kind::Receipt.number() {
                    self.open.end(&body.id);
                }
            }
            // Only what is open is kept in memory.
            left.retain(|body| self.open.holds(&body.id));
        }
        let mut entries = Vec::new();
        for body in &left {
            let receipt = Receipt {
                id: &body.id,
                principal: &body.principal,
                tenant: body.tenant.as_deref(),
                roles: &body.roles,
                tables: &body.tables,
                outcome: "interrupted",
                ..Receipt::default()
            };
            let entry = Entry::receipt(&receipt, false)
                .map_err(|error| LedgerError::System(error.to_string()))?;
            entries.push(entry);
        }
        self.write(entries).await?;
        Ok(left.len())
    }

    /// Ends what dead replicas have left open in the same PostgreSQL, where the key is the same.
    async fn adopt(&mut self) -> Result<usize, LedgerError> {
        let Some(store) = &mut self.store else { return Ok(0) };
        if store.engine == Engine::Sqlite {
            return Ok(0);
        }
        let mut ended = 0;
        for row in store.chains().await? {
            let open = row.name != self.chain.name && row.open_from <= row.seq;
            let Some(store) = &mut self.store else { break };
            if !open || !store.lock_chain(&row.name).await? {
                continue;
            }
            if row.public_key == self.key.public() {
                let taken = take(store, &row.name, &self.key).await?;
                let own = std::mem::replace(&mut self.chain, taken);
                let open = std::mem::take(&mut self.open);
                let recovered = self.recover().await;
                self.chain = own;
                self.open = open;
                ended += recovered?;
            } else {
                tracing::warn!(
                    chain = row.name,
                    "a gateway with another key has left queries open, they end when it starts again"
                );
            }
            if let Some(store) = &mut self.store {
                store.unlock_chain(&row.name).await?;
            }
        }
        Ok(ended)
    }
}

/// How long a database is waited for.
pub(crate) fn patience(place: &Place) -> Duration {
    match place {
        Place::Sqlite(_) => Duration::MAX,
        Place::Postgres(_) => ANSWER,
    }
}

/// A server that doesn't answer is one that can't be written. A file is waited for: a commit that was
/// given up could still be done, where no lock of a session tells that it ended.
pub(crate) async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, LedgerError>>,
) -> Result<T, LedgerError> {
    let late = || LedgerError::System("the ledger's database does not answer".to_owned());
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(late()))
}

/// The statement that inserts so many records.
pub(crate) fn insert(size: usize) -> String {
    let mut text =
        "INSERT INTO records (chain, seq, kind, at, principal, body, hash) VALUES ".to_owned();
    for row in 0..size {
        let first = row * 7;
        let places: Vec<String> = (first + 1..=first + 7).map(|n| format!("${n}")).collect();
        if row > 0 {
            text.push_str(", ");
        }
        text.push_str(&format!("({})", places.join(", ")));
    }
    text
}

/// Keeps a head as a checkpoint.
pub(crate) async fn checkpoint(
    connection: &mut sqlx::AnyConnection,
    head: &ChainRow,
) -> Result<(), LedgerError> {
    let insert = "INSERT INTO checkpoints (chain, seq, hash, at, signature) \
                  VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    sqlx::query(insert)
        .bind(head.id)
        .bind(head.seq)
        .bind(head.hash.bytes())
        .bind(head.at)
        .bind(head.signature.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

async fn keep_checkpoint(store: &mut Store, head: &ChainRow) -> Result<(), LedgerError> {
    if head.seq > 0 {
        checkpoint(&mut store.connection, head).await?;
    }
    Ok(())
}
