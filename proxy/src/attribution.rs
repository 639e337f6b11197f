//! Corrects credits in the ledger by what the accounts of warehouses attribute to statements: when an
//! operator asks for it, and at intervals while the gateway serves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tollgate_catalog::Error;
use tollgate_gateway::config::{Account, Config, Place, Warehouse};
use tollgate_ledger::billing::{Corrected, Corrections, Figure};
use tollgate_ledger::{LedgerError, SigningKey};
use tollgate_warehouse::snowflake::{Snowflake, attributed};

use crate::listener::stopping;
use crate::renew::Renewal;
use crate::{ledger, place};

/// Figures that are written together.
const PAGE: usize = 500;
/// How often to look whether an account is to be asked.
const LOOK: Duration = Duration::from_secs(2);
/// How long after the start that is looked at first.
const START: Duration = Duration::from_secs(60);
/// How soon to look again what became of it, where another replica asks.
const STAND_BY: Duration = Duration::from_secs(60);
/// How soon to ask again an account that couldn't be asked, at the latest.
const AGAIN: Duration = Duration::from_secs(60 * 60);
/// How long the answer of one account for one day, or the ledger, may take.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// How far back accounts are asked at intervals, in microseconds: what they attribute comes hours later.
const BACK: i64 = 3 * DAY;
/// How far back an account remembers.
const MEMORY: i64 = 366 * DAY;
/// The shortest time that is asked for by itself.
const SHORTEST: i64 = 10 * MINUTE;

/// A time, from and until in microseconds since 1970.
type Span = (i64, i64);

/// The warehouses whose time is charged in credits, each with its account.
pub(crate) fn charged(config: &Config) -> impl Iterator<Item = (&Warehouse, &Account)> {
    config.warehouses.iter().filter_map(|warehouse| match &warehouse.place {
        Place::Snowflake(account) if account.credits.is_some() => Some((warehouse, account)),
        Place::Snowflake(_) | Place::Folder(_) | Place::Postgres(_) => None,
    })
}

/// Corrects the statements that began in a time at one warehouse.
pub(crate) async fn correct(
    config: &Config,
    warehouse: (&Warehouse, &Account),
    span: Span,
) -> Result<Corrected, String> {
    let refused = |error| ledger::refused(config, &error);
    let key = key(config)?;
    let mut corrections = open(config, &key).await?;
    let done = ask(config, warehouse, &mut corrections, (span, Duration::MAX)).await?;
    corrections.close().await.map_err(refused)?;
    Ok(done)
}

fn key(config: &Config) -> Result<SigningKey, String> {
    SigningKey::read(&config.ledger.key).map_err(|error| ledger::refused(config, &error))
}

async fn open<'a>(config: &Config, key: &'a SigningKey) -> Result<Corrections<'a>, String> {
    let Some(place) = ledger::place(config)? else {
        let hint = "set \"ledger.kind\": corrections are records";
        return Err(config.error("ledger", "there is no ledger", hint).to_string());
    };
    let opened = Corrections::open(&place, key, ledger::max_bytes(config)).await;
    opened.map_err(|error| ledger::refused(config, &error))
}

/// How many parts of a time may fail before the rest isn't asked for.
const FAILURES: u32 = 3;

/// Why it ended before its end. What was corrected until then stays.
enum Trouble {
    Account(Error),
    Ledger(LedgerError),
}

/// Asks an account, day by day.
async fn ask(
    config: &Config,
    (warehouse, account): (&Warehouse, &Account),
    corrections: &mut Corrections<'_>,
    (span, patience): (Span, Duration),
) -> Result<Corrected, String> {
    let engine = place::log_in(config, warehouse, account)?;
    let name = warehouse.name.to_string();
    let mut done = Corrected::default();
    let mut spans = days(span, now());
    let mut failed = None;
    let mut failures = 0;
    while let Some(span) = spans.pop() {
        let work = take(&engine, corrections, (&name, span), &mut done);
        let halves = match tokio::time::timeout(patience, work).await {
            Ok(Ok(halves)) => halves,
            Ok(Err(Trouble::Ledger(error))) => {
                failed = Some(ledger::refused(config, &error));
                break;
            }
            Ok(Err(Trouble::Account(error))) => {
                let hint = error.hint().unwrap_or(
                    "let the role read the history: \
                     GRANT DATABASE ROLE SNOWFLAKE.USAGE_VIEWER TO ROLE <the gateway's>",
                );
                let key = warehouse.key("account");
                failed = Some(config.error(&key, place::said(&error), hint).to_string());
                // One day that can't be had keeps no other ones back.
                failures += 1;
                if failures == FAILURES {
                    break;
                }
                None
            }
            Err(_) => {
                failed = Some("the account takes too long".to_owned());
                break;
            }
        };
        spans.extend(halves.into_iter().flatten());
    }
    engine.close().await;
    failed.map_or(Ok(done), Err)
}

/// The times that are asked for one by one, the last one first: each a day at most, so that what the
/// account says of it isn't too long. Of what it doesn't remember any more all at once.
fn days((from, until): Span, now: i64) -> Vec<Span> {
    // Nothing begins in the future, whatever the clocks say.
    let until = until.min(now.saturating_add(DAY));
    let oldest = now.saturating_sub(MEMORY);
    let mut days = Vec::new();
    let mut start = from;
    while start < until {
        let end = if start < oldest { oldest } else { start.saturating_add(DAY) };
        let end = if end >= now { until } else { end.min(until) };
        days.push((start, end));
        start = end;
    }
    days.reverse();
    days
}

/// The two halves of a time, the second one first; nothing of one that is too short.
fn halves((from, until): Span) -> Option<[Span; 2]> {
    let middle = from.midpoint(until);
    (middle.saturating_sub(from) >= SHORTEST).then_some([(middle, until), (from, middle)])
}

/// Corrects what the account says of a time; if that is too long, says which parts of it to ask for
/// instead.
async fn take(
    engine: &Snowflake,
    corrections: &mut Corrections<'_>,
    (warehouse, span): (&str, Span),
    done: &mut Corrected,
) -> Result<Option<[Span; 2]>, Trouble> {
    let mut history = attributed(engine, span.0, span.1).await.map_err(Trouble::Account)?;
    let mut all = Corrected::default();
    loop {
        let page = match history.next(PAGE).await {
            Ok(page) => page,
            Err(error) => {
                let halves = halves(span).filter(|_| history.is_too_long());
                // The rest comes again.
                done.corrected += all.corrected;
                return halves.map(Some).ok_or(Trouble::Account(error));
            }
        };
        if page.is_empty() {
            all.refused += history.refused();
            done.add(&all);
            return Ok(None);
        }
        let figure = |one: tollgate_warehouse::snowflake::Figure| Figure {
            warehouse: warehouse.to_owned(),
            query: one.statement,
            credits: one.credits,
        };
        let figures: Vec<Figure> = page.into_iter().map(figure).collect();
        all.add(&corrections.take(&figures).await.map_err(Trouble::Ledger)?);
    }
}

/// When to look at a warehouse next.
struct Next {
    every: Duration,
    at: Instant,
}

impl Next {
    fn after(every: Duration, pause: Duration) -> Self {
        // What is beyond all clocks never comes.
        let far = || Instant::now() + Duration::from_secs(365 * 24 * 60 * 60);
        Self { every, at: Instant::now().checked_add(pause).unwrap_or_else(far) }
    }
}

/// Asks the accounts that are to be asked at intervals, until the signal to shut down. When one was asked
/// last is in the ledger: neither a start nor a reload begins an interval anew, and of replicas that share
/// the ledger one asks.
pub(crate) async fn serve(renewal: Arc<Renewal>, mut shutdown: watch::Receiver<bool>) {
    let work = async {
        let mut nexts = HashMap::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(config) = renewal.config() else { continue };
            for (warehouse, account) in charged(&config) {
                let Some(every) = warehouse.attribution else { continue };
                let start = || Next::after(every, every.min(START));
                let next = nexts.entry(warehouse.name.clone()).or_insert_with(start);
                if next.every != every {
                    *next = start();
                }
                if Instant::now() >= next.at {
                    let pause = at_interval(&config, (warehouse, account), every).await;
                    *next = Next::after(every, pause);
                }
            }
        }
    };
    tokio::select! {
        () = stopping(&mut shutdown) => {}
        () = work => {}
    }
}

/// Asks an account if it is time; says how long to wait.
async fn at_interval(
    config: &Config,
    (warehouse, account): (&Warehouse, &Account),
    every: Duration,
) -> Duration {
    let name = &warehouse.name;
    match turn(config, (warehouse, account), every).await {
        Ok(Turn::Asked(done)) => {
            tracing::info!(
                warehouse = %name,
                corrected = done.corrected,
                same = done.same,
                unknown = done.unknown,
                refused = done.refused,
                "credits are as the account attributes them"
            );
            every
        }
        Ok(Turn::NotYet(pause)) => pause,
        Err(error) => {
            tracing::error!(warehouse = %name, "credits could not be corrected\n{error}");
            every.min(AGAIN)
        }
    }
}

/// What became of a turn.
enum Turn {
    Asked(Corrected),
    /// It is another one's, or another time's.
    NotYet(Duration),
}

async fn turn(
    config: &Config,
    (warehouse, account): (&Warehouse, &Account),
    every: Duration,
) -> Result<Turn, String> {
    let refused = |error| ledger::refused(config, &error);
    let name = warehouse.name.to_string();
    let key = key(config)?;
    let opened = tokio::time::timeout(PATIENCE, async {
        let mut corrections = open(config, &key).await?;
        let leads = corrections.lease(&name).await.map_err(refused)?;
        let last = corrections.asked(&name).await.map_err(refused)?;
        Ok::<_, String>((corrections, leads, last))
    });
    let opened = opened.await.map_err(|_| "the ledger takes too long".to_owned())?;
    let (mut corrections, leads, last) = opened?;
    let now = now();
    let pause = if leads { rest(last, every, now) } else { Some(every.min(STAND_BY)) };
    if let Some(pause) = pause {
        corrections.close().await.map_err(refused)?;
        return Ok(Turn::NotYet(pause));
    }
    let span = (since(last, every, now), i64::MAX);
    let done = ask(config, (warehouse, account), &mut corrections, (span, PATIENCE)).await?;
    corrections.note_asked(&name, now).await.map_err(refused)?;
    corrections.close().await.map_err(refused)?;
    Ok(Turn::Asked(done))
}

fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// How much of an interval is left; nothing: it is over.
fn rest(last: Option<i64>, every: Duration, now: i64) -> Option<Duration> {
    // By a clock that was far ahead, one would wait forever.
    let rest = micros(every).saturating_sub(now.abs_diff(last?).try_into().unwrap_or(i64::MAX));
    u64::try_from(rest).ok().filter(|rest| *rest > 0).map(Duration::from_micros)
}

/// From when on an account is asked: some days back, and from a day before it was asked last or should have
/// been, so that what it said late isn't left out.
fn since(last: Option<i64>, every: Duration, now: i64) -> i64 {
    let ago = last.map_or(0, |last| now.saturating_sub(last)).max(micros(every));
    now.saturating_sub(ago.saturating_add(DAY).clamp(BACK, MEMORY))
}

#[cfg(test)]
mod tests;
