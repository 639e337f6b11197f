//! What the result of a secured statement depends on, so that it may be given again.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::DataType;
use datafusion_common::Result as PlanResult;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::expr::WindowFunctionDefinition;
use datafusion_expr::{Expr, LogicalPlan, TableSource, Volatility};
use tollgate_catalog::{RawSource, Table, TableName};

use super::Secured;
use crate::relation::SecuredSource;

/// Plans with longer chains aren't compared: comparing recurses.
const MAX_OPERATORS: usize = 256;

/// The plan of a statement with its values, and the secured relations in it: whoever asks with an
/// equal key is shown the same rows, as long as the tables stay what they are. It holds the plans
/// themselves, not texts of them: no value can be written so that it passes for something else.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ResultKey {
    plan: Arc<LogicalPlan>,
    relations: Vec<(TableName, LogicalPlan)>,
    /// The statement and the types of its parameters: timestamps with and without a zone are equal
    /// as values of a plan.
    normalised: String,
    parameters: Vec<DataType>,
    bundle_hash: String,
    snapshot_version: u64,
}

impl Secured {
    /// The key of its result, and how old that may be: the least that any table says which it reads,
    /// those that policies look into among them. Nothing if one says nothing, or if another
    /// execution may give another result over the same rows.
    pub fn result_key(&self) -> Option<(ResultKey, Duration)> {
        let bound = &self.bound;
        if !bound.meaning.engine.is_warehouse()
            || bound.reads_clock
            || bound.meaning.operators > MAX_OPERATORS
            // The answer for most, without a walk.
            || !bound.meaning.tables.iter().all(|table| may_be_kept(table))
        {
            return None;
        }
        let mut read = Read { relations: Vec::new(), age: Some(Duration::MAX), same: true };
        // What can't be looked through isn't kept.
        read.plan(&self.plan).ok()?;
        let age = read.age.filter(|_| read.same)?;
        let key = ResultKey {
            plan: Arc::clone(&self.plan),
            relations: read.relations,
            normalised: bound.meaning.normalised.clone(),
            parameters: bound.meaning.parameters.clone(),
            bundle_hash: bound.bundle_hash.clone(),
            snapshot_version: bound.meaning.snapshot_version,
        };
        Some((key, age))
    }
}

/// Whether a result over a table may be kept, as far as the table itself says.
fn may_be_kept(table: &Table) -> bool {
    table.view().is_some() || table.cache_for.is_some()
}

/// What a plan reads.
struct Read {
    relations: Vec<(TableName, LogicalPlan)>,
    /// The least age that a table allows; nothing once one allows none.
    age: Option<Duration>,
    /// Whether all of it gives the same each time.
    same: bool,
}

impl Read {
    fn plan(&mut self, plan: &LogicalPlan) -> PlanResult<()> {
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                self.source(scan.source.as_ref())?;
            }
            node.apply_expressions(|expr| {
                expr.apply(|expr| {
                    self.same &= is_immutable(expr);
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })
        .map(drop)
    }

    fn source(&mut self, source: &dyn TableSource) -> PlanResult<()> {
        if let Some(secured) = source.downcast_ref::<SecuredSource>() {
            let table = secured.secured().table();
            self.same &= secured.sample().is_none();
            self.relations.push((table.name.clone(), secured.relation().clone()));
            if let (Some(_), Some(own)) = (table.view(), table.cache_for) {
                self.age = self.age.map(|age| age.min(own));
            }
            return self.plan(secured.relation());
        }
        // A table of the statement's, or one that a policy looks into. Nothing else has an age.
        let raw = source.downcast_ref::<RawSource>();
        let allowed = raw.and_then(|raw| raw.table().cache_for);
        self.age = self.age.zip(allowed).map(|(age, allowed)| age.min(allowed));
        Ok(())
    }
}

/// Whether this very expression gives the same each time.
fn is_immutable(expr: &Expr) -> bool {
    let volatility = match expr {
        Expr::ScalarFunction(call) => call.func.signature().volatility,
        Expr::AggregateFunction(call) => call.func.signature().volatility,
        Expr::WindowFunction(call) => match &call.fun {
            WindowFunctionDefinition::AggregateUDF(function) => function.signature().volatility,
            WindowFunctionDefinition::WindowUDF(function) => function.signature().volatility,
        },
        Expr::Alias(_)
        | Expr::Column(_)
        | Expr::Literal(..)
        | Expr::BinaryExpr(_)
        | Expr::Like(_)
        | Expr::SimilarTo(_)
        | Expr::Not(_)
        | Expr::IsNotNull(_)
        | Expr::IsNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Negative(_)
        | Expr::Between(_)
        | Expr::Case(_)
        | Expr::Cast(_)
        | Expr::TryCast(_)
        | Expr::InList(_)
        | Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::SetComparison(_)
        | Expr::ScalarSubquery(_)
        | Expr::GroupingSet(_)
        | Expr::OuterReferenceColumn(..)
        | Expr::Unnest(_) => return true,
        #[expect(deprecated, reason = "the variant exists until upstream removes it")]
        Expr::Wildcard { .. } => return true,
        // Parameters have values by now.
        Expr::Placeholder(_)
        | Expr::ScalarVariable(..)
        | Expr::HigherOrderFunction(_)
        | Expr::Lambda(_)
        | Expr::LambdaVariable(_) => return false,
    };
    volatility == Volatility::Immutable
}
