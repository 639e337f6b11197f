//! Virtual warehouses by role: which one runs what, who is charged by which clock, and that no session is sent
//! from one to another. The account is the emulator.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tollgate_proxy::load;

use crate::credits::{ALL, LONG, over};
use crate::harness::run;
use crate::harness::snowflake::Emulator;
use crate::ledger::{ended, works};

/// The owners are bosses as well: they have what bosses have.
const ROLES: &str = "CREATE ROLE boss; GRANT ROLE boss TO ROLE owner; CREATE ROLE guest;";

const KEYS: [&str; 3] =
    ["virtual_warehouse = \"WH_S\"", "credits_per_hour = \"6\"", "auto_suspend = \"1h\""];

/// A minute of the large one is a credit, of the other one a tenth.
const LARGE: &str = "virtual_warehouses = [\
    { role = \"guest\", name = \"WH_G\", credits_per_hour = \"60\" }, \
    { role = \"boss\", name = \"WH_L\", credits_per_hour = \"60\", auto_suspend = \"1h\" }]";

/// Who ran on which virtual warehouse, as the service has it, by the tag of the statement.
fn ran(emulator: &Emulator) -> Vec<(String, String)> {
    let log = emulator.look()["log"].as_array().unwrap().clone();
    let ran = log.into_iter().filter_map(|entry| {
        let tag: Json = serde_json::from_str(entry["parameters"]["QUERY_TAG"].as_str()?).unwrap();
        let user = tag["by"]["user"].as_str()?.to_owned();
        Some((user, entry["warehouse"].as_str()?.to_owned()))
    });
    ran.collect()
}

#[test]
fn each_role_has_its_virtual_warehouse() {
    run(async {
        let keys = [&KEYS[..], &[LARGE]].concat();
        let (site, emulator) = over("virtual-by-role", &keys, ROLES).await;
        let server = site.serve().await;
        let root = site.connect("root").await;
        let ana = site.connect("ana").await;

        // At once, after a cancel, after a token that expired, after sessions that are gone, and tried again.
        for round in 0..5 {
            let fault = json!([{ "at": "query", "kind": "503", "times": 2 }]);
            match round {
                1 => {
                    let token = root.inner.cancel_token();
                    let (answer, ()) = futures::join!(root.simple(LONG), async {
                        while emulator.look()["running"] == 0 {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        token.cancel_query(tokio_postgres::NoTls).await.unwrap();
                    });
                    assert_eq!(answer.error().map(|(code, _)| code), Some("57014"));
                }
                2 => emulator.control(json!({ "expire": true })),
                3 => emulator.control(json!({ "forget": true })),
                4 => emulator.control(json!({ "faults": fault })),
                _ => {}
            }
            let others = [site.connect("root").await, site.connect("ana").await];
            let all = [&root, &ana, &others[0], &others[1]].map(|client| client.simple(ALL));
            for answer in futures::future::join_all(all).await {
                assert_eq!((answer.error(), answer.rows().len()), (None, 10), "{round}");
            }
        }
        let ran = ran(&emulator);
        assert_eq!(ran.len(), 21, "{ran:?}");
        for (user, on) in &ran {
            assert_eq!(on, if user == "root" { "WH_L" } else { "WH_S" }, "{ran:?}");
        }

        // Receipts say it, and each clock has charged its own start to one of its own.
        let records = ended(&site, 21).await;
        let receipts = records.iter().filter(|record| record["record"] == "receipt");
        let receipts: Vec<(&str, &str, f64)> = receipts
            .map(|receipt| {
                let credits = receipt["credits"].as_str().unwrap().parse().unwrap();
                let on = receipt["virtual_warehouse"].as_str().unwrap();
                (receipt["principal"].as_str().unwrap(), on, credits)
            })
            .collect();
        for (user, on, start) in [("root", "WH_L", 1.0), ("ana", "WH_S", 0.1)] {
            let own = receipts.iter().filter(|(who, ..)| *who == user);
            assert!(own.clone().all(|(_, ran, _)| *ran == on), "{receipts:?}");
            let starts = own.filter(|(.., credits)| *credits >= start).count();
            assert_eq!(starts, 1, "{receipts:?}");
        }

        // The operator sees which one, and why.
        for (user, line) in [
            ("root", "  runs on  virtual warehouse \"WH_L\", by role \"boss\"\n"),
            ("ana", "  runs on  virtual warehouse \"WH_S\", no role has another one\n"),
        ] {
            let text = works(&site, &["explain", "--as", user, ALL]).await;
            assert!(text.contains(line), "{text}");
        }
        // And whether the service would run it, which is told without any.
        emulator.control(json!({ "clear_log": true }));
        let asked = [
            "explain",
            "--compile",
            "--as",
            "root",
            "SELECT id, count(*) FROM shop.items GROUP BY id",
        ];
        let text = works(&site, &asked).await;
        let line = "  compiles by the warehouse, to the columns that clients are told\n";
        assert!(text.contains(line), "{text}");
        let log = emulator.look()["log"].as_array().unwrap().clone();
        let mut own = log.iter().filter(|entry| {
            entry["parameters"]["QUERY_TAG"].as_str().is_some_and(|tag| tag.contains("root"))
        });
        let (only, none) = (own.next().unwrap(), own.next());
        assert_eq!(
            (&only["describe"], &only["warehouse"], none),
            (&json!(true), &json!("WH_L"), None)
        );
        let sql = "SELECT id FROM shop.items WHERE id IN (SELECT 1 / 0)";
        emulator.control(json!({ "faults": [{ "at": "compile", "kind": "refused", "times": 1 }] }));
        let text = works(&site, &["explain", "--compile", "--as", "ana", sql]).await;
        assert!(text.contains("  compiles not: the statement uses something"), "{text}");

        let audit = "GRANT SELECT ON tollgate.audit TO ROLE owner;";
        std::fs::write(site.folder.join("policies/audit.sql"), audit).unwrap();
        server.stop().await;
        let server = site.serve().await;
        let sql = "SELECT DISTINCT principal, virtual_warehouse FROM tollgate.audit \
                   WHERE virtual_warehouse IS NOT NULL ORDER BY 1";
        let seen = site.connect("root").await.simple(sql).await;
        let seen: Vec<_> = seen.rows().iter().map(|row| (row[0].text(), row[1].text())).collect();
        assert_eq!(
            seen,
            [("ana", "WH_S"), ("root", "WH_L")].map(|(who, on)| (who.into(), on.into()))
        );
        server.stop().await;
    });
}

/// What a statement is expected to cost is told by the clock of the one that would run it; a reload moves it.
#[test]
fn estimates_and_reloads_go_by_the_virtual_warehouse() {
    run(async {
        let costs = format!(
            "{ROLES} CREATE PRICE p TO PUBLIC PER CREDIT 3.00 CURRENCY 'USD';
             CREATE LIMIT poor TO PUBLIC BUDGET 2 PER DAY;"
        );
        let (site, emulator) =
            over("virtual-estimates", &[&KEYS[..], &[LARGE]].concat(), &costs).await;
        let config = std::fs::read_to_string(site.config()).unwrap();
        let server = site.serve().await;
        let root = site.connect("root").await;
        let refused = root.simple(ALL).await;
        let (code, text) = refused.error().unwrap();
        assert_eq!(code, "53T05");
        assert!(text.starts_with("the statement would cost about 3 USD"), "{text}");
        // A role that isn't there is no reason to run elsewhere.
        std::fs::write(site.config(), config.replace("\"boss\"", "\"nobody\"")).unwrap();
        server.reload();
        assert_eq!(root.simple(ALL).await.error().map(|(code, _)| code), Some("53T05"));
        let small = config.replace(&format!("warehouse.{LARGE}\n"), "");
        assert_ne!(small, config);
        std::fs::write(site.config(), small).unwrap();
        server.reload();
        let answer = root.simple(ALL).await;
        assert_eq!((answer.error(), answer.rows().len()), (None, 10));
        let (_, on) = ran(&emulator).pop().unwrap();
        assert_eq!(on, "WH_S");
        server.stop().await;
    });
}

/// A session that the account gives another virtual warehouse is none.
#[test]
fn a_session_elsewhere_runs_nothing() {
    run(async {
        let quoted = ["virtual_warehouse = '\"Wh s\"'"];
        let (site, emulator) = over("virtual-elsewhere", &quoted, ROLES).await;
        let server = site.serve().await;
        let ana = site.connect("ana").await;
        emulator.control(json!({ "faults": [{ "at": "elsewhere", "kind": "so", "times": 1 }] }));
        let refused = ana.simple(ALL).await;
        assert_eq!(refused.error().map(|(code, _)| code), Some("58000"));
        assert_eq!(ran(&emulator), []);
        assert_eq!(emulator.look()["sessions"], 0);
        assert_eq!(ana.simple(ALL).await.rows().len(), 10);
        assert_eq!(ran(&emulator), [("ana".to_owned(), "Wh s".to_owned())]);
        server.stop().await;
    });
}

#[test]
fn a_virtual_warehouse_of_nobody_is_no_configuration() {
    run(async {
        let (site, _emulator) =
            over("virtual-nobody", &[&KEYS[..], &[LARGE]].concat(), "CREATE ROLE boss;").await;
        let errors = load::load(&site.config()).err().unwrap().to_string();
        assert!(errors.contains("role \"guest\" does not exist"), "{errors}");
        assert!(!errors.contains("\"boss\""), "{errors}");
    });
}
