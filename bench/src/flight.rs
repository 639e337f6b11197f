//! Rows out of the Flight SQL front end, read by a real client, against the same batches out of
//! `pyarrow.flight`, and against RoAPI.
//!
//! All are read by ADBC's driver in Python, without TLS, by the prepared road that it takes. The gateway
//! decides, records and meters each query, and mostly reads Parquet for it; the peers have the rows in
//! memory. So the gateway is measured over a result that it has kept, too: there the front ends compare, and
//! `pyarrow.flight` serves the very batches of that result.
//!
//! `TOLLGATE_BENCH_ROWS` sets the rows, twelve millions (about a gigabyte) unless it says otherwise.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::data;
use crate::server::{self, Server};

pub(crate) const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");
/// What is installed from PyPI, if it can be.
const ROAPI: &str = "roapi==0.12.7";
const WARM: u32 = 2;
const ROUNDS: u32 = 9;
/// Of the speed of `pyarrow.flight`, and CPU seconds of the server for each GB.
const TARGETS: (f64, f64) = (0.95, 0.35);

pub(crate) fn run(folder: &Path) -> Result<()> {
    let rows = std::env::var("TOLLGATE_BENCH_ROWS").ok().and_then(|text| text.parse().ok());
    let rows: i64 = rows.unwrap_or(12_000_000);
    eprintln!("writing {rows} rows of 10 columns as Parquet");
    data::write(folder, rows)?;
    let batches = folder.join("batches.arrows");
    let mut figures = Vec::new();
    let all = "SELECT * FROM bench.events";
    let port = free_port()?;
    let uri = format!("grpc://127.0.0.1:{port}");
    let flight = format!("[flight]\nlisten = \"127.0.0.1:{port}\"\n");
    {
        let server = Server::start_with(folder, server::POLICIES, &flight)?;
        let side = |name, user| {
            Ok::<_, Box<dyn std::error::Error>>(Side {
                name,
                server: server.pid(),
                reader: Reader::start(&uri, user, all, None)?,
            })
        };
        let sides = [
            side("Tollgate, from Parquet", "root")?,
            side("the same, row policy and mask", "ana")?,
        ];
        figures.extend(measure(sides)?);
    }
    let kept = "[cache]\nresults = \"20 GiB\"\n\
                [[tables]]\nname = \"bench.events\"\ncache_for = \"1h\"\n";
    let server = Server::start_with(folder, server::POLICIES, &format!("{flight}{kept}"))?;
    // One result may take a gibibyte in memory, so some rows are left out.
    let part = format!("{all} WHERE id < {}", rows / 12 * 11);
    let mut reader = Reader::start(&uri, "root", &part, Some(&batches))?;
    reader.round()?;
    let other = free_port()?;
    let mut command = Command::new(python()?);
    command.arg(format!("{CLIENTS}/serve.py")).arg(other.to_string()).arg(&batches);
    let peer = Peer::start(&mut command, other)?;
    let sides = [
        Side { name: "Tollgate, a kept result", server: server.pid(), reader },
        Side {
            name: "pyarrow.flight, from memory",
            server: peer.0.id(),
            reader: Reader::start(&format!("grpc://127.0.0.1:{other}"), "", all, None)?,
        },
    ];
    let [mut figure, fastest] = measure(sides)?;
    let records = std::fs::read_to_string(folder.join("audit.jsonl"))?;
    if records.matches("\"cached\":true").count() < (WARM + ROUNDS) as usize {
        figure.name = "Tollgate, too large to be kept";
    }
    drop((server, peer));
    std::fs::remove_file(&batches)?;
    let speed = fastest.speed;
    figures.extend([figure, fastest]);
    match read_roapi(folder, port) {
        Ok(figure) => figures.push(figure),
        Err(error) => eprintln!("without RoAPI: {error}"),
    }
    report(&figures, speed);
    Ok(())
}

fn read_roapi(folder: &Path, port: u16) -> Result<Figure> {
    let mut command = Command::new(installed("roapi", &[ROAPI], "roapi")?);
    command.args(["-a", &format!("127.0.0.1:{}", free_port()?)]);
    command.args(["-p", &format!("127.0.0.1:{}", free_port()?)]);
    command.args(["--addr-flight-sql", &format!("127.0.0.1:{port}")]);
    let table = folder.join("data/bench/events.parquet");
    command.arg("-t").arg(format!("events={}", table.display()));
    let peer = Peer::start(&mut command, port)?;
    let uri = format!("grpc://127.0.0.1:{port}");
    let reader = Reader::start(&uri, "", "SELECT * FROM events", None)?;
    let side = Side { name: "RoAPI 0.12.7, from memory", server: peer.0.id(), reader };
    let [figure] = measure([side])?;
    Ok(figure)
}

fn report(figures: &[Figure], fastest: f64) {
    println!(
        "\nFlight SQL, read by ADBC in Python, no TLS: medians of {ROUNDS} rounds in turns, CPU of the server"
    );
    println!(
        "{:<30} {:>7} {:>7} {:>17} {:>10} {:>15}",
        "", "GB", "GB/s", "of pyarrow.flight", "CPU-s/GB", "first batch, ms"
    );
    for Figure { name, size, speed, cpu, first } in figures {
        println!(
            "{name:<30} {size:>7.3} {speed:>7.3} {:>17.2} {cpu:>10.3} {:>15.1}",
            speed / fastest,
            first * 1e3
        );
    }
    let (speed, cpu) = TARGETS;
    println!("aim, where the rows are in memory: {speed} of pyarrow.flight, {cpu} CPU-s/GB");
}

/// One line of the table: GB of one round, GB per second, CPU seconds per GB, seconds to the first batch.
struct Figure {
    name: &'static str,
    size: f64,
    speed: f64,
    cpu: f64,
    first: f64,
}

/// A server that is read.
struct Side {
    name: &'static str,
    server: u32,
    reader: Reader,
}

/// Reads all sides in turns, so that the machine's noise falls on each.
fn measure<const N: usize>(mut sides: [Side; N]) -> Result<[Figure; N]> {
    let mut read = [(); N].map(|()| (Vec::new(), Vec::new(), Duration::ZERO, 0, 0.0));
    // The first rounds warm caches up, and let the client find its windows.
    for round in 0..WARM + ROUNDS {
        for (side, (speeds, firsts, used, rows, size)) in sides.iter_mut().zip(&mut read) {
            if round == 0 {
                eprintln!("reading: {}", side.name);
            }
            let before = server::cpu(side.server)?;
            let once = side.reader.round()?;
            if once.rows == 0 || (round > 0 && once.rows != *rows) {
                return Err(format!("{}: {} rows, then {}", side.name, rows, once.rows).into());
            }
            *rows = once.rows;
            if round >= WARM {
                *used += server::cpu(side.server)?.saturating_sub(before);
                *size += once.size;
                speeds.push(once.size / once.seconds.max(1e-9));
                firsts.push(once.first);
            }
        }
    }
    let mut read = read.into_iter();
    Ok(sides.map(|side| {
        let (speeds, firsts, used, _, size) = read.next().unwrap_or_default();
        let cpu = used.as_secs_f64() / size;
        let size = size / f64::from(ROUNDS);
        let (speed, first) = (median(speeds), median(firsts));
        Figure { name: side.name, size, speed, cpu, first }
    }))
}

pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What one reading gave; the size in GB.
pub(crate) struct Round {
    pub(crate) rows: u64,
    size: f64,
    pub(crate) seconds: f64,
    pub(crate) first: f64,
}

/// The client, which reads when it is told to.
pub(crate) struct Reader {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Reader {
    /// Connects; the batches of the first round are kept in a file, if one is named.
    pub(crate) fn start(uri: &str, user: &str, query: &str, keep: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(python()?);
        Self::of(command.arg(format!("{CLIENTS}/read.py")).args([uri, user, query]).args(keep))
    }

    /// A program that reads and tells in the same way.
    pub(crate) fn of(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, input, output })
    }

    pub(crate) fn round(&mut self) -> Result<Round> {
        self.input.write_all(b"\n")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [rows, size, seconds, first] = fields.as_slice() else {
            return Err("the client has ended".into());
        };
        let size = size.parse::<f64>()? / 1e9;
        Ok(Round { rows: rows.parse()?, size, seconds: seconds.parse()?, first: first.parse()? })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another server; dropping it ends it.
struct Peer(Child);

impl Peer {
    /// Starts it and waits until it takes connections.
    fn start(command: &mut Command, port: u16) -> Result<Self> {
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut peer = Self(child);
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if peer.0.try_wait()?.is_some() || started.elapsed() > Duration::from_secs(120) {
                return Err(format!("{command:?} doesn't start").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

pub(crate) fn cache() -> Result<PathBuf> {
    Ok(PathBuf::from(std::env::var_os("HOME").ok_or("HOME is not set")?).join(".cache/tollgate"))
}

/// The interpreter that has the clients.
fn python() -> Result<PathBuf> {
    let python = cache()?.join("venv/bin/python");
    match python.exists() {
        true => Ok(python),
        false => Err("the Python environment is missing: run `cargo xtask setup`".into()),
    }
}

/// A program of Python packages, in an environment of their own that is made once.
pub(crate) fn installed(name: &str, packages: &[&str], program: &str) -> Result<PathBuf> {
    let folder = cache()?.join(name);
    let (stamp, wanted) = (folder.join("packages.txt"), packages.join("\n"));
    if !std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        eprintln!("installing {}", packages.join(", "));
        let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).status()?;
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages);
        if !made.success() || !pip.status()?.success() {
            return Err(format!("{} could not be installed", packages.join(", ")).into());
        }
        std::fs::write(&stamp, wanted)?;
    }
    Ok(folder.join("bin").join(program))
}
