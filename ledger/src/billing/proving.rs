//! What corrections of credits rest on: the records of them, and the receipts that they are of.
//!
//! The table of corrections, like the rated lines, only says which is the last. It is believed as far as
//! a record says the same, and a record as far as its receipt does.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use sqlx::{AnyConnection, Row};

use super::correcting::{CORRECTIONS, decimal, said};
use super::rating::{Line, anew, query_key};
use crate::chain::{Hash, Purpose, is_signed};
use crate::error::LedgerError;
use crate::keys::PublicKey;
use crate::read::PAGE;
use crate::record::{At, Correction, Kind};
use crate::store::{RecordRow, Store};

/// A chain of receipts.
pub(super) struct Origin {
    /// Its name.
    pub(super) name: String,
    /// Up to where retention has deleted it.
    pub(super) cut: i64,
}

/// The chains of receipts, by their ids.
pub(super) type Origins = BTreeMap<i64, Origin>;

/// The chains of receipts that there are now. With a key, retention has deleted what the key has signed to
/// be deleted, and nothing else.
pub(super) async fn origins(
    connection: &mut AnyConnection,
    key: Option<&PublicKey>,
) -> Result<Origins, LedgerError> {
    let mut origins = Origins::new();
    let chains = sqlx::query("SELECT id, name FROM chains").fetch_all(&mut *connection).await?;
    for row in chains {
        let name: String = row.try_get(1)?;
        if name != CORRECTIONS {
            origins.insert(row.try_get(0)?, Origin { name, cut: 0 });
        }
    }
    let query = "SELECT chain, seq, hash, at, signature FROM cuts";
    for row in sqlx::query(query).fetch_all(connection).await? {
        let Some(origin) = origins.get_mut(&row.try_get::<i64, _>(0)?) else { continue };
        let (seq, at): (i64, i64) = (row.try_get(1)?, row.try_get(3)?);
        let hash = Hash::read(&row.try_get::<Vec<u8>, _>(2)?);
        let signature: Vec<u8> = row.try_get(4)?;
        let signed = key.is_none_or(|key| {
            let end = hash.as_ref().map(|hash| (seq, hash, at));
            end.is_some_and(|end| is_signed(key, Purpose::Cut, &origin.name, end, &signature))
        });
        if signed {
            origin.cut = origin.cut.max(seq);
        }
    }
    Ok(origins)
}

/// The chain that something is in.
fn origin<'a>(origins: &'a Origins, at: &At) -> Option<(i64, &'a Origin)> {
    let found = origins.iter().find(|(_, origin)| origin.name == at.chain);
    found.map(|(id, origin)| (*id, origin))
}

/// How many of the corrections that bills rest on aren't what the records say, and how many of the records
/// aren't what the receipts say. What retention has deleted can't be compared.
pub(super) async fn unproven(store: &mut Store) -> Result<usize, LedgerError> {
    let origins = origins(&mut store.connection, None).await?;
    let chains = store.chains().await?;
    let Some(own) = chains.iter().find(|chain| chain.name == CORRECTIONS) else {
        return count_beside(store, 0, 0).await;
    };
    let cut = store.cut(own.id).await?.map_or(0, |cut| cut.seq);
    let (mut wrong, mut after) = (0, cut);
    loop {
        let rows = store.records(own.id, after, PAGE).await?;
        let Some(last) = rows.last().map(|row| row.seq) else { break };
        let mut kept = kept(store, after, last).await?;
        let corrections = corrections(&rows)?;
        let receipts = receipts(&mut store.connection, &origins, &corrections).await?;
        for (record, correction) in &corrections {
            let Some((chain, origin)) = origin(&origins, &correction.of) else {
                wrong += 1;
                continue;
            };
            let of = (chain, correction.of.seq);
            let proven = match receipts.get(&of) {
                Some(line) => follows(correction, line),
                None => correction.of.seq <= origin.cut,
            };
            let last = match kept.remove(record) {
                Some((chain, seq, credits)) => (chain, seq) == of && credits == correction.credits,
                // A later one has taken its place.
                None => superseded(store, of, *record).await?,
            };
            wrong += usize::from(!(proven && last));
        }
        wrong += kept.len();
        after = last;
    }
    Ok(wrong + count_beside(store, cut, after.min(own.seq)).await?)
}

/// The corrections among records, with their numbers.
fn corrections(rows: &[RecordRow]) -> Result<Vec<(i64, Correction)>, LedgerError> {
    let rows = rows.iter().filter(|row| row.kind == Kind::Correction.number());
    let read = |row: &RecordRow| {
        let correction = serde_json::from_str(&row.body);
        let broken = |_| LedgerError::Damaged(format!("correction {} can't be read", row.seq));
        Ok((row.seq, correction.map_err(broken)?))
    };
    rows.map(read).collect()
}

/// The receipts of corrections, rated without any, by their places: those that are there.
async fn receipts(
    connection: &mut AnyConnection,
    origins: &Origins,
    corrections: &[(i64, Correction)],
) -> Result<BTreeMap<(i64, i64), Line>, LedgerError> {
    let mut wanted: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (_, correction) in corrections {
        if let Some((chain, _)) = origin(origins, &correction.of) {
            wanted.entry(chain).or_default().push(correction.of.seq);
        }
    }
    let mut lines = BTreeMap::new();
    for (chain, seqs) in &wanted {
        let Some(origin) = origins.get(chain) else { continue };
        let found = anew(connection, (*chain, &origin.name), seqs).await?;
        lines.extend(found.into_iter().map(|(seq, line)| ((*chain, seq), line)));
    }
    Ok(lines)
}

/// Whether a correction is what follows from its receipt and the credits.
fn follows(correction: &Correction, line: &Line) -> bool {
    let Correction { id, warehouse, credits, .. } = correction;
    let query = query_key(warehouse, id);
    let rated = line.rated.clone().corrected(*credits);
    line.query.as_ref() == Some(&query)
        && rated.is_some_and(|rated| said(&rated, warehouse) == *correction)
}

/// Corrections that none of the records up to the last one has made: those with other numbers, and those
/// with numbers that retention has deleted, unless it has deleted the receipt as well.
async fn count_beside(store: &mut Store, cut: i64, last: i64) -> Result<usize, LedgerError> {
    let query = "SELECT count(*) FROM corrections AS c \
                 WHERE c.record < 1 OR c.record > $1 OR (c.record <= $2 AND NOT EXISTS \
                 (SELECT 1 FROM cuts AS k WHERE k.chain = c.chain AND k.seq >= c.seq))";
    let row = sqlx::query(query).bind(last).bind(cut).fetch_one(&mut store.connection).await?;
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

/// The first correction, among those up to a record, whose receipt is still there.
pub(crate) async fn first_with_receipt(
    store: &mut Store,
    chain: i64,
    last: i64,
) -> Result<Option<i64>, LedgerError> {
    let origins = origins(&mut store.connection, None).await?;
    let mut after = 0;
    while after < last {
        let rows = store.records(chain, after, PAGE).await?;
        let Some(end) = rows.last().map(|row| row.seq) else { break };
        for (record, correction) in corrections(&rows)? {
            let deleted = origin(&origins, &correction.of)
                .is_some_and(|(_, origin)| correction.of.seq <= origin.cut);
            if !deleted {
                return Ok(Some(record).filter(|record| *record <= last));
            }
        }
        after = end;
    }
    Ok(None)
}
