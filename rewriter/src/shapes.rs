//! Where whole rows and JSON may stand in a plan.
//!
//! The engine has neither PostgreSQL's comparison of rows nor its texts of them, and JSON is written
//! after it. So a row may be shown, collected in an array or as JSON, counted and grouped; JSON may be
//! shown. A semi-structured value of a warehouse may be shown, counted and tested for NULL, a path may
//! lead into it, and a few functions tell of it: it compares there by what is in it, not by its text. Casts of it are Snowflake's, so
//! they mean something in its dialect only. Whatever else is done with them is refused, under whatever
//! names and in whatever subquery.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, DataFusionError, Result};
use datafusion_expr::expr::{AggregateFunctionParams, WindowFunctionParams};
use datafusion_expr::logical_plan::Distinct;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{Expr, LogicalPlan, SortExpr, WindowFunctionDefinition};
use tollgate_catalog::pg_type::{Shape, holds_shape, is_document, shape};
use tollgate_catalog::{Error, ErrorKind, Storage, Table};

use crate::dialect::SqlDialect;
use crate::operands::{Document, Element};

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Row,
    /// JSON, or an array of rows.
    Made,
    /// A semi-structured value.
    Document,
}

fn of_type(data_type: &DataType) -> Kind {
    match (shape(data_type), holds_shape(data_type)) {
        (Some(Shape::Record), _) => Kind::Row,
        (Some(Shape::Document), _) => Kind::Document,
        (Some(Shape::Json), _) | (None, true) => Kind::Made,
        (None, false) => Kind::Plain,
    }
}

fn refused() -> DataFusionError {
    let error = Error::not_supported("this use of a whole row or of JSON")
        .with_hint("select it as it is, or name the columns that are needed");
    DataFusionError::External(Box::new(error))
}

/// The refusal of what isn't plain.
fn unfit(kind: Kind) -> DataFusionError {
    match kind {
        Kind::Document => {
            let error = Error::not_supported("this use of a semi-structured value").with_hint(
                "select it as it is, or in Snowflake's dialect cast it: value:key::string",
            );
            DataFusionError::External(Box::new(error))
        }
        Kind::Plain | Kind::Row | Kind::Made => refused(),
    }
}

fn defect(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("shapes: {what}"))
}

/// Refuses a plan that does anything else with them.
///
/// # Errors
/// 0A000 without any name.
pub(crate) fn check(plan: &LogicalPlan, dialect: SqlDialect) -> std::result::Result<(), Error> {
    let checked = makes(plan).and_then(|makes| match makes {
        true => plan
            .apply_with_subqueries(|node| {
                self::node(node)?;
                casts(node, dialect)?;
                Ok(TreeNodeRecursion::Continue)
            })
            .map(drop),
        false => Ok(()),
    });
    checked.map_err(crate::planner_error::public)
}

/// Refuses casts of semi-structured values that aren't Snowflake's, or not to these types.
fn casts(plan: &LogicalPlan, dialect: SqlDialect) -> Result<()> {
    let schema = merge_schema(&plan.inputs());
    plan.apply_expressions(|expr| {
        expr.apply(|expr| {
            if let Expr::Cast(cast) = expr
                && kind(&cast.expr, &schema)? == Kind::Document
                && (dialect != SqlDialect::Snowflake || !is_target(cast.field.data_type()))
            {
                return Err(unfit(Kind::Document));
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })
    .map(drop)
}

/// What a semi-structured value can be cast to.
fn is_target(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8
            | DataType::Decimal128(..)
            | DataType::Float64
            | DataType::Boolean
            | DataType::Date32
            | DataType::Timestamp(TimeUnit::Microsecond, None)
    )
}

/// Demands that what makes semi-structured values of texts runs at a Snowflake.
///
/// # Errors
/// 0A000 with the function's name.
pub(crate) fn confirm(plan: &LogicalPlan, tables: &[Arc<Table>]) -> std::result::Result<(), Error> {
    if tables.iter().any(|table| is_at_snowflake(table)) {
        // All of a statement's tables are at one warehouse.
        return Ok(());
    }
    let mut found = None;
    let looked = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(call) = expr {
                    found = found.or(Document::of(call.func.name()));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    looked.map_err(Error::internal)?;
    match found {
        Some(function) => Err(Error::not_supported(function.word())
            .with_hint("a Snowflake computes it, over tables that are there")),
        None => Ok(()),
    }
}

fn is_at_snowflake(table: &Table) -> bool {
    match &table.storage {
        Storage::Snowflake(_) => true,
        Storage::View(view) => view.reads.iter().any(|(read, _)| is_at_snowflake(read)),
        Storage::Parquet(_) | Storage::Csv(_) | Storage::Postgres { .. } | Storage::Ledger => false,
    }
}

/// Whether anything in a plan makes them: most don't.
fn makes(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found |= scan.source.schema().fields().iter().any(|of| holds_shape(of.data_type()));
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                let makes = matches!(expr, Expr::ScalarFunction(call)
                    if matches!(call.func.name(), "tg_row" | "tg_row_json" | "tg_list_json")
                        || Document::of(call.func.name()).is_some());
                found |= makes;
                Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    })?;
    Ok(found)
}

fn node(plan: &LogicalPlan) -> Result<()> {
    let schema = merge_schema(&plan.inputs());
    let plain = |mut exprs: &mut dyn Iterator<Item = &Expr>| {
        Iterator::try_for_each(&mut exprs, |expr| self::plain(expr, &schema))
    };
    let any = |exprs: &[Expr]| exprs.iter().try_for_each(|expr| kind(expr, &schema).map(drop));
    match plan {
        LogicalPlan::Projection(projection) => any(&projection.expr),
        LogicalPlan::Filter(filter) => self::plain(&filter.predicate, &schema),
        LogicalPlan::Window(window) => any(&window.window_expr),
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.iter().try_for_each(|key| grouped(kind(key, &schema)?))?;
            any(&aggregate.aggr_expr)
        }
        LogicalPlan::Sort(sort) => sorted(&sort.expr, &schema),
        LogicalPlan::Join(join) => {
            plain(&mut join.on.iter().flat_map(|(left, right)| [left, right]))?;
            plain(&mut join.filter.iter())
        }
        LogicalPlan::Union(union) => {
            for input in &union.inputs {
                if input.schema().fields().len() != union.schema.fields().len() {
                    return Err(defect("the inputs of a union differ"));
                }
                for (one, all) in input.schema().fields().iter().zip(union.schema.fields()) {
                    let shaped = holds_shape(one.data_type()) || holds_shape(all.data_type());
                    if shaped && one.data_type() != all.data_type() {
                        return Err(match of_type(one.data_type()) {
                            Kind::Plain => unfit(of_type(all.data_type())),
                            other => unfit(other),
                        });
                    }
                }
            }
            Ok(())
        }
        LogicalPlan::TableScan(scan) => {
            scan.filters.iter().try_for_each(|of| self::plain(of, &scan.projected_schema))
        }
        LogicalPlan::Limit(limit) => {
            plain(&mut [&limit.skip, &limit.fetch].into_iter().flatten().map(AsRef::as_ref))
        }
        LogicalPlan::Values(values) => plain(&mut values.values.iter().flatten()),
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let fields = input.schema().fields();
            fields.iter().try_for_each(|field| grouped(of_type(field.data_type())))
        }
        LogicalPlan::Distinct(Distinct::On(on)) => {
            plain(&mut on.on_expr.iter())?;
            sorted(on.sort_expr.as_deref().unwrap_or_default(), &schema)?;
            any(&on.select_expr)
        }
        LogicalPlan::Unnest(unnest) => {
            // A list of semi-structured values is made by FLATTEN only, and stands nowhere else.
            let columns = unnest.exec_columns.iter().filter(|column| {
                let of = schema.maybe_index_of_column(column);
                let of = of.and_then(|index| schema.fields().get(index));
                !of.is_some_and(|field| is_elements(field.data_type()))
            });
            let columns = columns.map(|column| Expr::Column(column.clone()));
            columns.into_iter().try_for_each(|column| self::plain(&column, &schema))
        }
        LogicalPlan::RecursiveQuery(query) => found(&query.static_term),
        LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_) => Ok(()),
        LogicalPlan::Repartition(_)
        | LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => Err(defect("a node that isn't part of a query")),
    }
}

/// Whether these are the lists that FLATTEN unnests.
fn is_elements(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(item) if is_document(item.data_type()))
}

/// Demands what can be grouped by: in PostgreSQL JSON can't either.
fn grouped(kind: Kind) -> Result<()> {
    match kind {
        Kind::Plain | Kind::Row => Ok(()),
        Kind::Made | Kind::Document => Err(unfit(kind)),
    }
}

fn sorted(keys: &[SortExpr], schema: &DFSchema) -> Result<()> {
    keys.iter().try_for_each(|key| plain(&key.expr, schema))
}

/// Demands a plain value.
fn plain(expr: &Expr, schema: &DFSchema) -> Result<()> {
    match kind(expr, schema)? {
        Kind::Plain => Ok(()),
        other @ (Kind::Row | Kind::Made | Kind::Document) => Err(unfit(other)),
    }
}

/// What a value is; refuses what computing it does with others.
fn kind(expr: &Expr, schema: &DFSchema) -> Result<Kind> {
    stacker::maybe_grow(256 << 10, 2 << 20, || kind_here(expr, schema))
}

fn kind_here(expr: &Expr, schema: &DFSchema) -> Result<Kind> {
    match expr {
        Expr::Column(column) => {
            let index = schema.maybe_index_of_column(column);
            let field = index.and_then(|index| schema.fields().get(index));
            field.map(|field| of_type(field.data_type())).ok_or_else(|| {
                let error = Error::new(
                    ErrorKind::UndefinedColumn,
                    "the statement names a column that does not exist",
                );
                DataFusionError::External(Box::new(error))
            })
        }
        Expr::OuterReferenceColumn(field, _) => Ok(of_type(field.data_type())),
        Expr::Literal(value, _) => Ok(of_type(&value.data_type())),
        Expr::Placeholder(_) => Ok(Kind::Plain),
        Expr::Alias(alias) => kind(&alias.expr, schema),
        Expr::ScalarFunction(call) => {
            let mut kinds = call.args.iter().map(|arg| kind(arg, schema));
            match call.func.name() {
                "tg_row" => kinds.try_for_each(|kind| kind.map(drop)).map(|()| Kind::Row),
                "tg_row_json" | "tg_list_json" => {
                    kinds.try_for_each(|kind| kind.map(drop)).map(|()| Kind::Made)
                }
                "tg_row_text" => kinds.try_for_each(|kind| grouped(kind?)).map(|()| Kind::Plain),
                "tg_get" => match call.args.as_slice() {
                    [value, step] if kind(value, schema)? == Kind::Document => {
                        plain(step, schema).map(|()| Kind::Document)
                    }
                    _ => Err(unfit(Kind::Document)),
                },
                name if let Some(of) = Document::of(name) => document(of, &call.args, schema),
                name if Element::of(name).is_some() => match call.args.as_slice() {
                    [value, asked] if kind(value, schema)? == Kind::Document => {
                        plain(asked, schema).map(|()| Kind::Made)
                    }
                    _ => Err(unfit(Kind::Document)),
                },
                _ => children(expr, schema),
            }
        }
        Expr::AggregateFunction(call) => {
            let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment: _ } =
                &call.params;
            filter.iter().try_for_each(|filter| plain(filter, schema))?;
            sorted(order_by, schema)?;
            aggregate(call.func.name(), args, *distinct, schema)
        }
        Expr::WindowFunction(call) => {
            let WindowFunctionParams {
                args,
                partition_by,
                order_by,
                window_frame: _,
                filter,
                null_treatment: _,
                distinct,
            } = &call.params;
            filter.iter().try_for_each(|filter| plain(filter, schema))?;
            partition_by.iter().try_for_each(|key| plain(key, schema))?;
            sorted(order_by, schema)?;
            match &call.fun {
                WindowFunctionDefinition::AggregateUDF(function) => {
                    aggregate(function.name(), args, *distinct, schema)
                }
                WindowFunctionDefinition::WindowUDF(_) => {
                    args.iter().try_for_each(|arg| plain(arg, schema))?;
                    Ok(Kind::Plain)
                }
            }
        }
        Expr::ScalarSubquery(subquery) => {
            let field = subquery.subquery.schema().fields().first();
            field
                .map(|field| of_type(field.data_type()))
                .ok_or_else(|| defect("a scalar subquery has no column"))
        }
        Expr::InSubquery(lookup) => {
            found(&lookup.subquery.subquery)?;
            children(expr, schema)
        }
        Expr::SetComparison(comparison) => {
            found(&comparison.subquery.subquery)?;
            children(expr, schema)
        }
        Expr::Exists(_) => Ok(Kind::Plain),
        // To what, is looked at by itself.
        Expr::Cast(cast) => match kind(&cast.expr, schema)? {
            Kind::Plain | Kind::Document => Ok(Kind::Plain),
            Kind::Row | Kind::Made => Err(refused()),
        },
        Expr::IsNotNull(inner) | Expr::IsNull(inner) => match kind(inner, schema)? {
            Kind::Plain | Kind::Document => Ok(Kind::Plain),
            Kind::Row | Kind::Made => Err(refused()),
        },
        Expr::BinaryExpr(_)
        | Expr::Like(_)
        | Expr::SimilarTo(_)
        | Expr::Not(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Negative(_)
        | Expr::Between(_)
        | Expr::Case(_)
        | Expr::TryCast(_)
        | Expr::InList(_)
        | Expr::GroupingSet(_)
        | Expr::Unnest(_) => children(expr, schema),
        // `count(*)`: it counts rows.
        #[expect(deprecated, reason = "the variant exists until upstream removes it")]
        Expr::Wildcard { .. } => Ok(Kind::Plain),
        Expr::ScalarVariable(..)
        | Expr::HigherOrderFunction(_)
        | Expr::Lambda(_)
        | Expr::LambdaVariable(_) => Err(defect("an expression that is never allowed")),
    }
}

/// Of plain values a plain value.
fn children(expr: &Expr, schema: &DFSchema) -> Result<Kind> {
    expr.apply_children(|child| plain(child, schema).map(|()| TreeNodeRecursion::Continue))?;
    Ok(Kind::Plain)
}

/// Demands that what a query yields is plain.
fn found(plan: &LogicalPlan) -> Result<()> {
    let mut fields = plan.schema().fields().iter();
    match fields.find(|field| holds_shape(field.data_type())) {
        Some(made) => Err(unfit(of_type(made.data_type()))),
        None => Ok(()),
    }
}

/// What a function of a semi-structured value makes of it.
fn document(of: Document, args: &[Expr], schema: &DFSchema) -> Result<Kind> {
    let (value, rest) = args.split_first().ok_or_else(|| unfit(Kind::Document))?;
    match (kind(value, schema)?, of.reads_text()) {
        (Kind::Plain, true) | (Kind::Document, false) => {}
        (Kind::Plain, false) => return Err(unfit(Kind::Document)),
        (other @ (Kind::Row | Kind::Made | Kind::Document), _) => return Err(unfit(other)),
    }
    rest.iter().try_for_each(|arg| plain(arg, schema))?;
    Ok(if of.makes_document() { Kind::Document } else { Kind::Plain })
}

fn aggregate(name: &str, args: &[Expr], distinct: bool, schema: &DFSchema) -> Result<Kind> {
    let mut all = Kind::Plain;
    for arg in args {
        match (name, kind(arg, schema)?) {
            (_, Kind::Plain) | ("count", Kind::Row) => {}
            ("count", Kind::Document) if !distinct => {}
            ("array_agg", Kind::Row | Kind::Made) if !distinct => all = Kind::Made,
            (_, other @ (Kind::Row | Kind::Made | Kind::Document)) => return Err(unfit(other)),
        }
    }
    Ok(all)
}
