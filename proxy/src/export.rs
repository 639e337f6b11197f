//! Sends what the ledger holds to systems elsewhere, while the gateway serves.
//!
//! Each export is a task that takes a parcel out of the ledger, delivers it and notes that it did: one
//! parcel is in memory, and no query waits for it. What could not be delivered is tried again for as
//! long as it takes, in smaller parcels and after longer pauses; the log and the metrics tell.
//!
//! | module | |
//! |---|---|
//! | `connect` | connections with bounds, TLS |
//! | `syslog` | RFC 5424 over TCP or TLS |
//! | `http` | JSON by requests |
//! | `counts` | what the metrics tell |

mod connect;
mod counts;
mod http;
mod syslog;

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::watch;
use tollgate_gateway::config::{self, Config, Events, Protocol};
use tollgate_ledger::export::{Form, Outbox, names};
use tollgate_ledger::{LedgerError, Place};

use self::connect::Peer;
pub(crate) use self::counts::Counts;
use crate::listener::stopping;
use crate::{ledger, place};

/// How often to look for something new.
const LOOK: Duration = Duration::from_secs(1);
/// How often to look whether the replica that exports is gone.
const STAND_BY: Duration = Duration::from_secs(5);
/// The first pause after a failure; it doubles with each one.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);
/// The most events of a parcel.
const MOST: usize = 500;
/// How often a single event is refused before it is sent without what a client wrote.
const REFUSED: u32 = 5;

/// An export that can begin.
pub(crate) struct Export {
    place: Place,
    settings: config::Export,
    peer: Peer,
    counts: Arc<Counts>,
}

/// The configured exports.
///
/// # Errors
/// Certificates or a token can't be read.
pub(crate) fn exports(config: &Config) -> Result<Vec<Export>, String> {
    let Some(place) = ledger::place(config)? else { return Ok(Vec::new()) };
    let mut exports = Vec::new();
    for (index, settings) in config.ledger.exports.iter().enumerate() {
        let key = |part: &str| format!("ledger.export[{index}].{part}");
        let tls = match settings.to.tls {
            true => Some(place::trusting(config, &key("tls_ca"), settings.tls_ca.as_deref())?),
            false => None,
        };
        http::token(settings).map_err(|error| {
            let hint = "name a file or a variable that holds the token";
            config.error(&key("token_file"), error, hint).to_string()
        })?;
        let peer = Peer::new(&settings.to, tls);
        let counts = Arc::new(Counts::new(&settings.name));
        exports.push(Export { place: place.clone(), settings: settings.clone(), peer, counts });
    }
    Ok(exports)
}

/// Warns of exports that the ledger knows and the configuration doesn't.
pub(crate) async fn warn_of_forgotten(config: &Config) -> Result<(), LedgerError> {
    let Ok(Some(place)) = ledger::place(config) else { return Ok(()) };
    let known = |name: &String| config.ledger.exports.iter().any(|export| export.name == *name);
    for name in names(&place).await?.iter().filter(|name| !known(name)) {
        tracing::warn!(
            export = name,
            "the ledger keeps records for an export that is not configured here: if it is gone for \
             good, forget it with `tollgate audit forget`"
        );
    }
    Ok(())
}

/// Why events weren't delivered.
struct Trouble {
    /// For the log.
    text: String,
    /// The receiver won't ever take them as they are.
    refuses: bool,
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self { text, refuses: false }
    }
}

/// What came of one step.
enum Step {
    /// Something was delivered: there may be more.
    Delivered,
    /// There is nothing to deliver.
    Idle,
    /// Another replica does it.
    StandingBy,
}

impl Export {
    /// What it tells the metrics.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Delivers until the signal to shut down. What was sent and not noted then is sent again later.
    pub(crate) async fn serve(self, mut shutdown: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            () = stopping(&mut shutdown) => {}
            () = self.deliver_all() => {}
        }
    }

    async fn deliver_all(&self) {
        let name = self.settings.name.as_str();
        let form = match self.settings.events {
            Events::Ocsf => Form::Ocsf,
            Events::Usage => Form::Usage,
        };
        let mut outbox = Outbox::new(self.place.clone(), name, form);
        let (mut most, mut pause) = (MOST, PAUSE);
        let mut failed: Option<String> = None;
        let mut refused = 0;
        loop {
            let wait = match self.step(&mut outbox, most, refused >= REFUSED).await {
                Ok(step) => {
                    refused = 0;
                    if failed.take().is_some() {
                        tracing::info!(export = name, "records are exported again");
                    }
                    pause = PAUSE;
                    most = (most * 2).min(MOST);
                    match step {
                        Step::Delivered => continue,
                        Step::Idle => LOOK,
                        Step::StandingBy => STAND_BY,
                    }
                }
                Err(Trouble { text: error, refuses }) => {
                    self.counts.failed();
                    refused = if refuses && most == 1 { refused + 1 } else { 0 };
                    if failed.as_ref() != Some(&error) {
                        tracing::warn!(export = name, error, "records could not be exported yet");
                        failed = Some(error);
                    }
                    let jittered = rand::rng().random_range(pause / 2..=pause);
                    if !refuses || most == 1 {
                        pause = (pause * 2).min(LONGEST);
                    }
                    // Perhaps it was too much, or one event of them is the trouble.
                    most = (most / 2).max(1);
                    jittered
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn step(
        &self,
        outbox: &mut Outbox,
        most: usize,
        shortened: bool,
    ) -> Result<Step, Trouble> {
        let said = |error: LedgerError| error.to_string();
        let leads = outbox.lease().await.map_err(said)?;
        self.counts.leads(leads);
        if !leads {
            return Ok(Step::StandingBy);
        }
        let Some(mut parcel) = outbox.next(most).await.map_err(said)? else {
            self.counts.idle();
            return Ok(Step::Idle);
        };
        self.counts.behind(parcel.behind, parcel.oldest);
        // One statement that a receiver chokes on must not keep the others back.
        let mut without_statement = 0_usize;
        for event in parcel.events.iter_mut().filter(|_| shortened) {
            if let Some(without) = event.without_texts() {
                without_statement += 1;
                *event = without;
            }
        }
        if !parcel.events.is_empty() {
            match self.settings.to.protocol {
                Protocol::Syslog => syslog::send(&self.peer, &parcel.events).await?,
                Protocol::Http => {
                    let token = http::token(&self.settings)?;
                    http::post(&self.peer, &self.settings, token, &parcel.events).await?;
                }
            }
        }
        for _ in 0..without_statement {
            tracing::warn!(export = self.settings.name, "an event is sent without its statement");
        }
        let (events, missing) = (parcel.events.len(), parcel.missing);
        outbox.delivered(parcel).await.map_err(said)?;
        self.counts.delivered(events, missing);
        if missing > 0 {
            tracing::error!(
                export = self.settings.name,
                records = missing,
                "retention has deleted records that were not exported"
            );
        }
        Ok(Step::Delivered)
    }
}
