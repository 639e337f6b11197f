//! The attack corpus over every road that a client has, of the Postgres protocol and of Flight SQL.
//!
//! What is right comes from PostgreSQL over a database that holds only what ana may see. A refusal
//! is safe, but each refusal of a harmless statement stands in a golden file, where it is reviewed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use serde::Deserialize;

use crate::harness::client::{Answer, Client, Fields, Parameter};
use crate::harness::flight::{Flight, answer};
use crate::harness::gateway::{PASSWORD, Running, start_with};
use crate::harness::value::{Value, compare};
use crate::harness::{self, World, case, python};

/// The classes that this version has to withstand on this front end.
const CLASSES: &[&str] = &[
    "row-filter",
    "column-grant",
    "mask-inference",
    "no-grant-table",
    "server-function",
    "sql-in-string",
    "utility-write-copy",
    "session-identity",
    "parser-encoding",
    "protocol-cache",
    "error-channel",
    "timing-plan-channel",
    "catalog-stats",
    "mask-crypto",
    "datafusion",
    "benign",
];

/// Those of Snowflake's dialect.
const DIALECT: &[&str] = &["snowflake-shape", "snowflake-meta", "snowflake-exec"];

/// What PostgreSQL is asked instead of a statement that it doesn't understand, but that is answered.
const TWINS: &[(&str, &str)] = &[
    // To the embedded engine a masked address is a pattern, which no name fits.
    ("err-013", "SELECT full_name FROM crm.customers"),
    (
        "sfs-030",
        "SELECT tenant_id, full_name, email, phone, national_id, country, city, birth_date, \
         created_at FROM crm.customers",
    ),
    ("sfs-032", "SELECT * FROM crm.customers"),
];

/// What the corpus wants denied, but the gateway's own catalogs answer without a row.
const EMPTY: &[&str] = &["cat-008", "cat-013"];

/// Statements about tickets: `flight` has them.
const ELSEWHERE: &[&str] = &["pro-008"];

/// Commands to a session, which calls over Flight SQL don't share.
const SESSION: &[&str] = &["ben-044"];

/// Whose answer holds values in an order that SQL leaves open: compared word by word, sorted.
const WORDS: &[&str] = &["rls-023", "msk-024", "col-026"];

/// Whose rows SQL leaves open: only their number is compared.
const COUNT: &[&str] = &["msk-022"];

#[derive(Deserialize)]
pub(crate) struct Attack {
    pub(crate) id: String,
    class: String,
    dialect: String,
    sql: String,
    expected: String,
}

impl Attack {
    pub(crate) fn read() -> Vec<Attack> {
        let attacks = Self::of(CLASSES);
        assert!(attacks.len() > 100, "the corpus has shrunk to {} statements", attacks.len());
        attacks
    }

    fn of(classes: &[&str]) -> Vec<Attack> {
        let attacks = Self::all().into_iter();
        attacks.filter(|attack| classes.contains(&attack.class.as_str())).collect()
    }

    fn all() -> Vec<Attack> {
        let texts = [case("attacks/attacks.jsonl"), case("attacks/benign.jsonl")];
        texts
            .iter()
            .flat_map(|text| text.lines())
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|attack: &Attack| !ELSEWHERE.contains(&attack.id.as_str()))
            .collect()
    }

    /// Aggregate-only tables are not granted at all, so whatever names one is refused.
    fn denied(&self) -> bool {
        self.expected == "deny" || self.sql.contains("health.")
    }

    fn parameters(&self) -> Vec<Parameter> {
        match self.id.as_str() {
            "pro-002" => vec![Parameter(Some("globex"))],
            "pro-003" => vec![Parameter(Some("4242"))],
            "pro-004" => vec![Parameter(Some("x"))],
            _ => Vec::new(),
        }
    }
}

/// What one road gave: the answer, the notices, and what is wrong with the session afterwards.
pub(crate) struct Trace {
    answer: Answer,
    notices: Vec<String>,
    broken: Option<String>,
}

pub(crate) type Road = &'static str;
pub(crate) type Traces = BTreeMap<(String, Road), Trace>;

/// What is wrong, and which harmless statements were refused how, on which roads.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) wrong: Vec<String>,
    refused: BTreeMap<(String, String), BTreeSet<Road>>,
    /// Whether dashboards may be refused as well, as long as it is listed.
    may_refuse: bool,
    pub(crate) answered: usize,
}

impl Findings {
    /// For a warehouse that isn't asked for all that dashboards want.
    pub(crate) fn lenient() -> Self {
        Self { may_refuse: true, ..Self::default() }
    }

    pub(crate) fn judge(&mut self, attack: &Attack, road: Road, got: &Trace, want: Option<&Trace>) {
        let place = format!("{} by {road}: {}", attack.id, attack.sql);
        let mut wrong = |what: String| self.wrong.push(format!("{place}\n    {what}"));
        if let Some(broken) = &got.broken {
            wrong(format!("the session is broken afterwards: {broken}"));
        }
        for notice in &got.notices {
            if let Some(leak) = leak(&without_literals(notice, &attack.sql)) {
                wrong(format!("LEAK of {leak} in the notice {notice}"));
            }
        }
        if let Answer::Error { fields, .. } = &got.answer {
            for (name, value) in fields {
                if let Some(leak) = leak(&without_literals(value, &attack.sql)) {
                    wrong(format!("LEAK of {leak} in the error's {name}: {value}"));
                }
            }
            if fields["code"] == "client" {
                wrong(format!("the client failed: {}", fields["message"]));
            }
        }
        let answered = got.answer.error().is_none();
        let right = want.filter(|want| answered && want.answer.error().is_none());
        let difference = right.and_then(|want| differ(attack, &got.answer, &want.answer));
        if right.is_none() || difference.is_some() {
            for value in got.answer.rows().iter().flatten() {
                if let Some(leak) = leak(&value.text()) {
                    wrong(format!("LEAK of {leak} in the value {value:?}"));
                }
            }
        }
        if let Some(difference) = difference {
            wrong(format!("not what the projected database gives: {difference}"));
        }
        let harmless = !attack.denied() && want.is_none_or(|want| want.answer.error().is_none());
        match got.answer.error() {
            None if EMPTY.contains(&attack.id.as_str()) && got.answer.rows().is_empty() => {
                self.answered += 1;
            }
            None if attack.denied() => wrong("answered, but has to be denied".to_owned()),
            None if !harmless => wrong("answered, but PostgreSQL refuses it".to_owned()),
            Some((code, message)) if harmless => {
                if attack.class == "benign" && !self.may_refuse {
                    wrong(format!("refused, but has to be answered: {code} {message}"));
                }
                let what = format!("{code} {message}");
                self.refused.entry((attack.id.clone(), what)).or_default().insert(road);
            }
            None => self.answered += 1,
            Some(_) => {}
        }
    }

    pub(crate) fn refused(&self) -> String {
        let mut text = String::from(
            "Harmless statements of the corpus that are refused, with the roads and the error.\n\n",
        );
        for ((id, what), roads) in &self.refused {
            let roads: Vec<_> = roads.iter().copied().collect();
            text.push_str(&format!("{id} ({}): {what}\n", roads.join(", ")));
        }
        text
    }
}

/// What a projected answer and ours differ in.
fn differ(attack: &Attack, got: &Answer, want: &Answer) -> Option<String> {
    let id = attack.id.as_str();
    if attack.expected == "safe-result" {
        // The two servers tell of themselves: only canaries count.
        let values = got.rows().iter().flatten();
        return values.filter_map(|value| leak(&value.text())).next().map(str::to_owned);
    }
    let (got, want) = (got.rows(), want.rows());
    if COUNT.contains(&id) {
        return (got.len() != want.len()).then(|| "another number of rows".to_owned());
    }
    let ends = attack.sql.to_ascii_lowercase();
    let ordered = ends.contains("order by id limit") || ends.ends_with("order by mo");
    if WORDS.contains(&id) {
        return compare(&words(got), &words(want), ordered).err();
    }
    compare(got, want, ordered).err()
}

fn words(rows: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let sorted = |value: &Value| match value {
        Value::Text(text) => {
            let mut words: Vec<_> =
                text.trim_matches(['[', ']', '{', '}']).split(',').map(str::trim).collect();
            words.sort_unstable();
            Value::Text(words.join(","))
        }
        Value::Null | Value::Number(_) => value.clone(),
    };
    rows.iter().map(|row| row.iter().map(sorted).collect()).collect()
}

/// The canary in a text.
pub(crate) fn leak(text: &str) -> Option<&'static str> {
    // Incomes of the three tenants, an amount, and names of tenants that ana may not know.
    const CANARIES: &[&str] = &[
        "canary",
        "31337.31",
        "987654.01",
        "987654",
        "globex",
        "initech",
        "98700",
        "98701",
        "98702",
        "98703",
        "98704",
        "5550",
        "secret.test",
    ];
    let text = text.to_ascii_lowercase();
    CANARIES.iter().copied().find(|canary| text.contains(canary))
}

/// A value as text; of a number as many digits as all roads have.
fn rounded(value: &Value) -> String {
    match value {
        Value::Number(number) => format!("{}", (number * 1e6).round() / 1e6),
        Value::Null | Value::Text(_) => value.text(),
    }
}

/// A text without what the client itself said in its literals and quoted names.
fn without_literals(text: &str, sql: &str) -> String {
    let mut text = text.replace(sql, "");
    for literal in sql.split(['\'', '"', ' ', '(', ')', ',', ';']) {
        if literal.len() > 2 {
            text = text.replace(literal, "");
        }
    }
    text
}

async fn ask(client: &mut Client, road: Road, attack: &Attack) -> Answer {
    match road {
        "simple" => client.simple(&attack.sql).await,
        "extended" => client.extended(&attack.sql, &attack.parameters()).await,
        _ => client.portal(&attack.sql, &attack.parameters(), 3).await,
    }
}

/// Every statement over the roads of this process.
pub(crate) async fn rust_roads(
    dsn: &str,
    attacks: &[Attack],
    user: &str,
    projected: bool,
) -> Traces {
    let roads = ["simple", "extended", "portal"].map(|road| async move {
        let mut client = Client::connect(dsn).await.unwrap();
        let mut traces = Traces::new();
        for attack in attacks.iter().filter(|attack| !projected || !attack.denied()) {
            let mut answer = ask(&mut client, road, attack).await;
            // The client looks types up by a statement that it keeps, but the reset forgets.
            if projected && answer.error().is_some_and(|(code, _)| code == "26000") {
                client = Client::connect(dsn).await.unwrap();
                answer = ask(&mut client, road, attack).await;
            }
            let notices = client.take_notices();
            let broken = if projected { None } else { broken(&client, user).await };
            traces.insert((attack.id.clone(), road), Trace { answer, notices, broken });
            if !client.reset().await {
                client = Client::connect(dsn).await.unwrap();
            }
        }
        traces
    });
    futures::future::join_all(roads).await.into_iter().flatten().collect()
}

/// What is wrong with a session of ana's after a statement.
async fn broken(client: &Client, user: &str) -> Option<String> {
    let _ = client.simple("ROLLBACK").await;
    let answer = client.simple("SELECT 1, current_user, tenant_id FROM crm.tenants").await;
    let right =
        [vec![Value::Number(1.0), Value::Text(user.to_owned()), Value::Text("acme".to_owned())]];
    let same = answer.error().is_none() && compare(answer.rows(), &right, false).is_ok();
    (!same).then(|| format!("{answer:?}"))
}

/// Every statement over Flight SQL: as a statement, and prepared.
async fn flight_roads(gateway: &Running, attacks: &[Attack], user: &str) -> Traces {
    let roads = ["flight statement", "flight prepared"].map(|road| async move {
        let mut client = Flight::connect(gateway.flight, user, PASSWORD).await.unwrap();
        let mut traces = Traces::new();
        for attack in attacks {
            let columns = attack.parameters().into_iter().zip(1..).map(|(value, number)| {
                let array: ArrayRef = Arc::new(StringArray::from(vec![value.0]));
                (format!("${number}"), array)
            });
            let row = RecordBatch::try_from_iter(columns).ok().filter(|row| row.num_columns() > 0);
            // Only a prepared statement takes parameters.
            let result = match (road, row) {
                ("flight statement", None) => client.statement(&attack.sql).await,
                (_, row) => client.prepared(&attack.sql, row).await,
            };
            let alive = client.statement("SELECT tenant_id, current_user FROM crm.tenants").await;
            let right = [vec![Value::Text("acme".to_owned()), Value::Text(user.to_owned())]];
            let broken = match alive {
                Ok(rows) if rows.values() == right => None,
                alive => Some(format!("{alive:?}")),
            };
            let trace = Trace { answer: answer(result), notices: Vec::new(), broken };
            traces.insert((attack.id.clone(), road), trace);
        }
        traces
    });
    futures::future::join_all(roads).await.into_iter().flatten().collect()
}

#[derive(Deserialize)]
struct Line {
    id: String,
    binary: bool,
    columns: Vec<(String, u32)>,
    rows: Vec<Vec<Option<String>>>,
    error: Option<BTreeMap<String, String>>,
    notices: Vec<String>,
    alive: String,
}

/// Every statement over psycopg.
async fn python_roads(dsn: &str, attacks: &[Attack], user: &str, projected: bool) -> Traces {
    let input: String = attacks
        .iter()
        .filter(|attack| !projected || !attack.denied())
        .map(|attack| {
            let parameters: Vec<_> =
                attack.parameters().iter().map(|parameter| parameter.0).collect();
            let line = serde_json::json!({
                "id": attack.id, "sql": attack.sql, "parameters": parameters,
            });
            format!("{line}\n")
        })
        .collect();
    let output = python::run("roads.py", &[dsn], &input).await;
    assert!(output.status.success(), "roads.py: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let line: Line = serde_json::from_str(line).unwrap();
            let road = if line.binary { "psycopg binary" } else { "psycopg text" };
            let broken = (line.alive != user).then(|| line.alive.clone());
            let trace = Trace { answer: line.answer(), notices: line.notices, broken };
            ((line.id, road), trace)
        })
        .collect()
}

impl Line {
    fn answer(&self) -> Answer {
        if let Some(error) = &self.error {
            let names =
                ["code", "message", "severity", "detail", "hint", "where", "schema", "table"];
            let mut fields: Fields = names
                .into_iter()
                .filter_map(|name| Some((name, error.get(name)?.clone())))
                .collect();
            fields.entry("code").or_default();
            fields.entry("message").or_default();
            return Answer::Error { fields, before: Vec::new() };
        }
        let value = |(value, column): (&Option<String>, &(String, u32))| match value {
            None => Value::Null,
            Some(hex) => {
                let raw: Vec<u8> = (0..hex.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                    .collect();
                if self.binary {
                    Value::from_binary(column.1, &raw)
                } else {
                    Value::from_text(Some(std::str::from_utf8(&raw).unwrap()))
                }
            }
        };
        Answer::Rows {
            columns: self.columns.iter().map(|(name, _)| name.clone()).collect(),
            rows: self
                .rows
                .iter()
                .map(|row| row.iter().zip(&self.columns).map(value).collect())
                .collect(),
        }
    }
}

/// Bob of another tenant comes first: whatever the gateway keeps of his queries is none of ana's.
async fn warm_up(world: &World, attacks: &[Attack]) {
    let bob = world.gateway.connect("bob").await;
    for attack in attacks.iter().filter(|attack| attack.class == "protocol-cache") {
        let _ = bob.extended(&attack.sql, &attack.parameters()).await;
    }
    let answer = bob.simple("SELECT DISTINCT tenant_id FROM crm.customers").await;
    assert_eq!(answer.rows(), [[Value::Text("globex".to_owned())]], "{answer:?}");
}

/// Sends the corpus over a gateway whose warehouse takes texts, and judges by the projected database.
/// What is refused there stands in the golden file.
pub(crate) async fn judge_text(
    gateway: &Running,
    world: &World,
    mut findings: Findings,
    golden: &str,
) {
    let attacks = Attack::read();
    let got = rust_roads(&gateway.dsn("ana"), &attacks, "ana", false).await;
    let want = rust_roads(&world.postgres.dsn("projected"), &attacks, "postgres", true).await;
    for attack in &attacks {
        for road in ["simple", "extended", "portal"] {
            let key = (attack.id.clone(), road);
            findings.judge(attack, road, &got[&key], want.get(&key));
        }
    }
    let wrong = &findings.wrong;
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    println!("{} right answers", findings.answered);
    harness::golden(golden, &findings.refused());
}

/// What PostgreSQL gives for the statement's twin, if it has one: as text, or binary.
async fn twin(projected: &Client, attack: &Attack, binary: bool) -> Option<Trace> {
    let (_, sql) = TWINS.iter().find(|(id, _)| *id == attack.id)?;
    let answer = match binary {
        true => projected.extended(sql, &[]).await,
        false => projected.simple(sql).await,
    };
    assert_eq!(answer.error(), None, "{sql}");
    Some(Trace { answer, notices: Vec::new(), broken: None })
}

/// Sends the part of the corpus that is in Snowflake's dialect, and judges what is answered by its
/// twins over the projected database.
pub(crate) async fn judge_dialect(gateway: &Running, world: &World, golden: &str) {
    let attacks = Attack::of(DIALECT);
    assert!(attacks.len() > 50, "the corpus has shrunk to {} statements", attacks.len());
    let dsn = format!("{} options='-c tollgate.dialect=snowflake'", gateway.dsn("ana"));
    let got = rust_roads(&dsn, &attacks, "ana", false).await;
    let projected = world.postgres.connect("projected").await;
    let mut findings = Findings::lenient();
    for attack in &attacks {
        for road in ["simple", "extended", "portal"] {
            let want = twin(&projected, attack, road != "simple").await;
            let trace = &got[&(attack.id.clone(), road)];
            findings.judge(attack, road, trace, want.as_ref());
            if want.is_none() && trace.answer.error().is_none() {
                let place = format!("{} by {road}: {}", attack.id, attack.sql);
                findings.wrong.push(format!("{place}\n    answered, but it has no twin"));
            }
        }
    }
    let wrong = &findings.wrong;
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    assert!(findings.answered >= 6, "{} right answers", findings.answered);
    harness::golden(golden, &findings.refused());
}

#[test]
fn no_attack_in_the_other_dialect_gets_past_the_gateway() {
    harness::run(async {
        let world = harness::world().await;
        judge_dialect(&world.gateway, world, "attacks/refused_dialect.txt").await;
    });
}

#[test]
fn no_attack_gets_past_the_gateway() {
    harness::run(async {
        let world = harness::world().await;
        let attacks = Attack::read();
        warm_up(world, &attacks).await;
        let (ana, projected) = (world.gateway.dsn("ana"), world.postgres.dsn("projected"));
        let mut got = rust_roads(&ana, &attacks, "ana", false).await;
        got.append(&mut python_roads(&ana, &attacks, "ana", false).await);
        got.append(&mut flight_roads(&world.gateway, &attacks, "ana").await);
        let mut want = rust_roads(&projected, &attacks, "postgres", true).await;
        want.append(&mut python_roads(&projected, &attacks, "postgres", true).await);

        let mut findings = Findings::default();
        let postgres = world.postgres.connect("projected").await;
        for attack in &attacks {
            let twin = twin(&postgres, attack, false).await;
            // Each with the road on which PostgreSQL says what is right.
            for (road, measure) in [
                ("simple", "simple"),
                ("extended", "extended"),
                ("portal", "portal"),
                ("psycopg text", "psycopg text"),
                ("psycopg binary", "psycopg binary"),
                ("flight statement", "psycopg text"),
                ("flight prepared", "psycopg text"),
            ] {
                if road.starts_with("flight") && SESSION.contains(&attack.id.as_str()) {
                    continue;
                }
                let key = (attack.id.clone(), road);
                let Some(trace) = got.get(&key) else {
                    findings.wrong.push(format!("{} by {road}: no answer", attack.id));
                    continue;
                };
                let want = twin.as_ref().or(want.get(&(attack.id.clone(), measure)));
                findings.judge(attack, road, trace, want);
            }
        }
        let wrong = &findings.wrong;
        assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
        println!(
            "{} right answers, {} kinds of refusals",
            findings.answered,
            findings.refused.len()
        );
        harness::golden("attacks/refused.txt", &findings.refused());
    });
}

/// Whatever the corpus asks of a table that answers in aggregates only: nothing that is to be denied is
/// answered, no answer or error holds a canary, and what is released is the same on all roads.
#[test]
fn aggregate_only_tables_withstand_the_corpus() {
    harness::run(async {
        let world = harness::world().await;
        let audit = world.postgres.scratch("aggregate audit").join("audit.jsonl");
        let policies =
            ["policy/corpus/roles.sql", "policy/corpus/crm.sql", "aggregates/visits.sql"];
        let gateway = start_with(&world.folder, &audit, &policies).await;
        let about = Attack::all().into_iter().filter(|attack| attack.sql.contains("health."));
        let (dialect, attacks): (Vec<_>, Vec<_>) =
            about.partition(|attack| attack.dialect == "snowflake");
        assert!(attacks.len() >= 80 && dialect.len() > 15, "{} {}", attacks.len(), dialect.len());
        let ana = gateway.dsn("ana");
        let other = format!("{ana} options='-c tollgate.dialect=snowflake'");
        let mut got = rust_roads(&ana, &attacks, "ana", false).await;
        got.append(&mut python_roads(&ana, &attacks, "ana", false).await);
        got.append(&mut flight_roads(&gateway, &attacks, "ana").await);
        got.append(&mut rust_roads(&other, &dialect, "ana", false).await);

        let mut wrong = Vec::new();
        let mut released: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let all: BTreeMap<&str, &Attack> =
            attacks.iter().chain(&dialect).map(|attack| (attack.id.as_str(), attack)).collect();
        for ((id, road), trace) in &got {
            let attack = all[id.as_str()];
            let mut found =
                |what: String| wrong.push(format!("{id} by {road}: {}\n    {what}", attack.sql));
            if let Some(broken) = &trace.broken {
                found(format!("the session is broken afterwards: {broken}"));
            }
            let texts: Vec<String> = match &trace.answer {
                Answer::Error { fields, .. } => fields.values().cloned().collect(),
                answer => answer.rows().iter().flatten().map(Value::text).collect(),
            };
            for text in texts.iter().chain(&trace.notices) {
                if let Some(leak) = leak(&without_literals(text, &attack.sql)) {
                    found(format!("LEAK of {leak} in {text}"));
                }
            }
            match (trace.answer.error(), attack.expected.as_str()) {
                (None, "deny") => found(format!("answered: {:?}", trace.answer.rows())),
                (Some(_), "deny") => {}
                (None, _) => {
                    let mut rows: Vec<String> = trace
                        .answer
                        .rows()
                        .iter()
                        .map(|row| row.iter().map(rounded).collect::<Vec<_>>().join(" | "))
                        .collect();
                    rows.sort();
                    released.entry(attack.id.as_str()).or_default().insert(rows.join("\n  "));
                }
                (Some((code, message)), _) => {
                    let what = format!("{code} {message}");
                    released.entry(attack.id.as_str()).or_default().insert(what);
                }
            }
        }
        assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
        let mut text = String::new();
        for (id, answers) in released {
            assert_eq!(answers.len(), 1, "{id} differs between roads: {answers:#?}");
            text.push_str(&format!("{id} {}\n  {}\n", all[id].sql, answers.first().unwrap()));
        }
        harness::golden("aggregates/corpus.txt", &text);
    });
}

/// The owner, whom no policy restricts, sees what PostgreSQL's owner sees.
#[test]
fn without_policies_nothing_is_withheld() {
    harness::run(async {
        let world = harness::world().await;
        let root = world.gateway.connect("root").await;
        let full = world.postgres.connect("full").await;
        for sql in [
            "SELECT * FROM crm.customers ORDER BY id",
            "SELECT * FROM crm.orders ORDER BY id",
            "SELECT * FROM crm.tenants ORDER BY tenant_id",
            "SELECT * FROM health.visits ORDER BY id",
            "SELECT * FROM hr.salaries ORDER BY employee_id",
        ] {
            for (got, want) in [
                (root.simple(sql).await, full.simple(sql).await),
                (root.extended(sql, &[]).await, full.extended(sql, &[]).await),
            ] {
                assert_eq!(got.error(), None, "{sql}");
                compare(got.rows(), want.rows(), true)
                    .unwrap_or_else(|difference| panic!("{sql}: {difference}"));
            }
        }
    });
}
