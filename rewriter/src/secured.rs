//! The end of the rewriter's road: a statement planned over secured relations.
//!
//! [`secure`] consumes a permit and yields [`Prepared`], which may be kept; [`Prepared::bind`] yields
//! [`Secured`], the only thing that a warehouse runs. Neither can be made in another way:
//!
//! ```compile_fail
//! let stolen = tollgate_rewriter::Secured { sql: "SELECT 1".into() };
//! ```
//!
//! ```compile_fail
//! fn reuse(prepared: tollgate_rewriter::Prepared) -> tollgate_rewriter::Secured {
//!     prepared.into()
//! }
//! ```
//!
//! ```compile_fail
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

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::ParamValues;
use datafusion_common::ScalarValue;
use datafusion_common::metadata::ScalarAndMetadata;
use datafusion_expr::{Expr, LogicalPlan, TableSource};
use tollgate_catalog::{Error, ErrorKind, TableName};
use tollgate_identity::Principal;
use tollgate_policy::{Permit, PolicyRef};

use crate::functions::Registry;
use crate::gate::DUPLICATE;
use crate::plan::{self, Sources};
use crate::planner_error::public;
use crate::relation::SecuredSource;
use crate::resolve::Resolved;
use crate::system::SystemSource;

/// Where a secured query runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// It names base tables: their warehouse.
    Warehouse,
    /// It names system relations or nothing: the gateway itself.
    System,
}

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
}

/// What a permit was bound to, shared by a prepared statement and its executions.
#[derive(Debug)]
struct Bound {
    principal: Arc<Principal>,
    roles: BTreeSet<String>,
    bundle_hash: String,
    snapshot_version: u64,
    sql: Arc<str>,
    secured_sql: String,
    engine: Engine,
    output: Arc<[OutputColumn]>,
    parameters: Vec<DataType>,
    tables: Vec<TableName>,
    policies: Vec<PolicyRef>,
}

/// A secured statement whose parameters have no values yet.
#[derive(Debug)]
pub struct Prepared {
    bound: Arc<Bound>,
    plan: LogicalPlan,
}

/// A secured statement that may run once admitted.
#[derive(Debug)]
pub struct Secured {
    bound: Arc<Bound>,
    plan: LogicalPlan,
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
    let Resolved { sql, query, tables: named, system } = parts.statement;
    // One secured relation per named table, in the same order: anything else is a defect.
    let same = named.len() == parts.tables.len()
        && named
            .iter()
            .zip(&parts.tables)
            .all(|(name, secured)| Arc::ptr_eq(name, secured.table()));
    if !same {
        return Err(Error::internal("the permit doesn't cover the statement's tables"));
    }
    let engine = if named.is_empty() { Engine::System } else { Engine::Warehouse };
    let mut sources = Sources::new();
    let mut policies = Vec::new();
    let mut secured_sql = query.to_string();
    for secured in parts.tables {
        let name = secured.table().name.clone();
        for policy in secured.policies() {
            if !policies.contains(policy) {
                policies.push(policy.clone());
            }
        }
        let source = SecuredSource::new(secured).map_err(Error::internal)?;
        describe(&source, &mut secured_sql);
        let source: Arc<dyn TableSource> = Arc::new(source);
        sources.insert(name, source);
    }
    for (name, schema) in system {
        let source: Arc<dyn TableSource> = Arc::new(SystemSource::new(name.clone(), schema));
        sources.insert(name, source);
    }
    let planned = plan::plan(&query, &sources, registry, hints)?;
    let output = output(&planned.plan);
    Ok(Prepared {
        bound: Arc::new(Bound {
            principal: parts.principal,
            roles: parts.roles,
            bundle_hash: parts.bundle_hash,
            snapshot_version,
            sql,
            secured_sql,
            engine,
            output,
            parameters: planned.parameters,
            tables: named.iter().map(|table| table.name.clone()).collect(),
            policies,
        }),
        plan: planned.plan,
    })
}

/// Writes a relation below the statement, for the audit record.
fn describe(source: &SecuredSource, out: &mut String) {
    let secured = source.secured();
    let table = secured.table();
    let columns: Vec<String> = secured
        .columns()
        .iter()
        .filter_map(|visible| {
            let column = table.columns.get(visible.index)?;
            let name = tollgate_catalog::id::quote_if_needed(&column.name);
            Some(match &visible.mask {
                Some(mask) => format!("{} AS {name}", mask.expr),
                None => name,
            })
        })
        .collect();
    let predicate = match secured.row_predicate() {
        Some(predicate) => format!(" WHERE {predicate}"),
        None => String::new(),
    };
    // Writing to a String can't fail.
    let _ = write!(
        out,
        "\n-- {} is (SELECT {} FROM {}{predicate})",
        table.name,
        columns.join(", "),
        table.name
    );
}

/// The columns of the result: true names, and the table's column where the plan's top is one.
fn output(plan: &LogicalPlan) -> Arc<[OutputColumn]> {
    plan.schema()
        .iter()
        .enumerate()
        .map(|(index, (_, field))| {
            let name = match field.name().split_once(DUPLICATE) {
                Some((name, _)) => name.to_owned(),
                None => field.name().clone(),
            };
            OutputColumn {
                name,
                data_type: field.data_type().clone(),
                nullable: field.is_nullable(),
                table_column: origin(plan, index),
            }
        })
        .collect()
}

/// Follows an output column down to the scan that it comes from unchanged.
fn origin(plan: &LogicalPlan, index: usize) -> Option<(TableName, usize)> {
    let step = |expr: &Expr, input: &LogicalPlan| -> Option<(TableName, usize)> {
        let column = match expr {
            Expr::Column(column) => column,
            Expr::Alias(alias) => match alias.expr.as_ref() {
                Expr::Column(column) => column,
                _ => return None,
            },
            _ => return None,
        };
        origin(input, input.schema().index_of_column(column).ok()?)
    };
    match plan {
        LogicalPlan::Projection(node) => step(node.expr.get(index)?, &node.input),
        LogicalPlan::Filter(node) => origin(&node.input, index),
        LogicalPlan::Sort(node) => origin(&node.input, index),
        LogicalPlan::Limit(node) => origin(&node.input, index),
        LogicalPlan::SubqueryAlias(node) => origin(&node.input, index),
        LogicalPlan::Join(node) => {
            let left = node.left.schema().fields().len();
            match index.checked_sub(left) {
                None => origin(&node.left, index),
                Some(index) => origin(&node.right, index),
            }
        }
        LogicalPlan::TableScan(scan) => {
            let secured = scan.source.downcast_ref::<SecuredSource>()?.secured();
            let visible = match &scan.projection {
                Some(projection) => *projection.get(index)?,
                None => index,
            };
            // Counted among the visible columns, as the catalogs do: a gap would tell of a hidden one.
            secured.columns().get(visible)?;
            Some((secured.table().name.clone(), visible))
        }
        // Everything else computes. This names columns for drivers, it decides nothing.
        _ => None,
    }
}

impl Prepared {
    /// The types of the parameters, in order.
    pub fn parameters(&self) -> &[DataType] {
        &self.bound.parameters
    }

    /// The columns of the result.
    pub fn output(&self) -> &Arc<[OutputColumn]> {
        &self.bound.output
    }

    /// Whether a decision for this principal, bundle and snapshot would be this very one: a
    /// decision is a pure function of these and of the statement.
    pub fn is_for(&self, principal: &Principal, bundle_hash: &str, snapshot_version: u64) -> bool {
        self.bound.principal.id() == principal.id()
            && self.bound.bundle_hash == bundle_hash
            && self.bound.snapshot_version == snapshot_version
    }

    /// The plan as the user may see it: secured relations are leaves, so no policy shows.
    pub fn explain(&self) -> String {
        self.plan.display_indent().to_string()
    }

    /// Gives the parameters their values, for one execution.
    ///
    /// # Errors
    /// A wrong number of values, or a value of another type.
    pub fn bind(&self, values: Vec<ScalarValue>) -> Result<Secured, Error> {
        if values.len() != self.bound.parameters.len() {
            return Err(Error::new(
                ErrorKind::ProtocolViolation,
                format!(
                    "the statement needs {} parameters, but {} were given",
                    self.bound.parameters.len(),
                    values.len()
                ),
            ));
        }
        let typed = values.iter().zip(&self.bound.parameters);
        for (number, (value, data_type)) in typed.enumerate() {
            if value.data_type() != *data_type && !same_family(&value.data_type(), data_type) {
                return Err(Error::new(
                    ErrorKind::DatatypeMismatch,
                    format!("parameter ${} has another type than the statement says", number + 1),
                ));
            }
        }
        let plan = if values.is_empty() {
            self.plan.clone()
        } else {
            let values = values.into_iter().map(ScalarAndMetadata::from).collect();
            self.plan
                .clone()
                .replace_params_with_values(&ParamValues::List(values))
                .map_err(public)?
        };
        Ok(Secured { bound: Arc::clone(&self.bound), plan })
    }
}

/// A decimal or a time of another precision is still one: values are never rounded to fit.
fn same_family(value: &DataType, wanted: &DataType) -> bool {
    let decimal = |of: &DataType| matches!(of, DataType::Decimal128(..) | DataType::Decimal256(..));
    match (value, wanted) {
        (DataType::Null, _) | (DataType::Time64(_), DataType::Time64(_)) => true,
        (DataType::Timestamp(_, zone), DataType::Timestamp(_, wanted)) => {
            zone.is_some() == wanted.is_some()
        }
        (DataType::List(value), DataType::List(wanted)) => {
            value.data_type() == wanted.data_type()
                || same_family(value.data_type(), wanted.data_type())
        }
        (value, wanted) => decimal(value) && decimal(wanted),
    }
}

impl Secured {
    /// The plan: its scans are secured and system sources only.
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// Where it runs.
    pub fn engine(&self) -> Engine {
        self.bound.engine
    }

    /// The columns of the result.
    pub fn output(&self) -> &Arc<[OutputColumn]> {
        &self.bound.output
    }

    /// For whom it was decided.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.bound.principal
    }

    /// The roles that were active.
    pub fn roles(&self) -> &BTreeSet<String> {
        &self.bound.roles
    }

    /// The base tables that it reads.
    pub fn tables(&self) -> &[TableName] {
        &self.bound.tables
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
        self.bound.snapshot_version
    }

    /// The client's text.
    pub fn sql(&self) -> &str {
        &self.bound.sql
    }

    /// The normalised statement and its secured relations, for the audit record.
    pub fn secured_sql(&self) -> &str {
        &self.bound.secured_sql
    }
}
