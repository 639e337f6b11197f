//! Later corrections of credits: what the account of a warehouse attributes to a query, against what the
//! gateway's clock said.
//!
//! A receipt isn't changed. A correction is a record of its own, in a chain of its own that is signed with
//! the ledger's key, so that it can be written beside any gateway and is verified like all records. Bills
//! take the last correction of a receipt; from receipts and corrections the same bills are made again.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection, Row};

use super::proving::{Origins, origins};
use super::rating::{Line, Rated, anew, places, query_key, rate_within, read};
use crate::batch::{Batch, Open};
use crate::chain::{Purpose, is_signed, sign};
use crate::error::LedgerError;
use crate::head::create;
use crate::keys::SigningKey;
use crate::ledger::Entry;
use crate::record::{At, Correction, now};
use crate::store::{ChainRow, Engine, Place, Store, begin, chain_row, lock_key};
use crate::writer::{checkpoint, insert};

/// The chain of corrections. No replica has a name like this.
pub const CORRECTIONS: &str = "usage/corrections";

/// Queries that are looked up by one statement.
const LOOKED_UP: usize = 200;

/// What an account attributes to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The warehouse, by its name in the configuration.
    pub warehouse: String,
    /// The query's id.
    pub query: String,
    /// Credits.
    pub credits: Decimal,
}

/// What came of figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Corrected {
    /// Queries that are charged otherwise from now on.
    pub corrected: u64,
    /// Queries that are charged that already.
    pub same: u64,
    /// Figures of queries that this ledger knows no charged receipt of.
    pub unknown: u64,
    /// Figures that are beyond all bounds, or of queries whose lines are of other receipts.
    pub refused: u64,
}

impl Corrected {
    /// Adds what came of others.
    pub fn add(&mut self, other: &Corrected) {
        self.corrected += other.corrected;
        self.same += other.same;
        self.unknown += other.unknown;
        self.refused += other.refused;
    }
}

/// A ledger whose credits are corrected. Gateways may write to it, and others correct it, at the same
/// time.
pub struct Corrections<'a> {
    store: Store,
    key: &'a SigningKey,
}

impl<'a> Corrections<'a> {
    /// Opens a ledger, and rates what isn't rated yet. `max_bytes`: see [`crate::Options`].
    ///
    /// # Errors
    /// The store can't be written, or corrections were signed with another key.
    pub async fn open(
        place: &Place,
        key: &'a SigningKey,
        max_bytes: Option<u64>,
    ) -> Result<Self, LedgerError> {
        rate_within(place, max_bytes).await?;
        let mut store = Store::open(place, max_bytes).await?;
        let mut chains = store.chains().await?;
        if !chains.iter().any(is_own) {
            let made = create(&mut store, CORRECTIONS, key).await;
            chains = store.chains().await?;
            // Unless somebody else has made it meanwhile.
            if let (Err(error), false) = (made, chains.iter().any(is_own)) {
                return Err(error);
            }
        }
        if chains.iter().any(|chain| is_own(chain) && chain.public_key != key.public()) {
            return Err(LedgerError::OtherKey(CORRECTIONS.to_owned()));
        }
        Ok(Self { store, key })
    }

    /// Corrects the queries of some figures, all or none. What is charged already is left as it is, so
    /// doing it again changes nothing.
    ///
    /// # Errors
    /// The store can't be written, or it isn't as it was written.
    pub async fn take(&mut self, figures: &[Figure]) -> Result<Corrected, LedgerError> {
        let Self { store, key } = self;
        let (engine, mut done) = (store.engine, Corrected::default());
        let mut transaction = store.connection.begin_with(begin(engine)).await?;
        // One after the other; SQLite has begun by taking its lock.
        if engine == Engine::Postgres {
            let lock = "SELECT pg_advisory_xact_lock($1)";
            sqlx::query(lock).bind(lock_key(CORRECTIONS)).execute(&mut *transaction).await?;
        }
        let origins = origins(&mut transaction, Some(&key.public())).await?;
        let mut changes = Vec::new();
        for figures in figures.chunks(LOOKED_UP) {
            changes.extend(changed(&mut transaction, &origins, figures, &mut done).await?);
        }
        if changes.is_empty() {
            transaction.rollback().await?;
            return Ok(done);
        }
        let head = head(&mut transaction, key).await?;
        let mut entries = Vec::with_capacity(changes.len());
        for change in &changes {
            let entry = Entry::correction(&change.correction);
            entries.push(entry.map_err(|error| LedgerError::System(error.to_string()))?);
        }
        let batch = Batch::new((head.seq, head.hash), &Open::default(), entries.into_iter());
        write(&mut transaction, key, head, &batch).await?;
        for (change, row) in changes.iter().zip(&batch.rows) {
            change.put(&mut transaction, row.seq).await?;
        }
        transaction.commit().await?;
        Ok(done)
    }

    /// Whether it is this process that asks the account of a warehouse, of those that share the ledger. It
    /// is until the connection ends.
    ///
    /// # Errors
    /// The store can't be reached.
    pub async fn lease(&mut self, warehouse: &str) -> Result<bool, LedgerError> {
        // No chain has a name with a line break.
        self.store.lock_chain(&format!("attribution\n{warehouse}")).await
    }

    /// When the account of a warehouse was last asked at intervals, in microseconds since 1970.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn asked(&mut self, warehouse: &str) -> Result<Option<i64>, LedgerError> {
        let query = "SELECT at FROM asked WHERE warehouse = $1";
        let row =
            sqlx::query(query).bind(warehouse).fetch_optional(&mut self.store.connection).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// Notes when it was asked, once all that it said was taken.
    ///
    /// # Errors
    /// The store can't be written.
    pub async fn note_asked(&mut self, warehouse: &str, at: i64) -> Result<(), LedgerError> {
        let upsert = "INSERT INTO asked (warehouse, at) VALUES ($1, $2) \
                      ON CONFLICT (warehouse) DO UPDATE SET at = excluded.at";
        sqlx::query(upsert).bind(warehouse).bind(at).execute(&mut self.store.connection).await?;
        Ok(())
    }

    /// Ends the connection.
    ///
    /// # Errors
    /// It can't be ended as it should.
    pub async fn close(self) -> Result<(), LedgerError> {
        self.store.close().await
    }
}

fn is_own(chain: &ChainRow) -> bool {
    chain.name == CORRECTIONS
}

/// A query that is charged otherwise.
struct Change {
    chain: i64,
    rated: Rated,
    correction: Correction,
}

impl Change {
    /// Makes it what is billed from now on.
    async fn put(&self, connection: &mut AnyConnection, record: i64) -> Result<(), LedgerError> {
        let upsert = "INSERT INTO corrections (chain, seq, record, credits) \
                      VALUES ($1, $2, $3, $4) ON CONFLICT (chain, seq) \
                      DO UPDATE SET record = excluded.record, credits = excluded.credits";
        sqlx::query(upsert)
            .bind(self.chain)
            .bind(self.rated.seq)
            .bind(record)
            .bind(self.correction.credits.to_string())
            .execute(&mut *connection)
            .await?;
        let body = serde_json::to_string(&self.rated)
            .map_err(|error| LedgerError::System(error.to_string()))?;
        let update = "UPDATE rated SET body = $3 WHERE chain = $1 AND seq = $2";
        sqlx::query(update)
            .bind(self.chain)
            .bind(self.rated.seq)
            .bind(body)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// What a query is charged instead, for its record.
pub(super) fn said(rated: &Rated, warehouse: &str) -> Correction {
    Correction {
        id: rated.id.clone(),
        principal: rated.principal.clone(),
        tenant: rated.tenant.clone(),
        warehouse: warehouse.to_owned(),
        of: At { chain: rated.chain.clone(), seq: rated.seq },
        credits: rated.credits,
        measured: rated.measured.unwrap_or_default(),
        currency: rated.currency.clone(),
        amount: rated.amount,
    }
}

/// A rated line, as far as it can be told by the table of them.
struct Found {
    query: String,
    chain: i64,
    seq: i64,
    body: String,
}

/// The lines that bear the names of queries.
async fn found(
    connection: &mut AnyConnection,
    wanted: &BTreeMap<String, &Figure>,
) -> Result<Vec<Found>, LedgerError> {
    let text = format!(
        "SELECT query, chain, seq, body FROM rated WHERE query IN ({}) ORDER BY chain, seq",
        places(1, wanted.len())
    );
    let mut query = sqlx::query(&text);
    for key in wanted.keys() {
        query = query.bind(key.as_str());
    }
    let read = |row: &AnyRow| {
        let (chain, seq) = (row.try_get(1)?, row.try_get(2)?);
        Ok(Found { query: row.try_get(0)?, chain, seq, body: row.try_get(3)? })
    };
    query.fetch_all(connection).await?.iter().map(read).collect()
}

/// What is known of lines.
struct Known<'a> {
    origins: &'a Origins,
    /// Their receipts, rated without any correction, by their places.
    receipts: BTreeMap<(i64, i64), Line>,
    /// The credits that were corrected, by the receipts' places.
    corrected: BTreeMap<(i64, i64), Decimal>,
}

impl<'a> Known<'a> {
    async fn of(
        connection: &mut AnyConnection,
        origins: &'a Origins,
        lines: &[Found],
    ) -> Result<Self, LedgerError> {
        let mut known = Known { origins, receipts: BTreeMap::new(), corrected: BTreeMap::new() };
        let mut all: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for line in lines {
            all.entry(line.chain).or_default().push(line.seq);
        }
        for (chain, seqs) in all {
            let Some(origin) = origins.get(&chain) else { continue };
            let receipts = anew(connection, (chain, &origin.name), &seqs).await?;
            known.receipts.extend(receipts.into_iter().map(|(seq, line)| ((chain, seq), line)));
            let corrected = corrected(connection, chain, &seqs).await?;
            known.corrected.extend(corrected.into_iter().map(|(seq, to)| ((chain, seq), to)));
        }
        Ok(known)
    }

    /// The line that the key may sign for, and the credits that are charged now: of the receipt, as long
    /// as that is there; what became of the line since it was rated doesn't count. Nothing if the line
    /// isn't the query's.
    fn sound(
        &self,
        line: &Found,
        figure: &Figure,
    ) -> Result<Option<(Rated, Decimal)>, LedgerError> {
        let Some(origin) = self.origins.get(&line.chain) else { return Ok(None) };
        let at = (line.chain, line.seq);
        let (rated, credits) = match self.receipts.get(&at) {
            Some(receipt) if receipt.query.as_ref() == Some(&line.query) => {
                let rated = receipt.rated.clone();
                let credits = self.corrected.get(&at).copied().unwrap_or(rated.credits);
                (rated, credits)
            }
            Some(_) => return Ok(None),
            // Retention has deleted it.
            None if line.seq <= origin.cut => {
                let rated = read(&line.body)?;
                let credits = rated.credits;
                (rated, credits)
            }
            None => return Ok(None),
        };
        let own = rated.id == figure.query && rated.chain == origin.name && rated.seq == line.seq;
        Ok(own.then_some((rated, credits)))
    }
}

/// The queries of figures that are charged otherwise by them.
async fn changed(
    connection: &mut AnyConnection,
    origins: &Origins,
    figures: &[Figure],
    done: &mut Corrected,
) -> Result<Vec<Change>, LedgerError> {
    let mut wanted: BTreeMap<String, &Figure> = BTreeMap::new();
    wanted.extend(figures.iter().map(|f| (query_key(&f.warehouse, &f.query), f)));
    let lines = found(connection, &wanted).await?;
    let known = Known::of(connection, origins, &lines).await?;
    let mut changes = Vec::new();
    let mut doubtful = BTreeSet::new();
    for line in lines {
        // A second receipt of an id, which no gateway writes, isn't corrected.
        let Some(figure) = wanted.get(&line.query).copied() else { continue };
        let Some((before, credits)) = known.sound(&line, figure)? else {
            doubtful.insert(line.query);
            continue;
        };
        wanted.remove(&line.query);
        if credits == figure.credits {
            done.same += 1;
            continue;
        }
        let sound = !figure.credits.is_sign_negative() || figure.credits.is_zero();
        let Some(rated) = before.corrected(figure.credits).filter(|_| sound) else {
            done.refused += 1;
            continue;
        };
        done.corrected += 1;
        let correction = said(&rated, &figure.warehouse);
        changes.push(Change { chain: line.chain, rated, correction });
    }
    for query in wanted.keys() {
        match doubtful.contains(query) {
            true => done.refused += 1,
            false => done.unknown += 1,
        }
    }
    Ok(changes)
}

/// The credits of some receipts of a chain that were corrected, by their numbers.
async fn corrected(
    connection: &mut AnyConnection,
    chain: i64,
    seqs: &[i64],
) -> Result<BTreeMap<i64, Decimal>, LedgerError> {
    let text = format!(
        "SELECT seq, credits FROM corrections WHERE chain = $1 AND seq IN ({})",
        places(2, seqs.len())
    );
    let mut query = sqlx::query(&text).bind(chain);
    for seq in seqs {
        query = query.bind(*seq);
    }
    credits(&query.fetch_all(connection).await?)
}

/// The head of the chain, as it was signed last.
async fn head(connection: &mut AnyConnection, key: &SigningKey) -> Result<ChainRow, LedgerError> {
    let query = "SELECT id, name, epoch, seq, hash, at, public_key, signature, open_from \
                 FROM chains WHERE name = $1";
    let row = sqlx::query(query).bind(CORRECTIONS).fetch_one(connection).await?;
    let head = chain_row(&row)?;
    let end = (head.seq, &head.hash, head.at);
    if !is_signed(&key.public(), Purpose::Head, CORRECTIONS, end, &head.signature) {
        let text = format!("the head of chain \"{CORRECTIONS}\" is not signed");
        return Err(LedgerError::Damaged(text));
    }
    Ok(head)
}

/// Appends records, and moves the head.
async fn write(
    connection: &mut AnyConnection,
    key: &SigningKey,
    before: ChainRow,
    batch: &Batch,
) -> Result<(), LedgerError> {
    let at = now();
    let signature = sign(key, Purpose::Head, CORRECTIONS, batch.seq, &batch.hash, at);
    let open_from = batch.open_from;
    let head = ChainRow { seq: batch.seq, hash: batch.hash, at, signature, open_from, ..before };
    let update = "UPDATE chains SET seq = $1, hash = $2, at = $3, signature = $4, open_from = $5 \
                  WHERE id = $6";
    sqlx::query(update)
        .bind(head.seq)
        .bind(head.hash.bytes())
        .bind(head.at)
        .bind(head.signature.as_slice())
        .bind(head.open_from)
        .bind(head.id)
        .execute(&mut *connection)
        .await?;
    let statement = insert(1);
    for row in &batch.rows {
        sqlx::query(&statement)
            .bind(head.id)
            .bind(row.seq)
            .bind(row.entry.kind.number())
            .bind(row.entry.at)
            .bind(row.entry.principal.as_str())
            .bind(row.body.as_str())
            .bind(row.hash.bytes())
            .execute(&mut *connection)
            .await?;
    }
    checkpoint(connection, &head).await
}

/// The credits of receipts of a chain that were corrected, by their numbers.
pub(super) async fn between(
    store: &mut Store,
    chain: i64,
    after: i64,
    last: i64,
) -> Result<BTreeMap<i64, Decimal>, LedgerError> {
    let query = "SELECT seq, credits FROM corrections WHERE chain = $1 AND seq > $2 AND seq <= $3";
    let rows = sqlx::query(query)
        .bind(chain)
        .bind(after)
        .bind(last)
        .fetch_all(&mut store.connection)
        .await?;
    credits(&rows)
}

fn credits(rows: &[AnyRow]) -> Result<BTreeMap<i64, Decimal>, LedgerError> {
    rows.iter().map(|row| Ok((row.try_get(0)?, decimal(&row.try_get::<String, _>(1)?)?))).collect()
}

/// Credits as they are kept.
pub(crate) fn decimal(text: &str) -> Result<Decimal, LedgerError> {
    let broken = |_| LedgerError::Damaged("the credits of a correction can't be read".to_owned());
    Decimal::from_str_exact(text).map_err(broken)
}

#[cfg(test)]
mod tests;
