//! What deciding and securing costs by the number of policies in the bundle and of tables in the
//! statement, and how long a large bundle takes to load.

use std::fmt::Write as _;
use std::time::Instant;

use arrow::datatypes::DataType;
use tollgate_catalog::{Column, Snapshot, Storage, Table, TableName};

use crate::rewriting::Road;
use crate::{Result, percentiles};

/// Tables of the catalog; a statement joins some of them.
const TABLES: usize = 200;
const ROUNDS: usize = 200;

fn snapshot() -> Snapshot {
    let column = |name: &str, data_type: DataType| Column {
        name: name.to_owned(),
        data_type,
        nullable: true,
        comment: None,
    };
    let tables = (0..TABLES).map(|number| Table {
        name: TableName::new("bench", format!("t{number}")),
        columns: vec![
            column("id", DataType::Int64),
            column("tenant", DataType::Utf8View),
            column("email", DataType::Utf8View),
            column("amount", DataType::Int64),
        ],
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        cache_for: None,
        comment: None,
        row_count: None,
        bytes: None,
        warehouse: Some(tollgate_catalog::WarehouseName::default()),
        storage: Storage::Csv(Vec::new()),
    });
    Snapshot::new(1, tables)
}

/// So many row policies, masks and grants in turn, over all tables alike.
fn policies(count: usize) -> String {
    let mut text = "CREATE ROLE analyst; GRANT ROLE analyst TO USER 'ana';\n\
        GRANT SELECT ON ALL TABLES IN SCHEMA bench TO ROLE analyst;\n"
        .to_owned();
    for number in 0..count {
        let table = number / 3 % TABLES;
        // Writing to a String can't fail.
        let _ = match number % 3 {
            0 => writeln!(
                text,
                "CREATE ROW POLICY p{number} ON bench.t{table} AS PERMISSIVE TO ROLE analyst \
                 USING (tenant = principal_attr('tenant') AND amount <> {number});"
            ),
            1 => writeln!(
                text,
                "CREATE MASKING POLICY p{number} ON bench.t{table} (email) USING (mask_email(value));"
            ),
            _ => writeln!(text, "GRANT SELECT (id) ON bench.t{table} TO ROLE analyst;"),
        };
    }
    text
}

fn statement(tables: usize) -> String {
    let mut sql = "SELECT a0.id, a0.email, a0.amount FROM bench.t0 a0".to_owned();
    for number in 1..tables {
        let _ = write!(sql, " JOIN bench.t{number} a{number} ON a{number}.id = a0.id");
    }
    sql + " WHERE a0.amount > 10"
}

pub(crate) fn run() -> Result<()> {
    println!("securing by policies in the bundle and tables in the statement, medians of {ROUNDS}");
    println!("| policies | tables | cold µs | planned before, decided anew µs | prepared µs |");
    println!("|---:|---:|---:|---:|---:|");
    let sizes =
        [(1, 1), (10, 1), (100, 1), (1_000, 1), (1_000, 2), (1_000, 5), (1_000, 10), (1_000, 20)];
    for (count, tables) in sizes {
        let road = Road::over(snapshot(), &policies(count))?;
        let sql = statement(tables);
        let principal = road.principal("ana")?;
        let standing = road.standing(&principal)?;
        let mut cold = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            std::hint::black_box(road.prepare(&principal, &standing, &sql)?);
            cold.push(start.elapsed());
        }
        let [again, kept] = road.kept(&principal, &standing, &sql, ROUNDS)?;
        let micros = |samples| percentiles(samples).0.as_secs_f64() * 1e6;
        println!(
            "| {count} | {tables} | {:.0} | {:.1} | {:.1} |",
            micros(cold),
            micros(again),
            micros(kept)
        );
    }
    let text = policies(10_000);
    let mut loads = Vec::new();
    for _ in 0..3 {
        let snapshot = snapshot();
        let start = Instant::now();
        std::hint::black_box(Road::over(snapshot, &text)?);
        loads.push(start.elapsed());
    }
    println!(
        "loading a bundle of 10000 policies ({} KiB): median {:.2} s (target 2)",
        text.len() >> 10,
        percentiles(loads).0.as_secs_f64()
    );
    Ok(())
}
