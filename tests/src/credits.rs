//! Credits of a virtual warehouse: estimated, held, charged by the time that statements take there, and
//! billed from receipts alone. The warehouse is the emulator.

use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use tollgate_proxy::load;

use crate::harness::postgres::Postgres;
use crate::harness::run;
use crate::harness::served::Site;
use crate::harness::snowflake::{DATABASE, Emulator, USER};
use crate::ledger::{ended, works};

/// Ten rows of one tenant.
const SHOP: [&str; 3] = [
    "CREATE SCHEMA SHOP",
    "CREATE TABLE SHOP.ITEMS (ID NUMBER(18,0), TENANT_ID VARCHAR)",
    "INSERT INTO SHOP.ITEMS SELECT SEQ4(), 'acme' FROM TABLE(GENERATOR(ROWCOUNT => 10))",
];

/// Takes longer than anyone waits.
pub(crate) const LONG: &str = "SELECT count(*) FROM shop.items a, shop.items b, shop.items c, shop.items d, \
    shop.items e, shop.items f, shop.items g, shop.items h, shop.items i, shop.items j \
    WHERE a.id * b.id - c.id * d.id + e.id * f.id - g.id * h.id + i.id * j.id = 3";

pub(crate) const ALL: &str = "SELECT id FROM shop.items";

/// A site over an emulator of its own, whose virtual warehouse has these keys.
pub(crate) async fn over(name: &str, keys: &[&str], costs: &str) -> (Site, Emulator) {
    let site = Site::new(Postgres::shared().await.scratch(name), &[]);
    let emulator = Emulator::start(&site.folder);
    emulator.sql(&SHOP.map(str::to_owned));
    let config = std::fs::read_to_string(site.config()).unwrap();
    let embedded = "warehouse.kind = \"embedded\"\nwarehouse.data = \"data\"\n";
    let mut account = format!(
        "warehouse.kind = \"snowflake\"\nwarehouse.account = \"acct\"\n\
         warehouse.address = \"http://127.0.0.1:{}\"\nwarehouse.database = \"{}\"\n\
         warehouse.user = \"{USER}\"\nwarehouse.authenticator = \"key_pair\"\n\
         warehouse.secret_file = \"key.pem\"\nwarehouse.schemas = [\"shop\"]\n\
         cache.results = \"0\"\nledger.statements = \"whole\"\n",
        emulator.port,
        DATABASE.to_uppercase(),
    );
    for key in keys {
        account += &format!("warehouse.{key}\n");
    }
    assert!(config.contains(embedded));
    std::fs::write(site.config(), config.replace(embedded, &account)).unwrap();
    std::fs::write(site.folder.join("policies/costs.sql"), costs).unwrap();
    (site, emulator)
}

/// The receipts, each with its statement.
fn receipts(records: &[Json]) -> Vec<(&str, &Json)> {
    let receipts = records.iter().filter(|record| record["record"] == "receipt");
    let statement = |receipt: &Json| {
        records.iter().find_map(|record| {
            (record["record"] == "decision" && record["id"] == receipt["id"])
                .then(|| record["sql"].as_str().unwrap())
        })
    };
    receipts.map(|receipt| (statement(receipt).unwrap_or_default(), receipt)).collect()
}

fn decimal(value: &Json) -> Decimal {
    value.as_str().unwrap_or_else(|| panic!("no decimal: {value}")).parse().unwrap()
}

#[test]
fn time_at_the_warehouse_is_charged_and_billed() {
    run(async {
        let price = "CREATE PRICE p TO PUBLIC PER QUERY 0.01 PER CREDIT 3.00 CURRENCY 'USD';";
        // A minute of it is a credit.
        let keys = ["credits_per_hour = \"60\"", "auto_suspend = \"1h\""];
        let (site, emulator) = over("credits-charged", &keys, price).await;
        let server = site.serve().await;
        let root = site.connect("root").await;

        // The service never answers: nothing ran.
        emulator.control(json!({ "faults": [{ "at": "query", "kind": "403", "times": 99 }] }));
        assert!(root.simple(ALL).await.error().is_some());
        emulator.control(json!({ "clear": true }));
        // The one that starts it, one that finds it awake, one that fails while it runs.
        assert_eq!(root.simple(ALL).await.rows().len(), 10);
        assert_eq!(root.simple(ALL).await.rows().len(), 10);
        let fails = "SELECT 1 / (id - id) FROM shop.items";
        assert_eq!(root.simple(fails).await.error().map(|(code, _)| code), Some("22012"));
        // One that is canceled, which the service needs a while to hear.
        let token = root.inner.cancel_token();
        let (answer, ()) = futures::join!(root.simple(LONG), async {
            while emulator.look()["running"] == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            token.cancel_query(tokio_postgres::NoTls).await.unwrap();
        });
        assert_eq!(answer.error().map(|(code, _)| code), Some("57014"));
        // And what the gateway runs itself.
        assert!(root.simple("SELECT relname FROM pg_class").await.error().is_none());

        let records = ended(&site, 6).await;
        let all = receipts(&records);
        let [lost, first, second, failed, canceled, catalog] = all.as_slice() else {
            panic!("{all:?}")
        };
        for (_, free) in [lost, catalog] {
            assert_eq!((&free["credits"], &free["price"]), (&Json::Null, &Json::Null), "{free}");
        }
        let one = Decimal::ONE;
        assert_eq!(decimal(&first.1["credits"]), one, "{first:?}");
        let terms = json!({
            "name": "p", "currency": "USD", "per_query": "0.01", "per_credit": "3"
        });
        let mut sum = Decimal::ZERO;
        for (sql, receipt) in [first, second, failed, canceled] {
            assert_eq!(receipt["price"], terms, "{sql}");
            sum += decimal(&receipt["credits"]);
        }
        for (sql, receipt) in [second, failed, canceled] {
            let credits = decimal(&receipt["credits"]);
            // No longer than the statement itself: a credit is a minute.
            let most =
                Decimal::from(receipt["elapsed_us"].as_u64().unwrap()) / Decimal::from(60_000_000);
            assert!(credits > Decimal::ZERO && credits <= most.round_dp(9), "{sql}: {receipt}");
        }
        assert!(decimal(&canceled.1["credits"]) > Decimal::new(2, 1) / Decimal::from(60));

        // The bill is made of the receipts, to the last digit.
        let text = works(&site, &["usage", "report", "--by", "price", "--format", "csv"]).await;
        let line = text.lines().find(|line| line.starts_with("p,USD,4,")).unwrap();
        let cells: Vec<Decimal> = line.rsplit(',').take(2).map(|n| n.parse().unwrap()).collect();
        let amount = Decimal::new(4, 2) + sum * Decimal::from(3);
        assert_eq!((cells[1], cells[0]), (sum, amount), "{text}");
        let text = works(&site, &["usage", "rate", "--replay"]).await;
        assert!(text.starts_with("6 receipts are rated as before, 0 otherwise"), "{text}");
        let text = works(&site, &["audit", "verify"]).await;
        assert!(text.contains("chain \"main\": 12 records"), "{text}");
        let text = works(&site, &["usage", "prices"]).await;
        let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(words[..6], ["p", "USD", "0.01", "0", "0", "3"], "{text}");
        server.stop().await;
    });
}

/// A budget holds what a statement is expected to cost, the minute of a start among it.
#[test]
fn budgets_hold_the_credits_of_a_start() {
    run(async {
        let costs = "CREATE PRICE p TO PUBLIC PER CREDIT 3.00 CURRENCY 'USD';
            CREATE LIMIT poor TO PUBLIC BUDGET 4 PER DAY;";
        // It sleeps as soon as nothing runs.
        let keys = ["credits_per_hour = \"60\"", "auto_suspend = \"0s\""];
        let (site, emulator) = over("credits-held", &keys, costs).await;
        let server = site.serve().await;
        let (root, ana) = (site.connect("root").await, site.connect("ana").await);
        assert_eq!(root.simple(ALL).await.rows().len(), 10);
        let refused = root.simple(ALL).await;
        let (code, text) = refused.error().unwrap();
        let wanted = "the statement would cost about 3 USD, and of the 4 USD per day that limit \
            \"poor\" allows less is left";
        assert_eq!((code, text), ("53T05", wanted));
        // Rows are hidden from her, and the emulator doesn't know how large tables are.
        let unknown = ana.simple(ALL).await;
        let wanted = "it can't be told what the statement would cost";
        assert_eq!(unknown.error(), Some(("53T05", wanted)));
        let spent = "SELECT used FROM tollgate.my_limits";
        assert!(root.simple(spent).await.rows()[0][0].text().starts_with('3'));
        // What it has scanned is asked for, to know how fast it is.
        let log = emulator.look()["log"].as_array().unwrap().clone();
        assert!(log.iter().any(|entry| entry["at"] == "monitoring"));
        server.stop().await;
    });
}

/// Nobody runs for nothing because somebody forgot to say what an hour costs.
#[test]
fn a_price_of_credits_needs_a_size() {
    run(async {
        let price = "CREATE PRICE p TO PUBLIC PER CREDIT 3.00 CURRENCY 'USD';";
        let (site, _emulator) = over("credits-unsaid", &[], price).await;
        let errors = load::load(&site.config()).err().unwrap().to_string();
        let wanted = "price \"p\" is for credits, and it isn't said what an hour costs here";
        assert!(errors.contains(wanted) && errors.contains("size = \"XS\""), "{errors}");
    });
}
