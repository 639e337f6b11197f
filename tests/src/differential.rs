//! Projection: what the gateway answers over all data is what PostgreSQL answers over the permitted.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};

use crate::attacks::leak;
use crate::generator::{Generator, Query};
use crate::harness::client::{Answer, Client};
use crate::harness::value::compare;
use crate::harness::{self, case, gateway};

/// How many random statements a run tries, and from which seed.
pub fn scale(default: u64) -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse().unwrap());
    (number("TOLLGATE_SEED").unwrap_or(1), number("TOLLGATE_QUERIES").unwrap_or(default))
}

/// The probes of `barrier.sql`.
pub fn probes() -> Vec<String> {
    let text = case("attacks/barrier.sql");
    let lines = text.lines().filter(|line| !line.starts_with("--") && !line.is_empty());
    let probes: Vec<String> = lines.map(str::to_owned).collect();
    assert!(probes.len() >= 12);
    probes
}

/// Whether a failure is about values, which PostgreSQL might meet in another order.
fn about_values(answer: &Answer) -> bool {
    answer.error().is_some_and(|(code, _)| code.starts_with("22") || code.starts_with("21"))
}

/// A hidden value in an error that the statement didn't bring along.
fn told(answer: &Answer, sql: &str) -> Option<String> {
    let Answer::Error { fields, .. } = answer else { return None };
    fields.values().find(|text| !sql.contains(text.as_str()) && leak(text).is_some()).cloned()
}

#[test]
fn random_statements_see_only_what_is_permitted() {
    harness::run(async {
        let world = harness::world().await;
        let projected = world.postgres.connect("projected").await;
        let ana = world.gateway.connect("ana").await;
        agree_on(&ana, &projected, true, Generator::with_rows).await;
    });
}

/// Row policies yield the rows that PostgreSQL's own yield.
#[test]
fn random_statements_see_what_row_level_security_shows() {
    harness::run(async {
        let world = harness::world().await;
        let scripts = [&case("attacks/schema.sql")[..], &case("attacks/native.sql")];
        let native = world.postgres.create("native", &scripts).await;
        assert!(native.simple("SET ROLE native").await.error().is_none());
        let audit = world.postgres.scratch("native-audit").join("audit.jsonl");
        let gateway =
            gateway::start_with(&world.folder, &audit, &["policy/corpus/native.sql"]).await;
        agree(&gateway.connect("ana").await, &native, false).await;
    });
}

/// Asks both for what random statements yield. Some data is a canary that must not show in errors.
pub(crate) async fn agree(ana: &Client, measure: &Client, canaries: bool) {
    agree_on(ana, measure, canaries, Generator::new).await;
}

async fn agree_on(
    ana: &Client,
    measure: &Client,
    canaries: bool,
    generator: impl Fn(u64) -> Generator,
) {
    let generator = &generator;
    let (seed, count) = scale(300);
    let outcomes: Vec<(u64, Query, Answer, Answer)> = stream::iter(seed..seed + count)
        .then(|seed| async move {
            let query = generator(seed).query();
            let (got, want) = futures::join!(ana.simple(&query.sql), measure.simple(&query.sql));
            (seed, query, got, want)
        })
        .collect()
        .await;
    let (mut wrong, mut refused, mut failed) = (Vec::new(), BTreeMap::new(), 0_u64);
    for (seed, query, got, want) in outcomes {
        let place = format!("seed {seed}: {}", query.sql);
        if canaries && let Some(text) = told(&got, &query.sql) {
            wrong.push(format!("{place}\n    LEAK in an error: {text}"));
        }
        match (got.error(), want.error()) {
            (None, None) => {
                if let Err(difference) = compare(got.rows(), want.rows(), query.ordered) {
                    wrong.push(format!("{place}\n    {difference}"));
                }
            }
            (None, Some(_)) if about_values(&want) => failed += 1,
            // PostgreSQL wants a cast where a literal alone would tell a function's type.
            (None, Some(("42804", message))) if message.contains("polymorphic") => failed += 1,
            (None, Some((code, message))) => {
                wrong.push(format!("{place}\n    PostgreSQL refuses it: {code} {message}"));
            }
            (Some((code, message)), None) => {
                let line = format!("{place}\n    {code} {message}");
                refused.entry(code.to_owned()).or_insert_with(Vec::new).push(line);
            }
            (Some(_), Some(_)) => failed += 1,
        }
    }
    let refusals = refused.values().map(Vec::len).sum::<usize>() as u64;
    let examples: Vec<&str> =
        refused.values().flat_map(|lines| lines.iter().take(8)).map(String::as_str).collect();
    println!("{count} statements, {refusals} refused, {failed} fail in PostgreSQL as well");
    println!("{}", examples.join("\n"));
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    assert!(refusals * 4 < count, "{refusals} of {count} are refused:\n{}", examples.join("\n"));
}

/// What fails on hidden rows only doesn't fail.
#[test]
fn hidden_rows_raise_no_errors() {
    harness::run(async {
        let world = harness::world().await;
        let ana = world.gateway.connect("ana").await;
        let projected = world.postgres.connect("projected").await;
        nothing_hidden_fails(&ana, &projected).await;
    });
}

/// Asks both the probes of `barrier.sql`.
pub(crate) async fn nothing_hidden_fails(ana: &Client, projected: &Client) {
    let mut wrong = Vec::new();
    for sql in probes() {
        for (road, got, want) in [
            ("simple", ana.simple(&sql).await, projected.simple(&sql).await),
            ("extended", ana.extended(&sql, &[]).await, projected.extended(&sql, &[]).await),
        ] {
            if let Some(text) = told(&got, &sql) {
                wrong.push(format!("{sql}\n    LEAK in an error: {text}"));
            }
            let verdict = match (got.error(), want.error()) {
                (None, None) => compare(got.rows(), want.rows(), false),
                (Some(got), None) => Err(format!("fails: {got:?}")),
                (None, Some(want)) => Err(format!("doesn't fail: {want:?}")),
                (Some(_), Some(_)) => Ok(()),
            };
            if let Err(what) = verdict {
                wrong.push(format!("{road}: {sql}\n    {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
}

/// Shows what both say to the statements in TOLLGATE_SQL, which are separated by `;;`.
#[test]
#[ignore = "a tool for whoever looks into a finding"]
fn show() {
    harness::run(async {
        let world = harness::world().await;
        let ana = world.gateway.connect("ana").await;
        let projected = world.postgres.connect("projected").await;
        for sql in std::env::var("TOLLGATE_SQL").unwrap_or_default().split(";;") {
            let (got, want) = (ana.simple(sql).await, projected.simple(sql).await);
            println!("{sql}\n  gateway {:?}", got.error());
            got.rows().iter().take(20).for_each(|row| println!("    {row:?}"));
            println!("  projected {:?}", want.error());
            want.rows().iter().take(20).for_each(|row| println!("    {row:?}"));
            println!("  {:?}", compare(got.rows(), want.rows(), false));
        }
    });
}
