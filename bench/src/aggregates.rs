//! What it costs that a table answers in aggregates only: the same aggregations by a user who is told groups of
//! enough entities, and by one whom no policy restricts.

use std::path::Path;

use crate::barrier::{Way, rounds};
use crate::server::Server;
use crate::{Result, data, percentiles, rows};

/// An entity has about ten rows; sums aren't held back, so that both users get the same groups.
const POLICIES: &str = "CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
CREATE ROLE admin;
GRANT ROLE admin TO USER 'root';
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO ROLE analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO ROLE admin;
CREATE AGGREGATION POLICY k5 ON bench.events TO ROLE analyst
  ENTITY (code) MIN GROUP SIZE 5 MAX SHARE 100 PERCENT
  DIMENSIONS (tenant, status, active, date_trunc('month', day)) MEASURES (amount, score);
";

const QUERIES: &[(&str, &str)] = &[
    ("count", "SELECT count(*) FROM bench.events"),
    ("count by 100 groups", "SELECT tenant, count(*) FROM bench.events GROUP BY tenant ORDER BY 1"),
    (
        "sums by two keys",
        "SELECT status, active, sum(amount), avg(score) FROM bench.events GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    (
        "under two conditions",
        "SELECT tenant, sum(amount) FROM bench.events WHERE active = true \
         AND day >= DATE '2022-01-01' GROUP BY tenant ORDER BY 1",
    ),
];

pub(crate) fn run(folder: &Path) -> Result<()> {
    let rows = rows();
    eprintln!("writing {rows} rows of 10 columns as Parquet");
    data::write_events(&folder.join("data/bench/events.parquet"), 0..rows, false)?;
    let server = Server::start(folder, POLICIES)?;
    println!(
        "\naggregates only: {rows} rows, medians\n\n{:<28} {:>9} {:>9} {:>9}",
        "", "plain ms", "guarded", "ratio"
    );
    for (name, sql) in QUERIES {
        let mut ways = Vec::new();
        for user in ["root", "ana"] {
            let mut client = server.connect(user)?;
            client.prepare(user, sql)?;
            ways.push(Way::new(client, user));
        }
        rounds(&server, name, &mut ways)?;
        let times: Vec<f64> =
            ways.into_iter().map(|way| percentiles(way.times).0.as_secs_f64()).collect();
        let [plain, guarded] = times.as_slice() else {
            return Err("two ways must give two figures".into());
        };
        println!("{name:<28} {:>9.1} {:>9.1} {:>9.2}", plain * 1e3, guarded * 1e3, guarded / plain);
    }
    Ok(())
}
