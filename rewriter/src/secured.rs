//! The end of the rewriter's road: a statement planned over secured relations.
//!
//! [`secure`] consumes a permit and yields [`Prepared`], which may be kept; [`Prepared::bind`] yields
//! [`Secured`], the only thing that a warehouse runs. Neither can be made in another way:
//!
//! ```compile_fail,E0451
//! use tollgate_rewriter::Secured;
//! fn swap(secured: Secured, plan: std::sync::Arc<datafusion_expr::LogicalPlan>) -> Secured {
//!     Secured { plan, ..secured }
//! }
//! ```
//!
//! ```compile_fail,E0616
//! fn swap(secured: &mut tollgate_rewriter::Secured, plan: std::sync::Arc<datafusion_expr::LogicalPlan>) {
//!     secured.plan = plan;
//! }
//! ```
//!
//! ```compile_fail,E0451
//! use tollgate_rewriter::Prepared;
//! fn swap(prepared: Prepared, plan: std::sync::Arc<datafusion_expr::LogicalPlan>) -> Prepared {
//!     Prepared { plan, ..prepared }
//! }
//! ```
//!
//! ```compile_fail,E0277
//! fn reuse(prepared: tollgate_rewriter::Prepared) -> tollgate_rewriter::Secured {
//!     prepared.into()
//! }
//! ```
//!
//! What was resolved is what is decided on: nothing can be slipped in after the decision, nor before,
//!
//! ```compile_fail,E0616
//! fn forget(resolved: &mut tollgate_rewriter::Resolved) {
//!     resolved.tables.clear();
//! }
//! ```
//!
//! ```compile_fail,E0451
//! use tollgate_rewriter::Resolved;
//! fn forget(resolved: Resolved) -> Resolved {
//!     Resolved { tables: Vec::new(), ..resolved }
//! }
//! ```
//!
//! only a permit for a resolved statement secures one, and only once:
//!
//! ```compile_fail,E0308
//! fn other(permit: tollgate_policy::Permit<u8>, registry: &tollgate_rewriter::Registry) {
//!     let _ = tollgate_rewriter::secure(permit, registry, 1, &[]);
//! }
//! ```
//!
//! ```compile_fail,E0308
//! fn bare(resolved: tollgate_rewriter::Resolved, registry: &tollgate_rewriter::Registry) {
//!     let _ = tollgate_rewriter::secure(resolved, registry, 1, &[]);
//! }
//! ```
//!
//! ```compile_fail,E0382
//! fn twice(permit: tollgate_policy::Permit<tollgate_rewriter::Resolved>, registry: &tollgate_rewriter::Registry) {
//!     let _ = tollgate_rewriter::secure(permit, registry, 1, &[]);
//!     let _ = tollgate_rewriter::secure(permit, registry, 1, &[]);
//! }
//! ```
//!
//! while this is the road:
//!
//! ```
//! fn once(permit: tollgate_policy::Permit<tollgate_rewriter::Resolved>, registry: &tollgate_rewriter::Registry) {
//!     let _ = tollgate_rewriter::secure(permit, registry, 1, &[]);
//! }
//! ```

mod again;
mod bind;
mod bounded;
mod describe;
mod key;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::{LogicalPlan, TableSource};
use datafusion_sql::sqlparser::ast::Query;
use tollgate_catalog::{Error, Table, TableName};
use tollgate_identity::Principal;
use tollgate_policy::{Limits, Permit, PermitParts, PolicyRef, SecuredTable, Standing};

use crate::dialect::SqlDialect;
use crate::functions::Registry;
use crate::plan::{self, Sources};
use crate::relation::SecuredSource;
use crate::render::Template;
use crate::resolve::{Resolved, Seen};
use crate::route::Engine;
use crate::sample::{self, Sampled};
use crate::statement::deep;
use crate::system::SystemSource;

pub use again::{Again, secure_again};
pub use key::ResultKey;

use describe::{describe_subqueries, output};
use source::source;

/// A column of a result, as the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// The name, as PostgreSQL would give it; names may repeat.
    pub name: String,
    /// The Arrow type of its values.
    pub data_type: DataType,
    /// Whether NULL may occur.
    pub nullable: bool,
    /// The table's column that it is, unchanged but for its mask: the table and the position, from
    /// 0, among the columns that the principal sees.
    pub table_column: Option<(TableName, usize)>,
    /// Whether it is a column of the gateway's own records, whose decimals have as many digits as
    /// they need.
    pub own: bool,
}

/// What a statement means whoever asks, shared by the plans that were made of it.
#[derive(Debug)]
struct Meaning {
    sql: Arc<str>,
    operators: usize,
    /// The normalised statement.
    normalised: String,
    engine: Engine,
    output: Arc<[OutputColumn]>,
    parameters: Vec<DataType>,
    /// The plan as it was written, if guards were put into it.
    asked: Option<LogicalPlan>,
    tables: Vec<Arc<Table>>,
    names: Vec<TableName>,
    views: BTreeMap<TableName, Query>,
    /// For whom it has this meaning; nothing if only for this session.
    seen: Option<Seen>,
    snapshot_version: u64,
}

/// What a permit was bound to, shared by a prepared statement and its executions.
#[derive(Debug)]
struct Bound {
    meaning: Arc<Meaning>,
    principal: Arc<Principal>,
    standing: Standing,
    reads_clock: bool,
    bundle_hash: String,
    secured_sql: String,
    /// The plans of subqueries in row policies, which `secured_sql` doesn't show.
    subplans: String,
    visible: Vec<(TableName, Vec<String>)>,
    policies: Vec<PolicyRef>,
    limits: Limits,
    /// Its text for PostgreSQL, once it was asked for; nothing in it if there is none for all values.
    text: OnceLock<Option<Template>>,
}

/// A secured statement whose parameters have no values yet.
#[derive(Debug)]
pub struct Prepared {
    bound: Arc<Bound>,
    plan: Arc<LogicalPlan>,
}

/// A secured statement that may run once admitted.
#[derive(Debug)]
pub struct Secured {
    bound: Arc<Bound>,
    plan: Arc<LogicalPlan>,
    /// The plan without the values, and these.
    open: Arc<LogicalPlan>,
    values: Vec<ScalarValue>,
}

/// Plans a permitted statement over its secured relations.
///
/// # Errors
/// What the planner can't plan, and any plan that isn't made of listed parts alone.
pub fn secure(
    permit: Permit<Resolved>,
    registry: &Registry,
    snapshot_version: u64,
    hints: &[Option<DataType>],
) -> Result<Prepared, Error> {
    let parts = permit.into_parts();
    // Printing and planning recurse.
    deep(parts.statement.operators, || plan_permitted(parts, registry, snapshot_version, hints))
}

fn plan_permitted(
    parts: PermitParts<Resolved>,
    registry: &Registry,
    snapshot_version: u64,
    hints: &[Option<DataType>],
) -> Result<Prepared, Error> {
    let Resolved { sql, operators, query, tables, engine, system, samples, shown, views, seen } =
        parts.statement;
    let normalised = query.to_string();
    let place = Place { engine: &engine, views: &views, registry };
    let secured = Relations::new(&tables, parts.tables, place, &normalised)?;
    let mut sources = Sources::new();
    for (name, source) in &secured.sources {
        let source: Arc<dyn TableSource> = Arc::<SecuredSource>::clone(source);
        sources.insert(name.clone(), source);
    }
    for (name, Sampled { table, sample }) in samples {
        let known = secured.sources.get(&table);
        let known = known.ok_or_else(|| Error::internal("a sample of an unknown table"))?;
        sample.confirm(known.secured().table())?;
        // The legs of a guard would see different samples.
        let guards = secured.sources.values().any(|source| source.rule().is_some());
        let sampled = known.sampled(sample).filter(|_| !guards);
        let sampled = sampled.ok_or_else(|| sample::refused(&table))?;
        let sampled: Arc<dyn TableSource> = Arc::new(sampled);
        sources.insert(name, sampled);
    }
    for (name, schema) in system {
        let source: Arc<dyn TableSource> = Arc::new(SystemSource::new(name.clone(), schema));
        sources.insert(name, source);
    }
    // Only Snowflake's shows names of its own.
    let dialect = match shown {
        Some(_) => SqlDialect::Snowflake,
        None => SqlDialect::PostgreSql,
    };
    let parametric = normalised.contains('$') || !hints.is_empty();
    let planned = plan::plan(query, dialect, parametric, &sources, registry, hints)?;
    sample::check(&planned.plan)?;
    crate::shapes::confirm(&planned.plan, &tables)?;
    let meaning = Arc::new(Meaning {
        sql,
        operators,
        normalised,
        engine,
        output: output(&planned.plan, shown)?,
        parameters: planned.parameters,
        asked: planned.asked,
        names: tables.iter().map(|table| table.name.clone()).collect(),
        tables,
        views,
        seen,
        snapshot_version,
    });
    let by = By {
        principal: parts.principal,
        standing: parts.standing,
        reads_clock: parts.reads_clock,
        bundle_hash: parts.bundle_hash,
        limits: parts.limits,
    };
    let plan = Arc::new(planned.plan);
    Ok(Prepared { bound: Arc::new(Bound::new(meaning, by, secured)), plan })
}

/// Who was permitted, and by what.
struct By {
    principal: Arc<Principal>,
    standing: Standing,
    reads_clock: bool,
    bundle_hash: String,
    limits: Limits,
}

impl Bound {
    fn new(meaning: Arc<Meaning>, by: By, relations: Relations) -> Self {
        let By { principal, standing, reads_clock, bundle_hash, limits } = by;
        let Relations { sources: _, text, subplans, visible, policies } = relations;
        Self {
            meaning,
            principal,
            standing,
            reads_clock,
            bundle_hash,
            secured_sql: text,
            subplans,
            visible,
            policies,
            limits,
            text: OnceLock::new(),
        }
    }
}

/// What secured relations are made with, and where all that they read must be.
#[derive(Clone, Copy)]
struct Place<'a> {
    engine: &'a Engine,
    views: &'a BTreeMap<TableName, Query>,
    registry: &'a Registry,
}

/// The secured relations of a statement's tables, and what there is to say of them.
struct Relations {
    sources: BTreeMap<TableName, Arc<SecuredSource>>,
    text: String,
    subplans: String,
    visible: Vec<(TableName, Vec<String>)>,
    policies: Vec<PolicyRef>,
}

impl Relations {
    fn new(
        named: &[Arc<Table>],
        permitted: Vec<SecuredTable>,
        place: Place<'_>,
        statement: &str,
    ) -> Result<Self, Error> {
        // One secured relation per named table, in the same order: anything else is a defect.
        let same = named.len() == permitted.len()
            && named
                .iter()
                .zip(&permitted)
                .all(|(name, secured)| Arc::ptr_eq(name, secured.table()));
        if !same {
            return Err(Error::internal("the permit doesn't cover the statement's tables"));
        }
        let mut all = Self {
            sources: BTreeMap::new(),
            text: statement.to_owned(),
            subplans: String::new(),
            visible: Vec::with_capacity(named.len()),
            policies: Vec::new(),
        };
        for secured in permitted {
            let name = secured.table().name.clone();
            let columns = secured.columns().iter();
            let columns = columns.filter_map(|column| secured.table().columns.get(column.index));
            all.visible.push((name.clone(), columns.map(|column| column.name.clone()).collect()));
            note_policies(&secured, &mut all.policies);
            let source = source(secured, &name, place, &mut all.text)?;
            describe_subqueries(&source, &mut all.subplans).map_err(Error::internal)?;
            all.sources.insert(name, Arc::new(source));
        }
        Ok(all)
    }
}

fn note_policies(secured: &SecuredTable, policies: &mut Vec<PolicyRef>) {
    for policy in secured.policies() {
        if !policies.contains(policy) {
            policies.push(policy.clone());
        }
    }
    for read in secured.reads() {
        note_policies(read, policies);
    }
}

impl Prepared {
    /// The types of the parameters, in order.
    pub fn parameters(&self) -> &[DataType] {
        &self.bound.meaning.parameters
    }

    /// The columns of the result.
    pub fn output(&self) -> &Arc<[OutputColumn]> {
        &self.bound.meaning.output
    }

    /// Whether a decision for this principal in this standing, bundle and snapshot would be this
    /// very one: a decision is a pure function of these and of the statement. One that asked what
    /// time it is never holds again.
    pub fn is_for(
        &self,
        principal: &Principal,
        standing: &Standing,
        bundle_hash: &str,
        snapshot_version: u64,
    ) -> bool {
        !self.bound.reads_clock
            && self.bound.standing.differs_in_time_only(standing)
            && self.bound.principal.id() == principal.id()
            && self.is_under(bundle_hash, snapshot_version)
    }

    /// Whether these policies decided it.
    pub fn is_of_bundle(&self, hash: &str) -> bool {
        self.bound.bundle_hash == hash
    }

    /// For whom it was decided.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.bound.principal
    }

    /// The roles that were active.
    pub fn roles(&self) -> &BTreeSet<String> {
        self.bound.standing.active()
    }

    /// The columns that are visible, by table.
    pub fn visible(&self) -> &[(TableName, Vec<String>)] {
        &self.bound.visible
    }

    /// Whether this bundle and snapshot decided.
    pub fn is_under(&self, bundle_hash: &str, snapshot_version: u64) -> bool {
        self.bound.bundle_hash == bundle_hash
            && self.bound.meaning.snapshot_version == snapshot_version
    }

    /// What was decided, as text: two decisions that would show other rows or columns, or other
    /// values in them, have other texts. For the gateway itself: it shows policies.
    pub fn decision(&self) -> String {
        let Bound { secured_sql, subplans, meaning, .. } = self.bound.as_ref();
        let Meaning { output, parameters, engine, .. } = meaning.as_ref();
        let columns: Vec<_> =
            output.iter().map(|column| (&column.name, &column.data_type)).collect();
        format!("{secured_sql}\n{subplans}\n{columns:?}\n{parameters:?}\n{engine:?}")
    }

    /// The plan as the user may see it: secured relations are leaves, so no policy shows.
    pub fn explain(&self) -> String {
        // A guard shows its numbers.
        let plan = self.bound.meaning.asked.as_ref().unwrap_or(self.plan.as_ref());
        deep(self.bound.meaning.operators, || plan.display_indent().to_string())
    }
}

impl Secured {
    /// The plan: its scans are secured and system sources only.
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// Where it runs.
    pub fn engine(&self) -> &Engine {
        &self.bound.meaning.engine
    }

    /// The columns of the result.
    pub fn output(&self) -> &Arc<[OutputColumn]> {
        &self.bound.meaning.output
    }

    /// For whom it was decided.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.bound.principal
    }

    /// The roles that were active.
    pub fn roles(&self) -> &BTreeSet<String> {
        self.bound.standing.active()
    }

    /// The base tables that it reads.
    pub fn tables(&self) -> &[TableName] {
        &self.bound.meaning.names
    }

    /// The policies that shaped them.
    pub fn policies(&self) -> &[PolicyRef] {
        &self.bound.policies
    }

    /// The bundle that decided.
    pub fn bundle_hash(&self) -> &str {
        &self.bound.bundle_hash
    }

    /// The catalog that it was resolved against.
    pub fn snapshot_version(&self) -> u64 {
        self.bound.meaning.snapshot_version
    }

    /// The client's text.
    pub fn sql(&self) -> &str {
        &self.bound.meaning.sql
    }

    /// The normalised statement and its secured relations, for the audit record.
    pub fn secured_sql(&self) -> &str {
        &self.bound.secured_sql
    }
}
