//! Planning a gated query against secured relations, and the proof that nothing else is in the plan.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DataFusionError, Result as PlanResult, TableReference, plan_err};
use datafusion_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{
    AggregateUDF, Expr, ExprSchemable, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource,
    WindowFunctionDefinition, WindowUDF,
};
use datafusion_optimizer::analyzer::Analyzer;
use datafusion_optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion_sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion_sql::sqlparser::ast::{DataType as SqlType, Query, Statement, TimezoneInfo};
use tollgate_catalog::{Error, TableName};

use crate::dialect::SqlDialect;
use crate::functions::Registry;
use crate::lineage;
use crate::planner_error::public;
use crate::relation::SecuredSource;
use crate::system::SystemSource;

/// The relations that a query's names mean: secured sources and system sources, nothing else.
pub(crate) type Sources = HashMap<TableName, Arc<dyn TableSource>>;

/// What the planner may look up.
struct Names<'a> {
    sources: &'a Sources,
    registry: &'a Registry,
}

impl ContextProvider for Names<'_> {
    fn get_table_source(&self, name: TableReference) -> PlanResult<Arc<dyn TableSource>> {
        let found = match (name.schema(), name.table()) {
            (Some(schema), table) => self.sources.get(&TableName::new(schema, table)),
            (None, _) => None,
        };
        match found {
            Some(source) => Ok(Arc::clone(source)),
            None => plan_err!("relation does not exist"),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.registry.planners()
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: arrow::datatypes::SchemaRef,
    ) -> PlanResult<Arc<dyn TableSource>> {
        Ok(Arc::new(crate::system::WorkTableSource::new(name.to_owned(), schema)))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.registry.scalar_udf(name)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.registry.aggregate_udf(name)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.registry.window_udf(name)
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Times))
    }

    fn options(&self) -> &ConfigOptions {
        self.registry.options()
    }

    // The planner proposes a similar name to whoever asks for a function that isn't there, and
    // fails if there are none at all.
    fn udf_names(&self) -> Vec<String> {
        vec!["coalesce".to_owned()]
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The type `time` as columns have it, to the microsecond: the planner's own is another one, which isn't compared
/// with it.
#[derive(Debug)]
struct Times;

impl TypePlanner for Times {
    fn plan_type_field(&self, of: &SqlType) -> PlanResult<Option<FieldRef>> {
        let is_time =
            matches!(of, SqlType::Time(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone));
        let time = || DataType::Time64(TimeUnit::Microsecond);
        Ok(is_time.then(|| Arc::new(Field::new("", time(), true))))
    }
}

/// The options under which every statement is planned. Making them asks the system how many cores
/// there are, so they are made once.
pub(crate) fn options() -> ConfigOptions {
    let mut options = ConfigOptions::default();
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.time_zone = Some("UTC".to_owned());
    options
}

fn parser_options() -> ParserOptions {
    ParserOptions::new()
        // A decimal literal is numeric in PostgreSQL.
        .with_parse_float_as_decimal(true)
        // The gate folded and quoted every identifier.
        .with_enable_ident_normalization(false)
        .with_map_string_types_to_utf8view(false)
}

/// A planned query and the types of its parameters, in order.
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    /// The plan as it was written, if guards were put into it.
    pub(crate) asked: Option<LogicalPlan>,
    pub(crate) parameters: Vec<DataType>,
}

/// Plans `query`, which was written in a dialect; parameters take the types in `hints` where given, else those that the plan asks
/// for, else text. `parametric` says whether there may be any.
pub(crate) fn plan(
    query: Query,
    dialect: SqlDialect,
    parametric: bool,
    sources: &Sources,
    registry: &Registry,
    hints: &[Option<DataType>],
) -> Result<Planned, Error> {
    let names = Names { sources, registry };
    // For the second time, which only a statement with parameters needs.
    let again = parametric.then(|| query.clone());
    let first = plan_once(query, &names, hints)?;
    let parameters = parameters(&first, hints)?;
    let complete = hints.len() == parameters.len() && hints.iter().all(Option::is_some);
    // Planned again with every type known, so that literals and results have theirs.
    let plan = if complete || parameters.is_empty() {
        first
    } else {
        let typed: Vec<_> = parameters.iter().cloned().map(Some).collect();
        let query = again.ok_or_else(|| Error::internal("a parameter where there is none"))?;
        plan_once(query, &names, &typed)?
    };
    lineage::check(&plan)?;
    crate::shapes::check(&plan, dialect)?;
    crate::output::check(&plan).map_err(public)?;
    let (plan, asked) = match crate::aggregation::apply(&plan, sources, registry)? {
        Some(guarded) => (guarded, Some(plan)),
        None => (plan, None),
    };
    let plan = crate::arithmetic::Arithmetic::new(registry).apply(plan).map_err(public)?;
    // With the types that values will have, so that a client is told no other ones.
    let plan = Analyzer::with_rules(vec![Arc::new(TypeCoercion::new())])
        .execute_and_check(plan, registry.options(), |_, _| {})
        .and_then(|plan| crate::finish::apply(plan, registry))
        .map_err(public)?;
    check(&plan, registry)?;
    Ok(Planned { plan, asked, parameters })
}

/// The types of the parameters in a plan: as the hints say, else as the plan asks for, else text.
fn parameters(plan: &LogicalPlan, hints: &[Option<DataType>]) -> Result<Vec<DataType>, Error> {
    let inferred = plan.get_parameter_types().map_err(public)?;
    let mut parameters: Vec<Option<DataType>> = hints.to_vec();
    if inferred.is_empty() && parameters.iter().all(Option::is_some) {
        return Ok(parameters.into_iter().flatten().collect());
    }
    for (name, data_type) in inferred {
        let Some(index) = parameter_index(&name) else {
            return Err(Error::new(
                tollgate_catalog::ErrorKind::Syntax,
                format!("there is no parameter \"{name}\""),
            ));
        };
        if index >= MAX_PARAMETERS {
            return Err(Error::new(
                tollgate_catalog::ErrorKind::ProgramLimit,
                format!("a statement has at most {MAX_PARAMETERS} parameters"),
            ));
        }
        if parameters.len() <= index {
            parameters.resize(index + 1, None);
        }
        if let Some(slot @ None) = parameters.get_mut(index) {
            *slot = data_type;
        }
    }
    for (index, data_type) in array_parameters(plan).map_err(public)? {
        if let Some(slot @ None) = parameters.get_mut(index) {
            *slot = Some(data_type);
        }
    }
    cast_types(plan, &mut parameters).map_err(public)?;
    Ok(parameters.into_iter().map(|slot| slot.unwrap_or(DataType::Utf8)).collect())
}

/// The index of a parameter by its name, `$1` being 0.
fn parameter_index(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}

/// Parameters in `x = ANY($1)` without a type: arrays of the type of `x`.
fn array_parameters(plan: &LogicalPlan) -> PlanResult<Vec<(usize, DataType)>> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(call) = expr
                    && call.func.name() == "array_has"
                    && let [Expr::Placeholder(array), element] = call.args.as_slice()
                    && array.field.is_none()
                    && let Some(index) = parameter_index(&array.id)
                    && let Ok(element) = element.get_type(&schema)
                {
                    let item = Field::new_list_field(element, true);
                    found.push((index, DataType::List(Arc::new(item))));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// As in PostgreSQL, a parameter that is cast has the type that it is cast to.
fn cast_types(plan: &LogicalPlan, parameters: &mut [Option<DataType>]) -> PlanResult<()> {
    let mut note = |expr: &Expr| {
        if let Expr::Cast(cast) = expr
            && let Expr::Placeholder(placeholder) = cast.expr.as_ref()
        {
            let number = placeholder.id.strip_prefix('$').and_then(|id| id.parse::<usize>().ok());
            let index = number.and_then(|number| number.checked_sub(1));
            if let Some(slot @ None) = index.and_then(|index| parameters.get_mut(index)) {
                *slot = Some(cast.field.data_type().clone());
            }
        }
        Ok(TreeNodeRecursion::Continue)
    };
    plan.apply_with_subqueries(|node| node.apply_expressions(|expr| expr.apply(&mut note)))?;
    Ok(())
}

/// As in PostgreSQL's protocol: a 16-bit count.
const MAX_PARAMETERS: usize = 65_535;

fn plan_once(
    query: Query,
    names: &Names<'_>,
    types: &[Option<DataType>],
) -> Result<LogicalPlan, Error> {
    let fields: Vec<Option<FieldRef>> = types
        .iter()
        .map(|slot| {
            slot.as_ref()
                .map(|data_type| -> FieldRef { Arc::new(Field::new("", data_type.clone(), true)) })
        })
        .collect();
    let mut context = PlannerContext::new().with_prepare_param_data_types(fields);
    SqlToRel::new_with_options(names, parser_options())
        .sql_statement_to_plan_with_context(Statement::Query(Box::new(query)), &mut context)
        .and_then(each_key_once)
        .map_err(public)
}

/// The plan without keys of groups that are there before: the planner keeps them, but counts no column for them.
fn each_key_once(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    let again = |keys: &[Expr]| {
        keys.iter().enumerate().any(|(at, key)| keys.iter().take(at).any(|before| before == key))
    };
    let mut repeated = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node {
            repeated |= again(&aggregate.group_expr);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !repeated {
        return Ok(plan);
    }
    let plan = plan.transform_up_with_subqueries(|mut node| {
        if let LogicalPlan::Aggregate(aggregate) = &mut node {
            let mut kept = Vec::with_capacity(aggregate.group_expr.len());
            for key in std::mem::take(&mut aggregate.group_expr) {
                if !kept.contains(&key) {
                    kept.push(key);
                }
            }
            aggregate.group_expr = kept;
        }
        Ok(Transformed::yes(node))
    })?;
    Ok(plan.data)
}

/// Proves that a plan holds nothing but nodes, expressions and functions that are on the list, and
/// that every scan is a secured or a system relation. A new variant upstream breaks this build.
pub(crate) fn check(plan: &LogicalPlan, registry: &Registry) -> Result<(), Error> {
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::EmptyRelation(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Unnest(_)
            | LogicalPlan::RecursiveQuery(_) => {}
            LogicalPlan::TableScan(scan) => {
                let known = scan.source.is::<SecuredSource>()
                    || scan.source.is::<SystemSource>()
                    || scan.source.is::<crate::system::WorkTableSource>();
                if !known {
                    return refuse("a scan of an unknown source");
                }
                let source = scan.source.downcast_ref::<SecuredSource>();
                if source.is_some_and(|source| source.rule().is_some()) {
                    return refuse("rows that are to be aggregated");
                }
            }
            LogicalPlan::Repartition(_) => return refuse("a repartition"),
            LogicalPlan::Statement(_) => return refuse("a statement"),
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => return refuse("an explain"),
            LogicalPlan::Extension(_) => return refuse("an extension node"),
            LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_) => {
                return refuse("a write");
            }
            LogicalPlan::DescribeTable(_) => return refuse("a description"),
        }
        node.apply_expressions(|expr| expr.apply(|expr| check_expr(expr, registry)))
    })
    .map_err(Error::internal)?;
    Ok(())
}

/// The plan of the query that this very expression asks. Every variant is named: one that asks and
/// were missed would hide what it reads.
pub(crate) fn subquery(expr: &Expr) -> Option<&LogicalPlan> {
    match expr {
        Expr::Exists(exists) => Some(&exists.subquery.subquery),
        Expr::InSubquery(lookup) => Some(&lookup.subquery.subquery),
        Expr::SetComparison(comparison) => Some(&comparison.subquery.subquery),
        Expr::ScalarSubquery(inner) => Some(&inner.subquery),
        Expr::Alias(_)
        | Expr::Column(_)
        | Expr::ScalarVariable(..)
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
        | Expr::ScalarFunction(_)
        | Expr::AggregateFunction(_)
        | Expr::WindowFunction(_)
        | Expr::HigherOrderFunction(_)
        | Expr::InList(_)
        | Expr::GroupingSet(_)
        | Expr::Placeholder(_)
        | Expr::OuterReferenceColumn(..)
        | Expr::Unnest(_)
        | Expr::Lambda(_)
        | Expr::LambdaVariable(_) => None,
        #[expect(deprecated, reason = "the variant exists until upstream removes it")]
        Expr::Wildcard { .. } => None,
    }
}

fn refuse(what: &str) -> PlanResult<TreeNodeRecursion> {
    Err(DataFusionError::Internal(format!("the plan holds {what}")))
}

fn check_expr(expr: &Expr, registry: &Registry) -> PlanResult<TreeNodeRecursion> {
    let function = match expr {
        Expr::Alias(_)
        | Expr::Column(_)
        | Expr::Literal(..)
        | Expr::BinaryExpr(_)
        | Expr::Like(_)
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
        | Expr::InList(_)
        | Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::SetComparison(_)
        | Expr::ScalarSubquery(_)
        | Expr::GroupingSet(_)
        | Expr::Placeholder(_)
        | Expr::OuterReferenceColumn(..)
        | Expr::Unnest(_) => return Ok(TreeNodeRecursion::Continue),
        Expr::ScalarFunction(call) => call.func.name().to_owned(),
        Expr::AggregateFunction(call) => call.func.name().to_owned(),
        Expr::WindowFunction(call) => match &call.fun {
            WindowFunctionDefinition::AggregateUDF(function) => function.name().to_owned(),
            WindowFunctionDefinition::WindowUDF(function) => function.name().to_owned(),
        },
        // `count(*)` keeps its star until the analyzer; a select list's star is expanded by now.
        #[expect(deprecated, reason = "the variant exists until upstream removes it")]
        Expr::Wildcard { .. } => return Ok(TreeNodeRecursion::Continue),
        Expr::SimilarTo(_) => return refuse("SIMILAR TO"),
        Expr::TryCast(_) => return refuse("a failing cast that is NULL"),
        Expr::ScalarVariable(..) => return refuse("a variable"),
        Expr::HigherOrderFunction(_) | Expr::Lambda(_) | Expr::LambdaVariable(_) => {
            return refuse("a lambda");
        }
    };
    if registry.admits(&function) {
        Ok(TreeNodeRecursion::Continue)
    } else {
        refuse(&format!("the function {function}"))
    }
}
