//! Tables that answer in aggregates only: what is released is what a small evaluator of the rule releases, at
//! every warehouse, and whatever else is asked is refused.

mod asked;
mod composed;
mod leaks;
mod neighbours;

use std::collections::{BTreeMap, BTreeSet};

use crate::generator::Random;
use crate::harness::client::Client;
use crate::harness::postgres::Postgres;
use crate::harness::three::Three;
use crate::harness::value::{Value, compare};
use crate::harness::{self, case, data};

/// The rule of `aggregates/policies.sql`.
const LEAST: usize = 5;
const SHARE: f64 = 0.5;

/// A visit with its customer, if ana sees that one: dimensions by name, and the cost.
struct Visit {
    patient: Option<i64>,
    dimensions: BTreeMap<&'static str, Option<String>>,
    cost: Option<f64>,
}

/// Names of dimensions, and how statements spell them.
const DIMENSIONS: [(&str, &str); 6] = [
    ("clinic", "v.clinic"),
    ("diagnosis", "v.diagnosis"),
    ("month", "date_trunc('month', v.visited_on)"),
    ("country", "c.country"),
    ("city", "c.city"),
    ("year", "date_trunc('year', c.birth_date)"),
];

/// A condition: its text, and for which values of a dimension it holds; a list's values one by one.
#[derive(Clone)]
struct Condition {
    dimension: &'static str,
    sql: String,
    holds: Holds,
    elements: Vec<String>,
}

#[derive(Clone)]
enum Holds {
    In(BTreeSet<String>),
    IsNull(bool),
    From(String),
    Before(String),
}

impl Condition {
    fn holds(&self, visit: &Visit) -> bool {
        let value = visit.dimensions.get(self.dimension).and_then(Option::as_ref);
        match (&self.holds, value) {
            (Holds::IsNull(null), value) => value.is_none() == *null,
            (Holds::In(values), Some(value)) => values.contains(value),
            (Holds::From(first), Some(value)) => value >= first,
            (Holds::Before(end), Some(value)) => value < end,
            (Holds::In(_) | Holds::From(_) | Holds::Before(_), None) => false,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Function {
    Rows,
    Costs,
    Diagnoses,
    Patients,
    Sum,
    Average,
}

#[derive(Clone)]
struct Cell {
    function: Function,
    filter: Vec<Condition>,
}

struct Question {
    /// Whether customers are joined, and whether visits without one stay.
    join: Option<bool>,
    keys: Vec<&'static str>,
    conditions: Vec<Condition>,
    cells: Vec<Cell>,
}

fn all(conditions: &[Condition]) -> String {
    conditions.iter().map(|one| one.sql.as_str()).collect::<Vec<_>>().join(" AND ")
}

impl Question {
    fn random(random: &mut Random) -> Question {
        let join = [None, None, Some(false), Some(true)][random.below(4)];
        let dimensions = if join.is_some() { 6 } else { 3 };
        let mut keys: Vec<_> = DIMENSIONS[..dimensions].iter().map(|(name, _)| *name).collect();
        while keys.len() > 2 || (!keys.is_empty() && random.below(3) == 0) {
            keys.remove(random.below(keys.len()));
        }
        let condition = |random: &mut Random| condition(random, dimensions);
        let conditions = (0..random.below(4)).map(|_| condition(random)).collect();
        let functions = [
            Function::Rows,
            Function::Costs,
            Function::Diagnoses,
            Function::Patients,
            Function::Sum,
            Function::Average,
        ];
        let cells = (0..1 + random.below(3))
            .map(|_| Cell {
                function: functions[random.below(functions.len())],
                filter: (0..random.below(5).saturating_sub(2)).map(|_| condition(random)).collect(),
            })
            .collect();
        Question { join, keys, conditions, cells }
    }

    fn sql(&self) -> String {
        let spelled = |name: &str| DIMENSIONS.iter().find(|(known, _)| *known == name).unwrap().1;
        let keys: Vec<&str> = self.keys.iter().map(|key| spelled(key)).collect();
        let cells = self.cells.iter().map(|cell| {
            let call = match cell.function {
                Function::Rows => "count(*)",
                Function::Costs => "count(v.cost)",
                Function::Diagnoses => "count(DISTINCT v.diagnosis)",
                Function::Patients => "count(DISTINCT v.patient_id)",
                Function::Sum => "sum(v.cost)",
                Function::Average => "avg(v.cost)",
            };
            if cell.filter.is_empty() {
                return call.to_owned();
            }
            format!("{call} FILTER (WHERE {})", all(&cell.filter))
        });
        let items: Vec<String> = keys.iter().map(|key| (*key).to_owned()).chain(cells).collect();
        let mut sql = format!("SELECT {} FROM health.visits v", items.join(", "));
        match self.join {
            None => {}
            Some(false) => sql.push_str(" JOIN crm.customers c ON c.id = v.patient_id"),
            Some(true) => sql.push_str(" LEFT JOIN crm.customers c ON c.id = v.patient_id"),
        }
        if !self.conditions.is_empty() {
            sql.push_str(&format!(" WHERE {}", all(&self.conditions)));
        }
        if !keys.is_empty() {
            sql.push_str(&format!(" GROUP BY {}", keys.join(", ")));
        }
        sql
    }

    /// What is released.
    fn answer(&self, visits: &[Visit]) -> Vec<Vec<Value>> {
        let rows = visits.iter().filter(|visit| visit.patient.is_some());
        // That a visit has a customer is a condition of a join that leaves out the others.
        let joined = (self.join == Some(false)).then(|| Condition {
            dimension: "customer",
            sql: String::new(),
            holds: Holds::IsNull(false),
            elements: Vec::new(),
        });
        let conditions: Vec<Condition> =
            joined.into_iter().chain(self.conditions.clone()).collect();
        let mut groups: BTreeMap<Vec<Option<String>>, Vec<&Visit>> = BTreeMap::new();
        if self.keys.is_empty() {
            groups.insert(Vec::new(), Vec::new());
        }
        for row in rows {
            let key = self.keys.iter().map(|key| row.dimensions[key].clone()).collect();
            groups.entry(key).or_default().push(row);
        }
        let mut released = Vec::new();
        for (key, rows) in groups {
            if !self.keys.is_empty() && !enough(&rows, &conditions, |_| true) {
                continue;
            }
            let key = key.iter().map(|value| Value::from_text(value.as_deref()));
            let cells = self.cells.iter().map(|cell| cell.value(&rows, &conditions));
            released.push(key.chain(cells).collect());
        }
        released
    }
}

/// Whether at least `LEAST` patients are in a group, and no choice of conditions decides about fewer.
fn enough(rows: &[&Visit], conditions: &[Condition], counts: impl Fn(&Visit) -> bool) -> bool {
    let patients = |chosen: &dyn Fn(&Visit) -> bool| {
        rows.iter().filter(|row| chosen(row)).map(|row| row.patient).collect::<BTreeSet<_>>().len()
    };
    let meets = |row: &Visit, but: &dyn Fn(usize) -> bool| {
        conditions.iter().enumerate().all(|(index, one)| but(index) || one.holds(row))
    };
    let some_or_none = |chosen: &dyn Fn(&Visit) -> bool| {
        let fine = |count: usize| count == 0 || count >= LEAST;
        fine(patients(chosen)) && fine(patients(&|row| chosen(row) && counts(row)))
    };
    let singled_out = (1..1_usize << conditions.len()).any(|set| {
        let inside = |index: usize| set >> index & 1 == 1;
        !some_or_none(&|row| meets(row, &inside) && !meets(row, &|_| false))
    });
    let listed = conditions.iter().enumerate().any(|(index, one)| {
        one.elements.iter().any(|element| {
            !some_or_none(&|row| {
                meets(row, &|other| other == index)
                    && row.dimensions[one.dimension].as_ref() == Some(element)
            })
        })
    });
    patients(&|row| meets(row, &|_| false) && counts(row)) >= LEAST && !singled_out && !listed
}

impl Cell {
    fn value(&self, rows: &[&Visit], conditions: &[Condition]) -> Value {
        let conditions = [conditions, &self.filter].concat();
        let counts = |row: &Visit| match self.function {
            Function::Rows | Function::Patients => true,
            Function::Diagnoses => row.dimensions["diagnosis"].is_some(),
            Function::Costs | Function::Sum | Function::Average => row.cost.is_some(),
        };
        if !enough(rows, &conditions, counts) {
            return Value::Null;
        }
        let rows: Vec<&&Visit> = rows
            .iter()
            .filter(|row| conditions.iter().all(|one| one.holds(row)) && counts(row))
            .collect();
        let number = |count: usize| Value::Number(count as f64);
        match self.function {
            Function::Rows | Function::Costs => number(rows.len()),
            Function::Diagnoses => {
                let all: BTreeSet<_> =
                    rows.iter().map(|row| &row.dimensions["diagnosis"]).collect();
                number(all.len())
            }
            Function::Patients => {
                number(rows.iter().map(|row| row.patient).collect::<BTreeSet<_>>().len())
            }
            Function::Sum | Function::Average => {
                let mut shares: BTreeMap<Option<i64>, f64> = BTreeMap::new();
                for row in &rows {
                    *shares.entry(row.patient).or_default() += row.cost.unwrap();
                }
                let sizes = || shares.values().map(|share| share.abs());
                if sizes().fold(0.0, f64::max) > SHARE * sizes().sum::<f64>() {
                    return Value::Null;
                }
                let sum: f64 = rows.iter().map(|row| row.cost.unwrap()).sum();
                let count = if self.function == Function::Sum { 1.0 } else { rows.len() as f64 };
                Value::Number(sum / count)
            }
        }
    }
}

fn condition(random: &mut Random, dimensions: usize) -> Condition {
    let month = |random: &mut Random| format!("2025-{:02}-01", 1 + random.below(8));
    let (dimension, spelled) = DIMENSIONS[random.below(dimensions)];
    let values: &[&str] = match dimension {
        "clinic" => &["N", "S", "A", "B", "Z", "Y", "X", "W", "H", "Q", "none"],
        "diagnosis" => &["flu", "asthma", "injury", "rare", "hiv", "CANARY_DX"],
        "country" => &["US", "DE", "FR", "GB"],
        "city" => &["Boston", "Berlin", "Paris", "Lyon"],
        "month" => {
            let text = month(random);
            let (sql, holds) = match random.below(4) {
                0 => (format!("v.visited_on >= DATE '{text}'"), Holds::From(text)),
                1 => (format!("v.visited_on < DATE '{text}'"), Holds::Before(text)),
                2 => (format!("{spelled} >= '{text}'"), Holds::From(text)),
                _ => (format!("{spelled} = '{text}'"), Holds::In(BTreeSet::from([text]))),
            };
            return Condition { dimension, sql, holds, elements: Vec::new() };
        }
        _ => {
            let text = format!("{}-01-01", 1960 + random.below(16));
            let sql = format!("c.birth_date >= DATE '{text}'");
            return Condition { dimension, sql, holds: Holds::From(text), elements: Vec::new() };
        }
    };
    match random.below(6) {
        0 => {
            let null = random.below(2) == 0;
            let sql = format!("{spelled} IS {}NULL", if null { "" } else { "NOT " });
            Condition { dimension, sql, holds: Holds::IsNull(null), elements: Vec::new() }
        }
        1 | 2 => {
            let value = values[random.below(values.len())];
            let sql = format!("{spelled} = '{value}'");
            let holds = Holds::In(BTreeSet::from([value.to_owned()]));
            Condition { dimension, sql, holds, elements: Vec::new() }
        }
        _ => {
            let mut list: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            let most = 1 + random.below(list.len());
            while list.len() > most {
                list.remove(random.below(list.len()));
            }
            let sql = format!("{spelled} IN ('{}')", list.join("', '"));
            let holds = Holds::In(list.iter().cloned().collect());
            Condition { dimension, sql, holds, elements: list }
        }
    }
}

/// All visits as ana's customers stand beside them.
async fn visits(whole: &Client) -> Vec<Visit> {
    let sql = "SELECT v.patient_id, v.clinic, v.diagnosis, date_trunc('month', v.visited_on)::date, \
               v.cost, c.id, c.country, c.city, date_trunc('year', c.birth_date)::date \
               FROM health.visits v LEFT JOIN crm.customers c \
               ON c.id = v.patient_id AND c.tenant_id = 'acme'";
    let answer = whole.simple(sql).await;
    assert_eq!(answer.error(), None);
    let text = |value: &Value| match value {
        Value::Null => None,
        value => Some(value.text()),
    };
    let number = |value: &Value| match value {
        Value::Number(number) => Some(*number),
        Value::Null | Value::Text(_) => None,
    };
    let visit = |row: &Vec<Value>| Visit {
        patient: number(&row[0]).map(|id| id as i64),
        dimensions: [
            ("clinic", 1),
            ("diagnosis", 2),
            ("month", 3),
            ("customer", 5),
            ("country", 6),
            ("city", 7),
            ("year", 8),
        ]
        .map(|(name, at)| (name, text(&row[at])))
        .into(),
        cost: number(&row[4]),
    };
    answer.rows().iter().map(visit).collect()
}

/// Days for moments at midnight: types of `date_trunc` differ, what they say doesn't.
fn days(rows: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let day = |value: &Value| match value {
        Value::Text(text) => match text.split_once(" 00:00:00") {
            Some((day, _)) => Value::Text(day.to_owned()),
            None => value.clone(),
        },
        Value::Null | Value::Number(_) => value.clone(),
    };
    rows.iter().map(|row| row.iter().map(day).collect()).collect()
}

#[test]
fn what_is_released_is_what_the_rule_releases_at_three_warehouses() {
    harness::run(async {
        let postgres = Postgres::shared().await;
        let setup = [case("attacks/schema.sql"), case("aggregates/more.sql")];
        let whole = postgres.create("aggregates", &[&setup[0], &setup[1]]).await;
        let visits = visits(&whole).await;
        let folder = postgres.scratch("aggregates data");
        data::export(&whole, &folder).await;
        let policies = ["aggregates/policies.sql"];
        let schemas = ["crm", "health"];
        let three = Three::start(&folder, "aggregates", &schemas, &policies).await;

        let count: usize = std::env::var("AGGREGATES").map_or(300, |text| text.parse().unwrap());
        let mut random = Random::new(5);
        let (mut wrong, mut told, mut hidden) = (Vec::new(), 0, 0);
        for number in 0..count {
            let question = Question::random(&mut random);
            let (sql, want) = (question.sql(), question.answer(&visits));
            for value in want.iter().flatten() {
                *(if *value == Value::Null { &mut hidden } else { &mut told }) += 1;
            }
            for (road, client) in three.roads() {
                // The emulator takes a second for each.
                if *road == "snowflake" && number % 6 != 0 {
                    continue;
                }
                let answer = client.simple(&sql).await;
                let what = match answer.error() {
                    Some(error) => Some(format!("{error:?}")),
                    None => compare(&days(answer.rows()), &want, false).err(),
                };
                if let Some(what) = what {
                    let what = three.said().filter(|_| *road == "snowflake").unwrap_or(what);
                    wrong.push(format!("{road}: {sql}\n    {what}"));
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {count}:\n{}",
            wrong.len(),
            wrong[..wrong.len().min(6)].join("\n")
        );
        assert!(told > count / 2 && hidden > count / 4, "{told} values, {hidden} NULLs");
    });
}
