//! `tollgate usage`: what queries cost, by which prices, reports and invoices.

mod correct;
mod focus;
mod table;

use std::io::Write;

use chrono::{Datelike, NaiveDate};
use clap::{Args, Subcommand, ValueEnum};
use tollgate_ledger::LedgerError;
use tollgate_ledger::billing::{
    Applied, Invoice, Key, Usage, applied, invoices, rate, replay, report,
};

use super::audit::{Found, Source, unwritable};
use super::{runtime, time};

/// The commands.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the prices by which queries were billed, and when
    Prices(Prices),
    /// Rate what was used since the last time; with --replay, compare with rating everything anew
    Rate(Rate),
    /// Ask the accounts of warehouses which credits they attribute to statements, and correct what is billed
    Correct(correct::Correct),
    /// Sum up what was used and what it costs
    Report(Report),
    /// Print the invoices of a month, one per tenant and currency
    Invoice(InvoiceOptions),
}

/// What `prices` is told.
#[derive(Args)]
pub(super) struct Prices {
    #[command(flatten)]
    source: Source,
    /// Only queries that ended at this time or later, as "2026-01-31" or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time::parse, default_value = "1970-01-01")]
    from: i64,
    /// Only queries that ended before this time [default: all]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    to: Option<i64>,
}

/// What `rate` is told.
#[derive(Args)]
pub(super) struct Rate {
    #[command(flatten)]
    source: Source,
    /// Rate all receipts anew and compare; nothing is written
    #[arg(long)]
    replay: bool,
}

/// What `report` is told.
#[derive(Args)]
pub(super) struct Report {
    #[command(flatten)]
    source: Source,
    /// What to sum up by
    #[arg(long, value_enum, value_delimiter = ',', default_value = "tenant")]
    by: Vec<By>,
    /// Only queries that ended at this time or later, as "2026-01-31" or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time::parse, default_value = "1970-01-01")]
    from: i64,
    /// Only queries that ended before this time [default: all]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    to: Option<i64>,
    /// How to print it; "focus" is CSV with the columns of FOCUS 1.2, a line per day, tenant, user and
    /// price
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Tenant,
    User,
    Table,
    Price,
    Day,
    Month,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
    Parquet,
    Focus,
}

/// What `invoice` is told.
#[derive(Args)]
pub(super) struct InvoiceOptions {
    #[command(flatten)]
    source: Source,
    /// The month, as "2026-01"
    #[arg(long, value_parser = month)]
    month: (i64, i64),
    /// Only this tenant's
    #[arg(long)]
    tenant: Option<String>,
}

/// Runs one of the commands.
pub(super) fn run(command: &Command, out: &mut dyn Write) -> Result<(), String> {
    match command {
        Command::Prices(options) => prices(options, out),
        Command::Rate(options) if options.replay => replay_all(options, out),
        Command::Rate(options) => {
            let found = options.source.find()?;
            let count = block(&found, rate(&found.place))?;
            writeln!(out, "{count} receipts rated").map_err(unwritable)
        }
        Command::Correct(options) => correct::correct(options, out),
        Command::Report(options) => report_usage(options, out),
        Command::Invoice(options) => invoice(options, out),
    }
}

fn block<T>(
    found: &Found,
    work: impl Future<Output = Result<T, LedgerError>>,
) -> Result<T, String> {
    runtime()?.block_on(work).map_err(|error| found.said(&error))
}

fn prices(options: &Prices, out: &mut dyn Write) -> Result<(), String> {
    let found = options.source.find()?;
    let until = options.to.unwrap_or(i64::MAX);
    let prices = block(&found, async {
        rate(&found.place).await?;
        applied(&found.place, options.from, until).await
    })?;
    let head =
        ["name", "currency", "per query", "per GB scanned", "per million rows", "per credit"];
    let head = head.into_iter().chain(["first", "last", "queries"]);
    let mut rows = vec![head.map(str::to_owned).collect::<Vec<_>>()];
    for Applied { price, first, last, queries } in &prices {
        rows.push(vec![
            price.name.clone(),
            price.currency.clone(),
            price.per_query.to_string(),
            price.per_gb_scanned.to_string(),
            price.per_million_rows.to_string(),
            price.per_credit.to_string(),
            day(*first),
            day(*last),
            queries.to_string(),
        ]);
    }
    table::print(&rows, out).map_err(unwritable)
}

/// A time in short.
fn day(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(at).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn replay_all(options: &Rate, out: &mut dyn Write) -> Result<(), String> {
    let found = options.source.find()?;
    let replay = block(&found, replay(&found.place))?;
    writeln!(
        out,
        "{} receipts are rated as before, {} otherwise, {} were not rated yet, of {} the receipt is \
         deleted",
        replay.same, replay.differing, replay.new, replay.gone
    )
    .map_err(unwritable)?;
    for (before, now) in &replay.differ {
        let line = format!(
            "chain \"{}\", record {}: {} {} before, {} {} now",
            now.chain, now.seq, before.amount, before.currency, now.amount, now.currency
        );
        writeln!(out, "{line}").map_err(unwritable)?;
    }
    if replay.unproven > 0 {
        let line = format!("{} corrections are not what their records say", replay.unproven);
        writeln!(out, "{line}").map_err(unwritable)?;
    }
    match replay.differing + replay.unproven {
        0 => Ok(()),
        _ => Err("error: what was rated is not what the receipts give\n  \
                  hint: verify the ledger with `tollgate audit verify`"
            .to_owned()),
    }
}

fn report_usage(options: &Report, out: &mut dyn Write) -> Result<(), String> {
    let found = options.source.find()?;
    let keys: Vec<Key> = match options.format {
        Format::Focus => focus::KEYS.to_vec(),
        Format::Table | Format::Csv | Format::Json | Format::Parquet => {
            options.by.iter().map(|by| by.key()).collect()
        }
    };
    let until = options.to.unwrap_or(i64::MAX);
    let sums = block(&found, async {
        rate(&found.place).await?;
        report(&found.place, &keys, options.from, until).await
    })?;
    match options.format {
        Format::Table => table::print(&rows(&keys, &sums), out),
        Format::Csv => table::csv(&rows(&keys, &sums), out),
        Format::Json => table::json(&keys, &sums, out),
        Format::Parquet => return table::parquet(&keys, &sums, out),
        Format::Focus => focus::csv(&sums, out),
    }
    .map_err(unwritable)
}

/// Head and rows.
fn rows(keys: &[Key], sums: &[Usage]) -> Vec<Vec<String>> {
    let names = keys.iter().map(|key| key.name());
    let head = names.chain([
        "currency",
        "queries",
        "rows",
        "bytes",
        "scanned",
        "credits_measured",
        "credits",
        "amount",
    ]);
    let mut rows = vec![head.map(str::to_owned).collect::<Vec<_>>()];
    for sum in sums {
        let mut row = sum.keys.clone();
        row.push(sum.currency.clone());
        row.extend([sum.queries, sum.rows, sum.bytes, sum.scanned].map(|n| n.to_string()));
        row.push(sum.measured.to_string());
        row.push(sum.credits.to_string());
        row.push(sum.amount.to_string());
        rows.push(row);
    }
    rows
}

impl By {
    fn key(self) -> Key {
        match self {
            By::Tenant => Key::Tenant,
            By::User => Key::User,
            By::Table => Key::Table,
            By::Price => Key::Price,
            By::Day => Key::Day,
            By::Month => Key::Month,
        }
    }
}

/// The first moment of a month and of the next one.
fn month(text: &str) -> Result<(i64, i64), String> {
    let wrong = || "write year and month, as 2026-01".to_owned();
    let first: NaiveDate = format!("{text}-01").parse().map_err(|_| wrong())?;
    let next = match first.month() {
        12 => NaiveDate::from_ymd_opt(first.year() + 1, 1, 1),
        month => NaiveDate::from_ymd_opt(first.year(), month + 1, 1),
    };
    let at = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros();
    Ok((at(first), at(next.ok_or_else(wrong)?)))
}

fn invoice(options: &InvoiceOptions, out: &mut dyn Write) -> Result<(), String> {
    let found = options.source.find()?;
    let (from, until) = options.month;
    let all = block(&found, async {
        rate(&found.place).await?;
        invoices(&found.place, from, until).await
    })?;
    let wanted =
        |invoice: &&Invoice| options.tenant.as_ref().is_none_or(|tenant| *tenant == invoice.tenant);
    for invoice in all.iter().filter(wanted) {
        let tenant = if invoice.tenant.is_empty() { "nobody" } else { &invoice.tenant };
        writeln!(out, "invoice for {tenant}, {}", day(from).get(..7).unwrap_or_default())
            .map_err(unwritable)?;
        let head = ["price", "queries", "rows", "bytes scanned", "credits", "amount", "currency"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for line in &invoice.lines {
            let usage = &line.usage;
            rows.push(vec![
                line.price.clone(),
                usage.queries.to_string(),
                usage.rows.to_string(),
                usage.scanned.to_string(),
                usage.credits.to_string(),
                usage.amount.to_string(),
                invoice.currency.clone(),
            ]);
        }
        let mut total = vec![String::new(); 7];
        if let [first, .., amount, currency] = total.as_mut_slice() {
            *first = "total".to_owned();
            *amount = format!("{:.2}", invoice.total);
            currency.clone_from(&invoice.currency);
        }
        rows.push(total);
        table::print(&rows, out).map_err(unwritable)?;
    }
    Ok(())
}
