//! The shape of the file, as `serde` reads it and `schemars` describes it.
//!
//! Every key is optional here, so that one error doesn't hide the next; what must be present is
//! checked afterwards.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::TlsMode;

mod ledger;

pub(super) use ledger::{Export, Ledger, LedgerKind, Texts};

/// Configuration of a Tollgate server. Relative paths start at the file's own folder.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Tollgate")]
pub(super) struct File {
    /// The database name that clients connect to (default "tollgate").
    pub(super) database: Option<String>,
    /// How long running queries may go on after the signal to stop (default "10s").
    pub(super) drain: Option<String>,
    /// The PostgreSQL front end.
    pub(super) pg: Pg,
    /// The Arrow Flight SQL front end; absent: not served.
    pub(super) flight: Option<Flight>,
    /// Health and metrics over HTTP; absent: not served.
    pub(super) admin: Option<Admin>,
    /// Who may connect.
    pub(super) users: Users,
    /// Tokens of an identity provider that are believed; absent: none.
    pub(super) tokens: Option<Tokens>,
    /// Client certificates that are believed, by both front ends; absent: none.
    pub(super) client_certificates: Option<ClientCertificates>,
    /// What they may see.
    pub(super) policies: Policies,
    /// Where the data is, or the first of several places.
    pub(super) warehouse: Option<Warehouse>,
    /// More warehouses beside it, each with schemas of its own. A query is over the tables of one.
    pub(super) warehouses: Vec<Warehouse>,
    /// What is kept in memory between queries.
    pub(super) cache: Cache,
    /// Keys and comments of tables, beyond what the data files say.
    pub(super) tables: Vec<Table>,
    /// Where the record of each query is kept.
    pub(super) ledger: Ledger,
    /// Where the record of each query goes too, as JSON lines.
    pub(super) audit: Audit,
    /// Where traces of statements are sent; absent: nowhere.
    pub(super) traces: Option<Traces>,
    /// Keys.
    pub(super) secrets: Secrets,
}

/// The PostgreSQL front end.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Pg {
    /// Address and port to listen at (default "127.0.0.1:6432").
    pub(super) listen: Option<String>,
    /// "required" (default) refuses connections without TLS; "optional" serves them.
    pub(super) tls: Option<TlsMode>,
    /// The certificate chain, PEM.
    pub(super) cert: Option<String>,
    /// The private key, PEM.
    pub(super) key: Option<String>,
    /// How many connections may be open at once (default 200).
    pub(super) max_connections: Option<u32>,
    /// How long a client may take to authenticate (default "10s").
    pub(super) authentication_timeout: Option<String>,
    /// How long one statement may run (default: no limit).
    pub(super) statement_timeout: Option<String>,
}

/// The Arrow Flight SQL front end. With the certificate of the PostgreSQL front end, TLS is all
/// that it speaks; without one it listens at a loopback address, without TLS.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Flight {
    /// Address and port to listen at (default "127.0.0.1:6433").
    pub(super) listen: Option<String>,
    /// How many connections may be open at once (default 200).
    pub(super) max_connections: Option<u32>,
    /// How long a bearer token and a prepared statement are good (default "12h").
    pub(super) token_lifetime: Option<String>,
    /// How long the ticket of a result is good (default "1h").
    pub(super) ticket_lifetime: Option<String>,
    /// Memory for what all users send and leave unread, beside 5 MiB of each one's own (default
    /// "512 MiB" in each direction).
    pub(super) memory: Option<String>,
    /// A file of keys that replicas share: 64 hexadecimal digits a line; the first one seals tokens
    /// and handles, all of them open (default: a random key at each start).
    pub(super) key_file: Option<String>,
}

/// Health and metrics over HTTP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Admin {
    /// Address and port to listen at (default "127.0.0.1:6434"). There is no authentication.
    pub(super) listen: Option<String>,
}

/// Who may connect.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Users {
    /// The file of users, as `tollgate user add` writes it.
    pub(super) file: Option<String>,
}

/// JSON Web Tokens of an identity provider. Whoever shows one needs no entry in the file of users.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tokens {
    /// The `iss` of its tokens.
    pub(super) issuer: Option<String>,
    /// What must be among their `aud`.
    pub(super) audience: Option<String>,
    /// The file of the issuer's public keys, a JSON Web Key set; read again when it changes.
    pub(super) keys: Option<String>,
    /// In its place: where the issuer publishes them, its "jwks_uri"; https, unless it is on this machine.
    pub(super) jwks_url: Option<String>,
    /// With `jwks_url`: the certificates of the authorities to trust, PEM (default: the system's).
    pub(super) jwks_ca: Option<String>,
    /// With `jwks_url`: how often to look for other keys (default "15min").
    pub(super) refresh: Option<String>,
    /// With `jwks_url`: how long to wait between two tries, after a failure or when a token names a key
    /// that isn't known (default "30s").
    pub(super) refetch: Option<String>,
    /// With `jwks_url`: how long keys are believed while no newer ones can be fetched (default "1h").
    pub(super) keep: Option<String>,
    /// The claim that names the user (default "sub").
    pub(super) user: Option<String>,
    /// Attributes of the user for policies, and the claims that they come from: "tenant", or a JSON
    /// pointer as "/realm_access/roles".
    pub(super) attributes: BTreeMap<String, String>,
    /// The values of `amr` that prove a second factor (default ["mfa"]).
    pub(super) mfa: Option<Vec<String>>,
    /// The claim that attests the purpose of the access.
    pub(super) purpose: Option<String>,
    /// The claim that names roles of the user, beside those that policies grant to its name: "groups", or a
    /// JSON pointer as "/realm_access/roles" (default: none).
    pub(super) roles: Option<String>,
    /// By how much clocks may differ (default "30s").
    pub(super) leeway: Option<String>,
}

/// Client certificates. Who shows one that names a user of the file of users needs no password.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ClientCertificates {
    /// The certificates of the authorities that sign them, PEM; read again when it changes.
    pub(super) ca: Option<String>,
    /// Lists of what the authorities have revoked, PEM: a current one of each, read again when it changes.
    pub(super) crl: Option<String>,
    /// Whether nobody gets in without a certificate, whatever else they authenticate with (default false).
    pub(super) required: Option<bool>,
    /// Which name names the user (default "cn").
    pub(super) name: Option<CertificateName>,
    /// Users by name in the certificate; who isn't here is nobody (default: the name is the user's).
    pub(super) users: BTreeMap<String, String>,
}

/// Which name in a certificate names the user.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum CertificateName {
    /// The common name of the subject.
    Cn,
    /// The alternative name that is an e-mail address.
    Email,
    /// The alternative name that is a DNS name.
    Dns,
    /// The alternative name that is a URI.
    Uri,
}

/// What they may see.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Policies {
    /// The folder of policies: all `.sql` files in it.
    pub(super) folder: Option<String>,
    /// How often to look whether policies, users or this file have changed, as "2s"; "0s": never.
    pub(super) watch: Option<String>,
    /// The roles whose members may read the policies: `EXPLAIN ACCESS` names them to no one else.
    pub(super) readers: Vec<String>,
}

/// Where the data is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Warehouse {
    /// Its name, in metrics, records and the log (default, under [warehouse] only: "main").
    pub(super) name: Option<String>,
    /// The kind of warehouse (default "embedded").
    pub(super) kind: Option<Kind>,
    /// Embedded: the folder of data files: `<schema>/<table>.parquet`, `.csv`, or a folder of Parquet
    /// files.
    pub(super) data: Option<String>,
    /// Postgres: the server's name, address, or folder of its socket.
    pub(super) host: Option<String>,
    /// Postgres: the server's port (default 5432).
    pub(super) port: Option<u16>,
    /// Postgres, Snowflake: the database.
    pub(super) database: Option<String>,
    /// Postgres, Snowflake: the user that the gateway connects as; it needs to read the tables, and no
    /// more.
    pub(super) user: Option<String>,
    /// Postgres: a file that holds the user's password.
    pub(super) password_file: Option<String>,
    /// Postgres: a variable of the environment that holds it.
    pub(super) password_env: Option<String>,
    /// The schemas whose tables are governed; no two warehouses may have one of a name (embedded:
    /// default all).
    pub(super) schemas: Vec<String>,
    /// Postgres, Snowflake: the certificates of the authorities to trust, PEM. Without, only a server on
    /// this machine is connected to.
    pub(super) tls_ca: Option<String>,
    /// Postgres: whether something in between, as PgBouncer, may give each transaction to another connection.
    /// True: each transaction brings its settings, and no statement has a name there. False: what looks like a
    /// pooler is not connected to (default: that is found out at each connection).
    pub(super) pooled: Option<bool>,
    /// Snowflake: the account, as "xy12345".
    pub(super) account: Option<String>,
    /// Snowflake: the address of the service (default "https://<account>.snowflakecomputing.com").
    pub(super) address: Option<String>,
    /// Snowflake: the virtual warehouse that runs queries (default: the user's own).
    pub(super) virtual_warehouse: Option<String>,
    /// Snowflake: other virtual warehouses, for the queries of whoever has a role (of the policies): the first
    /// that fits; for all others "virtual_warehouse" stays.
    pub(super) virtual_warehouses: Vec<VirtualWarehouse>,
    /// Snowflake: the role that the gateway takes on (default: the user's own).
    pub(super) role: Option<String>,
    /// Snowflake: the size of the virtual warehouse, which says what an hour of it costs in credits.
    pub(super) size: Option<Size>,
    /// Snowflake: credits for an hour of the virtual warehouse, as "1.35" (default: by its size).
    pub(super) credits_per_hour: Option<String>,
    /// Snowflake: after how long without statements the virtual warehouse suspends itself: whoever starts
    /// it again is charged a minute at least (default "60s").
    pub(super) auto_suspend: Option<String>,
    /// Snowflake: how often the account is asked which credits it attributes to statements, as "1h", and
    /// what is billed is corrected; needs the database role SNOWFLAKE.USAGE_VIEWER (default: never).
    pub(super) attribution: Option<String>,
    /// Snowflake: what the secret is (default "password").
    pub(super) authenticator: Option<Authenticator>,
    /// Snowflake: a file that holds the secret; read again at each login.
    pub(super) secret_file: Option<String>,
    /// Snowflake: a variable of the environment that holds it.
    pub(super) secret_env: Option<String>,
    /// Snowflake: a command, with its arguments, that prints it; run at each login.
    pub(super) secret_command: Option<Vec<String>>,
    /// Embedded: how much memory queries may hold together, as "4 GiB" (default "1 GiB").
    pub(super) memory_limit: Option<String>,
    /// Embedded: into how many parts one query is split (default: the number of processors).
    pub(super) target_partitions: Option<u32>,
    /// Embedded: the folder that large sorts and joins spill to (default: the system's).
    pub(super) temp: Option<String>,
    /// How many queries run at once; more wait (default 64).
    pub(super) max_concurrent: Option<u32>,
    /// How often it is asked again which tables it has, as "5min" (default: at each reload only).
    pub(super) refresh: Option<String>,
}

/// A virtual warehouse for a role.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct VirtualWarehouse {
    /// Whose queries it runs: those of the role's members, inherited or not.
    pub(super) role: Option<String>,
    /// Its name.
    pub(super) name: Option<String>,
    /// Its size, which says what an hour of it costs in credits.
    pub(super) size: Option<Size>,
    /// Credits for an hour, as "1.35" (default: by its size).
    pub(super) credits_per_hour: Option<String>,
    /// After how long without statements it suspends itself (default "60s").
    pub(super) auto_suspend: Option<String>,
}

/// What is kept in memory between queries. Each query is decided anew all the same.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cache {
    /// How much memory parsed statements and their plans may take, as "64 MiB" (default); "0": none
    /// are kept.
    pub(super) plans: Option<String>,
    /// How much memory results may take, as "256 MiB" (default); "0": none are kept. Only results
    /// over tables with a "cache_for" are.
    pub(super) results: Option<String>,
}

/// The kind of warehouse.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// The engine in this process, over Parquet and CSV files.
    Embedded,
    /// A PostgreSQL server.
    Postgres,
    /// A Snowflake account.
    Snowflake,
}

/// What a secret proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Authenticator {
    /// The user's password.
    Password,
    /// The private key of a pair, PEM (PKCS 8, not encrypted).
    KeyPair,
    /// An access token of OAuth.
    Oauth,
    /// A programmatic access token.
    AccessToken,
}

/// The sizes of virtual warehouses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) enum Size {
    /// 1 credit an hour.
    #[serde(rename = "XS")]
    XSmall,
    /// 2 credits an hour.
    #[serde(rename = "S")]
    Small,
    /// 4 credits an hour.
    #[serde(rename = "M")]
    Medium,
    /// 8 credits an hour.
    #[serde(rename = "L")]
    Large,
    /// 16 credits an hour.
    #[serde(rename = "XL")]
    XLarge,
    /// 32 credits an hour.
    #[serde(rename = "2XL")]
    Large2,
    /// 64 credits an hour.
    #[serde(rename = "3XL")]
    Large3,
    /// 128 credits an hour.
    #[serde(rename = "4XL")]
    Large4,
    /// 256 credits an hour.
    #[serde(rename = "5XL")]
    Large5,
    /// 512 credits an hour.
    #[serde(rename = "6XL")]
    Large6,
}

impl Size {
    /// Credits for an hour, of the first generation of warehouses.
    pub(super) fn credits_per_hour(self) -> u32 {
        match self {
            Size::XSmall => 1,
            Size::Small => 2,
            Size::Medium => 4,
            Size::Large => 8,
            Size::XLarge => 16,
            Size::Large2 => 32,
            Size::Large3 => 64,
            Size::Large4 => 128,
            Size::Large5 => 256,
            Size::Large6 => 512,
        }
    }
}

/// Keys and comments of one table.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Table {
    /// The table, as "schema.table".
    pub(super) name: Option<String>,
    /// What the table means.
    pub(super) comment: Option<String>,
    /// How old a result over this table may be, as "5min" (default: as old as the table is).
    pub(super) cache_for: Option<String>,
    /// The columns of the primary key.
    pub(super) primary_key: Vec<String>,
    /// The foreign keys.
    pub(super) foreign_keys: Vec<ForeignKey>,
    /// Columns by name.
    pub(super) columns: BTreeMap<String, Column>,
}

/// A foreign key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ForeignKey {
    /// Columns of this table.
    pub(super) columns: Vec<String>,
    /// The other table, as "schema.table".
    pub(super) references: Option<String>,
    /// Columns of the other table (default: the same names).
    pub(super) referenced_columns: Vec<String>,
}

/// A column.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Column {
    /// What the column means.
    pub(super) comment: Option<String>,
}

/// Where the record of each query goes too, as JSON lines. Without a ledger they are the record, and
/// a file of them is synchronised to its disk.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Audit {
    /// A file that is appended to, or "stdout" (default).
    pub(super) file: Option<String>,
}

/// Where traces of statements are sent: how long each stage took, with the query's id and without texts
/// and names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Traces {
    /// A receiver of the OpenTelemetry protocol over gRPC: "https://host:4317", or "http://" on this
    /// machine.
    pub(super) to: Option<String>,
    /// The certificates of the authorities to trust, PEM (default: those of the system).
    pub(super) tls_ca: Option<String>,
    /// Which part of the statements is traced, from 0 to 1 (default 1).
    pub(super) ratio: Option<f64>,
}

/// Keys. Without a mask key a random one is made at each start, and hashes change with it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Secrets {
    /// A file that holds the key of hash masks: 64 hexadecimal digits.
    pub(super) mask_key_file: Option<String>,
    /// A variable of the environment that holds it.
    pub(super) mask_key_env: Option<String>,
}
