//! What the result of a secured statement depends on, so that it may be given again.

use std::time::Duration;

use arrow::datatypes::DataType;
use datafusion_common::Result as PlanResult;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::expr::WindowFunctionDefinition;
use datafusion_expr::{Expr, LogicalPlan, Volatility};
use tollgate_catalog::{Table, TableName};

use super::{Engine, Secured};
use crate::relation::SecuredSource;

/// Plans with longer chains aren't compared: comparing recurses.
const MAX_OPERATORS: usize = 256;

/// The plan of a statement with its values, and the secured relations in it: whoever asks with an
/// equal key is shown the same rows, as long as the tables stay what they are. It holds the plans
/// themselves, not texts of them: no value can be written so that it passes for something else.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ResultKey {
    plan: LogicalPlan,
    relations: Vec<(TableName, LogicalPlan)>,
    /// The statement and the types of its parameters: timestamps with and without a zone are equal
    /// as values of a plan.
    normalised: String,
    parameters: Vec<DataType>,
    bundle_hash: String,
    snapshot_version: u64,
}

impl Secured {
    /// How old its result may be: the least that one of its tables says; nothing if one says nothing.
    pub fn cache_for(&self) -> Option<Duration> {
        let tables = &self.bound.meaning.tables;
        let ages = tables.iter().map(|table| cache_for(table)).collect::<Option<Vec<_>>>()?;
        ages.into_iter().min()
    }

    /// The key of its result; nothing if another execution may give another one over the same rows.
    pub fn result_key(&self) -> Option<ResultKey> {
        let bound = &self.bound;
        if bound.meaning.engine != Engine::Warehouse
            || bound.reads_clock
            || bound.meaning.operators > MAX_OPERATORS
        {
            return None;
        }
        let mut relations = Vec::new();
        // What can't be looked through isn't kept.
        if !repeats(&self.plan, &mut relations).unwrap_or(false) {
            return None;
        }
        Some(ResultKey {
            plan: self.plan.clone(),
            relations,
            normalised: bound.meaning.normalised.clone(),
            parameters: bound.meaning.parameters.clone(),
            bundle_hash: bound.bundle_hash.clone(),
            snapshot_version: bound.meaning.snapshot_version,
        })
    }
}

fn cache_for(table: &Table) -> Option<Duration> {
    let Some(view) = table.view() else { return table.cache_for };
    let below = view.reads.iter().map(|(read, _)| cache_for(read));
    below.chain(table.cache_for.map(Some)).collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// Whether a plan gives the same each time, and the relations in it.
fn repeats(plan: &LogicalPlan, relations: &mut Vec<(TableName, LogicalPlan)>) -> PlanResult<bool> {
    let mut same = true;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(source) = scan.source.downcast_ref::<SecuredSource>()
        {
            relations.push((source.secured().table().name.clone(), source.relation().clone()));
            same &= repeats(source.relation(), relations)?;
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                same &= is_immutable(expr);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(same)
}

fn is_immutable(expr: &Expr) -> bool {
    let volatility = match expr {
        Expr::ScalarFunction(call) => call.func.signature().volatility,
        Expr::AggregateFunction(call) => call.func.signature().volatility,
        Expr::WindowFunction(call) => match &call.fun {
            WindowFunctionDefinition::AggregateUDF(function) => function.signature().volatility,
            WindowFunctionDefinition::WindowUDF(function) => function.signature().volatility,
        },
        // `check` admits no other expression that calls anything.
        _ => return true,
    };
    volatility == Volatility::Immutable
}
