//! `tollgate simulate`: one query under the configured policies and under others, and how the rows
//! differ.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use tollgate_catalog::Error;
use tollgate_identity::Asker;

use super::compare::{self, Difference, Only, Side};
use super::rehearse::{AskerOptions, Stage};
use super::test::line;
use super::{runtime, text};
use crate::load;

/// What `tollgate simulate` is told.
#[derive(Args)]
pub(super) struct Options {
    /// The query
    sql: String,
    /// The user who would ask; need not exist
    #[arg(long = "as", value_name = "USER")]
    user: String,
    #[command(flatten)]
    asker: AskerOptions,
    /// The other policies: a folder or a file
    #[arg(long)]
    bundle: PathBuf,
    /// The configuration file, with the policies to compare with
    #[arg(long, default_value = "tollgate.toml")]
    config: PathBuf,
    /// How to print the difference
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// How many rows to show that are gone, and how many that are new
    #[arg(long, default_value_t = 20)]
    rows: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the query on both sides. Nothing is recorded: the other policies aren't in force, and what
/// was asked for is the difference.
pub(super) fn run(options: &Options, out: &mut dyn Write) -> Result<(), String> {
    let loaded = load::load(&options.config).map_err(text)?;
    let other = loaded.other_bundle(&options.bundle)?;
    let (old, new) = (Stage::over(&loaded, &loaded.bundle)?, Stage::over(&loaded, &other)?);
    let asker = options.asker.asker(&loaded, &options.user)?;
    let sides = (Side { stage: &old, sql: &options.sql }, Side { stage: &new, sql: &options.sql });
    let report = runtime()?
        .block_on(report(&asker, sides, options.rows))
        .map_err(|error| format!("error: {error}"))?;
    let text = match options.format {
        Format::Text => report.text(&options.user),
        Format::Json => serde_json::to_string_pretty(&report)
            .map(|text| text + "\n")
            .map_err(|error| format!("error: could not write JSON: {error}"))?,
    };
    out.write_all(text.as_bytes()).map_err(|error| format!("error: could not write: {error}"))
}

#[derive(Default, Serialize)]
struct Report {
    /// What the client is told under the configured policies, if the query fails there.
    old_error: Option<String>,
    /// The same under the other ones.
    new_error: Option<String>,
    /// Columns that only the configured policies show.
    columns_gone: Vec<String>,
    /// Columns that only the other ones show.
    columns_come: Vec<String>,
    #[serde(flatten)]
    rows: Difference,
}

async fn report(
    asker: &Asker,
    (old, new): (Side<'_>, Side<'_>),
    shown: usize,
) -> Result<Report, Error> {
    let before = old.stage.columns(asker, old.sql).await;
    let after = new.stage.columns(asker, new.sql).await;
    let told = |error: &Error| format!("{} {error}", error.kind().sqlstate());
    let (before, after) = match (before, after) {
        (Ok(before), Ok(after)) => (before, after),
        (before, after) => {
            let mut report = Report {
                old_error: before.as_ref().err().map(told),
                new_error: after.as_ref().err().map(told),
                ..Report::default()
            };
            // The rows of the side that has any.
            if let Ok(columns) = before {
                report.rows.gone = compare::all(asker, old, shown).await?;
                report.rows.columns = columns;
            } else if let Ok(columns) = after {
                report.rows.come = compare::all(asker, new, shown).await?;
                report.rows.columns = columns;
            }
            return Ok(report);
        }
    };
    let mut report = Report::default();
    if before == after {
        report.rows = compare::rows(asker, (old, new), (None, None), shown).await?;
        return Ok(report);
    }
    // What both show is compared; a name that repeats stands for the first of its columns.
    let at = |names: &[String], name: &String| names.iter().position(|other| other == name);
    let both: Vec<(usize, usize)> = before
        .iter()
        .enumerate()
        .filter_map(|(index, name)| Some((index, at(&after, name)?)))
        .collect();
    let (of_old, of_new): (Vec<_>, Vec<_>) = both.into_iter().unzip();
    let kept = (Some(of_old.as_slice()), Some(of_new.as_slice()));
    report.rows = compare::rows(asker, (old, new), kept, shown).await?;
    report.columns_gone = before.iter().filter(|name| !after.contains(name)).cloned().collect();
    report.columns_come = after.iter().filter(|name| !before.contains(name)).cloned().collect();
    Ok(report)
}

impl Report {
    fn text(&self, user: &str) -> String {
        let mut text = format!("as {user}, under the configured policies (-) and the others (+)\n");
        // Writing to a String can't fail.
        for (sign, error) in [("-", &self.old_error), ("+", &self.new_error)] {
            if let Some(error) = error {
                let _ = writeln!(text, "{sign} fails: {error}");
            }
        }
        for (sign, columns) in [("-", &self.columns_gone), ("+", &self.columns_come)] {
            for column in columns {
                let _ = writeln!(text, "{sign} column {column}");
            }
        }
        let Difference { columns, gone, come, same } = &self.rows;
        if !columns.is_empty() {
            let _ = writeln!(text, "rows of ({})", columns.join(", "));
        }
        for (sign, Only { rows, count }) in [("-", gone), ("+", come)] {
            for row in rows {
                let _ = writeln!(text, "{sign} {}", line(row));
            }
            let more = count.saturating_sub(u64::try_from(rows.len()).unwrap_or(u64::MAX));
            if more > 0 {
                let _ = writeln!(text, "{sign} and {more} more");
            }
        }
        let _ = writeln!(
            text,
            "{} gone, {} come, {same} the same (a rehearsal: not recorded in an audit trail)",
            gone.count, come.count
        );
        text
    }
}
