//! What the tests need beside Rust: PostgreSQL 15 to compare with, clients of Python and Node.js, the JDBC driver.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::{Outcome, cache, command, on_path};

const POSTGRES: &str = "/usr/lib/postgresql/15/bin/postgres";
const PGBOUNCER: &str = "/usr/sbin/pgbouncer";
const JDBC: &str = "/usr/share/java/postgresql.jar";
/// Where Debian registers the ODBC driver.
const ODBC: &str = "/etc/odbcinst.ini";
const CLIENTS: [&str; 14] = [
    "psycopg[binary]==3.3.9",
    "asyncpg==0.32.0",
    "SQLAlchemy==2.1.9",
    "adbc-driver-flightsql==1.13.0",
    "adbc-driver-manager==1.13.0",
    "adbc-driver-postgresql==1.13.0",
    "connectorx==0.4.6",
    "psycopg2-binary==2.9.13",
    "pyodbc==5.5.0",
    "pyarrow==26.0.1",
    "duckdb==1.5.5",
    "duckdb-extension-postgres-scanner==1.5.5",
    "duckdb-extension-tpch==1.5.5",
    "duckdb-extension-tpcds==1.5.5",
];

/// It wants an older SQLAlchemy than the others.
const FLIGHTSQL: [&str; 5] = [
    "flightsql-dbapi==0.2.2",
    "SQLAlchemy==1.4.54",
    "pandas==3.1.1",
    "protobuf==7.36.2",
    "pyarrow==26.0.1",
];

/// Of npm, with its native part in a package of its own.
const NODE: [&str; 2] = ["@lakehouse-rs/flight-sql-client@0.0.10", "apache-arrow@14.0.2"];

const EMULATOR: &str = include_str!("../../tests/emulator/requirements.txt");

/// Installs what is missing.
pub(crate) fn all() -> Outcome {
    postgres()?;
    java()?;
    python()?;
    node()?;
    emulator()
}

/// The JDK, which runs a program from its source, and the driver.
fn java() -> Outcome {
    if Path::new(JDBC).exists() && on_path("javac") {
        println!("the JDK and the JDBC driver are here");
        return Ok(());
    }
    if !on_path("apt-get") {
        return Err(format!(
            "a JDK (17 or newer) or the JDBC driver at {JDBC} is missing and there is no apt-get: install them by hand"
        ));
    }
    apt(&["update"])?;
    let mut install = vec!["install", "-y", "--no-install-recommends", "libpostgresql-jdbc-java"];
    if !on_path("javac") {
        install.push("openjdk-17-jdk-headless");
    }
    apt(&install)
}

fn postgres() -> Outcome {
    let odbc = fs::read_to_string(ODBC).is_ok_and(|drivers| drivers.contains("PostgreSQL Unicode"));
    let server = Path::new(POSTGRES).exists() && on_path("psql");
    if server && Path::new(PGBOUNCER).exists() && odbc {
        println!("PostgreSQL 15, psql, PgBouncer and the ODBC driver are here");
        return Ok(());
    }
    if !on_path("apt-get") {
        return Err("PostgreSQL 15 (server and psql), PgBouncer or its ODBC driver is missing and there is no apt-get: install it by hand".to_owned());
    }
    // mold links faster where the user's own configuration asks for it; nothing here does
    let mut install =
        vec!["install", "-y", "--no-install-recommends", "pgbouncer", "odbc-postgresql"];
    if !server {
        install.extend(["postgresql-15", "postgresql-client-15"]);
    }
    apt(&["update"])?;
    apt(&install)
}

fn apt(arguments: &[&str]) -> Outcome {
    let is_root = std::env::var("USER").is_ok_and(|user| user == "root")
        || std::env::var("HOME").is_ok_and(|home| home == "/root");
    let mut apt = if is_root || !on_path("sudo") {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("apt-get");
        sudo
    };
    command(apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
}

fn python() -> Outcome {
    environment("venv", &CLIENTS, "the Python clients are here")?;
    environment("flightsql", &FLIGHTSQL, "flightsql-dbapi is here")
}

/// Node.js, and its clients in a folder of their own, made anew when their versions change.
fn node() -> Outcome {
    if !on_path("node") || !on_path("npm") {
        if !on_path("apt-get") {
            return Err("Node.js (18 or newer) or npm is missing and there is no apt-get: install them by hand".to_owned());
        }
        apt(&["update"])?;
        apt(&["install", "-y", "--no-install-recommends", "nodejs", "npm"])?;
    }
    let Some(folder) = cache().map(|cache| cache.join("node")) else {
        return Err("HOME is not set".to_owned());
    };
    let stamp = folder.join("clients.txt");
    let wanted = NODE.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        println!("the clients of Node.js are here");
        return Ok(());
    }
    fs::create_dir_all(&folder)
        .map_err(|error| format!("could not make \"{}\": {error}", folder.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit"]);
    command(npm.args(["--no-fund", "--prefix"]).arg(&folder).args(NODE))?;
    fs::write(&stamp, wanted).map_err(|error| format!("could not write the stamp: {error}"))
}

/// The emulator of Snowflake, apart from the clients: it pins other versions.
fn emulator() -> Outcome {
    let pinned: Vec<&str> = EMULATOR.lines().collect();
    environment("emulator", &pinned, "the emulator of Snowflake is here")
}

/// A virtual environment with packages, made anew when their versions change.
fn environment(name: &str, packages: &[&str], here: &str) -> Outcome {
    let Some(venv) = cache().map(|cache| cache.join(name)) else {
        return Err("HOME is not set".to_owned());
    };
    let stamp = venv.join("clients.txt");
    let wanted = packages.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        println!("{here}");
        return Ok(());
    }
    let made = command(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    if made.is_err() && on_path("apt-get") {
        // Debian keeps this module in a package of its own
        apt(&["install", "-y", "--no-install-recommends", "python3-venv"])?;
        command(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    } else {
        made?;
    }
    let mut pip = Command::new(venv.join("bin/pip"));
    command(pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages))?;
    fs::write(&stamp, wanted).map_err(|error| format!("could not write the stamp: {error}"))
}
