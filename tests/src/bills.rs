//! What was billed can be asked for: by everyone what may be known, by whom it is granted all of it, and
//! by the operator how far estimates of money were off.

use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use crate::harness::client::Client;
use crate::harness::flight::Flight;
use crate::harness::gateway::PASSWORD;
use crate::harness::postgres::Postgres;
use crate::harness::run;
use crate::harness::served::{Site, rows, write};
use crate::ledger::{ended, works};
use crate::routing::admin;

const ADMINISTRATORS: &str = "GRANT SELECT ON tollgate.usage TO ROLE owner;
    GRANT SELECT ON tollgate.audit TO ROLE owner;";

async fn site(name: &str, front: &str, costs: &str) -> Site {
    let key = format!("{front}.listen = \"127.0.0.1:0\"");
    let site = Site::new(Postgres::shared().await.scratch(name), &[&key]);
    for table in ["items", "others"] {
        write(&site.data().join(format!("{table}.parquet")), &rows(0..30), 30);
    }
    std::fs::write(site.folder.join("policies/costs.sql"), costs).unwrap();
    std::fs::write(site.folder.join("policies/admin.sql"), ADMINISTRATORS).unwrap();
    site
}

/// Rows as lines, each value as it was sent.
async fn ask(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.inner.simple_query(sql).await.unwrap();
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let value = |row: &SimpleQueryRow, index| row.get(index).unwrap_or("NULL").to_owned();
    let line = |row| (0..SimpleQueryRow::len(row)).map(|index| value(row, index));
    rows.map(|row| line(row).collect::<Vec<_>>().join("|")).collect()
}

const MINE: &str = "SELECT queries, cost, currency, credits FROM tollgate.my_usage \
                    WHERE 'shop.items' = ANY(tables)";

/// Whose rows are hidden doesn't learn from a bill how much of them was scanned.
#[test]
fn a_bill_can_be_asked_for() {
    run(async {
        let prices = "CREATE PRICE p TO PUBLIC PER QUERY 0.01 PER GB SCANNED 1000 CURRENCY 'USD';";
        let site = site("bills-asked", "flight", prices).await;
        let server = site.serve().await;
        let (ana, root) = (site.connect("ana").await, site.connect("root").await);
        let all = "SELECT id, name FROM shop.items";
        for _ in 0..2 {
            assert_eq!(root.simple(all).await.rows().len(), 30);
        }
        assert_eq!(ana.simple(all).await.rows().len(), 20);
        ended(&site, 3).await;

        let report = works(&site, &["usage", "report", "--by", "user", "--format", "csv"]).await;
        let billed = |user: &str| {
            let line = report.lines().find(|line| line.starts_with(&format!("{user},USD,")));
            line.unwrap_or_else(|| panic!("{report}")).rsplit(',').next().unwrap().to_owned()
        };
        let (anas, roots) = (billed("ana"), billed("root"));
        assert!(roots.starts_with("0.02") && roots.len() > 6, "{roots}");
        assert_eq!(ask(&root, MINE).await, [format!("2|{roots}|USD|0")]);
        assert_eq!(ask(&ana, MINE).await, ["1|NULL|USD|0"]);
        let own = "SELECT cost, currency, credits FROM tollgate.my_queries \
                   WHERE 'shop.items' = ANY(tables) LIMIT 1";
        assert_eq!(ask(&ana, own).await, ["NULL|USD|NULL"]);
        let first = ask(&root, own).await;
        assert!(first[0].starts_with("0.01") && first[0].ends_with("|USD|NULL"), "{first:?}");

        // Of everybody's all of it, by whom it is granted.
        let sums = "SELECT principal, cost FROM tollgate.usage WHERE cost > 0 ORDER BY 1";
        assert_eq!(ask(&root, sums).await, [format!("ana|{anas}"), format!("root|{roots}")]);
        let each = "SELECT cost FROM tollgate.audit WHERE principal = 'ana' AND rows = 20";
        assert_eq!(ask(&root, each).await, [anas]);
        let flight = Flight::connect(server.flight().unwrap(), "root", PASSWORD).await;
        assert_eq!(flight.unwrap().statement(MINE).await.unwrap().count(), 1);

        // A price that isn't for bytes tells nothing.
        let price = "CREATE PRICE p TO PUBLIC PER QUERY 0.02 CURRENCY 'EUR';";
        std::fs::write(site.folder.join("policies/costs.sql"), price).unwrap();
        server.reload();
        assert_eq!(ana.simple("SELECT id FROM shop.others").await.rows().len(), 20);
        assert_eq!(ana.simple(all).await.rows().len(), 20);
        let others = MINE.replace("items", "others");
        let mut found = Vec::new();
        while found.is_empty() {
            found = ask(&ana, &others).await;
        }
        assert_eq!(found, ["1|0.02|EUR|0"]);
        // Two currencies on one day are two lines.
        let both = format!("{MINE} ORDER BY currency");
        while found.len() < 2 {
            found = ask(&ana, &both).await;
        }
        assert_eq!(found, ["1|0.02|EUR|0", "1|NULL|USD|0"]);
        server.stop().await;
    });
}

/// A tenant's contract counts for its users only, and is named by receipts and by `explain`.
#[test]
fn a_tenant_pays_by_its_own_price() {
    run(async {
        let prices = "CREATE PRICE usual TO PUBLIC PER QUERY 1 CURRENCY 'USD';
            CREATE PRICE contract TO TENANT 'acme' PER QUERY 0.25 CURRENCY 'USD';";
        let site = site("bills-tenants", "flight", prices).await;
        let server = site.serve().await;
        for user in ["ana", "root"] {
            let client = site.connect(user).await;
            assert!(!client.simple("SELECT id FROM shop.items").await.rows().is_empty());
        }
        ended(&site, 2).await;
        let by = ["usage", "report", "--by", "user,price", "--format", "csv"];
        let text = works(&site, &by).await;
        let found: Vec<&str> = text.lines().skip(1).collect();
        let is = |line: &str, from: &str, to: &str| line.starts_with(from) && line.ends_with(to);
        assert!(is(found[0], "ana,contract,USD,1,", ",0.25"), "{text}");
        assert!(is(found[1], "root,usual,USD,1,", ",1"), "{text}");
        let query = "SELECT id FROM shop.items";
        let text = works(&site, &["explain", "--as", "ana", query]).await;
        assert!(
            text.contains("price contract at") && text.contains("0.25 USD per query"),
            "{text}"
        );
        let text = works(&site, &["explain", "--as", "root", query]).await;
        assert!(!text.contains("contract"), "{text}");
        server.stop().await;
    });
}

/// Numbers end with their last digit, and metrics say how far what budgets held was off.
#[test]
fn limits_are_shown_as_they_are_written() {
    run(async {
        let costs = "CREATE PRICE p TO PUBLIC PER QUERY 0.5 PER MILLION ROWS RETURNED 1000
                CURRENCY 'USD';
            CREATE LIMIT l TO ROLE owner MAX ROWS 1000 ON EXCEED ERROR MAX BYTES SCANNED '50 GB'
                MAX RUNTIME '61500 ms' RATE 60 PER MINUTE PER USER BUDGET 25.50 PER DAY;";
        let site = site("bills-limits", "admin", costs).await;
        let server = site.serve().await;
        let root = site.connect("root").await;
        let limits = "SELECT part, bound FROM tollgate.my_limits";
        let wanted = ["rows|1000", "bytes|50000000000", "runtime|61.5", "rate|60", "budget|25.5"];
        assert_eq!(ask(&root, limits).await, wanted);
        let used = "SELECT used, bound * 2 > 50 FROM tollgate.my_limits WHERE part = 'budget'";
        assert_eq!(ask(&root, used).await, ["0|t"]);

        // One that is as dear as was thought, and one that ends before it gives a row.
        assert_eq!(root.simple("SELECT id FROM shop.items").await.rows().len(), 30);
        assert!(root.simple("SELECT 1 / (id - id) FROM shop.items").await.error().is_some());
        ended(&site, 4).await;
        let text = admin(&server, "/metrics").await;
        for line in [
            "tollgate_charges_total{charged=\"half\"} 2\n",
            "tollgate_charges_total{charged=\"more\"} 0\n",
            "tollgate_held_money_total{currency=\"USD\"} 1.06\n",
            "tollgate_charged_money_total{currency=\"USD\"} 1.03\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        server.stop().await;
    });
}
