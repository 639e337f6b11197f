//! Later corrections of credits: what the account of a warehouse attributes to a query, against what the
//! gateway's clock said.
//!
//! A receipt isn't changed. A correction is a record of its own, in a chain of its own that is signed with
//! the ledger's key, so that it can be written beside any gateway and is verified like all records. Bills
//! take the last correction of a receipt; from receipts and corrections the same bills are made again.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use sqlx::{AnyConnection, Connection, Row};

use super::rating::{Rated, query_key, rate, read};
use crate::batch::{Batch, Open};
use crate::chain::{Purpose, is_signed, sign};
use crate::error::LedgerError;
use crate::head::create;
use crate::keys::SigningKey;
use crate::ledger::Entry;
use crate::read::PAGE;
use crate::record::{At, Correction, Kind, now};
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
    /// Figures that are beyond all bounds.
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
    /// The chains that there are, by id.
    names: BTreeMap<i64, String>,
}

impl<'a> Corrections<'a> {
    /// Opens a ledger, and rates what isn't rated yet.
    ///
    /// # Errors
    /// The store can't be written, or corrections were signed with another key.
    pub async fn open(place: &Place, key: &'a SigningKey) -> Result<Self, LedgerError> {
        rate(place).await?;
        let mut store = Store::open(place, None).await?;
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
        let names = chains.into_iter().map(|chain| (chain.id, chain.name)).collect();
        Ok(Self { store, key, names })
    }

    /// Corrects the queries of some figures, all or none. What is charged already is left as it is, so
    /// doing it again changes nothing.
    ///
    /// # Errors
    /// The store can't be written, or it isn't as it was written.
    pub async fn take(&mut self, figures: &[Figure]) -> Result<Corrected, LedgerError> {
        let Self { store, key, names } = self;
        let (engine, mut done) = (store.engine, Corrected::default());
        let mut transaction = store.connection.begin_with(begin(engine)).await?;
        // One after the other; SQLite has begun by taking its lock.
        if engine == Engine::Postgres {
            let lock = "SELECT pg_advisory_xact_lock($1)";
            sqlx::query(lock).bind(lock_key(CORRECTIONS)).execute(&mut *transaction).await?;
        }
        let mut changes = Vec::new();
        for figures in figures.chunks(LOOKED_UP) {
            changes.extend(changed(&mut transaction, names, figures, &mut done).await?);
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

    /// Ends the connection.
    ///
    /// # Errors
    /// It can't be ended as it should.
    pub async fn close(self) -> Result<(), LedgerError> {
        Ok(self.store.connection.close().await?)
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

/// The queries of figures that are charged otherwise by them.
async fn changed(
    connection: &mut AnyConnection,
    names: &BTreeMap<i64, String>,
    figures: &[Figure],
    done: &mut Corrected,
) -> Result<Vec<Change>, LedgerError> {
    let mut wanted: BTreeMap<String, &Figure> = BTreeMap::new();
    wanted.extend(figures.iter().map(|f| (query_key(&f.warehouse, &f.query), f)));
    let places: Vec<String> = (1..=wanted.len()).map(|number| format!("${number}")).collect();
    let text = format!(
        "SELECT query, chain, body FROM rated WHERE query IN ({}) ORDER BY chain, seq",
        places.join(", ")
    );
    let mut query = sqlx::query(&text);
    for key in wanted.keys() {
        query = query.bind(key.as_str());
    }
    let mut changes = Vec::new();
    for row in query.fetch_all(connection).await? {
        let chain: i64 = row.try_get(1)?;
        // A second receipt of an id, which no gateway writes, isn't corrected.
        let figure = wanted.remove(&row.try_get::<String, _>(0)?);
        let (Some(figure), Some(name)) = (figure, names.get(&chain)) else { continue };
        let before = read(&row.try_get::<String, _>(2)?)?;
        if before.credits == figure.credits {
            done.same += 1;
            continue;
        }
        let sound = !figure.credits.is_sign_negative() || figure.credits.is_zero();
        let rated = before.clone().corrected(figure.credits).filter(|_| sound);
        let Some(rated) = rated else {
            done.refused += 1;
            continue;
        };
        done.corrected += 1;
        let correction = Correction {
            id: rated.id.clone(),
            principal: rated.principal.clone(),
            tenant: rated.tenant.clone(),
            warehouse: figure.warehouse.clone(),
            of: At { chain: name.clone(), seq: rated.seq },
            credits: rated.credits,
            measured: rated.measured.unwrap_or_default(),
            currency: rated.currency.clone(),
            amount: rated.amount,
        };
        changes.push(Change { chain, rated, correction });
    }
    done.unknown += u64::try_from(wanted.len()).unwrap_or(u64::MAX);
    Ok(changes)
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
    rows.iter().map(|row| Ok((row.try_get(0)?, decimal(&row.try_get::<String, _>(1)?)?))).collect()
}

/// Credits as they are kept.
pub(crate) fn decimal(text: &str) -> Result<Decimal, LedgerError> {
    let broken = |_| LedgerError::Damaged("the credits of a correction can't be read".to_owned());
    Decimal::from_str_exact(text).map_err(broken)
}

/// How many of the corrections that bills rest on aren't what the records say. Those whose records
/// retention has deleted can't be compared.
pub(super) async fn unproven(store: &mut Store) -> Result<usize, LedgerError> {
    let chains = store.chains().await?;
    let Some(own) = chains.iter().find(|chain| is_own(chain)) else {
        return count_after(store, 0).await;
    };
    let mut after = store.cut(own.id).await?.map_or(0, |cut| cut.seq);
    let mut wrong = count_after(store, own.seq).await?;
    loop {
        let rows = store.records(own.id, after, PAGE).await?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(wrong) };
        let mut kept = kept(store, after, last).await?;
        for row in rows.iter().filter(|row| row.kind == Kind::Correction.number()) {
            let correction: Correction = serde_json::from_str(&row.body).map_err(|_| {
                LedgerError::Damaged(format!("correction {} can't be read", row.seq))
            })?;
            let chain = chains.iter().find(|chain| chain.name == correction.of.chain);
            let of = (chain.map_or(0, |chain| chain.id), correction.of.seq);
            match kept.remove(&row.seq) {
                Some((chain, seq, credits)) => {
                    wrong += usize::from((chain, seq) != of || credits != correction.credits);
                }
                // A later one has taken its place.
                None => wrong += usize::from(!superseded(store, of, row.seq).await?),
            }
        }
        wrong += kept.len();
        after = last;
    }
}

/// Corrections that no record can have made.
async fn count_after(store: &mut Store, record: i64) -> Result<usize, LedgerError> {
    let query = "SELECT count(*) FROM corrections WHERE record > $1";
    let row = sqlx::query(query).bind(record).fetch_one(&mut store.connection).await?;
    Ok(usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX))
}

/// The corrections that records of a range have made: of which receipt, and the credits.
async fn kept(
    store: &mut Store,
    after: i64,
    last: i64,
) -> Result<BTreeMap<i64, (i64, i64, Decimal)>, LedgerError> {
    let query = "SELECT record, chain, seq, credits FROM corrections \
                 WHERE record > $1 AND record <= $2";
    let rows = sqlx::query(query).bind(after).bind(last).fetch_all(&mut store.connection).await?;
    let one = |row: &sqlx::any::AnyRow| {
        let credits = decimal(&row.try_get::<String, _>(3)?)?;
        Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?, credits)))
    };
    rows.iter().map(one).collect()
}

/// Whether a receipt was corrected again by a later record.
async fn superseded(
    store: &mut Store,
    (chain, seq): (i64, i64),
    record: i64,
) -> Result<bool, LedgerError> {
    let query = "SELECT count(*) FROM corrections WHERE chain = $1 AND seq = $2 AND record > $3";
    let row = sqlx::query(query)
        .bind(chain)
        .bind(seq)
        .bind(record)
        .fetch_one(&mut store.connection)
        .await?;
    Ok(row.try_get::<i64, _>(0)? > 0)
}

#[cfg(test)]
mod tests;
