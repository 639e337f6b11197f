//! A point query of a PostgreSQL under a row policy: through the gateway, which decides, against the
//! server's own row security with PgBouncer before it, and against the server alone.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::postgres::{Postgres, shell};
use crate::server::{POLICIES, Server, cpu};
use crate::{Result, percentiles};

const POINT: &str = "SELECT id, status, amount FROM bench.events WHERE id = $1";

/// Queries of each peer that are measured for its latency, and those before that aren't.
const ROUNDS: usize = 3_000;
const WARM: usize = 300;

/// How long each peer is asked by many, in turns.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 3;

/// What the gateway may add to the median, as a multiple of what PgBouncer adds.
const TARGET: f64 = 1.5;

const BINARY: &str = "/usr/sbin/pgbouncer";

/// A PgBouncer before a server; dropping it ends it.
struct Pooler {
    address: String,
    pid: u32,
}

impl Pooler {
    /// Statements are prepared, which PgBouncer keeps apart only in sessions.
    fn start(postgres: &Postgres) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (host, server) = postgres.address.split_once(':').ok_or("an address has a port")?;
        let folder = postgres.folder.join("pooler");
        let path = folder.display();
        let configuration = format!(
            "[databases]\npostgres = host={host} port={server} dbname=postgres\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n\
             auth_file = {path}/users\npool_mode = session\ndefault_pool_size = 100\n\
             max_client_conn = 200\nlogfile = {path}/log\npidfile = {path}/pid\n"
        );
        shell(&format!(
            "mkdir {path} && echo '{configuration}' > {path}/ini && echo '\"ana\" \"\"' > {path}/users \
             && {BINARY} -q -d {path}/ini"
        ))?;
        let address = format!("127.0.0.1:{port}");
        let started = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            if started.elapsed() > Duration::from_secs(30) {
                return Err("PgBouncer doesn't start".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let pid = std::fs::read_to_string(folder.join("pid"))?.trim().parse()?;
        Ok(Self { address, pid })
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.pid.to_string()).status();
    }
}

/// One that is asked.
struct Peer {
    name: &'static str,
    address: String,
    password: &'static str,
    database: &'static str,
    /// Its process, but for the server.
    pid: Option<u32>,
}

impl Peer {
    fn connect(&self) -> Result<Client> {
        let mut client = Client::connect(&self.address, "ana", self.password, self.database)?;
        client.prepare("point", POINT)?;
        Ok(client)
    }
}

/// `rows` of the table.
pub(crate) fn run(folder: &Path, rows: i64) -> Result<()> {
    if !Path::new(BINARY).exists() {
        return Err(format!("{BINARY} is missing: install pgbouncer").into());
    }
    eprintln!("making {rows} rows of 10 columns in a PostgreSQL");
    let postgres = Postgres::start(rows)?.ok_or("PostgreSQL 15 isn't installed")?;
    postgres.does(&[
        "CREATE SCHEMA bench",
        "ALTER TABLE events SET SCHEMA bench",
        "ALTER TABLE bench.events ADD PRIMARY KEY (id)",
        "CREATE ROLE ana LOGIN",
        "CREATE ROLE gate LOGIN BYPASSRLS",
        "GRANT USAGE ON SCHEMA bench TO ana, gate",
        "GRANT SELECT ON bench.events TO ana, gate",
        "ALTER TABLE bench.events ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY tenant ON bench.events TO ana USING (code >= 0 AND tenant < 50)",
    ])?;
    let pooler = Pooler::start(&postgres)?;
    let (host, port) = postgres.address.split_once(':').ok_or("an address has a port")?;
    let warehouse = format!(
        "kind = \"postgres\"\nhost = \"{host}\"\nport = {port}\ndatabase = \"postgres\"\n\
         user = \"gate\"\nschemas = [\"bench\"]"
    );
    let gateway = |name: &str, ledger: &str| {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        Server::start_over(&folder, &warehouse, POLICIES, ledger)
    };
    let server = gateway("plain", "[ledger]\nkind = \"none\"\n")?;
    let recording = gateway("recording", "[ledger]\nkind = \"sqlite\"\n")?;
    let peer = |name, address: &str, pid| Peer {
        name,
        address: address.to_owned(),
        password: "",
        database: "postgres",
        pid,
    };
    let gateway = |name, server: &Server| Peer {
        password: "demo",
        database: "tollgate",
        ..peer(name, &server.address, Some(server.pid()))
    };
    let peers = [
        peer("PostgreSQL", &postgres.address, None),
        peer("PgBouncer", &pooler.address, Some(pooler.pid)),
        gateway("gateway", &server),
        gateway("with ledger", &recording),
    ];
    latency(&peers, rows)?;
    let idle = server.memory()?.0;
    throughput(&peers, rows)?;
    let (now, most) = server.memory()?;
    println!(
        "resident memory of the gateway: {idle} KiB before, {now} KiB after, {most} KiB at most"
    );
    Ok(())
}

fn latency(peers: &[Peer], rows: i64) -> Result<()> {
    let mut clients = Vec::new();
    for peer in peers {
        clients.push((peer.connect()?, Vec::with_capacity(ROUNDS)));
    }
    for round in 0..ROUNDS + WARM {
        let value = i64::try_from(round)? * 997 % rows.max(1);
        // In turns, so that the machine's noise falls on all.
        for (client, times) in &mut clients {
            let start = Instant::now();
            client.execute("point", Some(value), true)?;
            if round >= WARM {
                times.push(start.elapsed());
            }
        }
    }
    println!("\npoint query under a row policy, {ROUNDS} in turns (added: to the server alone)");
    println!(
        "{:<12} {:>8} {:>8} {:>10} {:>10}",
        "through", "p50 µs", "p99 µs", "added p50", "added p99"
    );
    let mut measured = Vec::new();
    for (peer, (_, times)) in peers.iter().zip(clients) {
        let (p50, p99) = percentiles(times);
        let (base50, base99) = *measured.first().unwrap_or(&(p50, p99));
        measured.push((p50, p99));
        println!(
            "{:<12} {:>8} {:>8} {:>10} {:>10}",
            peer.name,
            p50.as_micros(),
            p99.as_micros(),
            p50.saturating_sub(base50).as_micros(),
            p99.saturating_sub(base99).as_micros(),
        );
    }
    if let [(base, _), (pooled, _), (governed, _), _] = measured.as_slice() {
        let added = |time: &Duration| time.saturating_sub(*base).as_secs_f64();
        let ratio = added(governed) / added(pooled);
        let met = if ratio <= TARGET { "met" } else { "missed" };
        println!("  {ratio:.2} of what PgBouncer adds at the median, at most {TARGET}: {met}");
    }
    Ok(())
}

/// What many clients got through one peer.
#[derive(Default)]
struct Load {
    queries: u64,
    time: Duration,
    cpu: Duration,
}

/// Each of so many clients asks again and again.
fn load(peer: &Peer, clients: &mut [Client], rows: i64) -> Result<Load> {
    let ended = AtomicBool::new(false);
    let before = peer.pid.map(cpu).transpose()?.unwrap_or_default();
    let start = Instant::now();
    let queries: Vec<u64> = std::thread::scope(|scope| {
        let asking: Vec<_> = clients
            .iter_mut()
            .zip(0_i64..)
            .map(|(client, number)| {
                let ended = &ended;
                scope.spawn(move || {
                    let mut count = 0;
                    let mut value = number * 7919;
                    while !ended.load(Ordering::Relaxed) {
                        value = (value + 997) % rows.max(1);
                        client.execute("point", Some(value), true).map_err(|e| e.to_string())?;
                        count += 1;
                    }
                    Ok::<u64, String>(count)
                })
            })
            .collect();
        std::thread::sleep(TURN);
        ended.store(true, Ordering::Relaxed);
        let counts = asking
            .into_iter()
            .map(|asked| asked.join().unwrap_or_else(|_| Err("a client has panicked".to_owned())));
        counts.collect::<std::result::Result<_, String>>()
    })?;
    let time = start.elapsed();
    let after = peer.pid.map(cpu).transpose()?.unwrap_or_default();
    Ok(Load { queries: queries.iter().sum(), time, cpu: after.saturating_sub(before) })
}

#[expect(clippy::cast_precision_loss, reason = "counts for a ratio")]
fn throughput(peers: &[Peer], rows: i64) -> Result<()> {
    println!(
        "\nthe same by many clients (ratio: to PgBouncer; CPU: of the process between, per query)"
    );
    println!(
        "{:<8} {:<12} {:>10} {:>8} {:>8}",
        "clients", "through", "queries/s", "ratio", "CPU µs"
    );
    for count in [1, 8, 64] {
        let mut sides = Vec::new();
        for peer in peers {
            let clients: Result<Vec<Client>> = (0..count).map(|_| peer.connect()).collect();
            sides.push((peer, clients?, Load::default()));
        }
        for _ in 0..TURNS {
            for (peer, clients, sum) in &mut sides {
                let one = load(peer, clients, rows)?;
                sum.queries += one.queries;
                sum.time += one.time;
                sum.cpu += one.cpu;
            }
        }
        let rate = |load: &Load| load.queries as f64 / load.time.as_secs_f64();
        let base = sides.get(1).map_or(1.0, |(_, _, pooled)| rate(pooled));
        for (peer, _, load) in &sides {
            println!(
                "{count:<8} {:<12} {:>10.0} {:>8.2} {:>8.1}",
                peer.name,
                rate(load),
                rate(load) / base,
                load.cpu.as_secs_f64() * 1e6 / load.queries.max(1) as f64,
            );
        }
    }
    Ok(())
}
