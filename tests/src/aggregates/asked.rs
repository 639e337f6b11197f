//! What may be asked, in whatever shape, and what is refused, in which words.

use std::path::{Path, PathBuf};

use arrow::temporal_conversions::date32_to_datetime;
use tokio::sync::OnceCell;

use crate::harness::client::Answer;
use crate::harness::gateway::{Running, start_with};
use crate::harness::postgres::Postgres;
use crate::harness::value::{Value, compare};
use crate::harness::{self, case, data, golden};

/// A folder with the visits.
pub(super) async fn folder() -> &'static Path {
    static FOLDER: OnceCell<PathBuf> = OnceCell::const_new();
    FOLDER
        .get_or_init(|| async {
            let postgres = Postgres::shared().await;
            let setup = [case("attacks/schema.sql"), case("aggregates/more.sql")];
            let whole = postgres.create("aggregates_asked", &[&setup[0], &setup[1]]).await;
            let folder = postgres.scratch("aggregates asked");
            data::export(&whole, &folder).await;
            folder
        })
        .await
}

/// A gateway over them.
async fn gateway(name: &str) -> Running {
    let audit = Postgres::shared().await.scratch(name).join("audit.jsonl");
    start_with(folder().await, &audit, &["aggregates/policies.sql"]).await
}

/// The statements of a file: a line each, without comments, in groups.
pub(super) fn groups(path: &str) -> Vec<Vec<String>> {
    let text = case(path);
    let groups = text.split("\n\n").map(|group| {
        let lines = group.lines().filter(|line| !line.is_empty() && !line.starts_with("--"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    });
    groups.filter(|group| !group.is_empty()).collect()
}

#[test]
fn one_question_has_one_answer_in_every_shape() {
    harness::run(async {
        let gateway = gateway("aggregates same").await;
        let ana = gateway.connect("ana").await;
        let (mut wrong, mut told) = (Vec::new(), 0);
        for group in groups("aggregates/same.sql") {
            let want = ana.simple(&group[0]).await;
            assert_eq!(want.error(), None, "{}", group[0]);
            told += want.rows().iter().flatten().filter(|value| **value != Value::Null).count();
            for sql in &group {
                for got in [ana.simple(sql).await, ana.extended(sql, &[]).await] {
                    let what = match got.error() {
                        Some(error) => Some(format!("{error:?}")),
                        None => same(&got, &want).err(),
                    };
                    wrong.extend(what.map(|what| format!("{sql}\n    {what}")));
                }
            }
        }
        assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
        assert!(told > 60, "only {told} values were released");
    });
}

/// Days and moments are spelled otherwise in binary.
pub(super) fn same(got: &Answer, want: &Answer) -> Result<(), String> {
    let plain = |answer: &Answer| {
        let value = |value: &Value| match value {
            Value::Text(text) => Value::Text(day(text)),
            Value::Null | Value::Number(_) => value.clone(),
        };
        let rows = answer.rows().iter();
        rows.map(|row| row.iter().map(value).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    compare(&plain(got), &plain(want), false)
}

fn day(text: &str) -> String {
    let since_2000 = match text.split_once(' ') {
        Some(("day", days)) => days.parse::<i32>().unwrap(),
        Some(("micros", micros)) => {
            i32::try_from(micros.parse::<i64>().unwrap() / 86_400_000_000).unwrap()
        }
        Some((day, "00:00:00" | "00:00:00+00")) => return day.to_owned(),
        Some(_) | None => return text.to_owned(),
    };
    date32_to_datetime(since_2000 + 10_957).unwrap().date().to_string()
}

/// A refusal tells the same whether the rows that it is about exist, in words that say what to do.
#[test]
fn everything_else_is_refused_in_these_words() {
    harness::run(async {
        let gateway = gateway("aggregates refused").await;
        let ana = gateway.connect("ana").await;
        let mut text = String::new();
        let mut wrong = Vec::new();
        for sql in groups("aggregates/refused.sql").concat() {
            let answer = ana.simple(&sql).await;
            let Answer::Error { fields, before } = &answer else {
                wrong.push(format!("{sql}\n    {:?}", answer.rows()));
                continue;
            };
            let field = |name| fields.get(name).map_or("", String::as_str);
            text.push_str(&format!("{sql}\n  {} {}\n", field("code"), field("message")));
            for name in ["detail", "hint"] {
                if let Some(said) = fields.get(name) {
                    text.push_str(&format!("  {name}: {said}\n"));
                }
            }
            if !before.is_empty() || field("code").starts_with("XX") {
                wrong.push(format!("{sql}\n    {answer:?}"));
            }
            let extended = ana.extended(&sql, &[]).await;
            if extended.error() != answer.error() {
                wrong.push(format!("{sql}\n    {extended:?}"));
            }
        }
        assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
        golden("aggregates/refused.txt", &text);
        // What another dialect makes of it is refused alike.
        assert_eq!(ana.simple("SET tollgate.dialect = 'snowflake'").await.error(), None);
        for sql in [
            "SELECT count(*) FROM health.visits v ASOF JOIN crm.orders o MATCH_CONDITION (v.visited_on >= o.ordered_at)",
            "SELECT count(v.cost) FROM crm.orders o ASOF JOIN health.visits v MATCH_CONDITION (o.ordered_at >= v.visited_on)",
            "SELECT clinic, sum(cost) FROM crm.customers c ASOF JOIN health.visits v MATCH_CONDITION (c.created_at <= v.visited_on) ON c.id = v.patient_id GROUP BY ALL",
        ] {
            let answer = ana.simple(sql).await;
            assert_eq!(answer.error().map(|(code, _)| code), Some("42501"), "{sql}: {answer:?}");
        }
    });
}
