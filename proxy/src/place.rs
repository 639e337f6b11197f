//! The warehouse that a configuration names, and the tables that are in it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tollgate_catalog::{Error, Table};
use tollgate_gateway::config::{Account, Authenticator, Config, Place, Secret, Server};
use tollgate_warehouse::Warehouse;
use tollgate_warehouse::embedded::{self, Embedded};
use tollgate_warehouse::postgres::{self, Postgres};
use tollgate_warehouse::snowflake::{self, Credential, CredentialKind, Snowflake};
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

/// The warehouse.
pub(crate) fn open(config: &Config) -> Result<Arc<dyn Warehouse>, String> {
    match &config.warehouse.place {
        Place::Folder(_) => {
            let engine = Embedded::open(&crate::serve::engine(config));
            Ok(Arc::new(engine.map_err(|error| format!("error: {}", said(&error)))?))
        }
        Place::Postgres(server) => Ok(Arc::new(connect(config, server)?)),
        Place::Snowflake(account) => Ok(Arc::new(log_in(config, account)?)),
    }
}

/// The tables in it, or every error in finding them. What is left out is told in the log.
pub(crate) fn tables(config: &Config) -> Result<Vec<Table>, Vec<String>> {
    match &config.warehouse.place {
        Place::Folder(data) => {
            let folder = data.display();
            let tables = embedded::discover(data).map_err(|errors| {
                let errors = errors.into_iter();
                let errors = errors.map(|e| {
                    format!("{folder}/{}: error: {}\n  hint: {}", e.path, e.message, e.hint)
                });
                errors.collect::<Vec<_>>()
            })?;
            if tables.is_empty() {
                let message = format!("there are no tables in \"{folder}\"");
                let hint = "put files in it as <schema>/<table>.parquet or .csv";
                return Err(vec![config.error("warehouse.data", message, hint).to_string()]);
            }
            Ok(tables)
        }
        Place::Postgres(server) => {
            let warehouse = connect(config, server).map_err(|error| vec![error])?;
            let found = waited(postgres::discover(&warehouse, &server.schemas));
            let found = found.map(|found| (found.tables, found.left_out));
            told(config, "warehouse.host", found)
        }
        Place::Snowflake(account) => {
            let found = waited(async {
                let warehouse = log_in(config, account).map_err(Error::internal)?;
                let found = snowflake::discover(&warehouse, &account.schemas).await;
                warehouse.close().await;
                found
            });
            let found = found.map(|found| (found.tables, found.left_out));
            told(config, "warehouse.account", found)
        }
    }
}

/// Tables and what was left out, or what went wrong.
fn told(
    config: &Config,
    key: &str,
    found: Result<(Vec<Table>, Vec<String>), Error>,
) -> Result<Vec<Table>, Vec<String>> {
    let (tables, left_out) = found.map_err(|error| {
        let message = said(&error);
        let hint = error.hint().unwrap_or("correct what stands under [warehouse]");
        vec![config.error(key, message, hint).to_string()]
    })?;
    for reason in &left_out {
        tracing::warn!("left out: {reason}");
    }
    if tables.is_empty() {
        let message = "there are no tables that the gateway's user may read";
        let hint = "grant it SELECT on tables, and USAGE on their schemas";
        return Err(vec![config.error("warehouse.schemas", message, hint).to_string()]);
    }
    Ok(tables)
}

/// Waits on a thread of its own, since whoever loads may stand in a runtime already.
fn waited<T: Send>(asking: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let ask = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(Error::internal)?.block_on(asking)
        };
        let asked = scope.spawn(ask).join();
        asked.unwrap_or_else(|_| Err(Error::internal("looking for tables failed")))
    })
}

fn connect(config: &Config, server: &Server) -> Result<Postgres, String> {
    let read = |key: &str, result: Result<Vec<u8>, String>| {
        result.map_err(|error| {
            let message = format!("could not read it: {error}");
            config.error(key, message, "name a file or a variable that is there").to_string()
        })
    };
    let file = |path: &std::path::Path| fs::read(path).map_err(|error| error.to_string());
    let mut to = postgres::server(&server.host, server.port, &server.database, &server.user);
    match &server.password {
        None => {}
        Some(Secret::File(path)) => {
            let password = read("warehouse.password_file", file(path))?;
            to.password(password.trim_ascii_end());
        }
        Some(Secret::Environment(name)) => {
            let password = std::env::var(name).map_err(|error| error.to_string());
            to.password(read("warehouse.password_env", password.map(String::into_bytes))?);
        }
        // The configuration has no key for it.
        Some(Secret::Command(_)) => return Err("error: a password of another warehouse".to_owned()),
    }
    let tls = match &server.tls_ca {
        None => None,
        Some(path) => {
            let pem = read("warehouse.tls_ca", file(path))?;
            let trusting = postgres::trusting(&pem).map_err(|error| {
                let hint = "name a PEM file with the certificate of an authority";
                config.error("warehouse.tls_ca", error.to_string(), hint).to_string()
            });
            Some(trusting?)
        }
    };
    let options =
        postgres::Options { server: to, tls, statement_timeout: config.pg.statement_timeout };
    Postgres::new(options).map_err(|error| {
        let hint = error.hint().unwrap_or_default();
        config.error("warehouse.host", error.to_string(), hint).to_string()
    })
}

fn log_in(config: &Config, account: &Account) -> Result<Snowflake, String> {
    let tls = match account.address.starts_with("https:") {
        true => Some(trusting(config, "warehouse.tls_ca", account.tls_ca.as_deref())?),
        false => None,
    };
    let kind = match account.authenticator {
        Authenticator::Password => CredentialKind::Password,
        Authenticator::KeyPair => CredentialKind::KeyPair,
        Authenticator::OAuth => CredentialKind::OAuth,
        Authenticator::AccessToken => CredentialKind::ProgrammaticAccessToken,
    };
    let secret = account.secret.clone();
    let options = snowflake::Options {
        address: account.address.clone(),
        account: account.name.clone(),
        user: account.user.clone(),
        credential: Credential::new(kind, move || secret_of(&secret)),
        database: account.database.clone(),
        warehouse: account.virtual_warehouse.clone(),
        role: account.role.clone(),
        tls,
        statement_timeout: config.pg.statement_timeout,
        pause: PAUSE,
    };
    Snowflake::new(options).map_err(|error| {
        let hint = error.hint().unwrap_or_default();
        config.error("warehouse.address", error.to_string(), hint).to_string()
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
fn said(error: &Error) -> String {
    match error.cause() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
