//! The 43 queries of ClickBench, governed, over all warehouses, against PostgreSQL over a copy that was
//! filtered and masked.

use crate::harness::postgres::Postgres;
use crate::harness::three::{Query, Three};
use crate::harness::{self, case, data};

#[test]
fn clickbench_gives_the_same_rows_at_three_warehouses() {
    harness::run(async {
        let postgres = Postgres::shared().await;
        let schema = case("clickbench/schema.sql");
        let whole = postgres.create("clickbench", &[&schema]).await;
        let permitted = postgres
            .create("clickbench_permitted", &[&schema, &case("clickbench/permitted.sql")])
            .await;
        let folder = postgres.scratch("clickbench data");
        data::export(&whole, &folder).await;
        let policies = ["clickbench/policies.sql"];
        let three = Three::start(&folder, "clickbench", &["web"], &policies).await;

        let text = case("clickbench/queries.sql");
        let queries: Vec<Query> = text
            .lines()
            .filter(|line| !line.starts_with("--"))
            .enumerate()
            .map(|(index, sql)| Query {
                name: format!("clickbench {:02}", index + 1),
                schema: "web",
                sql: sql.to_owned(),
                ordered: sql.contains("ORDER BY"),
            })
            .collect();
        assert_eq!(queries.len(), 43);
        let outcome = three.measure(&permitted, &queries).await;
        for (name, rows) in &outcome.rows {
            assert!(*rows > 0, "{name} tells nothing");
        }
        assert_eq!((outcome.equal_at("embedded"), outcome.equal_at("postgres")), (43, 43));
        harness::golden("clickbench/differs.txt", &outcome.text());
    });
}
