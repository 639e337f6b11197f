//! Data files that are damaged, many, or too large for the memory: what a client sees of that.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use crate::harness::client::{Answer, Client};
use crate::harness::served::{Site, rows, write};
use crate::harness::value::Value;
use crate::harness::{self, postgres::Postgres};

async fn scratch(name: &str) -> std::path::PathBuf {
    Postgres::shared().await.scratch(name)
}

fn number(answer: &Answer) -> f64 {
    match answer.rows() {
        [row] => match row[..] {
            [Value::Number(number)] => number,
            _ => panic!("{answer:?}"),
        },
        _ => panic!("{answer:?}"),
    }
}

/// A clear error, in which there is neither a value nor a path.
fn clear(answer: &Answer, what: &str) {
    let Answer::Error { fields, before: _ } = answer else { panic!("{what}: {answer:?}") };
    assert_eq!(fields["code"], "58000", "{what}: {fields:?}");
    for text in fields.values() {
        for word in ["CANARY", "parquet", "/", "name of", "acme", "globex", "Arrow", "panicked"] {
            assert!(!text.contains(word), "{what} tells of {word}: {fields:?}");
        }
    }
}

fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

async fn works(client: &Client) {
    let answer = client.simple("SELECT count(*) FROM shop.good").await;
    assert_eq!(answer.error(), None);
    assert_eq!(number(&answer), 200.0);
}

#[test]
fn a_damaged_file_fails_its_own_table_without_telling_values() {
    harness::run(async {
        let site = Site::new(scratch("damaged").await, &[]);
        let tables = [
            "good", "cut", "empty", "gone", "nonsense", "page", "footer", "text", "fewer",
            "parts/a", "parts/b",
        ];
        for name in tables {
            write(&site.data().join(format!("{name}.parquet")), &rows(0..300), 100);
        }
        let server = site.serve().await;
        let file = |name: &str| site.data().join(format!("{name}.parquet"));
        damage(&file("cut"), |bytes| bytes.truncate(bytes.len() - 20));
        damage(&file("empty"), Vec::clear);
        std::fs::remove_file(file("gone")).unwrap();
        damage(&file("nonsense"), |bytes| bytes.fill(0x55));
        damage(&file("page"), |bytes| bytes[4..2000].fill(0xff));
        damage(&file("footer"), |bytes| {
            let end = bytes.len() - 8;
            bytes[end - 200..end].fill(0xff);
        });
        damage(&file("parts/b"), |bytes| bytes.truncate(bytes.len() / 2));
        // Another schema under the same name: text where numbers were, and a column that is missing.
        let text: ArrayRef = Arc::new(StringArray::from(vec!["CANARY"; 3]));
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let columns = [("id", &text), ("tenant_id", &text), ("name", &text), ("amount", &text)];
        let columns = columns.map(|(name, array)| (name, Arc::clone(array)));
        write(&file("text"), &RecordBatch::try_from_iter(columns).unwrap(), 100);
        let columns = [("id", ids), ("name", text)];
        write(&file("fewer"), &RecordBatch::try_from_iter(columns).unwrap(), 100);

        for user in ["ana", "root"] {
            let client = site.connect(user).await;
            for name in ["cut", "empty", "gone", "nonsense", "page", "footer", "parts"] {
                for sql in [
                    format!("SELECT * FROM shop.{name}"),
                    format!("SELECT sum(amount) FROM shop.{name} WHERE id > 10"),
                    format!("SELECT g.id FROM shop.good g JOIN shop.{name} t ON t.id = g.id"),
                ] {
                    clear(&client.simple(&sql).await, &sql);
                    clear(&client.extended(&sql, &[]).await, &sql);
                }
            }
            if user == "ana" {
                works(&client).await;
            }
            let sql = "SELECT id, amount FROM shop.text";
            let answer = client.simple(sql).await;
            assert!(!format!("{answer:?}").contains("CANARY"), "{user}: {answer:?}");
        }
        // A file without the column that the row policy reads shows nothing.
        let ana = site.connect("ana").await;
        let answer = ana.simple("SELECT * FROM shop.fewer").await;
        assert!(answer.rows().is_empty(), "{answer:?}");
        works(&ana).await;
        server.stop().await;
    });
}

/// SplitMix64, so that a finding can be repeated.
fn noise(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Bytes turned over anywhere: an answer or a clear error, and the session goes on.
#[test]
fn files_with_bytes_turned_over_end_no_session() {
    const FILES: u64 = 60;
    harness::run(async {
        let site = Site::new(scratch("flipped").await, &[]);
        write(&site.data().join("good.parquet"), &rows(0..300), 100);
        for seed in 0..FILES {
            write(&site.data().join(format!("f{seed}.parquet")), &rows(0..300), 50);
        }
        let server = site.serve().await;
        let ana = site.connect("ana").await;
        let mut failed = 0;
        for seed in 0..FILES {
            damage(&site.data().join(format!("f{seed}.parquet")), |bytes| {
                for turn in 0..=seed % 8 {
                    let random = noise(seed << 8 | turn);
                    let at = usize::try_from(random >> 8).unwrap() % bytes.len();
                    // Half of them in the footer, where the structure is.
                    let at = if random & 8 == 0 { at } else { bytes.len() - 1 - at % 900 };
                    bytes[at] ^= 1 << (random & 7);
                }
            });
            let sql = format!("SELECT id, name, amount FROM shop.f{seed}");
            let answer = ana.simple(&sql).await;
            if let Answer::Error { fields, .. } = &answer {
                failed += 1;
                let kinds = ["58000", "22P02", "22003", "22021", "53200"];
                assert!(kinds.contains(&fields["code"].as_str()), "seed {seed}: {fields:?}");
                let told = format!("{fields:?}");
                assert!(!told.contains("CANARY") && !told.contains("name of"), "{seed}: {told}");
            }
            works(&ana).await;
        }
        println!("{failed} of {FILES} damaged files were noticed");
        assert!(failed > FILES / 4, "only {failed} damaged files were noticed");
        server.stop().await;
    });
}

#[test]
fn a_table_of_many_files_and_row_groups_is_one_table() {
    const FILES: i64 = 40;
    const ROWS: i64 = 1500;
    harness::run(async {
        let site = Site::new(scratch("many").await, &[]);
        for file in 0..FILES {
            let path = site.data().join(format!("events/part-{file:03}.parquet"));
            write(&path, &rows(file * ROWS..(file + 1) * ROWS), 50);
        }
        let server = site.serve().await;
        let (ana, root) = (site.connect("ana").await, site.connect("root").await);
        let all = FILES * ROWS;
        let visible = |ids: std::ops::Range<i64>| ids.filter(|id| id % 3 != 2).count() as f64;
        for (client, sql, wanted) in [
            (&root, "SELECT count(*) FROM shop.events", all as f64),
            (&root, "SELECT sum(id) FROM shop.events", (all * (all - 1) / 2) as f64),
            (&ana, "SELECT count(*) FROM shop.events", visible(0..all)),
            (&ana, "SELECT count(DISTINCT id) FROM shop.events", visible(0..all)),
            (&ana, "SELECT count(*) FROM shop.events WHERE id >= 59000", visible(59_000..all)),
            (
                &ana,
                "SELECT count(*) FROM shop.events WHERE id BETWEEN 1490 AND 1510",
                visible(1490..1511),
            ),
            (&ana, "SELECT count(*) FROM shop.events WHERE id = 30002", 0.0),
            (&ana, "SELECT count(*) FROM shop.events WHERE name LIKE '%CANARY%'", 0.0),
            (
                &ana,
                "SELECT max(id) FROM (SELECT id FROM shop.events ORDER BY id DESC LIMIT 5) t",
                (all - 2) as f64,
            ),
        ] {
            let answer = client.simple(sql).await;
            assert_eq!(answer.error(), None, "{sql}");
            assert_eq!(number(&answer), wanted, "{sql}");
        }
        let streamed = ana.extended("SELECT * FROM shop.events", &[]).await;
        assert_eq!(streamed.rows().len() as f64, visible(0..all));
        server.stop().await;
    });
}

/// What doesn't fit goes to disk, or is an error that says so; other statements go on.
#[test]
fn little_memory_is_an_error_or_a_detour_never_a_crash() {
    harness::run(async {
        let folder = scratch("memory").await;
        let site = Site::new(
            folder,
            &["warehouse.memory_limit = \"16 MiB\"", "warehouse.target_partitions = 1"],
        );
        for file in 0..8 {
            let path = site.data().join(format!("wide/part-{file}.parquet"));
            write(&path, &rows(file * 50_000..(file + 1) * 50_000), 10_000);
        }
        write(&site.data().join("good.parquet"), &rows(0..300), 100);
        let server = site.serve().await;
        let ana = site.connect("ana").await;
        let visible = 400_000.0 - 133_333.0;
        let mut ends = Vec::new();
        for (sql, wanted) in [
            (
                "SELECT count(*) FROM (SELECT name, row_number() OVER (ORDER BY amount, name) AS n FROM shop.wide) t WHERE n > 0",
                visible,
            ),
            (
                "SELECT count(*) FROM (SELECT name, amount FROM shop.wide ORDER BY name DESC, amount OFFSET 1) t",
                visible - 1.0,
            ),
            (
                "SELECT count(*) FROM (SELECT name, sum(amount) AS s FROM shop.wide GROUP BY name) t WHERE s IS NOT NULL",
                visible,
            ),
            ("SELECT count(*) FROM shop.wide a JOIN shop.wide b ON a.name = b.name", visible),
            ("SELECT length(string_agg(name, ',')) FROM shop.wide", visible * 41.0 - 1.0),
        ] {
            let answer = ana.simple(sql).await;
            match answer.error() {
                None => {
                    assert_eq!(number(&answer), wanted, "{sql}");
                    ends.push("answered");
                }
                Some((code, message)) => {
                    assert_eq!(code, "53200", "{sql}: {message}");
                    ends.push("refused");
                }
            }
            works(&ana).await;
        }
        println!("{ends:?}");
        assert!(ends.contains(&"answered") && ends.contains(&"refused"), "{ends:?}");
        server.stop().await;
    });
}

/// A join that doesn't fit would read one of its sides again. What feeds it can be read once: it gave no rows
/// the second time, and they were counted, or it panicked.
#[test]
fn joins_that_do_not_fit_say_so() {
    harness::run(async {
        let with_memory = async |memory: &str| {
            let keys = [
                &format!("warehouse.memory_limit = \"{memory}\""),
                "warehouse.target_partitions = 2",
            ];
            let site = Site::new(scratch(&format!("joins in {memory}")).await, &keys);
            write(&site.data().join("many.parquet"), &rows(0..2_000), 500);
            write(&site.data().join("good.parquet"), &rows(0..300), 100);
            let server = site.serve().await;
            (site.connect("ana").await, server)
        };
        let (little, one) = with_memory("8 MiB").await;
        let (enough, two) = with_memory("2 GiB").await;
        let mut ends = Vec::new();
        let pairs = "SELECT b.name FROM shop.many a JOIN shop.many b ON a.amount <> b.amount";
        let few = "(SELECT name FROM shop.many ORDER BY id LIMIT 5)";
        for sql in [
            format!("SELECT count(*) FROM ({pairs}) p JOIN {few} c ON p.name <> c.name"),
            format!("SELECT count(*) FROM ({pairs}) p LEFT JOIN {few} c ON p.name > c.name"),
            format!("SELECT count(*) FROM {few} c RIGHT JOIN ({pairs}) p ON p.name < c.name"),
            format!(
                "SELECT count(*) FROM ({pairs}) p WHERE NOT EXISTS (SELECT 1 FROM {few} c WHERE p.name > c.name)"
            ),
        ] {
            let answer = little.simple(&sql).await;
            match answer.error() {
                None => assert_eq!(number(&answer), number(&enough.simple(&sql).await), "{sql}"),
                Some((code, message)) => assert_eq!(code, "53200", "{sql}: {message}"),
            }
            ends.push(answer.error().is_some());
            works(&little).await;
        }
        assert!(ends.contains(&true), "all of them fit");
        one.stop().await;
        two.stop().await;
    });
}

/// Recursion gives what PostgreSQL gives, is bounded by the timeout, and sees permitted rows only.
#[test]
fn recursive_queries_end() {
    harness::run(async {
        let world = harness::world().await;
        let ana = world.gateway.connect("ana").await;
        let projected = world.postgres.connect("projected").await;
        for sql in [
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 50) SELECT count(*), sum(n) FROM r",
            "WITH RECURSIVE r(id, d) AS (SELECT id, 1 FROM crm.orders WHERE id = 1 UNION ALL SELECT o.id, r.d + 1 FROM crm.orders o JOIN r ON o.id = r.id + 7) SELECT id, d FROM r ORDER BY id, d",
            "WITH RECURSIVE r(id) AS (SELECT 118::bigint UNION ALL SELECT o.id FROM crm.orders o JOIN r ON o.id = r.id + 1) SELECT id FROM r ORDER BY id",
            "WITH RECURSIVE r(customer_id) AS (SELECT customer_id FROM crm.orders WHERE id = 5 UNION ALL SELECT c.id + 1 FROM crm.customers c JOIN r ON c.id = r.customer_id) SELECT customer_id FROM r ORDER BY 1",
        ] {
            let (got, want) = (ana.simple(sql).await, projected.simple(sql).await);
            assert_eq!(want.error(), None, "{sql}");
            assert_eq!(got.error(), None, "{sql}");
            harness::value::compare(got.rows(), want.rows(), true)
                .unwrap_or_else(|difference| panic!("{sql}: {difference}"));
        }
        let endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r";
        assert_eq!(ana.simple("SET statement_timeout = '1s'").await.error(), None);
        assert_eq!(ana.simple(endless).await.error().map(|error| error.0), Some("57014"));
        // With a table in it: the warehouse's engine, not the gateway's own.
        let endless = "WITH RECURSIVE r(n) AS (SELECT id FROM crm.orders WHERE id = 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r";
        assert_eq!(ana.simple(endless).await.error().map(|error| error.0), Some("57014"));
        assert_eq!(ana.simple("SET statement_timeout = 0").await.error(), None);
        assert_eq!(number(&ana.simple("SELECT count(*) FROM crm.orders").await), 120.0);
    });
}
