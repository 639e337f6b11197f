//! The warehouse that a configuration names, and the tables that are in it.

use std::fs;
use std::sync::Arc;

use tollgate_catalog::{Error, Table};
use tollgate_gateway::config::{Config, Place, Secret, Server};
use tollgate_warehouse::Warehouse;
use tollgate_warehouse::embedded::{self, Embedded};
use tollgate_warehouse::postgres::{self, Postgres};

/// The warehouse.
pub(crate) fn open(config: &Config) -> Result<Arc<dyn Warehouse>, String> {
    match &config.warehouse.place {
        Place::Folder(_) => {
            let engine = Embedded::open(&crate::serve::engine(config));
            Ok(Arc::new(engine.map_err(|error| format!("error: {}", said(&error)))?))
        }
        Place::Postgres(server) => Ok(Arc::new(connect(config, server)?)),
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
            let found = found(&warehouse, &server.schemas).map_err(|error| {
                let message = said(&error);
                let hint = error.hint().unwrap_or("correct what stands under [warehouse]");
                vec![config.error("warehouse.host", message, hint).to_string()]
            })?;
            for reason in &found.left_out {
                tracing::warn!("left out: {reason}");
            }
            if found.tables.is_empty() {
                let message = "there are no tables that the gateway's user may read";
                let hint = "grant it SELECT on tables, and USAGE on their schemas";
                return Err(vec![config.error("warehouse.schemas", message, hint).to_string()]);
            }
            Ok(found.tables)
        }
    }
}

/// Asks on a thread of its own, since whoever loads may stand in a runtime already.
fn found(warehouse: &Postgres, schemas: &[String]) -> Result<postgres::Discovery, Error> {
    std::thread::scope(|scope| {
        let ask = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(Error::internal)?.block_on(postgres::discover(warehouse, schemas))
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

/// The operator reads the cause too.
fn said(error: &Error) -> String {
    match error.cause() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
