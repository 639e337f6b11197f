//! From the configuration to the ledger, for the gateway that writes to it and the commands that read it.

use std::fs;
use std::sync::Arc;

use tollgate_gateway::config::{Config, Ledger as Settings, LedgerStore, Secret};
use tollgate_gateway::limits::budget::{MemoryPurse, Purse};
use tollgate_gateway::limits::purses::LedgerPurse;
use tollgate_gateway::{Audit, AuditTarget};
use tollgate_ledger::purse::Purses;
use tollgate_ledger::{Ledger, LedgerError, Options, Place};

/// Where records go, opened to be written.
pub(crate) fn audit(config: &Config) -> Result<Audit, String> {
    let target = match &config.audit {
        Some(file) => AuditTarget::File(file.clone()),
        None => AuditTarget::Stdout,
    };
    let lines = |error| {
        let message = format!("could not open the audit trail: {error}");
        config.error("audit.file", message, "name a file that can be appended to").to_string()
    };
    let settings = &config.ledger;
    let Some(place) = place(config)? else {
        return Audit::open(target, &settings.tenant, settings.texts.clone()).map_err(lines);
    };
    let options = Options {
        chain: settings.replica.clone(),
        max_bytes: max_bytes(config),
        export: target.export().map_err(lines)?,
        ..Options::at(place, settings.key.clone())
    };
    let ledger = Ledger::open(options).map_err(|error| refused(config, &error))?;
    if ledger.interrupted() > 0 {
        tracing::warn!(
            queries = ledger.interrupted(),
            "an earlier run has left queries without an end, they are recorded as interrupted"
        );
    }
    Ok(Audit::ledger(ledger, &settings.tenant, settings.texts.clone()))
}

/// How many bytes the configured ledger may take, if it is a file.
pub(crate) fn max_bytes(config: &Config) -> Option<u64> {
    match &config.ledger.store {
        Some(LedgerStore::Sqlite { max_size, .. }) => *max_size,
        Some(LedgerStore::Postgres(_)) | None => None,
    }
}

/// Where the money of budgets is held: in the ledger, or without one in this process.
pub(crate) fn purse(config: &Config) -> Result<Arc<dyn Purse>, String> {
    let Some(place) = place(config)? else { return Ok(Arc::new(MemoryPurse::default())) };
    let purses = Purses::open(place, &config.ledger.replica);
    Ok(Arc::new(LedgerPurse::new(purses.map_err(|error| refused(config, &error))?)))
}

/// Where the configured ledger is, if there is one.
pub(crate) fn place(config: &Config) -> Result<Option<Place>, String> {
    let secret = match &config.ledger.store {
        None => return Ok(None),
        Some(LedgerStore::Sqlite { file, .. }) => return Ok(Some(Place::Sqlite(file.clone()))),
        Some(LedgerStore::Postgres(secret)) => secret,
    };
    let (key, url) = match secret {
        Secret::File(path) => {
            ("ledger.url_file", fs::read_to_string(path).map_err(|error| error.to_string()))
        }
        Secret::Environment(variable) => {
            ("ledger.url_env", std::env::var(variable).map_err(|error| error.to_string()))
        }
        Secret::Command(_) => return Err("error: a secret of a warehouse".to_owned()),
    };
    let url = url.map_err(|error| {
        let message = format!("could not read the URL of the ledger: {error}");
        config.error(key, message, "write the URL there").to_string()
    })?;
    let url = url.trim();
    if !is_safe(url) {
        let message = "records would cross the network without a proof of who receives them";
        let hint = "add \"?sslmode=verify-full\" to the URL, or use a server on this machine";
        return Err(config.error(key, message, hint).to_string());
    }
    Ok(Some(Place::Postgres(url.to_owned())))
}

/// Whether a server on another machine must prove who it is.
fn is_safe(url: &str) -> bool {
    let (base, parameters) = url.split_once('?').unwrap_or((url, ""));
    let mut modes =
        parameters.split('&').filter_map(|parameter| parameter.strip_prefix("sslmode="));
    let mode = modes.next();
    if modes.next().is_some() {
        return false;
    }
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let name = host.strip_prefix('[').map_or_else(
        || host.split(':').next().unwrap_or_default(),
        |rest| rest.split(']').next().unwrap_or_default(),
    );
    // A host may be named in a parameter too.
    let elsewhere = parameters.split('&').any(|parameter| {
        let key = parameter.split('=').next().unwrap_or_default();
        matches!(key, "host" | "hostaddr")
            && !parameter.contains("=/")
            && !parameter.contains("=%2F")
    });
    let here = matches!(name, "127.0.0.1" | "::1" | "localhost" | "") && !elsewhere;
    matches!(mode, Some("verify-full" | "verify-ca")) || here
}

/// Why a ledger can't be used, at the line of the configuration that says what to do.
pub(crate) fn refused(config: &Config, error: &LedgerError) -> String {
    let Settings { store, .. } = &config.ledger;
    let (key, hint) = match error {
        LedgerError::File { .. } => {
            ("ledger.file", "name files in a folder that the gateway may write to")
        }
        LedgerError::Database(_) => match store {
            Some(LedgerStore::Postgres(_)) => ("ledger", "check the URL, and what the user may do"),
            Some(LedgerStore::Sqlite { .. }) | None => (
                "ledger.file",
                "look whether the disk is full, and whether this is a ledger's file",
            ),
        },
        LedgerError::InUse(_) => (
            "ledger",
            "end the other gateway, or give each one a ledger or a replica name of its own",
        ),
        LedgerError::Key { .. } => {
            ("ledger.key", "name the file of the key that a gateway made, or one that isn't there")
        }
        LedgerError::OtherKey(_) => {
            ("ledger.key", "put the key back, or move the ledger away to begin a new one")
        }
        LedgerError::Newer(_) => ("ledger", "use the program that wrote it, or a newer one"),
        LedgerError::Damaged(_) => (
            "ledger",
            "look at it with `tollgate audit verify`, and move it away to begin a new one",
        ),
        LedgerError::System(_) => ("ledger", "look at the limits of this process"),
    };
    config.error(key, error.to_string(), hint).to_string()
}

#[cfg(test)]
mod tests {
    use super::is_safe;

    #[test]
    fn servers_elsewhere_must_prove_who_they_are() {
        for safe in [
            "postgres://u:p@127.0.0.1:5432/db",
            "postgres://u:p@[::1]:5432/db",
            "postgres://u@localhost/db?sslmode=disable",
            "postgres:///db?host=/run/postgresql",
            "postgres://u:p@db.example/db?sslmode=verify-full",
            "postgres://u:p@db.example/db?application_name=x&sslmode=verify-ca",
        ] {
            assert!(is_safe(safe), "{safe}");
        }
        for unsafe_url in [
            "postgres://u:p@db.example/db",
            "postgres://u:p@db.example/db?sslmode=require",
            "postgres://u:localhost@db.example/db",
            "postgres://127.0.0.1@db.example/db",
            "postgres://u:p@localhost.example/db",
            "postgres://u@localhost/db?host=db.example",
            "postgres://u@localhost/db?hostaddr=10.0.0.1",
            "postgres://u@db.example/db?sslmode=verify-full&sslmode=disable",
        ] {
            assert!(!is_safe(unsafe_url), "{unsafe_url}");
        }
    }
}
