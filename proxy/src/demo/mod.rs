//! `tollgate demo`: made-up data, five users, and commands to paste.

mod data;
mod policies;
mod tables;
#[cfg(test)]
mod tests;

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use tollgate_gateway::config;

use crate::load::{self, Loaded};
use crate::serve::Server;
use crate::{files, tls};

/// To be changed with what `data` writes. The files' own texts are told apart by `version`.
const DATA_VERSION: u8 = 1;

const QUERY: &str =
    "select tenant_id, count(*), min(email) as an_email from crm.customers group by 1 order by 1";

const VISITS: &str = "select clinic, count(*), round(avg(cost), 2) as average from health.visits group by 1 order by 1";

/// What `tollgate demo` is told.
#[derive(Args, Debug)]
pub struct Options {
    /// Address for PostgreSQL clients
    #[arg(long, default_value = "127.0.0.1:6432")]
    pub pg: SocketAddr,
    /// Address for Flight SQL clients
    #[arg(long, default_value = "127.0.0.1:6433")]
    pub flight: SocketAddr,
    /// Address for health and metrics
    #[arg(long, default_value = "127.0.0.1:6434")]
    pub admin: SocketAddr,
    /// The folder of the demo's files [default: in the user's cache folder]
    #[arg(long)]
    pub data: Option<PathBuf>,
}

/// A demo that can be served.
pub struct Demo {
    /// Everything that its configuration names.
    pub loaded: Loaded,
    /// What to tell the user.
    pub instructions: Instructions,
}

/// The commands to paste.
pub struct Instructions {
    folder: PathBuf,
}

/// Makes the demo's files unless they are there, and loads them.
pub fn prepare(options: &Options) -> Result<Demo, String> {
    let addresses = [options.pg, options.flight, options.admin];
    if !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err(
            "error: the demo's password is known to all, so it listens at loopback only\n  \
                    hint: use 127.0.0.1 with --pg, --flight and --admin"
                .to_owned(),
        );
    }
    let folder = match &options.data {
        Some(folder) => folder.clone(),
        None => {
            cache_folder().ok_or("error: there is no cache folder\n  hint: name one with --data")?
        }
    };
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    if !folder.join("tollgate.toml").exists() {
        make(&folder).map_err(|error| {
            format!(
                "error: could not make the demo's files in \"{}\": {error}\n  \
                 hint: name a new or empty folder with --data",
                folder.display()
            )
        })?;
    }
    let mut loaded = load::load(&folder.join("tollgate.toml")).map_err(|e| e.to_string())?;
    loaded.config.pg.listen = options.pg;
    loaded.config.flight = Some(config::Flight::at(options.flight));
    loaded.config.admin = Some(options.admin);
    let instructions = Instructions { folder };
    Ok(Demo { loaded, instructions })
}

fn cache_folder() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("tollgate").join(version()))
}

/// The folder's name, which changes with what is put there: a newer program doesn't serve an
/// older one's policies.
fn version() -> String {
    let mut texts = digest::Context::new(&digest::SHA256);
    texts.update(&[DATA_VERSION]);
    for (path, text) in policies::FILES {
        texts.update(path.as_bytes());
        texts.update(&[0]);
        texts.update(text.as_bytes());
        texts.update(&[0]);
    }
    let mut name = "demo-".to_owned();
    for byte in texts.finish().as_ref().iter().take(4) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// Makes all files beside `folder` and then moves them there at once: there is no half a demo.
fn make(folder: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    let parent = folder.parent().ok_or("it is not a folder")?;
    fs::create_dir_all(parent)?;
    let mut name = folder.file_name().ok_or("it is not a folder")?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = parent.join(name);
    let made = fill(&new).and_then(|()| match fs::rename(&new, folder) {
        Err(_) if folder.join("tollgate.toml").exists() => Ok(()), // another process was faster
        renamed => Ok(renamed?),
    });
    if new.exists() {
        fs::remove_dir_all(&new)?;
    }
    made
}

fn fill(folder: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    fs::create_dir(folder)?;
    fs::create_dir(folder.join("policies"))?;
    for (path, text) in policies::FILES {
        files::write_private(&folder.join(path), text.as_bytes())?;
    }
    tls::generate(folder)?;
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| "the system gave no random bytes")?;
    let mut hex = String::new();
    for byte in key {
        let _ = write!(hex, "{byte:02x}");
    }
    files::write_private(&folder.join("mask.key"), hex.as_bytes())?;
    data::write(&folder.join("data"))
}

impl Instructions {
    /// The text, for a server.
    pub fn at(&self, server: &Server) -> String {
        let pg = server.pg();
        let folder = self.folder.display();
        let psql = |user: &str, query: &str| {
            let user = format!("user={user}");
            format!(
                "PGPASSWORD=demo psql \"host={} port={} dbname=tollgate {user:<10} \
                 sslmode=verify-ca sslrootcert={folder}/ca.pem\" -c \"{query}\"",
                pg.ip(),
                pg.port()
            )
        };
        let mut lines = vec![
            format!("Tollgate is listening. The demo's files are in {folder}"),
            String::new(),
            "One query, five users:".to_owned(),
            String::new(),
            "# ana, analyst of acme: one tenant, e-mail addresses masked".to_owned(),
            psql("ana", QUERY),
            "# bob, analyst of globex: the other one".to_owned(),
            psql("bob", QUERY),
            "# lee, lead of acme, globex and initech: three tenants, e-mail addresses in clear"
                .to_owned(),
            psql("lee", QUERY),
            "# paula, partner \"north\": the tenants that a mapping table gives her, masked"
                .to_owned(),
            psql("paula", QUERY),
            "# root, platform administrator: all eight tenants, in clear, still recorded"
                .to_owned(),
            psql("root", QUERY),
            String::new(),
            "Visits to clinics, which lee is told in aggregates of at least ten patients only:"
                .to_owned(),
            String::new(),
            psql("lee", VISITS),
            String::new(),
            "And one that is denied: what ana may not read does not exist for her".to_owned(),
            String::new(),
            "# ERROR:  relation \"hr.salaries\" does not exist".to_owned(),
            psql("ana", "select * from hr.salaries"),
            String::new(),
        ];
        if let Some(flight) = server.flight() {
            lines.extend(self.python(flight));
        }
        lines
            .push(format!("Every decision is recorded in {folder}/audit.jsonl and in the ledger:"));
        lines.push(format!("tollgate audit verify --config {folder}/tollgate.toml"));
        if let Some(admin) = server.admin() {
            lines.push(format!("Health and metrics: http://{admin}/metrics"));
        }
        lines.push("Ctrl-C stops.".to_owned());
        lines.join("\n")
    }

    /// The same over Flight SQL, for a shell.
    fn python(&self, flight: SocketAddr) -> [String; 6] {
        let script = format!(
            "import adbc_driver_flightsql.dbapi as flight\n\
             with flight.connect(\"grpc+tls://{flight}\", db_kwargs={{\n    \
             \"username\": \"ana\", \"password\": \"demo\",\n    \
             \"adbc.flight.sql.client_option.tls_root_certs\": open(\"{}/ca.pem\").read(),\n\
             }}, autocommit=True) as connection, connection.cursor() as cursor:\n    \
             cursor.execute(\"{QUERY}\")\n    \
             print(cursor.fetch_arrow_table())\n    \
             cursor.execute(\"select id, email from crm.customers where id < $1 order by id\", (5,))\n    \
             print(cursor.fetchall())",
            self.folder.display()
        );
        [
            "Over Arrow Flight SQL, with Python:".to_owned(),
            String::new(),
            "python3 -m venv /tmp/tollgate-adbc && /tmp/tollgate-adbc/bin/pip install -q \
             adbc-driver-flightsql adbc-driver-manager pyarrow"
                .to_owned(),
            "# ana again: one tenant, e-mail addresses masked, in record batches".to_owned(),
            format!("/tmp/tollgate-adbc/bin/python - <<'END'\n{script}\nEND"),
            String::new(),
        ]
    }
}
