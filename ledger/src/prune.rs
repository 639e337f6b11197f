//! Retention: deletes what is old, and signs where the chain begins from then on.

use sqlx::{Connection, Row};

use crate::billing::{CORRECTIONS, first_correction_with_receipt, rate};
use crate::chain::{Hash, Purpose, sign};
use crate::error::LedgerError;
use crate::export::first_needed;
use crate::keys::SigningKey;
use crate::record::{TEXT_MEMORY, now};
use crate::store::{Place, Store, begin};
use crate::verify::verify;

/// Records that are deleted at once: a gateway that writes waits that long.
const SLICE: i64 = 5000;

/// What was deleted of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The chain's name.
    pub chain: String,
    /// How many records were deleted.
    pub records: i64,
    /// The last one of them.
    pub seq: i64,
    /// The export that has not got old records yet, if there is one.
    pub waiting: Option<Waiting>,
}

/// An export that has not got all that is old enough to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its name.
    pub export: String,
    /// The first record that it needs.
    pub from: i64,
}

/// What retention came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retention {
    /// Nothing was deleted: so many things are not as they were written.
    Changed(usize),
    /// What was deleted of each chain.
    Cut(Vec<Cut>),
}

/// What became of a turn of those that share a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It was this one's.
    Taken(Retention),
    /// Another one deletes now.
    Elsewhere,
    /// Somebody deleted at this time, in microseconds since 1970, which is not long enough ago.
    NotYet(i64),
}

/// When a turn is due, and what it deletes: all in microseconds, times since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The time now.
    pub now: i64,
    /// Records from before then are deleted.
    pub before: i64,
    /// How long after a turn the next one is.
    pub every: i64,
}

impl Schedule {
    /// The same by a clock that may be behind: of two, the one that deletes less counts.
    fn no_later_than(self, now: Option<i64>) -> Schedule {
        let ahead = now.map_or(0, |now| self.now.saturating_sub(now).max(0));
        Schedule { now: self.now - ahead, before: self.before.saturating_sub(ahead), ..self }
    }

    /// Whether somebody had the last turn so short ago that the next one isn't due. A time that is further
    /// ahead than one turn is by a clock that was wrong, and would hold all turns back.
    fn is_taken(&self, last: i64) -> bool {
        self.now.saturating_sub(self.every) < last && last <= self.now.saturating_add(self.every)
    }
}

/// Deletes the records before a time (microseconds since 1970) from a ledger that is as it was written, when
/// all of it is rated: as [`prune`], but for what younger records may refer to.
///
/// # Errors
/// As [`prune`], or the store can't be read.
pub async fn retain(
    place: &Place,
    key: &SigningKey,
    before: i64,
    unexported: bool,
) -> Result<Retention, LedgerError> {
    // What was changed must not be deleted as if it were whole.
    let report = verify(place, &[key.public()], &[]).await?;
    if report.count > 0 {
        return Ok(Retention::Changed(report.count));
    }
    // What is deleted can't be rated any more.
    rate(place).await?;
    prune(place, key, with_texts(before), unexported).await.map(Retention::Cut)
}

/// What is kept may refer to texts that are so much older.
fn with_texts(before: i64) -> i64 {
    before.saturating_sub(i64::try_from(TEXT_MEMORY.as_micros()).unwrap_or(i64::MAX))
}

/// As [`retain`], if nobody else does so now, it is due, and there is something to delete.
/// What an export has not got is kept.
///
/// # Errors
/// As [`retain`].
pub async fn retain_in_turn(
    place: &Place,
    key: &SigningKey,
    schedule: Schedule,
) -> Result<Turn, LedgerError> {
    let mut store = Store::open(place, None).await?;
    let schedule = schedule.no_later_than(store.server_time().await?);
    // It is this one's turn until the connection ends. No chain has a name with a line break.
    let turn = if !store.lock_chain("retention\n").await? {
        Turn::Elsewhere
    } else if let Some(last) = last_cut(&mut store).await?.filter(|last| schedule.is_taken(*last)) {
        Turn::NotYet(last)
    } else if is_older(&mut store, with_texts(schedule.before)).await? {
        Turn::Taken(retain(place, key, schedule.before, false).await?)
    } else {
        Turn::Taken(Retention::Cut(Vec::new()))
    };
    store.connection.close().await?;
    Ok(turn)
}

/// When something was deleted last.
async fn last_cut(store: &mut Store) -> Result<Option<i64>, LedgerError> {
    let row = sqlx::query("SELECT max(at) FROM cuts").fetch_one(&mut store.connection).await?;
    Ok(row.try_get(0)?)
}

/// Whether any chain begins before a time.
async fn is_older(store: &mut Store, before: i64) -> Result<bool, LedgerError> {
    for chain in store.chains().await? {
        let query = "SELECT at FROM records WHERE chain = $1 ORDER BY seq LIMIT 1";
        let first = sqlx::query(query).bind(chain.id).fetch_optional(&mut store.connection).await?;
        let at = first.map(|first| first.try_get::<i64, _>(0)).transpose()?;
        if at.is_some_and(|at| at < before) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes the records before a time (microseconds since 1970), up to the first one that is younger,
/// belongs to a query that runs, or that an export has not got, unless `unexported` says that this
/// doesn't matter. A correction stays as long as its receipt. A gateway may write at the same time.
///
/// # Errors
/// The store can't be written, or a chain was signed with another key.
pub async fn prune(
    place: &Place,
    key: &SigningKey,
    before: i64,
    unexported: bool,
) -> Result<Vec<Cut>, LedgerError> {
    let mut store = Store::open(place, None).await?;
    let mut cuts = Vec::new();
    let mut chains = store.chains().await?;
    // Once it is known which receipts are left.
    chains.sort_by_key(|chain| chain.name == CORRECTIONS);
    for chain in chains {
        if chain.public_key != key.public() {
            return Err(LedgerError::OtherKey(chain.name));
        }
        let query = "SELECT min(seq) FROM records WHERE chain = $1 AND at >= $2";
        let row =
            sqlx::query(query).bind(chain.id).bind(before).fetch_one(&mut store.connection).await?;
        let young: Option<i64> = row.try_get(0)?;
        let mut last = young.map_or(chain.seq, |young| young - 1).min(chain.open_from - 1);
        let waiting = first_needed(&mut store, chain.id).await?;
        let waiting = waiting.filter(|waiting| waiting.from <= last);
        if let Some(waiting) = waiting.as_ref().filter(|_| !unexported) {
            last = waiting.from - 1;
        }
        if chain.name == CORRECTIONS {
            let first = first_correction_with_receipt(&mut store, chain.id, last).await?;
            last = first.map_or(last, |first| first - 1);
        }
        let mut cut = Cut { chain: chain.name.clone(), records: 0, seq: 0, waiting };
        loop {
            let query = "SELECT max(seq) FROM (SELECT seq FROM records \
                         WHERE chain = $1 AND seq <= $2 ORDER BY seq LIMIT $3) AS slice";
            let row = sqlx::query(query)
                .bind(chain.id)
                .bind(last)
                .bind(SLICE)
                .fetch_one(&mut store.connection)
                .await?;
            let Some(end) = row.try_get::<Option<i64>, _>(0)? else { break };
            cut.records += slice(&mut store, key, (chain.id, &chain.name), end).await?;
            cut.seq = end;
        }
        cuts.push(cut);
    }
    store.connection.close().await?;
    Ok(cuts)
}

/// Deletes up to a record, in one transaction with the signature of what is left.
async fn slice(
    store: &mut Store,
    key: &SigningKey,
    (chain, name): (i64, &str),
    end: i64,
) -> Result<i64, LedgerError> {
    let mut transaction = store.connection.begin_with(begin(store.engine)).await?;
    let query = "SELECT hash FROM records WHERE chain = $1 AND seq = $2";
    let row = sqlx::query(query).bind(chain).bind(end).fetch_one(&mut *transaction).await?;
    let hash = Hash::read(&row.try_get::<Vec<u8>, _>(0)?)
        .ok_or_else(|| LedgerError::Damaged(format!("record {end} has no hash")))?;
    let at = now();
    let signature = sign(key, Purpose::Cut, name, end, &hash, at);
    let insert = "INSERT INTO cuts (chain, seq, hash, at, signature) VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(insert)
        .bind(chain)
        .bind(end)
        .bind(hash.bytes())
        .bind(at)
        .bind(signature.as_slice())
        .execute(&mut *transaction)
        .await?;
    let mut records = 0;
    for delete in [
        "DELETE FROM cuts WHERE chain = $1 AND seq < $2",
        "DELETE FROM checkpoints WHERE chain = $1 AND seq <= $2",
        "DELETE FROM records WHERE chain = $1 AND seq <= $2",
    ] {
        let done = sqlx::query(delete).bind(chain).bind(end).execute(&mut *transaction).await?;
        records = done.rows_affected();
    }
    transaction.commit().await?;
    Ok(i64::try_from(records).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
