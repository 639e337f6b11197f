//! The part of the file that says where records are kept, what is in them, and where they are sent.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::audit::Statements;
use crate::config::Events;

/// Where decisions and receipts are kept, in a chain of hashes that is signed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Ledger {
    /// The kind of store (default "sqlite").
    pub(in crate::config) kind: Option<LedgerKind>,
    /// Sqlite: the file (default "ledger.db").
    pub(in crate::config) file: Option<String>,
    /// Sqlite: how large the file may become, as "10 GiB"; from then on queries are refused, until
    /// `tollgate audit prune` has made room (default: as large as the disk).
    pub(in crate::config) max_size: Option<String>,
    /// Postgres: a file that holds the URL to connect with.
    pub(in crate::config) url_file: Option<String>,
    /// Postgres: a variable of the environment that holds it.
    pub(in crate::config) url_env: Option<String>,
    /// Postgres: the name of this gateway among those that share it (default "main").
    pub(in crate::config) replica: Option<String>,
    /// The file of the key that signs, PEM; it is made if there is none, and its public key beside it
    /// (default "ledger.key").
    pub(in crate::config) key: Option<String>,
    /// The attribute of users that names who pays (default "tenant_id").
    pub(in crate::config) tenant: Option<String>,
    /// How much of a statement's text is recorded (default "redacted").
    pub(in crate::config) statements: Option<Statements>,
    /// Statements of which less is recorded, by the roles that send them and the tables that they read.
    pub(in crate::config) texts: Vec<Texts>,
    /// How long records are kept, as "400 days": older ones are deleted, but for what an export has not got yet
    /// (default: until `tollgate audit prune`).
    pub(in crate::config) keep: Option<String>,
    /// How often that is looked after (default "24h").
    pub(in crate::config) prune_every: Option<String>,
    /// Systems elsewhere that get what is recorded, continuously.
    pub(in crate::config) export: Vec<Export>,
}

/// Statements of which less is recorded than of others: of all that are for one, the strictest counts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Texts {
    /// Those of whoever has one of these roles (default: everyone's).
    pub(in crate::config) roles: Vec<String>,
    /// Those that read one of these tables, as "hr.salaries" or "hr.*", also by a view, and all that are
    /// refused (default: over all tables).
    pub(in crate::config) tables: Vec<String>,
    /// How much of their text is recorded.
    pub(in crate::config) store: Option<Statements>,
}

/// A system elsewhere that gets what is recorded, of each query when it has ended.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Export {
    /// Its name, under which the ledger keeps how far it is.
    pub(in crate::config) name: Option<String>,
    /// Where it is: "tls://host:6514" for syslog, "https://host/path" for HTTP; on this machine also
    /// "tcp://" and "http://".
    pub(in crate::config) to: Option<String>,
    /// What it gets (default "ocsf").
    pub(in crate::config) events: Option<Events>,
    /// The certificates of the authorities to trust, PEM (default: those of the system).
    pub(in crate::config) tls_ca: Option<String>,
    /// HTTP: a file that holds the bearer token; read again for each request.
    pub(in crate::config) token_file: Option<String>,
    /// HTTP: a variable of the environment that holds it.
    pub(in crate::config) token_env: Option<String>,
}

/// The kind of the ledger's store.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum LedgerKind {
    /// A file, with SQLite.
    Sqlite,
    /// A PostgreSQL, which replicas share.
    Postgres,
    /// No ledger: the JSON lines are the record.
    None,
}
