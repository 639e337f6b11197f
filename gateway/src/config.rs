//! The configuration file: TOML, checked as a whole, with every error at once.
//!
//! Nothing here reads a file or the environment: [`Config::parse`] takes the text, and whoever
//! loads the files it names reports their errors with [`Config::error`], at the right line.

mod clients;
mod export;
mod file;
mod ledger;
mod place;
mod read;
mod tables;
#[cfg(test)]
mod tests;
mod tokens;
mod validate;
mod values;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rust_decimal::Decimal;
use tollgate_catalog::{TableName, WarehouseName};

pub use self::clients::ClientCertificates;
pub use self::export::{Events, Export, Protocol, Receiver, Traces};
pub use self::ledger::{Ledger, LedgerStore, Retention};
pub use self::tables::declare;
pub use self::tokens::{Fetching, KeyPlace, Tokens};

/// The whole configuration, valid in itself. Paths are resolved against the file's folder.
#[derive(Debug, Clone)]
pub struct Config {
    /// The one database name that clients connect to.
    pub database: String,
    /// How long running queries may go on after the signal to stop.
    pub drain: Duration,
    /// The PostgreSQL front end.
    pub pg: Pg,
    /// The Flight SQL front end, if it is served.
    pub flight: Option<Flight>,
    /// Where health and metrics are served, if at all.
    pub admin: Option<SocketAddr>,
    /// The file of users.
    pub users: PathBuf,
    /// Whose tokens are believed.
    pub tokens: Option<Tokens>,
    /// Whose client certificates are believed.
    pub clients: Option<ClientCertificates>,
    /// The folder of policies.
    pub policies: PathBuf,
    /// The roles whose members may read the policies.
    pub policy_readers: BTreeSet<String>,
    /// How often to look whether policies, users or the configuration have changed; none: never.
    pub watch: Option<Duration>,
    /// The warehouses, at least one; no two have a name or a schema in common.
    pub warehouses: Vec<Warehouse>,
    /// What is kept in memory between queries.
    pub cache: Cache,
    /// What is said about tables beyond what the warehouse knows.
    pub tables: Vec<TableDeclaration>,
    /// Where decisions and receipts are kept.
    pub ledger: Ledger,
    /// The file of JSON lines; none: standard output.
    pub audit: Option<PathBuf>,
    /// Where traces of statements are sent, if anywhere.
    pub traces: Option<Traces>,
    /// Where the key of hash masks is; none: a new random key at each start.
    pub mask_key: Option<MaskKey>,
    file: String,
    lines: read::Lines,
}

/// The PostgreSQL front end.
#[derive(Debug, Clone)]
pub struct Pg {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// Whether a client must use TLS.
    pub tls: TlsMode,
    /// The certificate, if TLS is offered.
    pub certificate: Option<Certificate>,
    /// How many connections may be open at once.
    pub max_connections: usize,
    /// How long a client may take to authenticate.
    pub authentication_timeout: Duration,
    /// How long one statement may run.
    pub statement_timeout: Option<Duration>,
}

/// The Flight SQL front end. It has the certificate of the PostgreSQL front end.
#[derive(Debug, Clone)]
pub struct Flight {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// How many connections may be open at once.
    pub max_connections: usize,
    /// How long a bearer token and a prepared statement are good.
    pub token_lifetime: Duration,
    /// How long a ticket is good.
    pub ticket_lifetime: Duration,
    /// The bytes of what all users send, and as many of what they leave unread.
    pub memory: u64,
    /// The keys that replicas share; none: a new random key at each start.
    pub key_file: Option<PathBuf>,
}

impl Flight {
    /// All defaults, at an address.
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            max_connections: 200,
            token_lifetime: Duration::from_secs(12 * 3600),
            ticket_lifetime: Duration::from_secs(3600),
            memory: 512 << 20,
            key_file: None,
        }
    }
}

/// Whether a client must use TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// A connection without TLS is refused.
    Required,
    /// TLS is offered if there is a certificate; a connection without it is served too.
    Optional,
}

/// Files of a certificate chain and its private key, both PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A warehouse.
#[derive(Debug, Clone)]
pub struct Warehouse {
    /// Its name.
    pub name: WarehouseName,
    /// Where the tables are.
    pub place: Place,
    /// The schemas whose tables are governed; none: all.
    pub schemas: Vec<String>,
    /// How many bytes queries may hold together; none: the engine's default.
    pub memory_limit: Option<u64>,
    /// Into how many parts one query is split.
    pub target_partitions: Option<usize>,
    /// Where large sorts and joins spill to.
    pub temp: Option<PathBuf>,
    /// How many queries run at once.
    pub max_concurrent: usize,
    /// How often it is asked again which tables it has; none: at each reload only.
    pub refresh: Option<Duration>,
    /// How often its account is asked what it attributes to statements; none: never.
    pub attribution: Option<Duration>,
    /// Where it stands in the file: `warehouse`, or `warehouses[0]`.
    at: String,
}

impl Warehouse {
    /// Where one of its keys stands in the file, for [`Config::error`].
    pub fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.at)
    }

    /// Whether what was opened for the other is what would be opened for this one.
    pub fn opens_as(&self, other: &Self) -> bool {
        let Self {
            name,
            place,
            schemas,
            memory_limit,
            target_partitions,
            temp,
            max_concurrent,
            refresh: _,
            attribution: _,
            at: _,
        } = self;
        *name == other.name
            && *place == other.place
            && *schemas == other.schemas
            && *memory_limit == other.memory_limit
            && *target_partitions == other.target_partitions
            && *temp == other.temp
            && *max_concurrent == other.max_concurrent
    }
}

/// How much is kept in memory between queries, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Cache {
    /// Parsed statements and their plans.
    pub plans: u64,
    /// Results.
    pub results: u64,
}

/// Where the tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a folder of data files.
    Folder(PathBuf),
    /// In a PostgreSQL.
    Postgres(Server),
    /// In a Snowflake account.
    Snowflake(Account),
}

/// How to reach a Snowflake account, and what it has for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The address of the service.
    pub address: String,
    /// The account's name.
    pub name: String,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// What runs queries; none: the user's own.
    pub virtual_warehouse: Option<String>,
    /// What runs those of roles' members, in the order in which they are asked.
    pub by_role: Vec<RoleWarehouse>,
    /// The role to take on; none: the user's own.
    pub role: Option<String>,
    /// What the secret is.
    pub authenticator: Authenticator,
    /// Where the secret is.
    pub secret: Secret,
    /// The schemas whose tables are governed.
    pub schemas: Vec<String>,
    /// The certificates to trust; none: those of the system.
    pub tls_ca: Option<PathBuf>,
    /// What the virtual warehouse costs; none: nothing is charged for its time.
    pub credits: Option<Credits>,
}

/// The virtual warehouse of a role's members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleWarehouse {
    /// The role.
    pub role: String,
    /// The virtual warehouse.
    pub name: String,
    /// What it costs; none: nothing is charged for its time.
    pub credits: Option<Credits>,
}

/// What a virtual warehouse costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credits {
    /// Credits for an hour.
    pub per_hour: Decimal,
    /// After how long without statements it suspends itself.
    pub suspend: Duration,
}

/// What a secret proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authenticator {
    /// It is the user's password.
    Password,
    /// It is the private key of a pair.
    KeyPair,
    /// It is an access token of OAuth.
    OAuth,
    /// It is a programmatic access token.
    AccessToken,
}

/// How to reach a PostgreSQL, and what it has for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name, address, or folder of its socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// Where the password is; none: the server asks for none.
    pub password: Option<Secret>,
    /// The schemas whose tables are governed.
    pub schemas: Vec<String>,
    /// The certificates to trust; none: no TLS.
    pub tls_ca: Option<PathBuf>,
    /// Whether a pooler of transactions stands in between; none: that is found out.
    pub pooled: Option<bool>,
}

/// Where a password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In a file.
    File(PathBuf),
    /// In a variable of the environment.
    Environment(String),
    /// A command prints it.
    Command(Vec<String>),
}

/// What is said about one table beyond what the warehouse knows.
#[derive(Debug, Clone)]
pub struct TableDeclaration {
    /// The table.
    pub name: TableName,
    /// What it means.
    pub comment: Option<String>,
    /// How old a result over it may be.
    pub cache_for: Option<Duration>,
    /// The columns of its primary key.
    pub primary_key: Vec<String>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKeyDeclaration>,
    /// What columns mean: name, comment.
    pub columns: Vec<(String, String)>,
}

/// A foreign key as declared.
#[derive(Debug, Clone)]
pub struct ForeignKeyDeclaration {
    /// Columns of the declared table.
    pub columns: Vec<String>,
    /// The other table.
    pub references: TableName,
    /// The other table's columns.
    pub referenced_columns: Vec<String>,
}

/// Where the key of hash masks is: 32 bytes, as 64 hexadecimal digits.
#[derive(Debug, Clone)]
pub enum MaskKey {
    /// In a file.
    File(PathBuf),
    /// In a variable of the environment.
    Environment(String),
}

/// One error in the configuration, with its place and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The configuration file.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: error: {}\n  hint: {}", self.file, self.line, self.message, self.hint)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the text of the file at `path`; all errors are found at once.
    pub fn parse(path: &Path, text: &str) -> Result<Config, Vec<ConfigError>> {
        let name = path.display().to_string();
        let base = path.parent().unwrap_or(Path::new(""));
        let (raw, lines, mut problems) = read::read(text);
        let mut checker = validate::Checker::new(base, &mut problems);
        let config = match raw {
            Some(raw) => checker.config(raw, name.clone(), lines.clone()),
            None => None,
        };
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            Some(_) | None => {
                problems.sort_by_key(|problem| problem.line(&lines));
                Err(problems.into_iter().map(|problem| problem.at(&name, &lines)).collect())
            }
        }
    }

    /// The same over one folder of data files instead of its warehouses, for rehearsals.
    #[must_use]
    pub fn over(mut self, data: &Path) -> Self {
        self.warehouses.truncate(1);
        for warehouse in &mut self.warehouses {
            warehouse.place = Place::Folder(data.to_owned());
            warehouse.schemas.clear();
        }
        self
    }

    /// How many queries run at once where most may.
    pub fn max_concurrent(&self) -> usize {
        self.warehouses.iter().map(|warehouse| warehouse.max_concurrent).max().unwrap_or(1)
    }

    /// An error about the value at `key` (as `pg.cert`), for whoever loads what the file names.
    pub fn error(
        &self,
        key: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> ConfigError {
        ConfigError {
            file: self.file.clone(),
            line: self.lines.of(key),
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// The JSON schema of the configuration file, for editors.
pub fn schema_json() -> String {
    let schema = schemars::schema_for!(file::File);
    let mut text = format!("{:#}", schema.as_value());
    text.push('\n');
    text
}
