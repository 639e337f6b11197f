//! The statements that fuzzing starts from: the attack corpus and what real clients send, with the
//! hidden names of the corpus changed to those of the fuzzed world; and what fuzzing has found.

use std::path::Path;

/// The word of the corpus, and that of the fuzzed world.
const HIDDEN: &[(&str, &str)] = &[
    ("income", "hidden_income"),
    ("hr", "hidden_hr"),
    ("salaries", "hidden_salaries"),
    ("salary", "hidden_salary"),
    ("health", "hidden_health"),
    ("visits", "hidden_visits"),
    ("diagnosis", "hidden_diagnosis"),
];

/// All seeds; `cases` is the folder of test cases.
///
/// # Panics
/// A file is missing or isn't what it should be.
pub fn read(cases: &Path) -> Vec<String> {
    let read = |name: &str| {
        std::fs::read_to_string(cases.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let mut seeds = Vec::new();
    for name in ["attacks/attacks.jsonl", "attacks/benign.jsonl"] {
        for line in read(name).lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            seeds.push(renamed(case["sql"].as_str().unwrap()));
        }
    }
    for name in ["psql", "psycopg", "asyncpg", "sqlalchemy", "pgjdbc"] {
        seeds.extend(statements(&read(&format!("clients/{name}.sql"))));
    }
    let barrier = read("attacks/barrier.sql");
    seeds.extend(barrier.lines().filter(|line| !line.starts_with("-- ")).map(renamed));
    seeds.extend(statements(&read("fuzz/secure.sql")));
    // Statements in Snowflake's dialect.
    for name in ["snowflake.txt", "barrier.txt", "hidden.sql", "attacks.sql", "unknown.sql"] {
        let text = read(&format!("dialect/{name}"));
        let lines = text.lines().filter(|line| !line.is_empty());
        let lines = lines.filter(|line| !line.starts_with("-- ") && !line.starts_with("# "));
        let named = |line: &str| {
            let line = line.replace("{column}", "income").replace("{table}", "hr.salaries");
            line.replace("{COLUMN}", "INCOME").replace("{TABLE}", "HR.SALARIES")
        };
        seeds.extend(lines.map(|line| renamed(&named(line))));
    }
    seeds
}

/// The statements of a file: each ends with a `;` alone on its line.
fn statements(text: &str) -> impl Iterator<Item = String> + '_ {
    let body = |part: &str| {
        let lines = part.trim().lines().filter(|line| !line.starts_with("-- "));
        lines.collect::<Vec<_>>().join("\n")
    };
    text.split("\n;\n").map(body).filter(|sql| !sql.is_empty())
}

fn renamed(sql: &str) -> String {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    for part in sql.split_inclusive(|c: char| !word(c)) {
        let name = part.trim_end_matches(|c: char| !word(c));
        let new = HIDDEN.iter().find(|(old, _)| old.eq_ignore_ascii_case(name));
        out.push_str(new.map_or(name, |(_, new)| new));
        out.push_str(&part[name.len()..]);
    }
    out
}
