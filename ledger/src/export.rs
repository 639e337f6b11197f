//! What leaves a ledger for systems elsewhere: in order, and at least once.
//!
//! An [`Outbox`] hands out what was recorded since the place up to which its receiver has everything.
//! That place is kept in the ledger, for each chain, and moves on only once a parcel was delivered: so
//! whatever ends in between, nothing is left out, and at most the last parcel is sent again. What is
//! sent has an id that stays the same, by which a receiver knows it again.
//!
//! Of gateways that share a PostgreSQL one at a time has the lease of an export, for all chains. It is
//! a lock of its session, so that another one takes over as soon as the first is gone.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::Row;

use crate::billing::rated_receipt;
use crate::error::LedgerError;
use crate::prune::Waiting;
use crate::read::PAGE;
use crate::record::{Body, Correction, Kind};
use crate::store::{ChainRow, Place, RecordRow, Store};
use crate::writer::{in_time, patience};
use crate::{cloudevents, ocsf};

/// Queries that are remembered while they are open in a chain, by their ids.
const OPEN: usize = 1 << 16;

/// From how many bytes on a parcel is full.
const FULL: usize = 1 << 20;

/// What events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Each query, of the Open Cybersecurity Schema Framework.
    Ocsf,
    /// Each query that was not denied, with what it used and cost, and each correction of that, as
    /// CloudEvents.
    Usage,
}

/// One query that has ended, for a receiver elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The chain that holds it: which replica ran it.
    pub chain: String,
    /// When it ended, in microseconds since 1970.
    pub at: i64,
    /// Whether it gave all its rows.
    pub succeeded: bool,
    /// The event itself, as JSON.
    pub json: String,
}

impl Event {
    /// The same without what clients wrote: the statement's SHA-256 stands for it. For a receiver that
    /// refuses the event as it is; nothing if there is nothing of the kind in it.
    pub fn without_texts(&self) -> Option<Event> {
        let mut json: Value = serde_json::from_str(&self.json).ok()?;
        ocsf::withhold_texts(&mut json).then(|| Event { json: json.to_string(), ..self.clone() })
    }
}

/// Events that are delivered together, or not.
#[derive(Debug)]
#[must_use = "a parcel is handed out again until it is delivered"]
pub struct Parcel {
    /// The events, in their order; none: there was nothing to send among the records.
    pub events: Vec<Event>,
    /// Records that retention deleted before they could be delivered.
    pub missing: u64,
    /// Records that aren't delivered yet, in all chains, those of this parcel included.
    pub behind: u64,
    /// When the oldest of them was written, in microseconds since 1970.
    pub oldest: i64,
    chain: i64,
    track: Track,
}

/// How far a chain is delivered.
#[derive(Debug, Clone)]
struct Track {
    name: String,
    /// What the ledger is known by: its key.
    ledger: String,
    /// The last record that was.
    seq: i64,
    /// The queries that were decided until then and had not ended, with their decisions' numbers.
    open: HashMap<String, i64>,
    /// The first of those that there was no room for in `open`. Their events lack what only the
    /// decision says; the ledger keeps them until the export begins anew.
    forgotten: Option<i64>,
}

impl Track {
    /// The first record that is still needed.
    fn needs_from(&self) -> i64 {
        self.open.values().copied().chain(self.forgotten).min().unwrap_or(self.seq + 1)
    }

    /// Notes that a query begins.
    fn begin(&mut self, id: String, seq: i64) {
        if self.open.len() < OPEN {
            self.open.insert(id, seq);
        } else {
            self.forgotten = Some(self.forgotten.map_or(seq, |first| first.min(seq)));
        }
    }
}

/// What is to be delivered to one receiver.
pub struct Outbox {
    place: Place,
    name: String,
    form: Form,
    store: Option<Store>,
    tracks: BTreeMap<i64, Track>,
    /// The chain that was delivered from last: the next one has its turn.
    last: i64,
}

impl Outbox {
    /// The outbox of an export of this name.
    pub fn new(place: Place, name: &str, form: Form) -> Outbox {
        let (name, tracks) = (name.to_owned(), BTreeMap::new());
        Outbox { place, name, form, store: None, tracks, last: 0 }
    }

    /// Whether it is this process that delivers, and no other one.
    ///
    /// # Errors
    /// The store can't be reached.
    pub async fn lease(&mut self) -> Result<bool, LedgerError> {
        if self.store.is_some() {
            return Ok(true);
        }
        // No chain has a name with a line break.
        let lease = format!("export\n{}", self.name);
        let taken = in_time(patience(&self.place), async {
            let mut store = Store::reopen(&self.place, None).await?;
            if store.lock_chain(&lease).await? {
                return Ok(Some(store));
            }
            store.close().await?;
            Ok(None)
        });
        self.store = taken.await?;
        self.tracks.clear();
        Ok(self.store.is_some())
    }

    /// What comes next, of so many events at most; nothing if all is delivered. It is the same again
    /// until it is [delivered](Outbox::delivered).
    ///
    /// # Errors
    /// The store can't be read, or a record isn't one. The lease is given back.
    pub async fn next(&mut self, most: usize) -> Result<Option<Parcel>, LedgerError> {
        let limit = patience(&self.place);
        let found = in_time(limit, self.find(most)).await;
        if found.is_err() {
            self.store = None;
        }
        found
    }

    /// Notes that a parcel was delivered, durably.
    ///
    /// # Errors
    /// That could not be noted: the parcel comes again. The lease is given back.
    pub async fn delivered(&mut self, parcel: Parcel) -> Result<(), LedgerError> {
        let limit = patience(&self.place);
        let moved = in_time(limit, self.moved(parcel)).await;
        if moved.is_err() {
            self.store = None;
        }
        moved
    }

    async fn find(&mut self, most: usize) -> Result<Option<Parcel>, LedgerError> {
        let Some(store) = &mut self.store else { return Err(unleased()) };
        let chains = store.chains().await?;
        let (mut behind, mut oldest) = (0, i64::MAX);
        let mut pending = Vec::new();
        for chain in &chains {
            let seq = match self.tracks.get(&chain.id) {
                Some(track) => track.seq,
                None => {
                    let track = track(store, &self.name, chain).await?;
                    self.tracks.entry(chain.id).or_insert(track).seq
                }
            };
            if let Some(at) = first_after(store, chain.id, seq).await? {
                behind += chain.seq.abs_diff(seq);
                oldest = oldest.min(at);
                pending.push(chain.id);
            }
        }
        let turn = pending.iter().find(|id| **id > self.last).or(pending.first());
        let Some((id, track)) = turn.and_then(|id| self.tracks.get(id).map(|track| (*id, track)))
        else {
            return Ok(None);
        };
        collect(store, id, track, (self.form, most))
            .await
            .map(|parcel| Some(Parcel { behind, oldest, ..parcel }))
    }

    async fn moved(&mut self, parcel: Parcel) -> Result<(), LedgerError> {
        let Some(store) = &mut self.store else { return Err(unleased()) };
        let update = "UPDATE exports SET seq = $3, needs_from = $4 \
                      WHERE name = $1 AND chain = $2 AND seq < $3";
        let moved = sqlx::query(update)
            .bind(self.name.as_str())
            .bind(parcel.chain)
            .bind(parcel.track.seq)
            .bind(parcel.track.needs_from())
            .execute(&mut store.connection)
            .await?;
        if moved.rows_affected() != 1 {
            let text = format!("the place of export \"{}\" was moved by somebody else", self.name);
            return Err(LedgerError::System(text));
        }
        self.last = parcel.chain;
        self.tracks.insert(parcel.chain, parcel.track);
        Ok(())
    }
}

fn unleased() -> LedgerError {
    LedgerError::System("the ledger is not connected".to_owned())
}

/// How far a chain was delivered, as the ledger knows it. A chain that is new to an export is delivered
/// from its beginning.
async fn track(store: &mut Store, name: &str, chain: &ChainRow) -> Result<Track, LedgerError> {
    let query = "SELECT seq, needs_from FROM exports WHERE name = $1 AND chain = $2";
    let row =
        sqlx::query(query).bind(name).bind(chain.id).fetch_optional(&mut store.connection).await?;
    let (seq, needs_from) = match row {
        Some(row) => (row.try_get(0)?, row.try_get(1)?),
        None => {
            let first = store.cut(chain.id).await?.map_or(0, |cut| cut.seq);
            let insert = "INSERT INTO exports (name, chain, seq, needs_from) \
                          VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
            sqlx::query(insert)
                .bind(name)
                .bind(chain.id)
                .bind(first)
                .bind(first + 1)
                .execute(&mut store.connection)
                .await?;
            (first, first + 1)
        }
    };
    let ledger = chain.public_key.hex();
    let mut track =
        Track { name: chain.name.clone(), ledger, seq, open: HashMap::new(), forgotten: None };
    let mut after = needs_from - 1;
    while after < seq {
        let rows = store.records(chain.id, after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        for row in rows.iter().filter(|row| row.seq <= seq) {
            if row.kind == Kind::Decision.number() {
                track.begin(read::<Body>(row)?.id, row.seq);
            } else if row.kind == Kind::Receipt.number() {
                track.open.remove(&read::<Body>(row)?.id);
            }
        }
    }
    Ok(track)
}

/// When the first record after one was written.
async fn first_after(store: &mut Store, chain: i64, seq: i64) -> Result<Option<i64>, LedgerError> {
    let query = "SELECT at FROM records WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT 1";
    let row =
        sqlx::query(query).bind(chain).bind(seq).fetch_optional(&mut store.connection).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// The next events of a chain, from one page of records at most.
async fn collect(
    store: &mut Store,
    chain: i64,
    track: &Track,
    (form, most): (Form, usize),
) -> Result<Parcel, LedgerError> {
    let rows = store.records(chain, track.seq, PAGE).await?;
    let mut track = track.clone();
    let first = rows.first().map_or(track.seq + 1, |first| first.seq);
    let missing = first.abs_diff(track.seq + 1);
    let (mut events, mut size) = (Vec::new(), 0);
    let mut decisions: HashMap<i64, Body> = HashMap::new();
    for row in &rows {
        if row.kind == Kind::Decision.number() {
            let decision: Body = read(row)?;
            track.begin(decision.id.clone(), row.seq);
            decisions.insert(row.seq, decision);
        } else if row.kind == Kind::Receipt.number() {
            let receipt: Body = read(row)?;
            let decision = match track.open.remove(&receipt.id) {
                None => None,
                Some(seq) => match decisions.remove(&seq) {
                    Some(decision) => Some(decision),
                    None => one(store, chain, seq).await?,
                },
            };
            if let Some(json) = event(form, &track, decision.as_ref(), &receipt)? {
                size += json.len();
                let succeeded = receipt.outcome == "complete";
                events.push(Event { chain: track.name.clone(), at: row.at, succeeded, json });
            }
        } else if row.kind == Kind::Correction.number() && form == Form::Usage {
            let correction: Correction = read(row)?;
            let at = (track.name.as_str(), row.seq, row.at);
            let json = cloudevents::corrected(&track.ledger, at, &correction).to_string();
            size += json.len();
            events.push(Event { chain: track.name.clone(), at: row.at, succeeded: true, json });
        }
        track.seq = row.seq;
        if events.len() >= most || size >= FULL {
            break;
        }
    }
    Ok(Parcel { events, missing, behind: 0, oldest: 0, chain, track })
}

/// A query that has ended as an event, if it is one.
fn event(
    form: Form,
    track: &Track,
    decision: Option<&Body>,
    receipt: &Body,
) -> Result<Option<String>, LedgerError> {
    let event = match form {
        // Without a decision, retention has deleted it: what the receipt says is left.
        Form::Ocsf => ocsf::event(&track.name, decision.unwrap_or(receipt), Some(receipt)),
        Form::Usage if receipt.outcome == "denied" => return Ok(None),
        Form::Usage => cloudevents::event(&track.ledger, &rated_receipt(&track.name, receipt)?),
    };
    Ok(Some(event.to_string()))
}

/// One record, if retention has not deleted it.
async fn one(store: &mut Store, chain: i64, seq: i64) -> Result<Option<Body>, LedgerError> {
    let rows = store.records(chain, seq - 1, 1).await?;
    rows.iter().find(|row| row.seq == seq).map(read).transpose()
}

fn read<T: DeserializeOwned>(row: &RecordRow) -> Result<T, LedgerError> {
    serde_json::from_str(&row.body)
        .map_err(|_| LedgerError::Damaged(format!("record {} is not one of a gateway", row.seq)))
}

/// The first record of a chain that an export has not got, and which export that is.
pub(crate) async fn first_needed(
    store: &mut Store,
    chain: i64,
) -> Result<Option<Waiting>, LedgerError> {
    // Where an export has no line for a chain, it has nothing of it.
    let query = "SELECT names.name, coalesce(exports.needs_from, 1) \
                 FROM (SELECT DISTINCT name FROM exports) AS names \
                 LEFT JOIN exports ON exports.name = names.name AND exports.chain = $1 \
                 ORDER BY 2, 1 LIMIT 1";
    let row = sqlx::query(query).bind(chain).fetch_optional(&mut store.connection).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Waiting { export: row.try_get(0)?, from: row.try_get(1)? }))
}

/// The exports that a ledger knows, by their names.
///
/// # Errors
/// The store can't be read.
pub async fn names(place: &Place) -> Result<Vec<String>, LedgerError> {
    let mut store = Store::open(place, None).await?;
    let query = "SELECT DISTINCT name FROM exports ORDER BY name";
    let rows = sqlx::query(query).fetch_all(&mut store.connection).await?;
    store.close().await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// Forgets an export that no gateway is configured for any more; says whether there was one. Retention
/// no longer keeps records for it.
///
/// # Errors
/// The store can't be written.
pub async fn forget(place: &Place, name: &str) -> Result<bool, LedgerError> {
    let mut store = Store::open(place, None).await?;
    let delete = "DELETE FROM exports WHERE name = $1";
    let done = sqlx::query(delete).bind(name).execute(&mut store.connection).await?;
    store.close().await?;
    Ok(done.rows_affected() > 0)
}

#[cfg(test)]
mod tests;
