//! Statements in Snowflake's dialect give what their twins in PostgreSQL's give, for users with different
//! policies and over every warehouse; and nothing is to be had in one dialect that isn't in the other.

use std::sync::Arc;

use tollgate_warehouse::postgres::discover;

use crate::attacks::leak;
use crate::generator::Random;
use crate::harness::client::{Answer, Client, Parameter};
use crate::harness::flight::{Flight, Rows};
use crate::harness::gateway::{Caches, PASSWORD, Running, start_caching, start_over};
use crate::harness::postgres::Postgres;
use crate::harness::value::{Value, compare};
use crate::harness::{self, case, golden};
use crate::postgres_warehouse::warehouse;

/// The statements of a case and their twins.
fn pairs(path: &str) -> Vec<(String, String)> {
    let text = case(path);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<&str> = lines.collect();
    let pairs = lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty());
    let pairs: Vec<_> = pairs
        .map(|lines| match lines {
            [statement, twin] => ((*statement).to_owned(), (*twin).to_owned()),
            other => panic!("not a pair: {other:?}"),
        })
        .collect();
    assert!(pairs.len() >= 10, "{path}");
    pairs
}

/// A connection whose statements are Snowflake's.
async fn snowflake(gateway: &Running, user: &str) -> Client {
    let client = gateway.connect(user).await;
    let set = client.simple("SET tollgate.dialect = 'snowflake'").await;
    assert_eq!(set.error(), None);
    client
}

fn is_ordered(sql: &str) -> bool {
    sql.rsplit(')').next().is_some_and(|rest| rest.contains("ORDER BY"))
}

/// What is wrong with an answer, measured by another one.
fn differs(sql: &str, got: &Answer, want: &Answer) -> Option<String> {
    match (got.error(), want.error()) {
        (None, None) => compare(got.rows(), want.rows(), is_ordered(sql)).err(),
        (Some((got, _)), Some((want, _))) if got == want => None,
        (got, want) => Some(format!("{got:?}, but the twin {want:?}")),
    }
}

#[test]
fn statements_give_what_their_twins_give() {
    harness::run(async {
        let world = harness::world().await;
        let mut wrong = Vec::new();
        for user in ["ana", "bob", "root"] {
            let client = snowflake(&world.gateway, user).await;
            let plain = world.gateway.connect(user).await;
            // To the others nothing of it is hidden.
            let barrier = (user == "ana").then_some("dialect/barrier.txt");
            for (sql, twin) in ["dialect/snowflake.txt"].into_iter().chain(barrier).flat_map(pairs)
            {
                let want = [plain.simple(&twin).await, plain.extended(&twin, &[]).await];
                let got = [client.simple(&sql).await, client.extended(&sql, &[]).await];
                for (got, want) in got.iter().zip(&want) {
                    if let Some(what) = differs(&sql, got, want) {
                        wrong.push(format!("{user}: {sql}\n    {what}"));
                    }
                    if let Some(error) = want.error() {
                        wrong.push(format!("{user}: the twin fails: {twin}\n    {error:?}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// The twins say what PostgreSQL itself answers over what ana may see.
#[test]
fn twins_give_what_postgresql_gives() {
    harness::run(async {
        let world = harness::world().await;
        let projected = world.postgres.connect("projected").await;
        let ana = snowflake(&world.gateway, "ana").await;
        let mut wrong = Vec::new();
        for path in ["dialect/snowflake.txt", "dialect/barrier.txt"] {
            for (sql, twin) in pairs(path) {
                let (got, want) = (ana.simple(&sql).await, projected.simple(&twin).await);
                if let Some(what) = differs(&sql, &got, &want) {
                    wrong.push(format!("{sql}\n    {what}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// Asks a gateway that forwards; what it can't forward, and the emulator can't run, is in a golden file.
async fn forwarded(gateway: &Running, measure: &Client, file: &str) {
    let ana = snowflake(gateway, "ana").await;
    let mut wrong = Vec::new();
    let mut refused =
        "# Of the statements, those that aren't forwarded, or fail there.\n".to_owned();
    for path in ["dialect/snowflake.txt", "dialect/barrier.txt"] {
        for (sql, twin) in pairs(path) {
            let (got, want) = (ana.simple(&sql).await, measure.simple(&twin).await);
            if let Some((code, message)) = got.error() {
                assert!(leak(message).is_none(), "{sql}: {message}");
                refused.push_str(&format!("{sql}\n  {code} {message}\n"));
            } else if let Some(what) = differs(&sql, &got, &want) {
                wrong.push(format!("{sql}\n    {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    golden(file, &refused);
}

#[test]
fn statements_are_forwarded_to_postgresql() {
    harness::run(async {
        let (world, gateway) = crate::postgres_warehouse::forwarding().await;
        let projected = world.postgres.connect("projected").await;
        forwarded(gateway, &projected, "dialect/refused_postgres.txt").await;
    });
}

#[test]
fn statements_are_forwarded_to_snowflake() {
    harness::run(async {
        let (world, gateway) = crate::snowflake_warehouse::forwarding().await;
        let projected = world.postgres.connect("projected").await;
        forwarded(gateway, &projected, "dialect/refused_snowflake.txt").await;
    });
}

/// What isn't known is refused by its name.
#[test]
fn what_is_not_translated_is_refused() {
    harness::run(async {
        let world = harness::world().await;
        let ana = snowflake(&world.gateway, "ana").await;
        let mut out = String::new();
        for sql in case("dialect/unknown.sql").lines().filter(|line| !line.starts_with("--")) {
            let Answer::Error { fields, .. } = ana.simple(sql).await else {
                panic!("answered: {sql}")
            };
            let hint = fields.get("hint").map(|hint| format!("\n  {hint}")).unwrap_or_default();
            out.push_str(&format!("{sql}\n  {} {}{hint}\n", fields["code"], fields["message"]));
        }
        golden("dialect/unknown.txt", &out);
    });
}

/// A hidden column or table is answered as one that is missing, whatever the construct.
#[test]
fn hidden_is_missing_in_every_construct() {
    harness::run(async {
        let world = harness::world().await;
        let ana = snowflake(&world.gateway, "ana").await;
        let text = case("dialect/hidden.sql");
        let statements: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
        assert!(statements.len() > 20);
        let mut wrong = Vec::new();
        for sql in statements {
            let mut answers = Vec::new();
            for (column, table) in [("income", "hr.salaries"), ("incomx", "hr.salariex")] {
                let asked = sql.replace("{column}", column).replace("{table}", table);
                let upper = (column.to_uppercase(), table.to_uppercase());
                let asked = asked.replace("{COLUMN}", &upper.0).replace("{TABLE}", &upper.1);
                let answer = ana.simple(&asked).await;
                if answer.error().is_none() {
                    wrong.push(format!("answered: {asked}"));
                }
                let text =
                    format!("{answer:?}").replace(column, "{column}").replace(table, "{table}");
                answers.push(text.replace(&table.replace("hr.", ""), "{table}"));
            }
            if answers[0] != answers[1] {
                wrong.push(format!("{sql}\n    {}\n    {}", answers[0], answers[1]));
            }
        }
        assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// Statements that look for what is hidden see what is visible, or nothing.
#[test]
fn nothing_hidden_is_shown() {
    harness::run(async {
        let world = harness::world().await;
        let ana = snowflake(&world.gateway, "ana").await;
        let text = case("dialect/attacks.sql");
        let mut wrong = Vec::new();
        for sql in text.lines().filter(|line| !line.starts_with("--")) {
            let answer = ana.simple(sql).await;
            let texts: Vec<String> = match &answer {
                Answer::Rows { rows, .. } => {
                    rows.iter().flatten().map(|value| value.text()).collect()
                }
                Answer::Error { fields, before } => fields
                    .values()
                    .cloned()
                    .chain(before.iter().flatten().map(|value| value.text()))
                    .collect(),
            };
            for text in texts {
                // What the client brought along, it knows.
                if !sql.contains(&text) && leak(&text).is_some() {
                    wrong.push(format!("{sql}\n    {text}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{} leaks:\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// The names of a result are those that Snowflake gives.
#[test]
fn names_are_shown_in_capitals() {
    harness::run(async {
        let world = harness::world().await;
        let ana = snowflake(&world.gateway, "ana").await;
        for (sql, names) in [
            (
                "SELECT id, amount AS Total, \"STATUS\" FROM crm.orders",
                &["ID", "TOTAL", "STATUS"][..],
            ),
            (
                "SELECT id AS \"Id\", id AS \"no\", id AS \"NO\" FROM crm.orders",
                &["Id", "no", "NO"],
            ),
            (
                "SELECT * EXCLUDE (tenant_id, ordered_at) RENAME (id AS \"key\") FROM crm.orders",
                &["key", "CUSTOMER_ID", "AMOUNT", "CURRENCY", "STATUS"],
            ),
            (
                "SELECT COUNT(*), sum(amount) + 1, 'abc' FROM crm.orders",
                &["COUNT(*)", "SUM(AMOUNT) + 1", "'ABC'"],
            ),
            ("SELECT \"COUNT(*)\" FROM (SELECT count(*) FROM crm.orders)", &["COUNT(*)"]),
            ("SELECT x.* FROM (SELECT id AS \"low\", 1 AS one FROM crm.orders) x", &["low", "ONE"]),
            ("SELECT id, id FROM crm.orders UNION ALL SELECT 1, 2", &["ID", "ID"]),
            (
                "SELECT * FROM (SELECT status, id FROM crm.orders) PIVOT (MAX(id) FOR status IN ('paid', 'open' AS o))",
                &["'paid'", "O"],
            ),
        ] {
            let Answer::Rows { columns, .. } = ana.simple(&format!("{sql} LIMIT 1")).await else {
                panic!("{sql}: {:?}", ana.simple(sql).await.error())
            };
            assert_eq!(columns, names, "{sql}");
        }
    });
}

/// The dialect is one of the session, of a statement when it is prepared, and of what is kept for all.
#[test]
fn a_statement_keeps_its_dialect() {
    harness::run(async {
        let world = harness::world().await;
        let client = world.gateway.connect("ana").await;
        let text = |answer: &Answer| match answer {
            Answer::Rows { rows, .. } => rows[0][0].text(),
            Answer::Error { fields, .. } => fields["message"].clone(),
        };
        let ask = async |sql: &str| text(&client.simple(sql).await);
        assert_eq!(ask("SHOW tollgate.dialect").await, "postgresql");
        let named = async |sql: &str| match client.simple(sql).await {
            Answer::Rows { columns, .. } => columns.join(", "),
            Answer::Error { fields, .. } => fields["message"].clone(),
        };
        let plain = "SELECT id, count(*) FROM crm.orders GROUP BY id LIMIT 1";
        // The same text, which means something else in the other dialect; each time twice.
        for _ in 0..2 {
            assert_eq!(named(plain).await, "id, count");
            assert_eq!(ask("SELECT 7 / 2").await, "3");
            assert_eq!(ask("SELECT $$a\\n$$ || 'b\\n'").await, "a\\nb\\n");
            let before =
                client.inner.prepare("SELECT 9 / 2 FROM crm.orders WHERE id = 1").await.unwrap();
            assert_eq!(client.simple("SET tollgate.dialect TO SNOWFLAKE").await.error(), None);
            assert_eq!(ask("SHOW tollgate.dialect").await, "snowflake");
            assert_eq!(named(plain).await, "ID, COUNT(*)");
            assert_eq!(ask("SELECT 7 / 2").await, "3.5");
            assert_eq!(ask("SELECT $$a\\n$$ || 'b\\n'").await, "a\\nb\n");
            let after =
                client.inner.prepare("SELECT 9 / 2 FROM crm.orders WHERE id = 1").await.unwrap();
            assert_eq!(
                client.simple("PREPARE p AS SELECT IFF(1 = 1, 5 / 2, 0)").await.error(),
                None
            );
            assert_eq!(client.simple("RESET tollgate.dialect").await.error(), None);
            assert_eq!(ask("EXECUTE p").await, "2.5");
            assert_eq!(client.simple("DEALLOCATE p").await.error(), None);
            let rows = client.inner.query(&before, &[]).await.unwrap();
            assert_eq!(rows[0].get::<_, i32>(0), 4);
            assert_eq!(after.columns()[0].type_().name(), "numeric");
            assert_eq!(client.inner.query(&after, &[]).await.unwrap().len(), 1);
        }
        for sql in
            ["SELECT IFF(true, 1, 2)", "SELECT 1 QUALIFY true", "SELECT TRY_CAST('1' AS INT)"]
        {
            assert!(client.simple(sql).await.error().is_some(), "{sql}");
        }
        let Answer::Error { fields, .. } = client.simple("SET tollgate.dialect = 'oracle'").await
        else {
            panic!("an unknown dialect")
        };
        assert_eq!(fields["code"], "22023");
        assert_eq!(
            fields["message"],
            "invalid value for parameter \"tollgate.dialect\": \"oracle\""
        );
        assert_eq!(fields["hint"], "available values: postgresql, snowflake");
        // In a transaction it goes back with the other settings.
        for sql in [
            "BEGIN",
            "SET LOCAL tollgate.dialect = snowflake",
            "SELECT IFF(TRUE, 1, 2)",
            "ROLLBACK",
        ] {
            assert_eq!(client.simple(sql).await.error(), None, "{sql}");
        }
        assert_eq!(ask("SHOW tollgate.dialect").await, "postgresql");
    });
}

/// A result that was kept for one dialect serves the other one too, under its own names.
#[test]
fn kept_results_have_the_names_of_their_dialect() {
    harness::run(async {
        let world = harness::world().await;
        let audit = world.postgres.scratch("dialect results").join("audit.jsonl");
        let policies = ["policy/corpus/roles.sql", "policy/corpus/crm.sql"];
        let caches = Caches { plans: 64 << 20, results: 64 << 20, ..Caches::default() };
        let gateway = start_caching(&world.folder, &audit, &policies, caches).await;
        let (plain, other) = (gateway.connect("ana").await, snowflake(&gateway, "ana").await);
        let sql = "SELECT id, status FROM crm.orders WHERE id < 5 ORDER BY id";
        for _ in 0..2 {
            let mut found = Vec::new();
            for (client, names) in [(&plain, ["id", "status"]), (&other, ["ID", "STATUS"])] {
                let Answer::Rows { columns, rows } = client.simple(sql).await else {
                    panic!("refused")
                };
                assert_eq!(columns, names);
                found.push(rows);
            }
            assert_eq!(found[0], found[1]);
            assert_eq!(found[0].len(), 4);
        }
        assert!(gateway.gateway.cache_counts().result_hits >= 2);
    });
}

#[test]
fn parameters_have_places_or_numbers() {
    harness::run(async {
        let world = harness::world().await;
        let ana = snowflake(&world.gateway, "ana").await;
        let plain = world.gateway.connect("ana").await;
        let parameters = [Parameter(Some("5")), Parameter(Some("paid"))];
        let twin = "SELECT id + $1::int FROM crm.orders WHERE status = $2 ORDER BY id";
        let want = plain.extended(twin, &parameters).await;
        for sql in [
            "SELECT id + ?::int8 FROM crm.orders WHERE status = ? ORDER BY id",
            "SELECT id + $1::int8 FROM crm.orders WHERE status = $2 ORDER BY id",
        ] {
            let got = ana.extended(sql, &parameters).await;
            assert_eq!((got.error(), want.error()), (None, None), "{sql}");
            compare(got.rows(), want.rows(), true).unwrap_or_else(|what| panic!("{sql}: {what}"));
        }
        let tried = ana.extended("SELECT TRY_CAST(? AS INT), TRY_TO_DATE(?)", &parameters).await;
        assert_eq!(tried.error(), None);
        assert_eq!((tried.rows()[0][0].text(), tried.rows()[0][1].text()), ("5".into(), "".into()));
        let mixed = ana.extended("SELECT ? + $1", &parameters).await;
        assert_eq!(mixed.error().unwrap().0, "42601");
    });
}

/// Sets an option of a Flight session, whose token is exchanged; gives the answer's bytes, which are
/// none if all went well.
async fn set(flight: &mut Flight, name: &str, value: &str) -> Vec<u8> {
    let session = flight.session("SetSessionOptions", &[(name, value)]).await.unwrap();
    flight.token = session.token.unwrap_or_else(|| flight.token.clone());
    session.body.to_vec()
}

#[test]
fn the_dialect_is_a_session_option_over_flight() {
    harness::run(async {
        let world = harness::world().await;
        let mut flight = Flight::connect(world.gateway.flight, "ana", PASSWORD).await.unwrap();
        let sql = "SELECT 7 / 2 AS q FROM crm.orders WHERE id = 1";
        let snow = "SELECT IFF(id = 1, 7 / 2, 0) AS q FROM crm.orders QUALIFY ROW_NUMBER() OVER (ORDER BY id) = 1";
        let first = |rows: Rows| rows.values()[0][0].text();
        let plain = flight.prepare(sql).await.unwrap();
        assert!(flight.statement(snow).await.is_err());
        assert!(!set(&mut flight, "dialect", "oracle").await.is_empty());
        assert!(flight.statement(snow).await.is_err());

        assert_eq!(set(&mut flight, "dialect", "snowflake").await, b"");
        let rows = flight.statement(snow).await.unwrap();
        assert_eq!(rows.schema.field(0).name(), "Q");
        assert_eq!(first(rows), "3.5");
        assert_eq!(set(&mut flight, "schema", "crm").await, b"");
        assert_eq!(first(flight.statement("SELECT TOP 1 7 / 2 FROM orders").await.unwrap()), "3.5");
        let other = flight.prepare(sql).await.unwrap();
        // A statement keeps the dialect that it was prepared in.
        assert_eq!(first(flight.redeem(&plain.handle).await.unwrap()), "3");
        assert_eq!(set(&mut flight, "dialect", "").await, b"");
        assert_eq!(first(flight.redeem(&other.handle).await.unwrap()), "3.5");
        assert_eq!(first(flight.redeem(&plain.handle).await.unwrap()), "3");
        assert_eq!(first(flight.statement("SELECT 7 / 2 FROM orders LIMIT 1").await.unwrap()), "3");
    });
}

/// A translation writes operands several times; what it would make of a text is bounded like all else.
#[test]
fn what_would_grow_is_refused() {
    harness::run(async {
        let world = harness::world().await;
        let client = snowflake(&world.gateway, "ana").await;
        let repeat = |text: &str, count: usize| vec![text; count].join(", ");
        let aliases: String =
            (1..40).map(|n| format!(", max(a{0} + a{0}) AS a{n}", n - 1)).collect();
        let deep: String = (1..200).map(|n| format!(", ((((a{})))) AS a{n}", n - 1)).collect();
        let text = "x".repeat(50_000);
        let substr =
            |depth: usize| format!("{}'{text}'{}", "SUBSTR(".repeat(depth), ", -id)".repeat(depth));
        for sql in [
            format!("SELECT GREATEST({})", repeat("1", 2_000)),
            format!("SELECT CONCAT({})", repeat("'a'", 2_000)),
            format!("SELECT 'a' LIKE ANY ({})", repeat("'a'", 2_000)),
            format!("SELECT CURRENT_DATE + INTERVAL '{}'", repeat("1", 10_000)),
            format!("SELECT max(1) AS a0{aliases} FROM crm.orders"),
            format!("SELECT id AS a0{deep} FROM crm.orders"),
            format!("SELECT DECODE('{text}', {}) FROM crm.orders", repeat("id, 1", 49)),
            format!("SELECT '{text}' AS s, COALESCE({})", repeat("s", 90)),
            format!("SELECT {} FROM crm.orders", substr(6)),
            format!(
                "SELECT * REPLACE (id IN ({}) AS id) FROM (SELECT {} FROM crm.orders)",
                repeat("1", 3_000),
                repeat("id", 1_000)
            ),
            format!("SELECT * ILIKE '{}' FROM crm.orders", "%".repeat(40_000)),
        ] {
            let start: String = sql.chars().take(70).collect();
            let answer = client.simple(&sql).await;
            let (code, message) = answer.error().unwrap_or_else(|| panic!("{start}"));
            let codes = ["54000", "54001", "0A000", "42702", "42601"];
            assert!(codes.contains(&code), "{start}: {code} {message}");
        }
        // So is a long path, whose steps are no expressions.
        let path = format!("id:a{}::string", ".a".repeat(7_000));
        let any = repeat("'a'", 100);
        let sql = format!("SELECT (({path}) LIKE ANY ({any})) LIKE ANY ({any}) FROM crm.orders");
        assert_eq!(client.simple(&sql).await.error().map(|(code, _)| code), Some("54000"));
        // An aggregate of what QUALIFY leaves is none of its own rows.
        let exists = "SELECT EXISTS (SELECT id FROM crm.orders QUALIFY COUNT(*) OVER () > 1)";
        assert_eq!(client.simple(exists).await.rows()[0][0].text(), "t");
        assert!(world.gateway.connect("ana").await.simple("SELECT 1").await.error().is_none());
    });
}

/// A row of either side of an ASOF JOIN: its key and its value, if it has them.
type Side = Vec<(Option<i64>, Option<i64>)>;

/// Over random rows with NULLs, copies and values that meet: each row of the left side once, with one
/// of the nearest rows of the right side, or with none where there is none.
#[test]
fn asof_joins_give_the_nearest_row() {
    harness::run(async {
        let world = harness::world().await;
        let client = snowflake(&world.gateway, "ana").await;
        let mut random = Random::new(7);
        let mut some = |most: usize, keys: usize| -> Side {
            let mut value = |bound: usize| match random.below(bound + 1) {
                0 => None,
                value => Some(i64::try_from(value).unwrap()),
            };
            (0..most).map(|_| (value(keys), value(9))).collect()
        };
        let table = |rows: &Side| {
            let number = |value: &Option<i64>| value.map_or("NULL".to_owned(), |n| n.to_string());
            let rows = rows.iter().enumerate();
            let rows = rows.map(|(id, (key, value))| {
                format!("({id}, {}, {}::INT)", number(key), number(value))
            });
            let rows = rows.collect::<Vec<_>>().join(", ");
            format!("(SELECT column1 AS id, column2::INT AS k, column3 AS v FROM (VALUES {rows}))")
        };
        let mut matched = 0;
        for round in 0..40 {
            let (left, right) = (some(1 + round % 12, 3), some(1 + round % 9, 3));
            for (op, fits) in [
                (">=", (|l, r| l >= r) as fn(i64, i64) -> bool),
                (">", |l, r| l > r),
                ("<=", |l, r| l <= r),
                ("<", |l, r| l < r),
            ] {
                for keyed in [true, false] {
                    let on = if keyed { " ON l.k = r.k" } else { "" };
                    let sql = format!(
                        "SELECT l.id, r.id, r.v FROM {} l ASOF JOIN {} r \
                         MATCH_CONDITION (l.v {op} r.v){on}",
                        table(&left),
                        table(&right)
                    );
                    let answer = client.simple(&sql).await;
                    assert_eq!(answer.error(), None, "{sql}");
                    let mut seen = vec![false; left.len()];
                    for row in answer.rows() {
                        let place: usize = row[0].text().parse().unwrap();
                        assert!(!std::mem::replace(&mut seen[place], true), "twice: {sql}");
                        let (key, value) = left[place];
                        let fitting = right.iter().enumerate().filter(|(_, (of, at))| {
                            let met = value.zip(*at).is_some_and(|(l, r)| fits(l, r));
                            met && (!keyed || key.is_some() && key == *of)
                        });
                        let distance =
                            |at: &Option<i64>| value.zip(*at).map(|(l, r)| l.abs_diff(r));
                        let fitting: Vec<_> = fitting.collect();
                        let best = fitting.iter().map(|(_, (_, at))| distance(at)).min();
                        let nearest =
                            fitting.iter().filter(|(_, (_, at))| Some(distance(at)) == best);
                        let nearest: Vec<String> = nearest.map(|(id, _)| id.to_string()).collect();
                        match nearest.as_slice() {
                            [] => assert_eq!(row[1].text(), "", "row {place}: {sql}"),
                            nearest => {
                                matched += 1;
                                assert!(nearest.contains(&row[1].text()), "row {place}: {sql}");
                            }
                        }
                    }
                    assert!(seen.iter().all(|seen| *seen), "a row is missing: {sql}");
                }
            }
        }
        assert!(matched > 500, "{matched}");
    });
}

/// Of texts the nearest one is found where there is one order for them: a PostgreSQL that has several may put a text
/// between two others by one of them, and compare it by another.
#[test]
fn asof_joins_of_texts_have_one_order() {
    harness::run(async {
        let postgres = Postgres::shared().await;
        let shop = "CREATE SCHEMA shop;
            CREATE TABLE shop.a (id bigint, at text, odd text COLLATE \"POSIX\");
            CREATE TABLE shop.b (id bigint, at text, odd text COLLATE \"POSIX\");
            CREATE TABLE shop.c (id bigint, at text, odd text COLLATE \"POSIX\");
            INSERT INTO shop.a VALUES (1, 'b', 'b'), (2, 'B', 'B');
            INSERT INTO shop.b VALUES (1, 'A', 'A'), (2, 'a', 'a'), (3, 'c', 'c');
            INSERT INTO shop.c SELECT * FROM shop.b;
            CREATE TABLE shop.dots (id bigint, \"next·2\" bigint, \"value·3\" bigint, \"place·\" bigint, \"copy·\" bigint);
            INSERT INTO shop.dots VALUES (1, 2, 3, 4, 5), (2, 3, 4, 5, 6);
            CREATE TABLE shop.marks (id bigint, at text, \"next⸱2\" bigint);
            CREATE TABLE shop.marked (id bigint, \"next⸱2\" bigint);
            INSERT INTO shop.marks VALUES (1, 'x', 2)";
        postgres.create("ordered", &[shop]).await;
        let warehouse = warehouse(&postgres.dsn("ordered"));
        let found = discover(&warehouse, &["shop".to_owned()]).await.unwrap();
        let audit = postgres.scratch("ordered").join("audit.jsonl");
        let policies = ["postgres/ordered.sql"];
        let gateway =
            start_over(found.tables, Arc::new(warehouse), &audit, &policies, Caches::default());
        let gateway = gateway.await;
        let ana = snowflake(&gateway, "ana").await;
        let ask = async |left: &str, right: &str, condition: &str| {
            let sql = format!(
                "SELECT l.id, r.id FROM {left} l ASOF JOIN {right} r MATCH_CONDITION ({condition}) \
                 ORDER BY l.id"
            );
            let answer = ana.simple(&sql).await;
            let rows = |row: &Vec<Value>| (row[0].text(), row[1].text());
            match answer.error() {
                None => Ok(answer.rows().iter().map(rows).collect::<Vec<_>>()),
                Some((_, message)) => Err(message.to_owned()),
            }
        };
        let near = |one: &str, two: &str| {
            Ok(vec![("1".to_owned(), one.to_owned()), ("2".to_owned(), two.to_owned())])
        };
        let refused = Err(
            "a MATCH_CONDITION of texts over tables with collations of their own is not supported"
                .to_owned(),
        );
        // A column that ana doesn't see says nothing.
        assert_eq!(ask("shop.a", "shop.b", "l.at >= r.at").await, near("2", "1"));
        assert_eq!(ask("shop.a", "shop.c", "l.at >= r.at").await, refused);
        assert_eq!(ask("shop.a", "shop.c", "l.id >= r.id").await, near("1", "2"));
        assert_eq!(ask("shop.a", "shop.seen", "l.at < r.at").await, refused);
        assert_eq!(ask("(SELECT 1 AS id, 'b' AS at)", "shop.c", "l.at < r.at").await, refused);

        // Names that the gateway makes up are nobody's, whatever the columns are called.
        let sql = "SELECT l.\"next·2\", r.\"value·3\", r.* FROM shop.dots l ASOF JOIN shop.dots r \
                   MATCH_CONDITION (l.\"next·2\" + 0 > r.\"next·2\" + 0) ORDER BY 1";
        let answer = ana.simple(sql).await;
        let rows = answer.rows().iter();
        let rows: Vec<Vec<_>> = rows.map(|row| row.iter().map(Value::text).collect()).collect();
        assert_eq!(answer.error(), None);
        assert_eq!(rows, [["2", "", "", "", "", "", ""], ["3", "3", "1", "2", "3", "4", "5"]]);
        let sql = "SELECT * FROM (SELECT \"copy·\", \"place·\" FROM shop.dots INTERSECT ALL SELECT 6, 5) x";
        let postgres = gateway.connect("ana").await;
        assert_eq!(postgres.simple(sql).await.rows().len(), 1);
        assert_eq!(ana.simple("SELECT * FROM shop.marks").await.rows().len(), 1);
        for sql in ["SELECT id FROM shop.marked", "SELECT \"next⸱2\" FROM shop.marks"] {
            let told = ("0A000", "the character \"⸱\" in a name is not supported");
            assert_eq!(postgres.simple(sql).await.error(), Some(told), "{sql}");
        }
    });
}
