//! Statements whose one call of a function or operator would make gigabytes or search for hours: each
//! is refused with 54000, the next statement of the session works, and what is short enough runs.

use crate::harness::{run, world};

/// A relation with a text `v` of 1000 bytes that doubles at each level.
fn doubled(levels: usize) -> String {
    let start = "(SELECT lpad(status, 1000) AS v FROM crm.orders) t0".to_owned();
    (1..=levels).fold(start, |from, level| format!("(SELECT v || v AS v FROM {from}) t{level}"))
}

fn refused() -> Vec<String> {
    let mut all: Vec<String> = [
        "SELECT length(lpad('x', 1000000000))",
        "SELECT array_length(string_to_array(lpad('', 50000000, ','), ','), 1)",
        "SELECT length(replace(lpad('', 20000, 'a'), 'a', lpad('', 100000, 'b')))",
        "SELECT regexp_count(lpad('', 300000, 'A'), '.*[^A-Z]|[A-Z]')",
        "SELECT count(*) FROM crm.orders
         WHERE regexp_count(lpad('', 200000, 'b' || status), 'a.*c|b') > 1",
        "SELECT length(overlay(lpad('', 60000) PLACING lpad('', 60000) FROM 3)) FROM crm.orders",
        "SELECT status ~ '(a{1000}){1000}' FROM crm.orders",
        "SELECT status !~* ('(\\w{100}){' || id || '}') FROM crm.orders",
        "SELECT status LIKE lpad('', 50000, '%a') FROM crm.orders",
        "SELECT status NOT ILIKE lpad('', 50000, '%' || id) FROM crm.orders",
        "SELECT CASE WHEN id > 0 THEN lpad(status, 1000000) END FROM crm.orders",
        "SELECT count(*) FROM crm.orders GROUP BY lpad(status, 1000000)",
        "SELECT id FROM crm.orders ORDER BY lpad(status, 1000000)",
        "SELECT (SELECT max(lpad(o.status, 1000000)) FROM crm.orders o WHERE o.id = p.id)
         FROM crm.orders p",
        "SELECT array_cat(array_agg(lpad(status, 1000)), array_agg(lpad(status, 1000)))
         FROM crm.orders",
        "SELECT array_agg(lpad(status, 60000)) OVER (ORDER BY id) FROM crm.orders",
        "SELECT string_agg(lpad(status, 60000), ',') OVER () FROM crm.orders",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push(format!("SELECT max(length(v)) FROM {}", doubled(30)));
    all
}

#[test]
fn costly_calls_are_refused_and_the_session_goes_on() {
    run(async {
        let world = world().await;
        let client = world.gateway.connect("ana").await;
        let mut wrong = Vec::new();
        for sql in refused() {
            let answer = client.simple(&sql).await;
            if answer.error().map(|(code, _)| code) != Some("54000") {
                wrong.push(format!("{sql}: {:.200}", format!("{answer:?}")));
            }
        }
        for (sql, expected) in [
            ("SELECT length(lpad('x', 10000))", "10000"),
            ("SELECT count(*) FROM crm.orders WHERE status || '!' LIKE 'pa%!'", "40"),
            ("SELECT count(*) FROM crm.orders WHERE status ~ '^p.*d$'", "40"),
            ("SELECT count(*) FROM crm.orders WHERE status ~* ('^' || 'P')", "40"),
            ("SELECT 'a' || NULL || 'b' IS NULL", "t"),
            ("SELECT '(' || count(*) || ')' FROM crm.orders", "(120)"),
            ("SELECT array_position(ARRAY[1, 2], 2, -9223372036854775808)", "2"),
            (
                "SELECT max(length(s)) FROM (SELECT string_agg(status, ',') OVER (ORDER BY id) AS s
                 FROM crm.orders) t",
                "599",
            ),
        ] {
            let answer = client.simple(sql).await;
            let cell = answer.rows().first().and_then(|row| row.first()).map(|cell| cell.text());
            if cell.as_deref() != Some(expected) {
                wrong.push(format!("{sql}: not {expected}: {:.200}", format!("{answer:?}")));
            }
        }
        let sql = format!("SELECT max(length(v)) FROM {}", doubled(5));
        let answer = client.simple(&sql).await;
        let cell = answer.rows().first().and_then(|row| row.first()).map(|cell| cell.text());
        assert_eq!(cell.as_deref(), Some("32000"), "{answer:?}");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}
