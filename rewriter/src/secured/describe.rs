//! What a secured statement is, in words: its relations for the record, its columns for the client.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion_common::Result as DataFusionResult;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{Distinct, Expr, LogicalPlan, TableScan};
use tollgate_catalog::{Error, OWN_SCHEMA, TableName};

use super::OutputColumn;
use crate::gate::DUPLICATE;
use crate::plan::subquery;
use crate::relation::SecuredSource;
use crate::system::SystemSource;

/// Writes a relation below the statement, for the audit record.
pub(super) fn describe(source: &SecuredSource, out: &mut String) {
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
    if let Some((rule, _)) = source.rule() {
        let _ = write!(
            out,
            "\n-- {} answers in aggregates of at least {} entities only: {rule:?}",
            table.name, rule.least
        );
    }
    // Writing to a String can't fail.
    let _ = write!(
        out,
        "\n-- {} is (SELECT {} FROM {}{predicate})",
        table.name,
        columns.join(", "),
        table.name
    );
}

/// Writes the plans of the subqueries in a relation's row policies and masks.
pub(super) fn describe_subqueries(
    source: &SecuredSource,
    out: &mut String,
) -> DataFusionResult<()> {
    let secured = source.secured();
    let masks = secured.columns().iter().filter_map(|column| column.mask.as_ref());
    for expr in masks.map(|mask| &mask.expr).chain(secured.row_predicate()) {
        expr.apply(|expr| {
            if let Some(plan) = subquery(expr) {
                // Writing to a String can't fail.
                let _ = writeln!(out, "{}", plan.display_indent_schema());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(())
}

/// The columns of the result: true names, and the table's column where the plan's top is one. `shown`
/// are their names if they aren't those of the plan.
pub(super) fn output(
    plan: &LogicalPlan,
    shown: Option<Vec<String>>,
) -> Result<Arc<[OutputColumn]>, Error> {
    let mut columns: Vec<OutputColumn> = plan
        .schema()
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
                own: is_own(plan, index),
            }
        })
        .collect();
    if let Some(names) = shown {
        if names.len() != columns.len() {
            return Err(Error::internal("a result has other columns than its statement"));
        }
        for (column, name) in columns.iter_mut().zip(names) {
            column.name = name;
        }
    }
    Ok(columns.into())
}

/// The table's column that an output column is, unchanged.
fn origin(plan: &LogicalPlan, index: usize) -> Option<(TableName, usize)> {
    let (scan, visible) = scan(plan, index)?;
    let source = scan.source.downcast_ref::<SecuredSource>()?;
    let secured = source.secured();
    if source.is_guarded() {
        return None;
    }
    // Counted among the visible columns, as the catalogs do: a gap would tell of a hidden one.
    secured.columns().get(visible)?;
    Some((secured.table().name.clone(), visible))
}

/// Whether an output column is one of the gateway's own records, unchanged.
fn is_own(plan: &LogicalPlan, index: usize) -> bool {
    let Some((scan, _)) = scan(plan, index) else { return false };
    if let Some(source) = scan.source.downcast_ref::<SecuredSource>() {
        return source.secured().table().name.schema == OWN_SCHEMA;
    }
    let system = scan.source.downcast_ref::<SystemSource>();
    system.is_some_and(|source| source.name().schema == OWN_SCHEMA)
}

/// Follows an output column down to the scan that it comes from unchanged, and its place there.
fn scan(plan: &LogicalPlan, index: usize) -> Option<(&TableScan, usize)> {
    fn step<'a>(expr: &Expr, input: &'a LogicalPlan) -> Option<(&'a TableScan, usize)> {
        let column = match expr {
            Expr::Column(column) => column,
            Expr::Alias(alias) => match alias.expr.as_ref() {
                Expr::Column(column) => column,
                _ => return None,
            },
            _ => return None,
        };
        scan(input, input.schema().index_of_column(column).ok()?)
    }
    match plan {
        LogicalPlan::Projection(node) => step(node.expr.get(index)?, &node.input),
        LogicalPlan::Filter(node) => scan(&node.input, index),
        LogicalPlan::Sort(node) => scan(&node.input, index),
        LogicalPlan::Limit(node) => scan(&node.input, index),
        LogicalPlan::SubqueryAlias(node) => scan(&node.input, index),
        LogicalPlan::Distinct(Distinct::All(input)) => scan(input, index),
        LogicalPlan::Aggregate(node) => step(node.group_expr.get(index)?, &node.input),
        // Its own columns come after those of its input.
        LogicalPlan::Window(node) if index < node.input.schema().fields().len() => {
            scan(&node.input, index)
        }
        LogicalPlan::Join(node) => {
            let left = node.left.schema().fields().len();
            match index.checked_sub(left) {
                None => scan(&node.left, index),
                Some(index) => scan(&node.right, index),
            }
        }
        LogicalPlan::TableScan(node) => match &node.projection {
            Some(projection) => Some((node, *projection.get(index)?)),
            None => Some((node, index)),
        },
        // Everything else computes. This names columns for drivers, it decides nothing.
        _ => None,
    }
}
