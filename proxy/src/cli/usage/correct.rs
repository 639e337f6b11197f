//! `tollgate usage correct`: credits as the accounts of warehouses attribute them.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use tollgate_gateway::config::Config;

use super::super::audit::unwritable;
use super::super::{runtime, time};
use crate::{attribution, load};

/// How far back accounts are asked, unless it is said, in microseconds.
const BACK: i64 = 31 * 86_400_000_000;

/// What `correct` is told.
#[derive(Args)]
pub(in crate::cli) struct Correct {
    /// The configuration file that names the warehouses and the ledger
    #[arg(long, default_value = "tollgate.toml")]
    config: PathBuf,
    /// Only this warehouse's
    #[arg(long, value_name = "NAME")]
    warehouse: Option<String>,
    /// Only statements that began at this time or later, as "2026-01-31" or RFC 3339 [default: 31 days
    /// ago]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    from: Option<i64>,
    /// Only statements that began before this time [default: all]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    to: Option<i64>,
}

/// Asks each account, also if another one can't be asked.
pub(super) fn correct(options: &Correct, out: &mut dyn Write) -> Result<(), String> {
    let config = load::configuration(&options.config).map_err(|errors| errors.join("\n"))?;
    let wanted = |name: String| options.warehouse.as_ref().is_none_or(|only| *only == name);
    let charged: Vec<_> = attribution::charged(&config)
        .filter(|(warehouse, _)| wanted(warehouse.name.to_string()))
        .collect();
    if charged.is_empty() {
        return Err(nothing(&config, options.warehouse.as_deref()));
    }
    let from = options.from.unwrap_or_else(|| chrono::Utc::now().timestamp_micros() - BACK);
    let span = (from, options.to.unwrap_or(i64::MAX));
    let runtime = runtime()?;
    let mut errors = Vec::new();
    for (warehouse, account) in charged {
        let name = &warehouse.name;
        match runtime.block_on(attribution::correct(&config, (warehouse, account), span)) {
            Ok(done) => writeln!(
                out,
                "warehouse \"{name}\": {} statements corrected, {} as before, {} not charged in \
                 this ledger, {} figures refused",
                done.corrected, done.same, done.unknown, done.refused
            )
            .map_err(unwritable)?,
            Err(error) => errors.push(error),
        }
    }
    match errors.as_slice() {
        [] => Ok(()),
        errors => Err(errors.join("\n")),
    }
}

fn nothing(config: &Config, name: Option<&str>) -> String {
    let message = match name {
        Some(name) => format!("there is no warehouse \"{name}\" that is charged in credits"),
        None => "no warehouse is charged in credits".to_owned(),
    };
    let hint = "say what the virtual warehouse of a Snowflake costs: size = \"XS\"";
    config.error("warehouse", message, hint).to_string()
}
