//! `tollgate audit`: proves the ledger's integrity, exports it, keeps checkpoints of it, deletes what is
//! old.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use tollgate_gateway::config::Config;
use tollgate_ledger::export::forget;
use tollgate_ledger::ocsf::Events;
use tollgate_ledger::verify::{Report, verify};
use tollgate_ledger::{
    Checkpoint, LedgerError, Place, PublicKey, Reader, Retention, SigningKey, public_path, retain,
};

use super::runtime;
use crate::{ledger, load};

/// The commands.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Prove that no record was edited, removed, inserted or moved, without a gateway
    Verify(Verify),
    /// Print the signed end of each chain, to be kept where the ledger's owner can't change it
    Checkpoint(Source),
    /// Write queries as OCSF events (Datastore Activity, class 6005), or the records as they are
    Export(Export),
    /// Delete old records, and sign where the chain begins from then on
    Prune(Prune),
    /// Forget an export that no gateway has any more: retention no longer keeps records for it
    Forget(Forget),
}

/// Which ledger.
#[derive(Args)]
pub(super) struct Source {
    /// The configuration file that names the ledger
    #[arg(long, default_value = "tollgate.toml")]
    config: PathBuf,
    /// The file of a ledger instead, or of a copy of one
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

/// What `verify` is told.
#[derive(Args)]
pub(super) struct Verify {
    #[command(flatten)]
    source: Source,
    /// A public key to trust; may be given again [default: the one beside the configured key]
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// A file of checkpoints that were kept, as `tollgate audit checkpoint` prints them
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
}

/// What `export` is told.
#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    source: Source,
    /// The form of what is written, one JSON object a line
    #[arg(long, value_enum, default_value_t = Format::Ocsf)]
    format: Format,
    /// The file to write, which must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Only queries that were decided at this time or later, as "2026-01-31" or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = super::time::parse)]
    from: Option<i64>,
    /// Only queries that were decided before this time
    #[arg(long, value_name = "TIME", value_parser = super::time::parse)]
    until: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Ocsf,
    Records,
}

/// What `prune` is told.
#[derive(Args)]
pub(super) struct Prune {
    #[command(flatten)]
    source: Source,
    /// The file of the private key [default: the configured one]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Delete records before this time, as "2026-01-31" or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = super::time::parse)]
    before: i64,
    /// Delete also what an export has not got yet
    #[arg(long)]
    unexported: bool,
}

/// What `forget` is told.
#[derive(Args)]
pub(super) struct Forget {
    #[command(flatten)]
    source: Source,
    /// The export's name
    name: String,
}

/// Runs one of the commands.
pub(super) fn run(command: &Command, out: &mut dyn Write) -> Result<(), String> {
    match command {
        Command::Verify(options) => verify_all(options, out),
        Command::Checkpoint(source) => checkpoint(source, out),
        Command::Export(options) => export(options, out),
        Command::Prune(options) => prune_all(options, out),
        Command::Forget(options) => forget_one(options, out),
    }
}

/// Where a ledger is, and the configuration if that says so.
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) config: Option<Config>,
}

impl Found {
    /// The text of an error, with what to do about it where the configuration tells.
    pub(super) fn said(&self, error: &LedgerError) -> String {
        match &self.config {
            Some(config) => ledger::refused(config, error),
            None => format!("error: {error}"),
        }
    }
}

impl Source {
    pub(super) fn find(&self) -> Result<Found, String> {
        if let Some(file) = &self.ledger {
            return Ok(Found { place: Place::Sqlite(file.clone()), config: None });
        }
        let config = load::configuration(&self.config).map_err(|errors| errors.join("\n"))?;
        let place = ledger::place(&config)?.ok_or_else(|| {
            let hint = "set \"ledger.kind\", or name the file of a ledger with --ledger";
            config.error("ledger", "there is no ledger", hint).to_string()
        })?;
        Ok(Found { place, config: Some(config) })
    }
}

fn verify_all(options: &Verify, out: &mut dyn Write) -> Result<(), String> {
    let found = options.source.find()?;
    let paths = match (&found.config, options.keys.as_slice()) {
        (Some(config), []) => vec![public_path(&config.ledger.key)],
        (None, []) => {
            return Err("error: whose signatures are to be trusted?\n  \
                        hint: name the file of a public key with --key"
                .to_owned());
        }
        (_, keys) => keys.to_vec(),
    };
    let keys = paths.iter().map(|path| PublicKey::open(path)).collect::<Result<Vec<_>, _>>();
    let keys = keys.map_err(|error| found.said(&error))?;
    let mut kept = Vec::new();
    for path in &options.checkpoints {
        kept.extend(checkpoints(path)?);
    }
    let report = runtime()?.block_on(verify(&found.place, &keys, &kept));
    let report = report.map_err(|error| found.said(&error))?;
    print(&report, kept.len(), out).map_err(unwritable)?;
    match report.count {
        0 => Ok(()),
        count => Err(format!(
            "error: the ledger is not as it was written: {count} {}",
            if count == 1 { "problem" } else { "problems" }
        )),
    }
}

fn checkpoints(path: &Path) -> Result<Vec<Checkpoint>, String> {
    let said = |error: String| format!("error: \"{}\": {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| said(error.to_string()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let read = lines.map(|line| {
        serde_json::from_str(line).map_err(|error| said(format!("not a checkpoint: {error}")))
    });
    read.collect()
}

fn print(report: &Report, kept: usize, out: &mut dyn Write) -> std::io::Result<()> {
    for problem in &report.problems {
        writeln!(out, "{problem}")?;
    }
    if report.count > report.problems.len() {
        writeln!(out, "and {} more", report.count - report.problems.len())?;
    }
    for chain in &report.chains {
        let name = &chain.name;
        write!(out, "chain \"{name}\": {} records", chain.records)?;
        if chain.cut > 0 {
            write!(out, ", those up to {} were deleted by retention", chain.cut)?;
        }
        writeln!(out, ", signed up to {} at {}", chain.head, chain.signed)?;
        if chain.open > 0 {
            writeln!(out, "chain \"{name}\": {} queries have not ended", chain.open)?;
        }
    }
    if report.count == 0 {
        writeln!(out, "nothing was edited, removed, inserted or moved by anybody without the key")?;
        if kept == 0 {
            let note = "note: that this is not the whole ledger of an earlier time, \
                        only a kept checkpoint shows (--checkpoint)";
            writeln!(out, "{note}")?;
        }
    }
    Ok(())
}

fn checkpoint(source: &Source, out: &mut dyn Write) -> Result<(), String> {
    let found = source.find()?;
    let heads = runtime()?.block_on(async { Reader::open(&found.place).await?.heads().await });
    for head in heads.map_err(|error| found.said(&error))? {
        let line = serde_json::to_string(&head).map_err(|error| format!("error: {error}"))?;
        writeln!(out, "{line}").map_err(unwritable)?;
    }
    Ok(())
}

fn export(options: &Export, out: &mut dyn Write) -> Result<(), String> {
    let found = options.source.find()?;
    let Some(path) = &options.to else { return export_to(options, &found, out) };
    let hint = "name a file that isn't there";
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file: File = file.map_err(|error| {
        format!("error: could not make \"{}\": {error}\n  hint: {hint}", path.display())
    })?;
    let mut file = BufWriter::new(file);
    export_to(options, &found, &mut file)?;
    file.flush().map_err(unwritable)
}

/// Why an export ended.
enum Stop {
    Ledger(LedgerError),
    Written(String),
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Stop::Ledger(error)
    }
}

fn export_to(options: &Export, found: &Found, out: &mut dyn Write) -> Result<(), String> {
    let wanted = |at: i64| {
        options.from.is_none_or(|from| at >= from) && options.until.is_none_or(|until| at < until)
    };
    let mut events = Events::default();
    let written = runtime()?.block_on(async {
        let mut reader = Reader::open(&found.place).await?;
        reader
            .each(|stored| {
                let at = stored.body.at().unwrap_or_default();
                match options.format {
                    Format::Records if !wanted(at) => Ok(()),
                    Format::Records => writeln!(out, "{}", stored.json).map_err(ended),
                    Format::Ocsf => match events.take(stored, wanted(at)) {
                        Some(event) => writeln!(out, "{event}").map_err(ended),
                        None => Ok(()),
                    },
                }
            })
            .await?;
        for event in std::mem::take(&mut events).rest() {
            writeln!(out, "{event}").map_err(ended)?;
        }
        Ok(())
    });
    written.map_err(|stop| match stop {
        Stop::Ledger(error) => found.said(&error),
        Stop::Written(error) => error,
    })
}

fn ended(error: std::io::Error) -> Stop {
    Stop::Written(unwritable(error))
}

fn prune_all(options: &Prune, out: &mut dyn Write) -> Result<(), String> {
    let found = options.source.find()?;
    let path = match (&options.key, &found.config) {
        (Some(path), _) => path.clone(),
        (None, Some(config)) => config.ledger.key.clone(),
        (None, None) => {
            return Err("error: retention is signed\n  \
                        hint: name the file of the private key with --key"
                .to_owned());
        }
    };
    let key = SigningKey::read(&path).map_err(|error| found.said(&error))?;
    let work = retain(&found.place, &key, options.before, options.unexported);
    let cuts = match runtime()?.block_on(work).map_err(|error| found.said(&error))? {
        Some(Retention::Cut(cuts)) => cuts,
        None => {
            return Err(
                "error: nothing was deleted: somebody else deletes from the ledger now\n  \
                        hint: try again when it is done"
                    .to_owned(),
            );
        }
        Some(Retention::Changed(count)) => {
            return Err(format!(
                "error: nothing was deleted: the ledger is not as it was written, {count} problems\n  \
                 hint: look at them with `tollgate audit verify`"
            ));
        }
    };
    for cut in cuts {
        let (chain, records) = (cut.chain, cut.records);
        writeln!(out, "chain \"{chain}\": {records} records deleted").map_err(unwritable)?;
        if let Some(waiting) = cut.waiting {
            let what = if options.unexported { "had not got those" } else { "needs the records" };
            let line = format!("export \"{}\" {what} from {} on", waiting.export, waiting.from);
            writeln!(out, "chain \"{chain}\": {line}").map_err(unwritable)?;
        }
    }
    Ok(())
}

fn forget_one(options: &Forget, out: &mut dyn Write) -> Result<(), String> {
    let found = options.source.find()?;
    let name = &options.name;
    match runtime()?.block_on(forget(&found.place, name)).map_err(|error| found.said(&error))? {
        true => writeln!(out, "export \"{name}\" is forgotten").map_err(unwritable),
        false => Err(format!("error: the ledger knows no export \"{name}\"")),
    }
}

/// The text of an error of the output.
pub(super) fn unwritable(error: std::io::Error) -> String {
    format!("error: could not write: {error}")
}
