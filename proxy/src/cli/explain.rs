//! `tollgate explain`: which statement of the policies decides what about each table and column that
//! a query names, and what would run instead of it.
//!
//! It is the operator's terminal: policies and names that are hidden from the user are shown.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use datafusion::common::ScalarValue;
use serde::Serialize;
use tollgate_catalog::{Error, ErrorKind, Snapshot, Table, TableName, WarehouseName};
use tollgate_gateway::config::{Config, Place};
use tollgate_identity::Asker;
use tollgate_policy::FunctionSource;
use tollgate_policy::explain::{CallerExplanation, Explanation, Rights};
use tollgate_warehouse::snowflake::chosen;

use super::rehearse::{AskerOptions, Stage, only};
use super::{runtime, text};
use crate::load::{self, Loaded};
use crate::place;

/// What `tollgate explain` is told.
#[derive(Args)]
pub(super) struct Options {
    /// The query
    sql: String,
    /// The user who would ask; need not exist
    #[arg(long = "as", value_name = "USER")]
    user: String,
    #[command(flatten)]
    asker: AskerOptions,
    /// Ask the warehouse whether it would run the query, with the columns that clients are told; it runs nothing
    /// (Snowflake)
    #[arg(long)]
    compile: bool,
    /// The configuration file
    #[arg(long, default_value = "tollgate.toml")]
    config: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Explains one query. Nothing is run, and nothing recorded; it may be compiled.
pub(super) fn run(options: &Options, out: &mut dyn Write) -> Result<(), String> {
    let loaded = load::load(&options.config).map_err(text)?;
    let stage = Stage::over(&loaded, &loaded.bundle)?;
    let asker = options.asker.asker(&loaded, &options.user)?;
    let report = runtime()?
        .block_on(report(&loaded, &stage, &asker, (&options.sql, options.compile)))
        .map_err(|error| format!("error: {error}"))?;
    let text = match options.format {
        Format::Text => report.text(&loaded),
        Format::Json => serde_json::to_string_pretty(&report)
            .map(|text| text + "\n")
            .map_err(|error| format!("error: could not write JSON: {error}"))?,
    };
    out.write_all(text.as_bytes()).map_err(|error| format!("error: could not write: {error}"))
}

/// Everything about one query.
#[derive(Serialize)]
struct Report {
    user: String,
    address: String,
    mfa: bool,
    purpose: Option<String>,
    #[serde(flatten)]
    caller: CallerExplanation,
    outcome: &'static str,
    /// What the client would be told.
    error: Option<String>,
    sqlstate: Option<&'static str>,
    /// Where it is the operator's to know more: why it would fail for everyone.
    note: Option<String>,
    /// Which warehouse would run it.
    warehouse: Option<String>,
    /// And which virtual warehouse of it, where it has several.
    virtual_warehouse: Option<Chosen>,
    /// What the warehouse said to it, if it was to be asked.
    compiles: Option<String>,
    tables: Vec<Explained>,
    secured_sql: Option<String>,
    plan: Option<String>,
}

/// A virtual warehouse, and why it is this one.
#[derive(Serialize)]
struct Chosen {
    name: String,
    /// The role by which it was chosen; none: it runs all that is nobody else's.
    role: Option<String>,
}

impl Chosen {
    /// Where a query of somebody with these roles would run.
    fn of(config: &Config, warehouse: &WarehouseName, roles: &BTreeSet<String>) -> Option<Self> {
        let named = config.warehouses.iter().find(|named| named.name == *warehouse)?;
        let Place::Snowflake(account) = &named.place else { return None };
        let rules = account.by_role.iter();
        let rule = chosen(rules.map(|rule| rule.role.as_str()), roles);
        Some(match rule.and_then(|index| account.by_role.get(index)) {
            Some(rule) => Self { name: rule.name.clone(), role: Some(rule.role.clone()) },
            None => Self { name: account.virtual_warehouse.clone()?, role: None },
        })
    }
}

#[derive(Serialize)]
struct Explained {
    /// The views through which it is read, the outermost first: with their author's rights, every
    /// column is there.
    through: Vec<String>,
    #[serde(flatten)]
    table: Explanation,
}

/// What a query would run as.
struct Secured {
    warehouse: Option<WarehouseName>,
    roles: BTreeSet<String>,
    compiles: Option<String>,
    tables: Vec<TableName>,
    sql: String,
    plan: String,
}

/// What the warehouse says to a query, without running it.
async fn compiles(stage: &Stage, secured: &tollgate_rewriter::Secured) -> String {
    let state = stage.gateway().state();
    let asked = match state.warehouses.of(secured) {
        Ok(warehouse) => warehouse.compiles(secured).await,
        Err(_) => Ok(false),
    };
    match asked {
        Ok(true) => "by the warehouse, to the columns that clients are told".to_owned(),
        Ok(false) => "not asked: only a Snowflake says so without running it".to_owned(),
        Err(error) => format!("not: {}", place::said(&error)),
    }
}

async fn secured(
    stage: &Stage,
    asker: &Asker,
    (sql, compile): (&str, bool),
) -> Result<Secured, Error> {
    let mut session = stage.session(asker)?;
    let statements = session.parse(sql)?;
    let prepared = session.secured(only(&statements)?).await?;
    let nulls = prepared.parameters().iter().map(ScalarValue::try_from);
    let secured = prepared.bind(nulls.collect::<Result<_, _>>().map_err(Error::internal)?)?;
    let said = if compile { Some(compiles(stage, &secured).await) } else { None };
    Ok(Secured {
        compiles: said,
        warehouse: secured.engine().warehouse().cloned(),
        roles: secured.roles().clone(),
        tables: secured.tables().to_vec(),
        sql: secured.secured_sql().to_owned(),
        plan: prepared.explain(),
    })
}

async fn report(
    loaded: &Loaded,
    stage: &Stage,
    asker: &Asker,
    (sql, compile): (&str, bool),
) -> Result<Report, Error> {
    let catalog = loaded.bundle.catalog(&Arc::clone(&loaded.snapshot));
    let principal = stage.principal(asker)?;
    let mut report = Report {
        user: asker.name.clone(),
        address: asker.address.to_string(),
        mfa: asker.mfa,
        purpose: asker.purpose.clone(),
        caller: stage.gateway().who(&principal)?,
        outcome: "permitted",
        error: None,
        sqlstate: None,
        note: None,
        warehouse: None,
        virtual_warehouse: None,
        compiles: None,
        tables: Vec::new(),
        secured_sql: None,
        plan: None,
    };
    let names = match secured(stage, asker, (sql, compile)).await {
        Ok(secured) => {
            report.secured_sql = Some(secured.sql);
            report.plan = Some(secured.plan);
            report.compiles = secured.compiles;
            let at = secured.warehouse;
            let chosen = at.as_ref().map(|at| Chosen::of(&loaded.config, at, &secured.roles));
            report.virtual_warehouse = chosen.flatten();
            report.warehouse = at.map(|at| at.to_string());
            secured.tables
        }
        Err(error) => {
            report.outcome = match error.kind() {
                ErrorKind::UndefinedTable
                | ErrorKind::UndefinedColumn
                | ErrorKind::InsufficientPrivilege
                | ErrorKind::InvalidAuthorization
                | ErrorKind::ReadOnly => "denied",
                _ => "failed",
            };
            report.error = Some(error.to_string());
            report.sqlstate = Some(error.kind().sqlstate());
            match named(loaded, sql, &catalog) {
                Ok(names) => names,
                Err(everyone) => {
                    report.note = Some(format!("it would fail for everyone: {everyone}"));
                    Vec::new()
                }
            }
        }
    };
    let mut read = Vec::new();
    for table in names.iter().filter_map(|name| catalog.table(name)) {
        walk(table, &mut Vec::new(), &mut read);
    }
    for (table, through) in read {
        let rights = if through.is_empty() { Rights::Caller } else { Rights::Author };
        if let Some(table) = stage.gateway().why(&principal, &table.name, rights)? {
            report.tables.push(Explained { through, table });
        }
    }
    Ok(report)
}

/// A table, and what a view reads below it, each with the views above it.
fn walk(table: &Arc<Table>, through: &mut Vec<String>, found: &mut Vec<(Arc<Table>, Vec<String>)>) {
    found.push((Arc::clone(table), through.clone()));
    through.push(table.name.to_string());
    for (read, _) in table.view().into_iter().flat_map(|view| &view.reads) {
        walk(read, through, found);
    }
    through.pop();
}

/// The tables that a query names, for who sees everything.
fn named(loaded: &Loaded, sql: &str, catalog: &Snapshot) -> Result<Vec<TableName>, Error> {
    let sql = sql.trim().trim_end_matches(';');
    let (_, view) = loaded.registry.view(sql, catalog).or_else(|error| {
        // A view has other bounds than a query: each column has a name of its own.
        let counted = format!("SELECT count(*) AS n FROM ({sql}) AS q");
        loaded.registry.view(&counted, catalog).map_err(|_| error)
    })?;
    let names: BTreeSet<_> = view.reads.into_iter().map(|(table, _)| table.name.clone()).collect();
    Ok(names.into_iter().collect())
}

impl Report {
    fn text(&self, loaded: &Loaded) -> String {
        let mut text = String::new();
        // Writing to a String can't fail.
        let _ = match (&self.error, self.sqlstate) {
            (Some(error), Some(state)) => {
                writeln!(text, "{} for {}: {state} {error}", self.outcome, self.user)
            }
            _ => writeln!(text, "{} for {}", self.outcome, self.user),
        };
        if let Some(note) = &self.note {
            let _ = writeln!(text, "  {note}");
        }
        let _ = writeln!(text, "  address  {}", self.address);
        if self.mfa {
            let _ = writeln!(text, "  proves   a second factor");
        }
        if let Some(purpose) = &self.purpose {
            let _ = writeln!(text, "  purpose  {purpose}");
        }
        who(&self.caller, &mut text);
        let timeout = loaded.config.pg.statement_timeout;
        let timeout = timeout.map_or_else(|| "none".to_owned(), |limit| format!("{limit:?}"));
        let warehouses = &loaded.config.warehouses;
        let runs = warehouses.iter().find(|w| Some(w.name.as_str()) == self.warehouse.as_deref());
        let at_once = runs.map_or(loaded.config.max_concurrent(), |runs| runs.max_concurrent);
        let _ =
            writeln!(text, "  limits   statement timeout {timeout}, {at_once} statements at once");
        if let (Some(runs), [_, _, ..]) = (runs, warehouses.as_slice()) {
            let _ = writeln!(text, "  runs at  warehouse \"{}\"", runs.name);
        }
        if let Some(Chosen { name, role }) = &self.virtual_warehouse {
            let why = role.as_ref().map_or_else(
                || "no role has another one".to_owned(),
                |role| format!("by role \"{role}\""),
            );
            let _ = writeln!(text, "  runs on  virtual warehouse \"{name}\", {why}");
        }
        if let Some(compiles) = &self.compiles {
            let _ = writeln!(text, "  compiles {compiles}");
        }
        for Explained { through, table } in &self.tables {
            let through = match through.as_slice() {
                [] => String::new(),
                views => format!(", read by {} with its author's rights", views.join(" and ")),
            };
            let _ = writeln!(text, "\n{}{through}", table.table);
            rows(table, &mut text);
            columns(table, !through.is_empty(), &mut text);
        }
        for (title, body) in [("runs instead", &self.secured_sql), ("plan", &self.plan)] {
            if let Some(body) = body {
                let _ = writeln!(text, "\n{title}");
                for line in body.lines() {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
        text
    }
}

fn who(caller: &CallerExplanation, text: &mut String) {
    let CallerExplanation { held_roles, active_roles, access_rules, costs } = caller;
    let active = active_roles.as_deref().unwrap_or_default();
    let off: Vec<_> = held_roles.iter().filter(|role| !active.contains(role)).cloned().collect();
    let roles = if active.is_empty() { "none".to_owned() } else { active.join(", ") };
    // Writing to a String can't fail.
    let _ = writeln!(text, "  roles    {roles}");
    if !off.is_empty() {
        let _ = writeln!(text, "  off      {}", off.join(", "));
    }
    for rule in access_rules {
        let met = if rule.met { "met" } else { "not met" };
        let _ = writeln!(text, "  {met:<7}  {}", rule.says());
    }
    for cost in costs {
        let says = cost.says.join("; ");
        let _ = writeln!(text, "  costs    {}: {says}", cost.policy.place());
    }
}

fn rows(explanation: &Explanation, text: &mut String) {
    let _ = writeln!(text, "  rows     {}", explanation.rows());
    for policy in &explanation.row_policies {
        let _ = writeln!(text, "           {}", policy.says());
    }
    for policy in &explanation.aggregation_policies {
        let _ = writeln!(text, "           {}", policy.says());
    }
}

fn columns(explanation: &Explanation, by_view: bool, text: &mut String) {
    let width = explanation.columns.iter().map(|column| column.name.chars().count()).max();
    let width = width.unwrap_or(0).min(40);
    for (index, column) in explanation.columns.iter().enumerate() {
        let title = if index == 0 { "columns" } else { "" };
        let says = column.says(by_view);
        let _ = writeln!(text, "  {title:<7}  {:<width$}  {says}", column.name);
        for mask in &column.masks {
            let _ = writeln!(text, "           {:<width$}    {}", "", mask.says());
        }
    }
}
