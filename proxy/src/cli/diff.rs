//! `tollgate diff`: who would see more under other policies, who less, and by which statement.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;
use tollgate_catalog::id::quote_if_needed;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_identity::Asker;
use tollgate_policy::diff::{Change, Class, Place, Who, diff};

use super::compare::{self, Only, Side};
use super::rehearse::{AskerOptions, Stage};
use super::test::line;
use super::{runtime, text};
use crate::load;

/// What ends with this code widens, if `--fail-on widens` asks.
pub(super) const WIDENS: u8 = 3;
/// The most tables of which rows are shown.
const TABLES: usize = 20;

/// What `tollgate diff` is told.
#[derive(Args)]
pub(super) struct Options {
    /// The old policies: a folder or a file
    old: PathBuf,
    /// The new ones
    new: PathBuf,
    /// The configuration file, for the catalog and the data
    #[arg(long, default_value = "tollgate.toml")]
    config: PathBuf,
    /// How to print the changes
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// End with code 3 if there is such a change
    #[arg(long, value_enum, value_name = "CLASS")]
    fail_on: Option<FailOn>,
    /// Show only what concerns this user, and some of the rows that the user would see besides
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    #[command(flatten)]
    asker: AskerOptions,
    /// How many rows of a table to show
    #[arg(long, default_value_t = 5)]
    rows: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Widens,
}

/// Compares two bundles. The code says whether it widens, if that was asked.
pub(super) fn run(options: &Options, out: &mut dyn Write) -> Result<ExitCode, String> {
    let loaded = load::load(&options.config).map_err(text)?;
    let (old, new) = (loaded.other_bundle(&options.old)?, loaded.other_bundle(&options.new)?);
    let mut report = Report { changes: diff(&old, &new), samples: Vec::new() };
    // Whoever it is shown for: what widens for others widens.
    let widens = report.count(Class::Widens) > 0;
    let name = match &options.user {
        None if options.asker.roles.is_empty() => None,
        // Somebody whom the policies don't name.
        None => Some(""),
        Some(name) => Some(name.as_str()),
    };
    if let Some(name) = name {
        let asker = options.asker.asker(&loaded, name)?;
        let stages = (Stage::over(&loaded, &old)?, Stage::over(&loaded, &new)?);
        let roles = stages.0.principal(&asker).map_err(|error| format!("error: {error}"))?;
        let roles: BTreeSet<String> = &old.roles_of(&roles) | &new.roles_of(&roles);
        report.changes.retain(|change| match &change.who {
            Who::Everyone => true,
            Who::User(user) => user == name,
            Who::Role(role) => roles.contains(role),
        });
        report.samples = runtime()?.block_on(samples(&stages, &asker, &report, options.rows));
    }
    let text = match options.format {
        Format::Json => report.json()?,
        Format::Text => report.text(),
    };
    out.write_all(text.as_bytes()).map_err(|error| format!("error: could not write: {error}"))?;
    match options.fail_on {
        Some(FailOn::Widens) if widens => Ok(ExitCode::from(WIDENS)),
        Some(FailOn::Widens) | None => Ok(ExitCode::SUCCESS),
    }
}

/// Rows of one table that become visible.
#[derive(Serialize)]
struct Sample {
    table: String,
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
    /// How many there are.
    count: u64,
    /// Why none are shown, if they couldn't be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

async fn samples(
    (old, new): &(Stage, Stage),
    asker: &Asker,
    report: &Report,
    shown: usize,
) -> Vec<Sample> {
    let widened = report.changes.iter().filter(|change| change.class == Class::Widens);
    let tables: BTreeSet<&String> = widened.filter_map(|change| change.table.as_ref()).collect();
    let mut samples = Vec::new();
    let left = tables.len().saturating_sub(TABLES);
    for table in tables.into_iter().take(TABLES) {
        match sample(old, new, asker, table, shown).await {
            Ok(None) => {}
            Ok(Some(sample)) => samples.push(sample),
            Err(error) => samples.push(Sample::unread(table, error.to_string())),
        }
    }
    if left > 0 {
        samples
            .push(Sample::unread("…", format!("{left} more tables, of which no rows were read")));
    }
    samples
}

impl Sample {
    fn unread(table: &str, why: String) -> Self {
        let table = table.to_owned();
        Self { table, columns: Vec::new(), rows: Vec::new(), count: 0, error: Some(why) }
    }
}

/// The rows of a table that the new side shows and the old one doesn't, as a client would read them.
async fn sample(
    old: &Stage,
    new: &Stage,
    asker: &Asker,
    table: &str,
    shown: usize,
) -> Result<Option<Sample>, Error> {
    let columns = match new.columns(asker, &format!("SELECT * FROM {table}")).await {
        Ok(columns) => columns,
        Err(error) if is_hidden(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let list: Vec<_> = columns.iter().map(|column| quote_if_needed(column)).collect();
    let sql = format!("SELECT {} FROM {table}", list.join(", "));
    let sides = (Side { stage: old, sql: &sql }, Side { stage: new, sql: &sql });
    let come = match compare::rows(asker, sides, (None, None), shown).await {
        Ok(difference) => difference.come,
        // The table or a column is new to the caller: so is every row.
        Err(error) if is_hidden(&error) => compare::all(asker, sides.1, shown).await?,
        Err(error) => return Err(error),
    };
    let Only { rows, count } = come;
    Ok((count > 0).then(|| Sample { table: table.to_owned(), columns, rows, count, error: None }))
}

fn is_hidden(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UndefinedTable | ErrorKind::UndefinedColumn | ErrorKind::InvalidAuthorization
    )
}

struct Report {
    changes: Vec<Change>,
    samples: Vec<Sample>,
}

impl Report {
    fn count(&self, class: Class) -> usize {
        self.changes.iter().filter(|change| change.class == class).count()
    }

    fn json(&self) -> Result<String, String> {
        #[derive(Serialize)]
        struct Document<'a> {
            widens: usize,
            narrows: usize,
            neutral: usize,
            changes: &'a [Change],
            samples: &'a [Sample],
        }
        let document = Document {
            widens: self.count(Class::Widens),
            narrows: self.count(Class::Narrows),
            neutral: self.count(Class::Neutral),
            changes: &self.changes,
            samples: &self.samples,
        };
        let text = serde_json::to_string_pretty(&document)
            .map_err(|error| format!("error: could not write JSON: {error}"))?;
        Ok(text + "\n")
    }

    fn text(&self) -> String {
        let subject = |change: &Change| {
            let table = change.table.clone().unwrap_or_else(|| "-".to_owned());
            match &change.columns {
                None => table,
                Some(columns) => format!("{table} ({})", columns.join(", ")),
            }
        };
        let width = |of: &dyn Fn(&Change) -> String| {
            let widths = self.changes.iter().map(|change| of(change).chars().count());
            widths.max().unwrap_or(0).min(60)
        };
        let (who, about) = (width(&|change| change.who.to_string()), width(&subject));
        let mut text = String::new();
        for change in &self.changes {
            // Writing to a String can't fail.
            let _ = writeln!(
                text,
                "{:<7}  {:<who$}  {:<about$}  {}: {}",
                change.class.to_string(),
                change.who.to_string(),
                subject(change),
                change.what,
                change.why,
            );
            for (sign, places) in [("-", &change.old), ("+", &change.new)] {
                for Place { file, line, column: _, says } in places {
                    let _ = writeln!(text, "         {sign} {file}:{line}  {says}");
                }
            }
        }
        for sample in &self.samples {
            let Sample { table, columns, rows, count, error } = sample;
            let _ = match error {
                Some(error) => writeln!(text, "\n{table}: {error}"),
                None => {
                    let columns = columns.join(", ");
                    writeln!(text, "\n{table} ({columns}): {count} rows become visible")
                }
            };
            for row in rows {
                let _ = writeln!(text, "  + {}", line(row));
            }
        }
        let (widens, narrows) = (self.count(Class::Widens), self.count(Class::Narrows));
        let neutral = self.count(Class::Neutral);
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}{widens} widen, {narrows} narrow, {neutral} neutral");
        text
    }
}
