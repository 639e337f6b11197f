//! What governing TPC-H and TPC-DS costs: each query under row policies, against the same query with
//! the policies' predicates written into it.
//!
//! `TOLLGATE_SCALE` sets the scale factor of the data, 0.5 unless it says otherwise.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::Server;
use crate::{Result, percentiles};

/// The policies of the tests, with an administrator beside.
const POLICIES: &str = include_str!("../../tests/cases/tpc/policies.sql");
const ADMIN: &str = "
CREATE ROLE admin;
GRANT ROLE admin TO USER 'root';
GRANT SELECT ON ALL TABLES IN SCHEMA h TO ROLE admin;
GRANT SELECT ON ALL TABLES IN SCHEMA ds TO ROLE admin;
CREATE ROW POLICY all_suppliers ON h.supplier AS PERMISSIVE TO ROLE admin USING (true);
CREATE ROW POLICY all_sales ON ds.store_sales AS PERMISSIVE TO ROLE admin USING (true);
CREATE ROW POLICY all_returns ON ds.store_returns AS PERMISSIVE TO ROLE admin USING (true);
";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cases/tpc/make.py");
/// The policies' predicates as a user would write them.
const BY_HAND: &[(&str, &str, &str)] = &[
    ("h", "customer", "c_mktsegment <> 'MACHINERY'"),
    (
        "h",
        "orders",
        "o_custkey IN (SELECT c_custkey FROM h.customer WHERE c_mktsegment <> 'MACHINERY')",
    ),
    ("h", "lineitem", "l_shipmode <> 'RAIL' AND l_quantity < 49"),
    ("h", "supplier", "s_nationkey <> 3"),
    ("ds", "store_sales", "ss_quantity <= 95"),
    ("ds", "store_returns", "sr_return_quantity <= 95"),
    ("ds", "catalog_sales", "cs_quantity > 2"),
    ("ds", "web_sales", "ws_quantity > 2"),
    ("ds", "customer", "c_birth_month <> 7"),
    ("ds", "customer_address", "ca_country IS NOT NULL"),
    ("ds", "item", "i_category IN (SELECT i_category FROM ds.item WHERE i_manager_id < 99)"),
];
const ROUNDS: usize = 5;

pub(crate) fn run(folder: &Path) -> Result<()> {
    let scale = std::env::var("TOLLGATE_SCALE").unwrap_or_else(|_| "0.5".to_owned());
    let data = data(&scale)?;
    std::os::unix::fs::symlink(data.join("whole"), folder.join("data"))?;
    // Masks change what queries give; their cost is that of their functions.
    let rules = POLICIES.split(';').filter(|rule| !rule.contains("MASKING POLICY"));
    let rules: Vec<&str> =
        rules.chain(ADMIN.split(';')).filter(|rule| !rule.trim().is_empty()).collect();
    let server = Server::start(folder, &(rules.join(";") + ";"))?;
    println!(
        "\nTPC at scale {scale}: under row policies against predicates by hand; medians of {ROUNDS} rounds"
    );
    for (suite, schema) in [("TPC-H", "h"), ("TPC-DS", "ds")] {
        let mut figures = Vec::new();
        for (name, sql) in queries(&data, schema)? {
            figures.push((query(&server, schema, &sql)?, name));
        }
        report(suite, &mut figures)?;
    }
    Ok(())
}

/// Of one query: seconds by hand and under policies, and CPU seconds of both.
struct Figure {
    wall: [f64; 2],
    cpu: [f64; 2],
}

fn report(suite: &str, figures: &mut [(Figure, String)]) -> Result<()> {
    let count = f64::from(u32::try_from(figures.len())?);
    let mean =
        figures.iter().map(|(figure, _)| (figure.wall[1] / figure.wall[0]).ln()).sum::<f64>();
    let total = |of: fn(&Figure) -> [f64; 2]| {
        let [hand, ours] = figures.iter().fold([0.0; 2], |[hand, ours], (figure, _)| {
            [hand + of(figure)[0], ours + of(figure)[1]]
        });
        (hand, ours, ours / hand)
    };
    let (hand, ours, wall) = total(|figure| figure.wall);
    let (_, _, cpu) = total(|figure| figure.cpu);
    println!(
        "\n{suite}: {} queries; by hand {hand:.2} s, governed {ours:.2} s, ratio of the sums {wall:.3} \
         (CPU {cpu:.3}), geometric mean of the ratios {:.3}",
        figures.len(),
        (mean / count).exp()
    );
    figures.sort_by(|(left, _), (right, _)| {
        (right.wall[1] / right.wall[0]).total_cmp(&(left.wall[1] / left.wall[0]))
    });
    for (figure, name) in figures.iter().take(5) {
        println!(
            "  {name:<6} {:>9.1} ms by hand {:>9.1} ms governed {:>6.2}",
            figure.wall[0] * 1e3,
            figure.wall[1] * 1e3,
            figure.wall[1] / figure.wall[0]
        );
    }
    Ok(())
}

/// Asks both ways in turns.
fn query(server: &Server, schema: &str, sql: &str) -> Result<Figure> {
    let mut ways = Vec::new();
    for (user, text) in [("root", by_hand(schema, sql)), ("ana", sql.to_owned())] {
        let mut client: Client = server.connect(user)?;
        client.prepare("path", &format!("SET search_path = {schema}"))?;
        client.execute("path", None, false)?;
        client.prepare("query", &text)?;
        ways.push((client, Vec::new(), Duration::ZERO));
    }
    for round in 0..=ROUNDS {
        let mut rows = Vec::new();
        for (client, times, busy) in &mut ways {
            let cpu = server.cpu()?;
            let start = Instant::now();
            rows.push(client.execute("query", None, false)?.0);
            // The first round warms caches up.
            if round > 0 {
                times.push(start.elapsed());
                *busy += server.cpu()?.saturating_sub(cpu);
            }
        }
        if rows.iter().any(|count| Some(count) != rows.first()) {
            return Err(format!("the two ways give different rows: {sql}").into());
        }
    }
    let mut figures = ways
        .into_iter()
        .map(|(_, times, busy)| (percentiles(times).0.as_secs_f64(), busy.as_secs_f64()));
    let (Some(hand), Some(ours)) = (figures.next(), figures.next()) else {
        return Err("two ways must give two figures".into());
    };
    Ok(Figure { wall: [hand.0, ours.0], cpu: [hand.1, ours.1] })
}

/// The query over common table expressions that filter.
fn by_hand(schema: &str, sql: &str) -> String {
    let filtered = BY_HAND.iter().filter(|(of, ..)| *of == schema);
    let filtered: Vec<String> = filtered
        .map(|(_, table, rows)| format!("{table} AS (SELECT * FROM {schema}.{table} WHERE {rows})"))
        .collect();
    let filtered = filtered.join(", ");
    let start = sql.trim_start();
    match start.get(..5).filter(|word| word.eq_ignore_ascii_case("with ")) {
        Some(with) => format!("WITH {filtered}, {}", &start[with.len()..]),
        None => format!("WITH {filtered} {start}"),
    }
}

fn queries(data: &Path, schema: &str) -> Result<Vec<(String, String)>> {
    let mut queries = Vec::new();
    for file in std::fs::read_dir(data.join("queries"))? {
        let path = file?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name.trim_end_matches(|c: char| c.is_ascii_digit()) == schema {
            let text = std::fs::read_to_string(&path)?;
            queries.push((name, text.trim().trim_end_matches(';').to_owned()));
        }
    }
    queries.sort();
    Ok(queries)
}

/// Data and queries, made once.
fn data(scale: &str) -> Result<PathBuf> {
    let cache =
        PathBuf::from(std::env::var_os("HOME").ok_or("HOME is not set")?).join(".cache/tollgate");
    let folder = cache.join(format!("tpc-bench-{scale}"));
    if !folder.exists() {
        eprintln!("generating TPC-H and TPC-DS at scale {scale}");
        let python = cache.join("venv/bin/python");
        if !python.exists() {
            return Err("the Python environment is missing: run `cargo xtask setup`".into());
        }
        let draft = cache.join(format!("tpc-bench-draft-{}", std::process::id()));
        let made = Command::new(python).arg(SCRIPT).arg(&draft).arg(scale).status()?;
        if !made.success() {
            return Err("the data could not be generated".into());
        }
        std::fs::rename(&draft, &folder)?;
    }
    Ok(folder)
}
