//! Rows out of the gateway against the same rows out of PostgreSQL.

use std::time::Instant;

use crate::Result;
use crate::postgres::Postgres;
use crate::server::Server;

pub(crate) fn run(server: &Server, rows: i64) -> Result<()> {
    eprintln!("making the same rows in PostgreSQL");
    let postgres = Postgres::start(rows)?;
    if postgres.is_none() {
        eprintln!("PostgreSQL 15 is not installed, so there is no peer");
    }
    println!(
        "\nstreaming {rows} rows of 10 columns (root: no policy; ana: half of the rows, one mask)"
    );
    println!(
        "{:<10} {:>10} {:>14} {:>16} {:>12} {:>8} {:>10}",
        "format", "who", "M rows/s", "M rows/CPU-s", "PG M rows/s", "ratio", "MiB above"
    );
    for binary in [false, true] {
        let format = if binary { "binary" } else { "text" };
        let peer = match &postgres {
            Some(postgres) => {
                let mut client = postgres.connect()?;
                client.prepare("all", "SELECT * FROM events")?;
                let start = Instant::now();
                let (count, _) = client.execute("all", None, binary)?;
                Some(million(count, start.elapsed()))
            }
            None => None,
        };
        for user in ["root", "ana"] {
            let mut client = server.connect(user)?;
            client.prepare("all", "SELECT * FROM bench.events")?;
            // The code that is read in when it is used first is no part of a stream.
            client.prepare("some", "SELECT * FROM bench.events LIMIT 1000")?;
            client.execute("some", None, binary)?;
            server.reset_peak()?;
            let (before, _) = server.memory()?;
            let cpu = server.cpu()?;
            let start = Instant::now();
            let (count, _) = client.execute("all", None, binary)?;
            let elapsed = start.elapsed();
            let used = server.cpu()?.saturating_sub(cpu);
            let (_, highest) = server.memory()?;
            let speed = million(count, elapsed);
            println!(
                "{format:<10} {user:>10} {speed:>14.2} {:>16.2} {:>12} {:>8} {:>10}",
                million(count, used),
                peer.map_or("-".to_owned(), |peer| format!("{peer:.2}")),
                peer.map_or("-".to_owned(), |peer| format!("{:.2}", speed / peer)),
                highest.saturating_sub(before) / 1024,
            );
        }
    }
    Ok(())
}

fn million(count: u64, elapsed: std::time::Duration) -> f64 {
    let count = u32::try_from(count).map_or(f64::INFINITY, f64::from);
    count / 1e6 / elapsed.as_secs_f64().max(1e-9)
}
