//! How much of statements is recorded, by who sends them and what they read: nothing more is found
//! wherever records can be read.

use serde_json::Value;

use crate::harness::postgres::Postgres;
use crate::harness::run;
use crate::harness::served::{Site, rows, write};
use crate::ledger::{ended, works};

const RULES: &str = "ledger.texts = [
    { tables = [\"hr.*\", \"shop.secret\"], store = \"hashed\" },
    { roles = [\"analyst\"], tables = [\"shop.items\"], store = \"normalised\" },
    { roles = [\"analyst\"], tables = [\"shop.secret\"], store = \"redacted\" },
    { roles = [\"careful\"], store = \"normalised\" },
]";

const POLICIES: &str = "CREATE ROLE careful; GRANT ROLE careful TO USER 'root';
CREATE ACCESS RULE far TO ROLE careful FROM ('10.0.0.0/8');
CREATE ROLE reader; GRANT ROLE reader TO USER 'ana'; GRANT SELECT ON tollgate.audit TO ROLE reader;
GRANT SELECT ON ALL TABLES IN SCHEMA hr TO ROLE owner;
GRANT SELECT ON hr.pay TO ROLE reader;
CREATE VIEW shop.inner_ AS SELECT tenant_id, name FROM hr.pay;
CREATE VIEW shop.outer_ AS SELECT name FROM shop.inner_;
GRANT SELECT ON shop.outer_ TO ROLE reader;";

/// What ana sends, the first word of what is kept of it, and whether that has the literal.
const STATEMENTS: [(&str, &str); 8] = [
    ("SELECT 'open1'", "SELECT 'open1'"),
    (
        "SELECT id FROM shop.other WHERE name = 'open2'",
        "SELECT id FROM shop.other WHERE name = 'open2'",
    ),
    (
        "SELECT id FROM shop.items WHERE name = 'closed1'",
        "SELECT id FROM shop.items WHERE name = ?",
    ),
    ("SELECT id FROM hr.pay WHERE name = 'closed2'", "sha256:"),
    ("SELECT name FROM shop.outer_ WHERE name = 'closed3'", "sha256:"),
    (
        "SELECT i.id FROM shop.other i JOIN hr.pay p ON p.id = i.id WHERE i.name = 'closed4'",
        "sha256:",
    ),
    ("SELECT count(*) FROM shop.secret WHERE name = 'closed5'", "sha256:"),
    // What is refused could have been over any table.
    ("SELECT * FROM shop.nothing WHERE name = 'closed6'", "sha256:"),
];

#[test]
fn roles_and_tables_ask_for_less() {
    run(async {
        let keys = ["ledger.statements = \"whole\"", RULES];
        let site = Site::new(Postgres::shared().await.scratch("texts"), &keys);
        for table in ["shop/items", "shop/other", "shop/secret", "hr/pay"] {
            write(&site.folder.join(format!("data/{table}.parquet")), &rows(0..30), 30);
        }
        std::fs::write(site.folder.join("policies/texts.sql"), POLICIES).unwrap();
        let server = site.serve().await;
        let (ana, root) = (site.connect("ana").await, site.connect("root").await);
        for (sql, _) in STATEMENTS {
            let answer = ana.simple(sql).await;
            let refused = sql.contains("nothing");
            assert_eq!(answer.error().is_some(), refused, "{sql}: {answer:?}");
        }
        // A role that an access rule switches off asks for less all the same.
        let of_root = "SELECT id FROM shop.items WHERE name = 'closed8'";
        assert!(root.simple(of_root).await.error().is_none());
        // Nor is a long text written beside its decision.
        let long = format!("SELECT id FROM hr.pay -- closed9 {}", "x".repeat(9000));
        assert!(root.simple(&long).await.error().is_none());
        let mut kept: Vec<_> = STATEMENTS.map(|(_, kept)| kept).to_vec();
        kept.extend(["SELECT id FROM shop.items WHERE name = ?", "sha256:"]);

        let fits = |what: &str, found: Vec<String>| {
            assert_eq!(found.len(), kept.len(), "{what}: {found:?}");
            for (found, kept) in found.iter().zip(&kept) {
                let fits = found == kept || (*kept == "sha256:" && found.starts_with(kept));
                assert!(fits, "{what}: {found}, not {kept}");
                assert!(!found.contains("closed"), "{what}: {found}");
            }
        };
        let records = ended(&site, kept.len()).await;
        let decisions = |records: &[Value]| -> Vec<String> {
            let decisions = records.iter().filter(|record| record["record"] == "decision");
            decisions.map(|decision| decision["sql"].as_str().unwrap().to_owned()).collect()
        };
        fits("the ledger", decisions(&records));
        fits("lines", decisions(&site.records()));
        let events = works(&site, &["audit", "export"]).await;
        assert!(!events.contains("closed") && events.contains("open2"), "{events}");
        let audit = "SELECT statement FROM tollgate.audit ORDER BY started";
        let shown = |answer: crate::harness::client::Answer| -> Vec<String> {
            answer.rows().iter().map(|row| row[0].text()).collect()
        };
        let mut seen = shown(ana.simple(audit).await);
        assert_eq!(seen.pop().unwrap(), audit);
        fits("tollgate.audit", seen);
        let own = "SELECT statement, secured_statement FROM tollgate.audit ORDER BY started";
        assert!(!format!("{:?}", ana.simple(own).await).contains("closed"));
        let own = shown(root.simple("SELECT statement FROM tollgate.my_queries").await);
        assert!(own.iter().all(|text| !text.contains("closed")) && own.len() == 3, "{own:?}");
        server.stop().await;
        let file = std::fs::read(site.folder.join("ledger.db")).unwrap();
        let lines = std::fs::read(site.folder.join("audit.jsonl")).unwrap();
        for bytes in [file, lines] {
            let leaks = bytes.windows(6).filter(|bytes| bytes == b"closed").count();
            assert_eq!(leaks, 0);
        }
    });
}
