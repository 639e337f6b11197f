//! Corrects credits in the ledger by what the accounts of warehouses attribute to statements: when an
//! operator asks for it, and at intervals while the gateway serves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tollgate_catalog::Error;
use tollgate_gateway::config::{Account, Config, Place, Warehouse};
use tollgate_ledger::SigningKey;
use tollgate_ledger::billing::{Corrected, Corrections, Figure};
use tollgate_warehouse::snowflake::{Snowflake, attributed};

use crate::listener::stopping;
use crate::renew::Renewal;
use crate::{ledger, place};

/// Figures that are written together.
const PAGE: usize = 500;
/// How often to look whether an account is to be asked.
const LOOK: Duration = Duration::from_secs(2);
/// How far back accounts are asked at intervals: what they attribute comes hours later.
const BACK: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How long one account may take.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The warehouses whose time is charged in credits, each with its account.
pub(crate) fn charged(config: &Config) -> impl Iterator<Item = (&Warehouse, &Account)> {
    config.warehouses.iter().filter_map(|warehouse| match &warehouse.place {
        Place::Snowflake(account) if account.credits.is_some() => Some((warehouse, account)),
        Place::Snowflake(_) | Place::Folder(_) | Place::Postgres(_) => None,
    })
}

/// Corrects the statements that began in a time, from and until in microseconds since 1970, at one
/// warehouse.
pub(crate) async fn correct(
    config: &Config,
    (warehouse, account): (&Warehouse, &Account),
    (from, until): (i64, i64),
) -> Result<Corrected, String> {
    let Some(place) = ledger::place(config)? else {
        let hint = "set \"ledger.kind\": corrections are records";
        return Err(config.error("ledger", "there is no ledger", hint).to_string());
    };
    let refused = |error| ledger::refused(config, &error);
    let key = SigningKey::read(&config.ledger.key).map_err(refused)?;
    let mut corrections = Corrections::open(&place, &key, None).await.map_err(refused)?;
    let engine = place::log_in(config, warehouse, account)?;
    let done = take(&engine, &mut corrections, &warehouse.name.to_string(), (from, until)).await;
    engine.close().await;
    let done = done.map_err(|trouble| match trouble {
        Trouble::Ledger(error) => refused(error),
        Trouble::Account(error) => {
            let hint = error.hint().unwrap_or(
                "let the role read the history: \
                 GRANT DATABASE ROLE SNOWFLAKE.USAGE_VIEWER TO ROLE <the gateway's>",
            );
            config.error(&warehouse.key("account"), place::said(&error), hint).to_string()
        }
    })?;
    corrections.close().await.map_err(refused)?;
    Ok(done)
}

/// Why it ended before its end. What was corrected until then stays.
enum Trouble {
    Account(Error),
    Ledger(tollgate_ledger::LedgerError),
}

async fn take(
    engine: &Snowflake,
    corrections: &mut Corrections<'_>,
    warehouse: &str,
    (from, until): (i64, i64),
) -> Result<Corrected, Trouble> {
    let mut done = Corrected::default();
    let mut history = attributed(engine, from, until).await.map_err(Trouble::Account)?;
    loop {
        let page = history.next(PAGE).await.map_err(Trouble::Account)?;
        if page.is_empty() {
            done.refused += history.refused();
            return Ok(done);
        }
        let figure = |one: tollgate_warehouse::snowflake::Figure| Figure {
            warehouse: warehouse.to_owned(),
            query: one.statement,
            credits: one.credits,
        };
        let figures: Vec<Figure> = page.into_iter().map(figure).collect();
        done.add(&corrections.take(&figures).await.map_err(Trouble::Ledger)?);
    }
}

/// Asks the accounts that are to be asked at intervals, until the signal to shut down. A reload changes
/// the intervals, and begins none anew.
pub(crate) async fn serve(renewal: Arc<Renewal>, mut shutdown: watch::Receiver<bool>) {
    let work = async {
        let mut asked = HashMap::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(config) = renewal.config() else { continue };
            for (warehouse, account) in charged(&config) {
                let Some(every) = warehouse.attribution else { continue };
                let last = asked.entry(warehouse.name.clone()).or_insert_with(Instant::now);
                if last.elapsed() >= every {
                    at_interval(&config, (warehouse, account)).await;
                    *last = Instant::now();
                }
            }
        }
    };
    tokio::select! {
        () = stopping(&mut shutdown) => {}
        () = work => {}
    }
}

async fn at_interval(config: &Config, (warehouse, account): (&Warehouse, &Account)) {
    let now = chrono::Utc::now().timestamp_micros();
    let back = i64::try_from(BACK.as_micros()).unwrap_or(i64::MAX);
    let span = (now.saturating_sub(back), i64::MAX);
    let work = correct(config, (warehouse, account), span);
    let name = &warehouse.name;
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(done)) => tracing::info!(
            warehouse = %name,
            corrected = done.corrected,
            same = done.same,
            unknown = done.unknown,
            refused = done.refused,
            "credits are as the account attributes them"
        ),
        Ok(Err(error)) => {
            tracing::error!(warehouse = %name, "credits could not be corrected\n{error}");
        }
        Err(_) => {
            tracing::error!(warehouse = %name, "credits were not corrected: the account takes too long");
        }
    }
}
