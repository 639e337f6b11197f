//! `tollgate test`: the tests that stand beside the policies, run as a client's statements are.

use std::fmt::Write as _;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_identity::Asker;
use tollgate_policy::explain::RuleExplanation;
use tollgate_policy::{Expectation, FunctionSource, PolicyTest};

use super::rehearse::{Row, Stage};
use super::{runtime, text};
use crate::load::{self, Loaded};

/// How many rows more than expected are read: a test that meets them has failed.
const SURPLUS: usize = 1_000;
/// How many missing and how many unexpected rows are printed.
const SHOWN: usize = 20;
/// The longest statement that is printed whole, in characters.
const LONGEST: usize = 100;

/// What `tollgate test` is told.
#[derive(Args)]
pub(super) struct Options {
    /// The configuration file
    #[arg(long, default_value = "tollgate.toml")]
    config: PathBuf,
    /// Run only tests whose place, user or statement holds this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// A folder of data to run over, instead of the configuration's; nothing is recorded then
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// Runs the tests; an error if one failed.
pub(super) fn run(options: &Options, out: &mut dyn Write) -> Result<(), String> {
    let loaded = load::load_over(&options.config, options.data.as_deref()).map_err(text)?;
    let stage = Stage::new(&loaded, options.data.is_none())?;
    let unwritable = |error| format!("error: could not write: {error}");
    let (mut run, mut failed) = (0_u64, 0_u64);
    let runtime = runtime()?;
    for test in loaded.bundle.tests().iter().filter(|test| is_meant(test, options)) {
        run += 1;
        let title = format!("{}:{}  {}: {}", test.file, test.line, test.user, short(&test.sql));
        match runtime.block_on(check(&loaded, &stage, test)) {
            None => {
                writeln!(out, "ok      {title}").map_err(unwritable)?;
                for rule in switched_off(&stage, test) {
                    writeln!(out, "        not met: {rule}").map_err(unwritable)?;
                }
            }
            Some(problem) => {
                failed += 1;
                writeln!(out, "FAILED  {title}").map_err(unwritable)?;
                for line in problem.lines() {
                    writeln!(out, "        {line}").map_err(unwritable)?;
                }
            }
        }
    }
    writeln!(out, "{run} tests, {failed} failed ({})", stage.recorded).map_err(unwritable)?;
    match (run, failed) {
        (0, _) => {
            Err("error: there are no such tests\n  hint: write TEST POLICY statements beside \
                       the policies, or correct --filter"
                .to_owned())
        }
        (_, 0) => Ok(()),
        (_, failed) => Err(format!("error: {failed} of {run} tests failed")),
    }
}

fn is_meant(test: &PolicyTest, options: &Options) -> bool {
    options.filter.as_ref().is_none_or(|filter| {
        format!("{}:{} {} {}", test.file, test.line, test.user, test.sql).contains(filter)
    })
}

/// A statement in one line.
fn short(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        None => line,
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
    }
}

/// Who asks.
fn asker(test: &PolicyTest) -> Asker {
    Asker {
        name: test.user.clone(),
        attributes: test.attributes.clone(),
        roles: test.roles.as_ref().map(|roles| roles.iter().cloned().collect()),
        address: test.address.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        mfa: test.mfa,
        purpose: test.purpose.clone(),
    }
}

/// The access rules that somebody who is denied doesn't meet: a role that is off might see it.
fn switched_off(stage: &Stage, test: &PolicyTest) -> Vec<String> {
    match test.expect {
        Expectation::Denied => unmet(stage, &asker(test)),
        Expectation::NoAccess | Expectation::Rows(_) => Vec::new(),
    }
}

/// The access rules that aren't met.
fn unmet(stage: &Stage, asker: &Asker) -> Vec<String> {
    let who = stage.principal(asker).and_then(|principal| stage.gateway().who(&principal));
    let rules = who.iter().flat_map(|who| &who.access_rules).filter(|rule| !rule.met);
    rules.map(RuleExplanation::says).collect()
}

/// Runs a test, and says what is wrong.
async fn check(loaded: &Loaded, stage: &Stage, test: &PolicyTest) -> Option<String> {
    let asker = asker(test);
    let limit = match &test.expect {
        Expectation::Denied | Expectation::NoAccess => 1,
        Expectation::Rows(rows) => rows.len().saturating_add(SURPLUS),
    };
    match (&test.expect, stage.rows(&asker, &test.sql, limit).await) {
        (Expectation::Denied, Ok(_)) => Some("expected to be denied, but it runs".to_owned()),
        (Expectation::NoAccess, Ok(_)) => Some("expected no access, but it runs".to_owned()),
        (Expectation::NoAccess, Err(error)) => match error.kind() {
            ErrorKind::InvalidAuthorization => None,
            kind => Some(format!(
                "expected no access, but a role is active, and it fails for another reason: {} \
                 {error}",
                kind.sqlstate()
            )),
        },
        (Expectation::Denied | Expectation::Rows(_), Err(error))
            if error.kind() == ErrorKind::InvalidAuthorization =>
        {
            Some(no_role(stage, &asker))
        }
        (Expectation::Denied, Err(error)) => not_denied(loaded, test, &error),
        (Expectation::Rows(_), Err(error)) => {
            Some(format!("expected rows, but it fails: {} {error}", error.kind().sqlstate()))
        }
        (Expectation::Rows(expected), Ok(found)) => {
            let mut difference = difference(expected, found.rows)?;
            if found.cut {
                let _ = write!(difference, "\nthere are more rows, which were not read");
            }
            Some(difference)
        }
    }
}

/// Why nothing can be said about what the user would see: no statement runs at all.
fn no_role(stage: &Stage, asker: &Asker) -> String {
    let mut text =
        "no role is active, so that every statement is refused, whatever it asks".to_owned();
    for rule in unmet(stage, asker) {
        // Writing to a String can't fail.
        let _ = write!(text, "\nnot met: {rule}");
    }
    text + "\nhint: say FROM 'address', MFA or PURPOSE 'purpose' behind the user, as the rules demand, \
            or EXPECT NO ACCESS if this is meant"
}

/// Why a failure is no denial. What is hidden fails like what is missing, so a name that is spelled
/// wrong would pass for a secret that is kept: the statement must make sense to who sees everything.
fn not_denied(loaded: &Loaded, test: &PolicyTest, error: &Error) -> Option<String> {
    match error.kind() {
        ErrorKind::InsufficientPrivilege | ErrorKind::ReadOnly => None,
        ErrorKind::UndefinedTable | ErrorKind::UndefinedColumn => {
            let catalog = loaded.bundle.catalog(&Arc::clone(&loaded.snapshot));
            let everything = loaded.registry.view(&test.sql, &catalog).err()?;
            matches!(
                everything.kind(),
                ErrorKind::UndefinedTable | ErrorKind::UndefinedColumn | ErrorKind::Syntax
            )
            .then(|| format!("denied, but it would be so to everyone: {everything}"))
        }
        kind => Some(format!(
            "expected to be denied, but it fails for another reason: {} {error}",
            kind.sqlstate()
        )),
    }
}

/// What differs between rows in any order; `None` if nothing does.
fn difference(expected: &[Row], mut found: Vec<Row>) -> Option<String> {
    let mut missing = Vec::new();
    for row in expected {
        match found.iter().position(|other| other == row) {
            Some(at) => {
                found.swap_remove(at);
            }
            None => missing.push(row.clone()),
        }
    }
    if missing.is_empty() && found.is_empty() {
        return None;
    }
    found.sort();
    let mut lines = Vec::new();
    for (sign, rows) in [("-", &missing), ("+", &found)] {
        lines.extend(rows.iter().take(SHOWN).map(|row| format!("{sign} {}", line(row))));
        if let Some(more @ 1..) = rows.len().checked_sub(SHOWN) {
            lines.push(format!("{sign} and {more} more"));
        }
    }
    Some(lines.join("\n"))
}

/// A row as EXPECT ROWS would have it.
pub(super) fn line(row: &Row) -> String {
    let values = row.iter().map(|value| match value {
        None => "NULL".to_owned(),
        Some(value) => format!("'{}'", value.replace('\'', "''").escape_debug()),
    });
    format!("({})", values.collect::<Vec<_>>().join(", ").replace("\\'", "'"))
}
