//! A private PostgreSQL server with the same rows, as the peer.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::client::Client;
use crate::data::POSTGRES_ROWS;

/// A running server; dropping it ends it and removes its files.
pub(crate) struct Postgres {
    pub(crate) folder: PathBuf,
    pub(crate) address: String,
}

pub(crate) fn shell(script: &str) -> Result<()> {
    // The server refuses to run as root.
    let root = Command::new("id").arg("-u").output()?.stdout.starts_with(b"0");
    let mut command = if root {
        let mut command = Command::new("su");
        command.args(["postgres", "-s", "/bin/sh", "-c", script]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    };
    let status = command.stdout(Stdio::null()).stderr(Stdio::inherit()).status()?;
    if status.success() { Ok(()) } else { Err(format!("failed: {script}").into()) }
}

impl Postgres {
    /// Starts a server and makes `rows` rows; `None` if PostgreSQL isn't installed.
    pub(crate) fn start(rows: i64) -> Result<Option<Self>> {
        let binaries = Path::new("/usr/lib/postgresql/15/bin");
        if !binaries.join("initdb").exists() {
            return Ok(None);
        }
        let binaries = binaries.display();
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = PathBuf::from(format!("/tmp/tollgate-bench-pg-{}", std::process::id()));
        let path = folder.display();
        let server = Self { folder: folder.clone(), address: format!("127.0.0.1:{port}") };
        shell(&format!("{binaries}/initdb -A trust -U postgres -D {path} >/dev/null"))?;
        shell(&format!(
            "{binaries}/pg_ctl -w -D {path} -o '-p {port} -k {path} -c fsync=off \
             -c shared_buffers=1GB -c max_connections=300 -c listen_addresses=127.0.0.1' -l {path}/log start >/dev/null"
        ))?;
        let make = format!(
            "CREATE UNLOGGED TABLE events AS SELECT {POSTGRES_ROWS} \
             FROM generate_series(0::bigint, {}) i",
            rows - 1
        );
        server.does(&[&make, "VACUUM (FREEZE, ANALYZE) events"])?;
        Ok(Some(server))
    }

    /// Runs statements as the superuser.
    pub(crate) fn does(&self, statements: &[&str]) -> Result<()> {
        let mut client = self.connect()?;
        for statement in statements {
            client.prepare("", statement)?;
            client.execute("", None, false)?;
        }
        Ok(())
    }

    pub(crate) fn connect(&self) -> Result<Client> {
        Client::connect(&self.address, "postgres", "", "postgres")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let path = self.folder.display();
        let _ = shell(&format!(
            "/usr/lib/postgresql/15/bin/pg_ctl -D {path} -m immediate stop >/dev/null; rm -rf {path}"
        ));
    }
}
