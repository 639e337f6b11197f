//! What the barrier costs: analytical queries over a table of which half of the rows are hidden and a
//! column is masked, against the same queries over a table that holds only what is permitted, and
//! against the whole table with the policy's predicate written by hand.
//!
//! Two layouts: in `mixed` the hidden rows lie between the permitted ones, so every row has to be
//! read; in `clustered` the file is sorted by tenant, so that whole row groups can be skipped.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::Server;
use crate::{Result, data, percentiles, rows};

const POLICIES: &str = "CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
CREATE ROLE admin;
GRANT ROLE admin TO USER 'root';
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO ROLE analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO ROLE admin;
GRANT SELECT ON ALL TABLES IN SCHEMA permitted TO ROLE admin;
CREATE ROW POLICY tenant ON ALL TABLES WITH COLUMN (tenant) AS RESTRICTIVE TO ROLE analyst
  USING (tenant < 50);
CREATE MASKING POLICY m_mixed ON bench.mixed (name) USING (mask_partial(value, 4)) EXCEPT ROLE admin;
CREATE MASKING POLICY m_clustered ON bench.clustered (name) USING (mask_partial(value, 4)) EXCEPT ROLE admin;
";

/// The policy's predicate and mask as a user would write them.
const BY_HAND: (&str, &str) = ("e.tenant < 50", "left(e.name, 4) || '***'");

/// What is asked, named after the queries of TPC-H that they resemble. `{t}` is the table, `{p}` the
/// predicate and `{n}` the name.
const QUERIES: &[(&str, &str)] = &[
    (
        "Q1 groups over a scan",
        "SELECT e.status, e.active, count(*), sum(e.amount), avg(e.score), min(e.at) FROM {t} e \
         WHERE {p} AND e.day <= DATE '2025-01-01' GROUP BY e.status, e.active ORDER BY 1, 2",
    ),
    (
        "Q3 join and top ten",
        "SELECT d.region, e.day, sum(e.amount) AS revenue FROM {t} e \
         JOIN bench.tenants d ON d.id = e.tenant \
         WHERE {p} AND e.day > DATE '2022-01-01' AND d.segment = 'small' \
         GROUP BY d.region, e.day ORDER BY revenue DESC, e.day LIMIT 10",
    ),
    (
        "Q4 EXISTS",
        "SELECT e.status, count(*) FROM {t} e WHERE {p} AND e.active AND EXISTS \
         (SELECT 1 FROM bench.tenants d WHERE d.id = e.tenant AND d.region = 'north') \
         GROUP BY e.status ORDER BY e.status",
    ),
    (
        "Q6 narrow filter, one sum",
        "SELECT sum(e.amount * 2) FROM {t} e WHERE {p} AND e.day >= DATE '2021-01-01' \
         AND e.day < DATE '2022-01-01' AND e.score >= 10.0 AND e.score <= 60.0 AND e.amount < 5000.00",
    ),
    (
        "Q14 a share by CASE",
        "SELECT sum(CASE WHEN e.status LIKE 'status 1%' THEN e.amount ELSE 0 END) / sum(e.amount) \
         FROM {t} e WHERE {p} AND e.day >= DATE '2022-01-01'",
    ),
    (
        "Q18 a million groups",
        "SELECT e.code, count(*), sum(e.amount) AS total FROM {t} e WHERE {p} GROUP BY e.code \
         HAVING sum(e.amount) > 100 ORDER BY total DESC, e.code LIMIT 100",
    ),
    (
        "a filter that can fail",
        "SELECT count(*), sum(e.amount) FROM {t} e WHERE {p} AND 1000 / (e.tenant + 1) > 30",
    ),
    (
        "groups of the masked column",
        "SELECT {n} AS name, count(*) FROM {t} e WHERE {p} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
    ),
    (
        "three best of each tenant",
        "SELECT b.tenant, b.id FROM (SELECT e.tenant, e.id, row_number() OVER \
         (PARTITION BY e.tenant ORDER BY e.amount DESC, e.id) AS place FROM {t} e WHERE {p}) b \
         WHERE b.place <= 3 ORDER BY b.tenant, b.place",
    ),
];
const ROUNDS: usize = 7;

/// One way to ask: who, over which table, with the policy in the query or in force.
pub(crate) struct Way {
    client: Client,
    name: &'static str,
    pub(crate) times: Vec<Duration>,
    cpu: Duration,
}

impl Way {
    /// A statement of this name was prepared.
    pub(crate) fn new(client: Client, name: &'static str) -> Self {
        Self { client, name, times: Vec::new(), cpu: Duration::ZERO }
    }
}

/// Asks in all ways in turns; each must give the same rows.
pub(crate) fn rounds(server: &Server, name: &str, ways: &mut [Way]) -> Result<()> {
    for round in 0..=ROUNDS {
        let mut answers = Vec::new();
        for way in &mut *ways {
            let cpu = server.cpu()?;
            let start = Instant::now();
            answers.push(way.client.execute(way.name, None, false)?);
            // The first round warms caches up.
            if round > 0 {
                way.times.push(start.elapsed());
                way.cpu += server.cpu()?.saturating_sub(cpu);
            }
        }
        if answers.iter().any(|answer| Some(answer) != answers.first()) {
            return Err(format!("{name}: the ways give different rows").into());
        }
    }
    Ok(())
}

pub(crate) fn run(folder: &Path) -> Result<()> {
    let rows = rows();
    eprintln!(
        "writing {rows} rows of 10 columns as Parquet, in two layouts, and the permitted half"
    );
    let data = folder.join("data");
    let clustered = move || (0..100).flat_map(move |tenant| (tenant..rows).step_by(100));
    let permitted = |id: &i64| data::tenant(*id) < 50;
    data::write_events(&data.join("bench/mixed.parquet"), 0..rows, false)?;
    data::write_events(&data.join("bench/clustered.parquet"), clustered(), false)?;
    data::write_events(&data.join("permitted/mixed.parquet"), (0..rows).filter(permitted), true)?;
    data::write_events(
        &data.join("permitted/clustered.parquet"),
        clustered().filter(permitted),
        true,
    )?;
    data::write_tenants(&data.join("bench/tenants.parquet"))?;
    let server = Server::start(folder, POLICIES)?;
    println!(
        "\nthe barrier: {rows} rows, half of them hidden, one column masked; medians of {ROUNDS} rounds.\n\
         copy: a table with the permitted rows only; by hand: the whole table, the policy in the query"
    );
    for layout in ["mixed", "clustered"] {
        println!(
            "\n{layout:<28} {:>9} {:>9} {:>9} {:>15} {:>15} {:>14}",
            "copy ms", "hand ms", "ours ms", "ours/copy", "ours/hand", "CPU ours/hand"
        );
        let mut product = [1.0; 3];
        for (name, sql) in QUERIES {
            let ratios = query(&server, layout, name, sql)?;
            product.iter_mut().zip(ratios).for_each(|(product, ratio)| *product *= ratio);
        }
        let mean = 1.0 / f64::from(u32::try_from(QUERIES.len())?);
        let [copy, hand, cpu] = product.map(|product: f64| product.powf(mean));
        println!("{:<28} {:>29} {copy:>15.2} {hand:>15.2} {cpu:>14.2}", "geometric mean", "");
    }
    Ok(())
}

/// Asks in three ways, in turns, and gives the ratios of ours to the copy and to the query by hand,
/// and of CPU time to the latter.
fn query(server: &Server, layout: &str, name: &str, sql: &str) -> Result<[f64; 3]> {
    let whole = format!("bench.{layout}");
    let copy = format!("permitted.{layout}");
    let mut ways = Vec::new();
    for (user, statement, table, predicate, shown) in [
        ("root", "copy", &copy, "true", "e.name"),
        ("root", "hand", &whole, BY_HAND.0, BY_HAND.1),
        ("ana", "ours", &whole, "true", "e.name"),
    ] {
        let text = sql.replace("{t}", table).replace("{p}", predicate).replace("{n}", shown);
        let mut client = server.connect(user)?;
        client.prepare(statement, &text)?;
        ways.push(Way::new(client, statement));
    }
    rounds(server, name, &mut ways)?;
    let figures: Vec<(f64, f64)> = ways
        .into_iter()
        .map(|way| (percentiles(way.times).0.as_secs_f64(), way.cpu.as_secs_f64()))
        .collect();
    let [(copy, _), (hand, hand_cpu), (ours, ours_cpu)] = figures.as_slice() else {
        return Err("three ways must give three figures".into());
    };
    let ratios = [ours / copy, ours / hand, ours_cpu / hand_cpu.max(0.01)];
    let [to_copy, to_hand, cpu] = ratios;
    println!(
        "{name:<28} {:>9.1} {:>9.1} {:>9.1} {to_copy:>15.2} {to_hand:>15.2} {cpu:>14.2}",
        copy * 1e3,
        hand * 1e3,
        ours * 1e3
    );
    Ok(ratios)
}
