//! Rows of a Snowflake through the gateway to a Flight SQL client, against the official connector and ADBC's
//! Snowflake driver, which read the same chunks.
//!
//! The account is the emulator of the tests, which makes all chunks before it answers, and takes most of the
//! time for that. So what counts is how long the rows take once the first are there.
//!
//! `TOLLGATE_BENCH_ROWS` sets the rows, half a million unless it says otherwise.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::flight::{CLIENTS, Reader, cache, free_port, installed, median};
use crate::server::Server;

const EMULATOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/emulator/emulator.py");
const ROUNDS: usize = 5;
/// ADBC's driver, with what the other clients have as well.
const ADBC: [&str; 3] =
    ["adbc-driver-snowflake==1.11.0", "adbc-driver-manager==1.13.0", "pyarrow==26.0.1"];
const USER: &str = "TOLLGATE";
const PASSWORD: &str = "the account's password";
const ALL: &str = "SELECT id, tenant, name, amount, score, day FROM shop.events";

const POLICIES: &str = "CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO ROLE analyst;
CREATE ROW POLICY some ON shop.events AS RESTRICTIVE TO ROLE analyst USING (tenant < 100);
";

/// The account; it ends when its input does.
struct Emulator {
    port: u16,
    child: Child,
}

impl Emulator {
    fn start(folder: &Path) -> Result<Self> {
        let python = python()?;
        let key = folder.join("key.pem");
        let account = format!(
            "{{\"user\": \"{USER}\", \"password\": \"{PASSWORD}\", \"token\": \"\", \"key_file\": \"{}\"}}",
            key.display()
        );
        let mut child = Command::new(python)
            .args(["-W", "ignore", EMULATOR, &account])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let emulator = Self { port: line.trim().parse()?, child };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", emulator.port)).is_err() {
            if started.elapsed() > Duration::from_secs(60) {
                return Err("the emulator doesn't start".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(emulator)
    }

    fn control(&self, body: &str) -> Result<()> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
        let length = body.len();
        write!(
            socket,
            "POST /control HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        match answer.starts_with("HTTP/1.1 200") {
            true => Ok(()),
            false => Err(answer.into()),
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter that has the emulator and the connector.
fn python() -> Result<std::path::PathBuf> {
    let python = cache()?.join("emulator/bin/python");
    match python.exists() {
        true => Ok(python),
        false => Err("the emulator is missing: run `cargo xtask setup`".into()),
    }
}

pub(crate) fn run(folder: &Path) -> Result<()> {
    let rows = std::env::var("TOLLGATE_BENCH_ROWS").ok().and_then(|text| text.parse().ok());
    let rows: i64 = rows.unwrap_or(500_000);
    eprintln!("making {rows} rows of 6 columns in the emulator");
    let emulator = Emulator::start(folder)?;
    let make = format!(
        "CREATE TABLE BENCH.SHOP.EVENTS AS SELECT seq8()::NUMBER(12, 0) AS ID, (seq8() % 100)::NUMBER(4, 0) AS TENANT, \
         'customer ' || (seq8() % 5000)::VARCHAR AS NAME, \
         (seq8() * 37 % 1000000)::NUMBER(12, 0) / 100 AS AMOUNT, seq8() / 8.0::FLOAT AS SCORE, \
         DATEADD(day, seq8() % 2000, '2020-01-01'::DATE) AS DAY \
         FROM TABLE(GENERATOR(ROWCOUNT => {rows}))"
    );
    emulator.control(&format!(
        "{{\"database\": \"BENCH\", \"schema\": \"PUBLIC\", \"options\": {{\"inline\": 1000, \"chunk\": 20000}}, \
         \"sql\": [\"CREATE DATABASE IF NOT EXISTS BENCH\", \"CREATE SCHEMA IF NOT EXISTS BENCH.SHOP\", \"{make}\"]}}"
    ))?;
    let secret = folder.join("secret");
    std::fs::write(&secret, PASSWORD)?;
    let warehouse = format!(
        "kind = \"snowflake\"\naccount = \"acct\"\naddress = \"http://127.0.0.1:{}\"\n\
         database = \"BENCH\"\nuser = \"{USER}\"\nsecret_file = \"{}\"\nvirtual_warehouse = \"WH\"\n\
         schemas = [\"shop\"]",
        emulator.port,
        secret.display()
    );
    let port = free_port()?;
    let flight = format!("[flight]\nlisten = \"127.0.0.1:{port}\"\n");
    let server = Server::start_over(folder, &warehouse, POLICIES, &flight)?;
    let mut command = Command::new(python()?);
    command.arg(format!("{CLIENTS}/connector.py"));
    command.arg(emulator.port.to_string()).args([USER, PASSWORD, ALL]);
    let connector = Reader::of(&mut command)?;
    let mut command = Command::new(installed("adbc-snowflake", &ADBC, "python")?);
    command.arg(format!("{CLIENTS}/adbc_snowflake.py"));
    command.arg(emulator.port.to_string()).args([USER, PASSWORD, ALL]);
    let adbc = Reader::of(&mut command)?;
    let gateway = Reader::start(&format!("grpc://127.0.0.1:{port}"), "ana", ALL, None)?;
    let mut peers = [
        ("connector", connector, Vec::new()),
        ("ADBC", adbc, Vec::new()),
        ("gateway", gateway, Vec::new()),
    ];
    for _ in 0..=ROUNDS {
        // In turns, so that the machine's noise falls on all.
        for (_, reader, rounds) in &mut peers {
            rounds.push(reader.round()?);
        }
    }
    println!(
        "\n{rows} rows of a Snowflake (the emulator), medians of {ROUNDS} (ratio: to the connector)"
    );
    println!(
        "{:<12} {:>13} {:>7} {:>16} {:>7}",
        "through", "first row, s", "ratio", "M rows/s after", "ratio"
    );
    let mut base = None;
    for (name, _, rounds) in &peers {
        // The first warms caches up.
        let measured = || rounds.iter().skip(1);
        if measured().any(|round| i64::try_from(round.rows) != Ok(rows)) {
            return Err(format!("{name} reads other rows").into());
        }
        let first = median(measured().map(|round| round.first).collect());
        #[expect(clippy::cast_precision_loss, reason = "rows for a ratio")]
        let speed = |round: &crate::flight::Round| {
            round.rows as f64 / (round.seconds - round.first).max(1e-9) / 1e6
        };
        let speed = median(measured().map(speed).collect());
        let (first_base, speed_base) = *base.get_or_insert((first, speed));
        println!(
            "{name:<12} {first:>13.2} {:>7.2} {speed:>16.2} {:>7.2}",
            first / first_base,
            speed / speed_base
        );
    }
    let (now, most) = server.memory()?;
    println!("resident memory of the gateway: {now} KiB now, {most} KiB at most");
    Ok(())
}
