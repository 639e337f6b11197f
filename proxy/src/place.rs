//! The warehouses that a configuration names, and the tables that are in them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ring::digest;
use rustls::ClientConfig;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tollgate_catalog::{Error, ErrorKind, Table};
use tollgate_gateway::config::{
    Account, Authenticator, Config, Credits, Place, Secret, Server, Warehouse,
};
use tollgate_warehouse::Warehouse as Engine;
use tollgate_warehouse::credits::Terms;
use tollgate_warehouse::embedded::{self, Embedded};
use tollgate_warehouse::postgres::{self, Postgres};
use tollgate_warehouse::snowflake::{self, ByRole, Credential, CredentialKind, Snowflake};
use tollgate_warehouse::warehouses::{NamedWarehouse, Warehouses};
use zeroize::Zeroizing;

/// Where systems keep the certificates of public authorities.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The pause before a call to Snowflake is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a warehouse may take to say which tables it has.
const PATIENCE: Duration = Duration::from_secs(120);

/// The warehouses, each ready to be asked.
pub(crate) fn open_all(config: &Config) -> Result<Warehouses, String> {
    let all = config.warehouses.iter().map(|warehouse| open(config, warehouse));
    Ok(Warehouses::new(all.collect::<Result<Vec<_>, _>>()?))
}

/// A warehouse, ready to be asked.
pub(crate) fn open(config: &Config, warehouse: &Warehouse) -> Result<Arc<NamedWarehouse>, String> {
    let engine: Arc<dyn Engine> = match &warehouse.place {
        Place::Folder(_) => {
            let engine = Embedded::open(&engine(warehouse));
            Arc::new(engine.map_err(|error| format!("error: {}", said(&error)))?)
        }
        Place::Postgres(server) => Arc::new(connect(config, warehouse, server)?),
        Place::Snowflake(account) => Arc::new(log_in(config, warehouse, account)?),
    };
    let name = warehouse.name.clone();
    Ok(Arc::new(NamedWarehouse::new(name, engine, warehouse.max_concurrent)))
}

/// What the engine may use.
pub(crate) fn engine(warehouse: &Warehouse) -> embedded::Options {
    let default = embedded::Options::default();
    let memory = warehouse.memory_limit.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    embedded::Options {
        memory: memory.unwrap_or(default.memory),
        spill_folder: warehouse.temp.clone(),
        partitions: warehouse.target_partitions,
        ..default
    }
}

/// A hash of the secrets and certificates that a warehouse is opened with: whether they have changed.
pub(crate) fn fingerprint(warehouse: &Warehouse) -> Vec<u8> {
    let (password, authorities) = match &warehouse.place {
        Place::Folder(_) => (None, None),
        Place::Postgres(server) => (server.password.as_ref(), server.tls_ca.as_deref()),
        // Its secret is read at each login.
        Place::Snowflake(account) => (None, account.tls_ca.as_deref()),
    };
    let mut context = digest::Context::new(&digest::SHA256);
    if let Some(Ok(password)) = password.map(secret_of) {
        context.update(&password);
    }
    context.update(&[0]);
    if let Some(Ok(authorities)) = authorities.map(fs::read) {
        context.update(&authorities);
    }
    context.finish().as_ref().to_vec()
}

/// Why the tables of a warehouse aren't known.
pub(crate) struct NotFound {
    /// Every error.
    pub(crate) errors: Vec<String>,
    /// Whether it may pass by itself: the warehouse couldn't be asked, or was too busy to answer.
    pub(crate) passing: bool,
}

impl From<String> for NotFound {
    fn from(error: String) -> Self {
        Self { errors: vec![error], passing: false }
    }
}

/// The tables in each of these warehouses, or every error in finding them. They are asked at the same time, each
/// on a thread of its own: whoever loads may stand in a runtime already.
pub(crate) fn tables<'a>(
    config: &Config,
    warehouses: impl IntoIterator<Item = &'a Warehouse>,
) -> Vec<Result<Vec<Table>, NotFound>> {
    let ask = |warehouse: &Warehouse| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("error: no runtime: {error}"))?;
        runtime.block_on(find(config, warehouse))
    };
    let failed = || Err("error: looking for tables failed".to_owned().into());
    std::thread::scope(|scope| {
        let spawn = |warehouse| scope.spawn(move || ask(warehouse));
        let asked: Vec<_> = warehouses.into_iter().map(spawn).collect();
        asked.into_iter().map(|asked| asked.join().unwrap_or_else(|_| failed())).collect()
    })
}

/// The tables in a warehouse, each with its name, or every error in finding them. What is left out is
/// told in the log.
pub(crate) async fn find(config: &Config, warehouse: &Warehouse) -> Result<Vec<Table>, NotFound> {
    let mut tables = match &warehouse.place {
        Place::Folder(data) => files(config, warehouse, data)?,
        Place::Postgres(server) => {
            let engine = connect(config, warehouse, server)?;
            let found = timeout(PATIENCE, postgres::discover(&engine, &server.schemas)).await;
            let found = found.map(|found| found.map(|found| (found.tables, found.left_out)));
            told(config, warehouse, "host", found)?
        }
        Place::Snowflake(account) => {
            let engine = log_in(config, warehouse, account)?;
            let found = timeout(PATIENCE, snowflake::discover(&engine, &account.schemas)).await;
            let _ = timeout(PATIENCE, engine.close()).await;
            let found = found.map(|found| found.map(|found| (found.tables, found.left_out)));
            told(config, warehouse, "account", found)?
        }
    };
    for table in &mut tables {
        table.warehouse = Some(warehouse.name.clone());
    }
    Ok(tables)
}

fn files(config: &Config, warehouse: &Warehouse, data: &Path) -> Result<Vec<Table>, NotFound> {
    let folder = data.display();
    let named = |schema: &str| {
        warehouse.schemas.is_empty() || warehouse.schemas.iter().any(|name| name == schema)
    };
    let tables = embedded::discover_in(data, named).map_err(|errors| {
        let errors = errors.into_iter();
        let errors = errors
            .map(|e| format!("{folder}/{}: error: {}\n  hint: {}", e.path, e.message, e.hint));
        NotFound { errors: errors.collect(), passing: false }
    })?;
    let missing = warehouse
        .schemas
        .iter()
        .find(|schema| !tables.iter().any(|table| table.name.schema == **schema));
    let refused = |key: &str, message: String| {
        let hint = "put files in it as <schema>/<table>.parquet or .csv";
        config.error(&warehouse.key(key), message, hint).to_string().into()
    };
    match missing {
        Some(schema) => Err(refused(
            "schemas",
            format!("there are no tables of schema \"{schema}\" in \"{folder}\""),
        )),
        None if tables.is_empty() => {
            Err(refused("data", format!("there are no tables in \"{folder}\"")))
        }
        None => Ok(tables),
    }
}

/// Tables, and what was left out with the reason.
type Told = (Vec<Table>, Vec<String>);

/// The tables, or what went wrong.
fn told(
    config: &Config,
    warehouse: &Warehouse,
    key: &str,
    found: Result<Result<Told, Error>, Elapsed>,
) -> Result<Vec<Table>, NotFound> {
    let refused = |key: &str, message: String, hint: &str| {
        config.error(&warehouse.key(key), message, hint).to_string()
    };
    let found = found.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::WarehouseFailed, "the warehouse doesn't say which tables it has"))
    });
    let (tables, left_out) = found.map_err(|error| {
        let hint = error.hint().unwrap_or("correct what is said about this warehouse");
        let passing = matches!(
            error.kind(),
            ErrorKind::WarehouseFailed
                | ErrorKind::TooManyConnections
                | ErrorKind::QueryCanceled
                | ErrorKind::OutOfMemory
        );
        NotFound { errors: vec![refused(key, said(&error), hint)], passing }
    })?;
    for reason in &left_out {
        tracing::warn!(warehouse = %warehouse.name, "left out: {reason}");
    }
    if tables.is_empty() {
        let message = "there are no tables that the gateway's user may read".to_owned();
        let hint = "grant it SELECT on tables, and USAGE on their schemas";
        return Err(refused("schemas", message, hint).into());
    }
    Ok(tables)
}

fn connect(config: &Config, warehouse: &Warehouse, server: &Server) -> Result<Postgres, String> {
    let read = |key: &str, result: Result<Vec<u8>, String>| {
        result.map_err(|error| {
            let message = format!("could not read it: {error}");
            let hint = "name a file or a variable that is there";
            config.error(&warehouse.key(key), message, hint).to_string()
        })
    };
    let file = |path: &std::path::Path| fs::read(path).map_err(|error| error.to_string());
    let mut to = postgres::server(&server.host, server.port, &server.database, &server.user);
    match &server.password {
        None => {}
        Some(Secret::File(path)) => {
            let password = read("password_file", file(path))?;
            to.password(password.trim_ascii_end());
        }
        Some(Secret::Environment(name)) => {
            let password = std::env::var(name).map_err(|error| error.to_string());
            to.password(read("password_env", password.map(String::into_bytes))?);
        }
        // The configuration has no key for it.
        Some(Secret::Command(_)) => return Err("error: a password of another warehouse".to_owned()),
    }
    let tls = match &server.tls_ca {
        None => None,
        Some(path) => {
            let pem = read("tls_ca", file(path))?;
            let trusting = postgres::trusting(&pem).map_err(|error| {
                let hint = "name a PEM file with the certificate of an authority";
                config.error(&warehouse.key("tls_ca"), error.to_string(), hint).to_string()
            });
            Some(trusting?)
        }
    };
    let statement_timeout = config.pg.statement_timeout;
    let options = postgres::Options { server: to, tls, statement_timeout, pooled: server.pooled };
    Postgres::new(options).map_err(|error| {
        let hint = error.hint().unwrap_or_default();
        config.error(&warehouse.key("host"), error.to_string(), hint).to_string()
    })
}

/// An account, ready to be asked.
pub(crate) fn log_in(
    config: &Config,
    warehouse: &Warehouse,
    account: &Account,
) -> Result<Snowflake, String> {
    let tls = match account.address.starts_with("https:") {
        true => Some(trusting(config, &warehouse.key("tls_ca"), account.tls_ca.as_deref())?),
        false => None,
    };
    let kind = match account.authenticator {
        Authenticator::Password => CredentialKind::Password,
        Authenticator::KeyPair => CredentialKind::KeyPair,
        Authenticator::OAuth => CredentialKind::OAuth,
        Authenticator::AccessToken => CredentialKind::ProgrammaticAccessToken,
    };
    let secret = account.secret.clone();
    let terms = |credits: &Credits| Terms { per_hour: credits.per_hour, suspend: credits.suspend };
    let by_role = account.by_role.iter().map(|rule| ByRole {
        role: rule.role.clone(),
        warehouse: rule.name.clone(),
        credits: rule.credits.as_ref().map(terms),
    });
    let options = snowflake::Options {
        address: account.address.clone(),
        account: account.name.clone(),
        user: account.user.clone(),
        credential: Credential::new(kind, move || secret_of(&secret)),
        database: account.database.clone(),
        warehouse: account.virtual_warehouse.clone(),
        by_role: by_role.collect(),
        role: account.role.clone(),
        tls,
        statement_timeout: config.pg.statement_timeout,
        credits: account.credits.as_ref().map(terms),
        pause: PAUSE,
    };
    Snowflake::new(options).map_err(|error| {
        let hint = error.hint().unwrap_or_default();
        config.error(&warehouse.key("address"), error.to_string(), hint).to_string()
    })
}

/// TLS that trusts the authorities in a file, or those of the system. `key` is that of the configuration
/// that names the file.
pub(crate) fn trusting(
    config: &Config,
    key: &str,
    file: Option<&Path>,
) -> Result<Arc<ClientConfig>, String> {
    let pem = authorities(config, key, file)?;
    let hint = "name a PEM file with the certificates of authorities";
    postgres::trusting(&pem).map_err(|cause| config.error(key, cause.to_string(), hint).to_string())
}

/// The certificates of authorities in a file, or those of the system, as PEM.
pub(crate) fn authorities(
    config: &Config,
    key: &str,
    file: Option<&Path>,
) -> Result<Vec<u8>, String> {
    let hint = "name a PEM file with the certificates of authorities";
    let read = authorities_of(file);
    read.map_err(|message| config.error(key, message, hint).to_string())
}

/// The same, with the cause alone for an error.
pub(crate) fn authorities_of(file: Option<&Path>) -> Result<Vec<u8>, String> {
    let system = || AUTHORITIES.into_iter().map(Path::new).find(|path| path.exists());
    let Some(path) = file.or_else(system) else {
        return Err("this system has no certificates of authorities".to_owned());
    };
    fs::read(path).map_err(|cause| format!("could not read \"{}\": {cause}", path.display()))
}

/// Reads a secret from where it is kept.
pub(crate) fn secret_of(secret: &Secret) -> Result<Zeroizing<Vec<u8>>, String> {
    match secret {
        Secret::File(path) => {
            fs::read(path).map(Zeroizing::new).map_err(|error| format!("its file: {error}"))
        }
        Secret::Environment(name) => std::env::var(name)
            .map(|text| Zeroizing::new(text.into_bytes()))
            .map_err(|error| format!("its variable: {error}")),
        Secret::Command(words) => {
            let Some((program, arguments)) = words.split_first() else {
                return Err("there is no command".to_owned());
            };
            let ran = Command::new(program).args(arguments).stdin(Stdio::null()).output();
            let output = ran.map_err(|error| format!("its command: {error}"))?;
            let secret = Zeroizing::new(output.stdout);
            if output.status.success() {
                Ok(secret)
            } else {
                Err(format!("its command ended with {}", output.status))
            }
        }
    }
}

/// The operator reads the cause too.
pub(crate) fn said(error: &Error) -> String {
    match error.cause() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
