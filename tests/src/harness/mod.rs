//! PostgreSQL and a gateway over the same data, and clients for both.

pub mod client;
pub mod data;
pub mod flight;
pub mod gate;
pub mod gateway;
pub mod issuer;
pub mod node;
pub mod postgres;
pub mod psql;
pub mod python;
pub mod raw;
pub mod served;
pub mod snowflake;
pub mod three;
pub mod value;

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use self::gateway::Running;
use self::postgres::Postgres;

/// The runtime of servers and tests: servers outlive the test that starts them.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        // RUST_LOG=tollgate_proxy=warn tells the private causes of errors.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .try_init();
        tokio::runtime::Runtime::new().unwrap()
    })
}

/// Runs a test; what hangs, fails.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    const LIMIT: Duration = Duration::from_secs(40 * 60);
    runtime().block_on(async { tokio::time::timeout(LIMIT, test).await.expect("the test hangs") })
}

/// A port that nobody listens on, not even one whom the system gives any: connections going out take
/// those, and it may be a while until this one is listened on.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id() % 200 * 100;
    loop {
        let next = (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let port = 10_000 + u16::try_from(next).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The folder of test cases.
pub fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// The text of a test case.
pub fn case(path: &str) -> String {
    let path = cases().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether golden files are to be written anew.
pub fn updating() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| !value.is_empty() && value != "0")
}

/// Compares a text with a golden file, or writes the file.
pub fn golden(path: &str, actual: &str) {
    let file = cases().join(path);
    if updating() {
        std::fs::write(&file, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    if expected != actual {
        let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
        let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}\n"));
        let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}\n"));
        let difference: String = gone.chain(come).collect();
        panic!("tests/cases/{path} differs; review and run again with UPDATE=1:\n{difference}");
    }
}

/// One data set in PostgreSQL, whole and as ana may see it, and a gateway over the whole one.
pub struct World {
    pub postgres: &'static Postgres,
    pub folder: PathBuf,
    pub gateway: Running,
}

impl World {
    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.gateway.address
    }
}

/// The world that most tests share.
pub async fn world() -> &'static World {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    WORLD
        .get_or_init(|| async {
            let postgres = Postgres::shared().await;
            let full = postgres.create("full", &[&case("attacks/schema.sql")]).await;
            postgres
                .create("projected", &[&case("attacks/schema.sql"), &case("attacks/projected.sql")])
                .await;
            let folder = postgres.scratch("data");
            data::export(&full, &folder).await;
            let audit = postgres.scratch("audit").join("audit.jsonl");
            let gateway = gateway::start(&folder, &audit).await;
            World { postgres, folder, gateway }
        })
        .await
}
