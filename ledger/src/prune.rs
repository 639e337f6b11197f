//! Retention: deletes what is old, and signs where the chain begins from then on.

use sqlx::{Connection, Row};

use crate::billing::{CORRECTIONS, first_correction_with_receipt, rate};
use crate::chain::{Hash, Purpose, sign};
use crate::error::LedgerError;
use crate::export::first_needed;
use crate::keys::SigningKey;
use crate::record::{TEXT_MEMORY, now};
use crate::store::{ChainRow, Engine, Place, Store, begin};
use crate::verify::verify;

/// Records that are deleted at once: a gateway that writes waits that long.
const SLICE: i64 = 5000;

/// Under which lock one deletes, of those that share a ledger. No chain has a name with a line break.
const TURN: &str = "retention\n";

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
/// all of it is rated: as [`prune`], but for what younger records may refer to. Nothing: somebody else
/// who shares the ledger deletes now.
///
/// # Errors
/// As [`prune`], or the store can't be read.
pub async fn retain(
    place: &Place,
    key: &SigningKey,
    before: i64,
    unexported: bool,
) -> Result<Option<Retention>, LedgerError> {
    let mut store = Store::open(place, None).await?;
    let retained = match store.lock_chain(TURN).await? {
        true => Some(retain_now(&mut store, place, key, (before, unexported)).await?),
        false => None,
    };
    store.close().await?;
    Ok(retained)
}

/// As [`retain`], by whoever's turn it is.
async fn retain_now(
    store: &mut Store,
    place: &Place,
    key: &SigningKey,
    (before, unexported): (i64, bool),
) -> Result<Retention, LedgerError> {
    let before = with_texts(before);
    let mut cuts = Vec::new();
    let mut some = false;
    for chain in chains(store, key).await? {
        let Old { last, waiting } = old(store, &chain, before, unexported).await?;
        some |= has_until(store, chain.id, last).await?;
        cuts.push(Cut { chain: chain.name, records: 0, seq: 0, waiting });
    }
    if !some {
        return Ok(Retention::Cut(cuts));
    }
    // What was changed must not be deleted as if it were whole.
    let report = verify(place, &[key.public()], &[]).await?;
    if report.count > 0 {
        return Ok(Retention::Changed(report.count));
    }
    // What is deleted can't be rated any more.
    rate(place).await?;
    prune(place, key, before, unexported).await.map(Retention::Cut)
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
    // It is this one's turn until the connection ends.
    let turn = if !store.lock_chain(TURN).await? {
        Turn::Elsewhere
    } else if let Some(last) = last_cut(&mut store).await?.filter(|last| schedule.is_taken(*last)) {
        Turn::NotYet(last)
    } else {
        let before = (schedule.before, false);
        Turn::Taken(retain_now(&mut store, place, key, before).await?)
    };
    store.close().await?;
    Ok(turn)
}

/// When something was deleted last.
async fn last_cut(store: &mut Store) -> Result<Option<i64>, LedgerError> {
    let row = sqlx::query("SELECT max(at) FROM cuts").fetch_one(&mut store.connection).await?;
    Ok(row.try_get(0)?)
}

/// The chains in the order in which they are cut: corrections once it is known which receipts are left.
async fn chains(store: &mut Store, key: &SigningKey) -> Result<Vec<ChainRow>, LedgerError> {
    let mut chains = store.chains().await?;
    if let Some(chain) = chains.iter().find(|chain| chain.public_key != key.public()) {
        return Err(LedgerError::OtherKey(chain.name.clone()));
    }
    chains.sort_by_key(|chain| chain.name == CORRECTIONS);
    Ok(chains)
}

/// Whether a chain has a record up to one.
async fn has_until(store: &mut Store, chain: i64, last: i64) -> Result<bool, LedgerError> {
    let query = "SELECT seq FROM records WHERE chain = $1 AND seq <= $2 LIMIT 1";
    let query = sqlx::query(query).bind(chain).bind(last);
    Ok(query.fetch_optional(&mut store.connection).await?.is_some())
}

/// What can be deleted of a chain.
struct Old {
    /// All up to this record.
    last: i64,
    /// The export that needs more of what is old.
    waiting: Option<Waiting>,
}

/// What can be deleted of a chain: the records before a time, up to the first one that is needed.
async fn old(
    store: &mut Store,
    chain: &ChainRow,
    before: i64,
    unexported: bool,
) -> Result<Old, LedgerError> {
    let query = "SELECT min(seq) FROM records WHERE chain = $1 AND at >= $2";
    let row =
        sqlx::query(query).bind(chain.id).bind(before).fetch_one(&mut store.connection).await?;
    let young: Option<i64> = row.try_get(0)?;
    let mut last = young.map_or(chain.seq, |young| young - 1).min(chain.open_from - 1);
    let mut waiting = None;
    if has_until(store, chain.id, last).await? {
        waiting = first_needed(store, chain.id).await?.filter(|waiting| waiting.from <= last);
    }
    if let Some(waiting) = waiting.as_ref().filter(|_| !unexported) {
        last = waiting.from - 1;
    }
    if chain.name == CORRECTIONS {
        let first = first_correction_with_receipt(store, chain.id, last).await?;
        last = first.map_or(last, |first| first - 1);
    }
    Ok(Old { last, waiting })
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
    if store.engine == Engine::Sqlite {
        // What is deleted doesn't stay in pages that are given up.
        let pragma = sqlx::query("PRAGMA secure_delete = ON");
        pragma.fetch_optional(&mut store.connection).await?;
    }
    let mut cuts = Vec::new();
    for chain in chains(&mut store, key).await? {
        let Old { last, waiting } = old(&mut store, &chain, before, unexported).await?;
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
    store.close().await?;
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
