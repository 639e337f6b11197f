//! A private PostgreSQL of this test process.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use super::client::Client;
use super::free_port;

/// Where Debian puts the server's programs.
const BINARIES: &str = "/usr/lib/postgresql/15/bin";

/// The server. It ends with this process, however that ends.
pub struct Postgres {
    pub port: u16,
    folder: PathBuf,
    /// A shell that waits for the end of its input, which is the end of this process.
    _watchdog: Child,
}

impl Postgres {
    /// The one server of this process.
    pub async fn shared() -> &'static Postgres {
        static SERVER: OnceCell<Postgres> = OnceCell::const_new();
        SERVER.get_or_init(start).await
    }

    /// Creates a database and runs scripts in it.
    pub async fn create(&self, name: &str, scripts: &[&str]) -> Client {
        let maintenance = self.connect("postgres").await;
        maintenance.inner.batch_execute(&format!("CREATE DATABASE \"{name}\"")).await.unwrap();
        let client = self.connect(name).await;
        for script in scripts {
            client.inner.batch_execute(script).await.unwrap();
        }
        client
    }

    /// Connects as the superuser.
    pub async fn connect(&self, database: &str) -> Client {
        Client::connect(&self.dsn(database)).await.unwrap()
    }

    /// What a libpq client connects with.
    pub fn dsn(&self, database: &str) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname={database} sslmode=disable", self.port)
    }

    /// An empty folder that goes when the process ends.
    pub fn scratch(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }
}

async fn start() -> Postgres {
    assert!(
        Path::new(BINARIES).join("postgres").exists(),
        "PostgreSQL 15 is missing at {BINARIES}: run `cargo xtask setup`, which installs it"
    );
    let folder = std::env::temp_dir().join(format!("tollgate-tests-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let cluster = folder.join("cluster");
    std::fs::create_dir_all(&cluster).unwrap();
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if root {
        // The server refuses to run as root.
        check(Command::new("chown").arg("postgres").arg(&cluster));
    }
    let port = free_port();
    let data = cluster.join("data");
    check(&mut shell(
        root,
        &format!(
            "{BINARIES}/initdb -D {data} -U postgres -A trust -E UTF8 --locale=C -N && \
             {BINARIES}/pg_ctl -D {data} -l {log} -w -t 60 start -o '\
             -p {port} -k {sockets} -c listen_addresses=127.0.0.1 -c fsync=off \
             -c full_page_writes=off -c synchronous_commit=off -c max_connections=200 \
             -c timezone=UTC -c shared_buffers=32MB'",
            data = data.display(),
            log = cluster.join("log").display(),
            sockets = cluster.display(),
        ),
    ));
    let stop = format!("{BINARIES}/pg_ctl -D {} stop -m immediate", data.display());
    let stop = if root { format!("su postgres -s /bin/sh -c '{stop}'") } else { stop };
    let watchdog = Command::new("sh")
        .arg("-c")
        .arg(format!("cat; {stop}; rm -rf {}", folder.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Postgres { port, folder, _watchdog: watchdog };
    let limit = Instant::now() + Duration::from_secs(30);
    while let Err(error) = Client::connect(&server.dsn("postgres")).await {
        assert!(Instant::now() < limit, "PostgreSQL doesn't answer: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server
}

/// A shell command, as the user that may run the server.
fn shell(root: bool, script: &str) -> Command {
    let mut command = if root { Command::new("su") } else { Command::new("sh") };
    if root {
        command.args(["postgres", "-s", "/bin/sh"]);
    }
    command.arg("-c").arg(script).current_dir("/");
    command
}

fn check(command: &mut Command) {
    // Not pipes: the server would keep them open.
    let log = std::env::temp_dir().join(format!("tollgate-tests-{}.log", std::process::id()));
    let file = std::fs::File::create(&log).unwrap();
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .status()
        .unwrap();
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let _ = std::fs::remove_file(&log);
    assert!(status.success(), "{command:?} failed:\n{text}");
}
