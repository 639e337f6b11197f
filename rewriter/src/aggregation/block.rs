//! Rows of a protected table below a guard: their columns, and the conditions that chose them.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::{Column, DFSchemaRef, DataFusionError, JoinType, Result, TableReference};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::logical_plan::{Join, Projection, TableScan};
use datafusion_expr::{
    BinaryExpr, Cast, Expr, LogicalPlan, LogicalPlanBuilder, Operator, ScalarUDF, TableSource,
};
use tollgate_catalog::Table;
use tollgate_policy::{Aggregation, DeclaredJoin, Dimension};

use super::atom::{Atom, conditions};
use super::{defect, refused, rule, unaliased};
use crate::relation::SecuredSource;

/// What the protected table is called below a guard.
const OWN: &str = "t";

/// A value of a row below a guard.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A column of the protected table, by its index there.
    Own(usize),
    /// A column of a joined table: which one, and the column's index there.
    Joined(usize, usize),
    /// `date_trunc` of such a column.
    Bucket { function: Arc<ScalarUDF>, unit: String, cast: Option<DataType>, of: Box<Value> },
    /// The same for all rows.
    Constant(Expr),
}

/// A table beside the protected one.
struct Beside {
    source: Arc<dyn TableSource>,
    /// Which of the policy's joins it is.
    declared: usize,
    /// Whether rows without a partner stay.
    optional: bool,
    /// Whether the condition of the join was met with.
    is_joined: bool,
}

/// On which side of a join the protected rows stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows of a protected table.
pub(super) struct Block {
    source: Arc<dyn TableSource>,
    beside: Vec<Beside>,
    schema: DFSchemaRef,
    /// What the columns of the schema are.
    values: Vec<Value>,
    /// All hold for each row.
    atoms: Vec<Atom>,
}

impl Block {
    /// The rows of a scan; nothing if it isn't one of a protected table.
    pub(super) fn scan(scan: &TableScan) -> Result<Option<Self>> {
        let Some(secured) = rule(&scan.source) else { return Ok(None) };
        if !scan.filters.is_empty() || scan.fetch.is_some() {
            return Err(defect("a scan with conditions"));
        }
        let columns = secured.secured().columns();
        let all: Vec<usize> = (0..columns.len()).collect();
        let places = scan.projection.as_deref().unwrap_or(&all);
        let values = places.iter().map(|place| columns.get(*place).map(|at| Value::Own(at.index)));
        let values = values.collect::<Option<Vec<_>>>();
        let block = Self {
            source: Arc::clone(&scan.source),
            beside: Vec::new(),
            schema: Arc::clone(&scan.projected_schema),
            values: values.ok_or_else(|| defect("a projection is out of range"))?,
            atoms: Vec::new(),
        };
        block.counted().map(Some)
    }

    fn counted(self) -> Result<Self> {
        // A value too few or too many would stand for the wrong column.
        if self.values.len() == self.schema.fields().len() {
            Ok(self)
        } else {
            Err(defect("rows have another number of columns than was counted"))
        }
    }

    /// The conditions.
    pub(super) fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    fn secured(&self) -> Result<&SecuredSource> {
        rule(&self.source).ok_or_else(|| defect("a block without a rule"))
    }

    fn table(&self) -> Result<&Arc<Table>> {
        Ok(self.secured()?.secured().table())
    }

    /// The rule.
    pub(super) fn rule(&self) -> Result<&Aggregation> {
        let rule = self.secured()?.rule().map(|(rule, _)| rule);
        rule.ok_or_else(|| defect("a block without a rule"))
    }

    /// The refusal of something.
    pub(super) fn refused(&self, what: &str, hint: &str) -> DataFusionError {
        match self.table() {
            Ok(table) => refused(&table.name, what, hint),
            Err(error) => error,
        }
    }

    /// The refusal of a join that the policy doesn't declare.
    fn undeclared(&self) -> DataFusionError {
        self.refused(
            "answers in aggregates only, and can't be joined so",
            "join it by the columns that its policy declares, or join the aggregates",
        )
    }

    /// The same rows with other columns.
    pub(super) fn projected(self, node: &Projection) -> Result<Self> {
        let values = node.expr.iter().map(|expr| {
            self.value(expr)?.ok_or_else(|| {
                self.refused(
                    "answers in aggregates only, nothing can be computed from its rows",
                    "compute from the aggregates, in a query around",
                )
            })
        });
        let values = values.collect::<Result<_>>()?;
        Self { schema: Arc::clone(&node.schema), values, ..self }.counted()
    }

    /// The same columns by other names.
    pub(super) fn renamed(self, schema: &DFSchemaRef) -> Result<Self> {
        Self { schema: Arc::clone(schema), ..self }.counted()
    }

    /// The rows for which a condition holds.
    pub(super) fn filtered(mut self, predicate: &Expr) -> Result<Self> {
        for condition in conditions(predicate) {
            self.meets(&condition)?;
        }
        Ok(self)
    }

    /// A condition is either that of a join or one on a dimension.
    fn meets(&mut self, condition: &Expr) -> Result<()> {
        if let Some(joined) = self.joins(condition)? {
            let beside = self.beside.get_mut(joined);
            let beside = beside.ok_or_else(|| defect("a join that isn't there"))?;
            // That a row has a partner is a condition, too, if rows without one don't stay.
            let decides = !beside.optional || beside.is_joined;
            beside.is_joined = true;
            if decides {
                let key = Value::Joined(joined, self.declared(joined)?.key);
                let atom = Atom { holds: self.expr(&key)?.is_not_null(), elements: Vec::new() };
                self.atoms.push(atom);
            }
            return Ok(());
        }
        let atom = Atom::new(self, condition)?;
        self.atoms.push(atom);
        Ok(())
    }

    /// Which join a condition is the condition of.
    fn joins(&self, condition: &Expr) -> Result<Option<usize>> {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else {
            return Ok(None);
        };
        let (own, joined, key) = match (self.value(left)?, self.value(right)?) {
            (Some(Value::Own(own)), Some(Value::Joined(joined, key)))
            | (Some(Value::Joined(joined, key)), Some(Value::Own(own))) => (own, joined, key),
            _ => return Ok(None),
        };
        let declared = self.declared(joined)?;
        if declared.column != own || declared.key != key {
            return Err(self.undeclared());
        }
        let other = self.beside.get(joined).map(|beside| &beside.source);
        let other = other.and_then(|source| source.downcast_ref::<SecuredSource>());
        if masks(self.secured()?, own) || other.is_none_or(|other| masks(other, key)) {
            return Err(
                self.refused("can't be joined by a column that is masked", "leave the join out")
            );
        }
        Ok(Some(joined))
    }

    fn declared(&self, joined: usize) -> Result<&DeclaredJoin> {
        let beside = self.beside.get(joined).map(|beside| beside.declared);
        beside
            .and_then(|declared| self.rule().ok()?.joins.get(declared))
            .ok_or_else(|| defect("a join that isn't there"))
    }

    /// The rows with those of another relation beside them.
    pub(super) fn joined(mut self, node: &Join, other: &LogicalPlan, side: Side) -> Result<Self> {
        let undeclared = || self.undeclared();
        let Some(scan) = scan_of(other) else { return Err(undeclared()) };
        let Some(secured) = scan.source.downcast_ref::<SecuredSource>() else {
            return Err(undeclared());
        };
        let table = secured.secured().table();
        let declared = self.rule()?.joins.iter().position(|join| join.table == table.name);
        let Some(declared) = declared else { return Err(undeclared()) };
        let optional = match (node.join_type, side) {
            (JoinType::Inner, Side::Left | Side::Right) => false,
            (JoinType::Left, Side::Left) | (JoinType::Right, Side::Right) => true,
            (JoinType::Left, Side::Right)
            | (JoinType::Right, Side::Left)
            | (
                JoinType::Full
                | JoinType::LeftSemi
                | JoinType::RightSemi
                | JoinType::LeftAnti
                | JoinType::RightAnti
                | JoinType::LeftMark
                | JoinType::RightMark,
                Side::Left | Side::Right,
            ) => return Err(undeclared()),
        };
        if self.beside.iter().any(|beside| beside.declared == declared)
            || node.null_aware
            || node.schema.fields().len()
                != self.values.len() + scan.projected_schema.fields().len()
        {
            return Err(undeclared());
        }
        let columns = secured.secured().columns();
        let all: Vec<usize> = (0..columns.len()).collect();
        let places = scan.projection.as_deref().unwrap_or(&all);
        let number = self.beside.len();
        let values = places
            .iter()
            .map(|place| columns.get(*place).map(|column| Value::Joined(number, column.index)));
        let values = values.collect::<Option<Vec<_>>>();
        let values = values.ok_or_else(|| defect("a projection is out of range"))?;
        let conditions: Vec<Expr> = node
            .on
            .iter()
            .map(|(left, right)| left.clone().eq(right.clone()))
            .chain(node.filter.iter().flat_map(conditions))
            .collect();
        let source = Arc::clone(&scan.source);
        self.beside.push(Beside { source, declared, optional, is_joined: false });
        self.values = match side {
            Side::Left => [self.values, values].concat(),
            Side::Right => [values, self.values].concat(),
        };
        self.schema = Arc::clone(&node.schema);
        let mut block = self.counted()?;
        for condition in conditions {
            // What decides which partner a row has is no condition on the row.
            if !optional {
                block.meets(&condition)?;
            } else if block.joins(&condition)? != Some(number) {
                return Err(block.undeclared());
            } else if let Some(beside) = block.beside.get_mut(number) {
                beside.is_joined = true;
            }
        }
        Ok(block)
    }

    /// What an expression over the block's columns is; nothing if it is computed.
    pub(super) fn value(&self, expr: &Expr) -> Result<Option<Value>> {
        Ok(match unaliased(expr) {
            Expr::Column(column) => {
                let index = self.schema.index_of_column(column)?;
                let value = self.values.get(index).cloned();
                Some(value.ok_or_else(|| defect("a column is out of range"))?)
            }
            Expr::ScalarFunction(call) => self.bucket(call)?,
            constant if is_constant(constant) => Some(Value::Constant(constant.clone())),
            _ => None,
        })
    }

    fn bucket(&self, call: &ScalarFunction) -> Result<Option<Value>> {
        let ("date_trunc", [unit, moment]) = (call.func.name(), call.args.as_slice()) else {
            return Ok(None);
        };
        let Expr::Literal(unit, _) = unaliased(unit) else { return Ok(None) };
        let Some(Some(unit)) = unit.try_as_str() else { return Ok(None) };
        let (moment, cast) = match unaliased(moment) {
            Expr::Cast(Cast { expr, field })
                if matches!(field.data_type(), DataType::Timestamp(..)) =>
            {
                (expr.as_ref(), Some(field.data_type().clone()))
            }
            moment => (moment, None),
        };
        let value = self.value(moment)?;
        // Other casts may move a moment into another bucket.
        if let (Some(of), Some(_)) = (&value, &cast)
            && !matches!(of, Value::Constant(_))
            && self.type_of(of)? != DataType::Date32
        {
            return Ok(None);
        }
        Ok(match value {
            Some(of @ (Value::Own(_) | Value::Joined(..))) => Some(Value::Bucket {
                function: Arc::clone(&call.func),
                unit: unit.to_ascii_lowercase(),
                cast,
                of: Box::new(of),
            }),
            Some(Value::Bucket { .. } | Value::Constant(_)) | None => None,
        })
    }

    /// The type of a column below the guard.
    pub(super) fn type_of(&self, value: &Value) -> Result<DataType> {
        match value {
            Value::Own(index) => type_of(self.table()?, *index),
            Value::Joined(joined, index) => type_of(self.table_beside(*joined)?, *index),
            Value::Bucket { of, .. } => self.type_of(of),
            Value::Constant(_) => Err(defect("a constant has no column")),
        }
    }

    fn table_beside(&self, joined: usize) -> Result<&Arc<Table>> {
        self.beside
            .get(joined)
            .and_then(|beside| beside.source.downcast_ref::<SecuredSource>())
            .map(|secured| secured.secured().table())
            .ok_or_else(|| defect("a join that isn't there"))
    }

    /// Whether rows may be chosen and grouped by a value.
    pub(super) fn is_dimension(&self, value: &Value) -> Result<bool> {
        let (of, unit) = match value {
            Value::Bucket { unit, of, .. } => (of.as_ref(), Some(unit)),
            plain => (plain, None),
        };
        self.declares(of, |bucket| bucket.as_ref() == unit)
    }

    /// The units in which a column may be grouped by, if it is no dimension itself.
    pub(super) fn units(&self, value: &Value) -> Result<Vec<String>> {
        let (dimensions, column) = match value {
            Value::Own(column) => (&self.rule()?.dimensions, *column),
            Value::Joined(joined, column) => (&self.declared(*joined)?.dimensions, *column),
            Value::Bucket { .. } | Value::Constant(_) => return Ok(Vec::new()),
        };
        let of = dimensions.iter().filter(|dimension| dimension.column == column);
        Ok(of.filter_map(|dimension| dimension.bucket.clone()).collect())
    }

    fn declares(&self, value: &Value, fits: impl Fn(&Option<String>) -> bool) -> Result<bool> {
        let (dimensions, column) = match value {
            Value::Own(column) => (&self.rule()?.dimensions, *column),
            Value::Joined(joined, column) => (&self.declared(*joined)?.dimensions, *column),
            Value::Bucket { .. } | Value::Constant(_) => return Ok(false),
        };
        let declared =
            |dimension: &Dimension| dimension.column == column && fits(&dimension.bucket);
        Ok(dimensions.iter().any(declared))
    }

    /// The value as an expression over [`Self::rows`].
    pub(super) fn expr(&self, value: &Value) -> Result<Expr> {
        Ok(match value {
            Value::Own(index) => column(TableReference::bare(OWN), self.table()?, *index)?,
            Value::Joined(joined, index) => {
                column(beside(*joined), self.table_beside(*joined)?, *index)?
            }
            Value::Bucket { function, unit, cast, of } => {
                let of = self.expr(of)?;
                let moment = match cast {
                    Some(data_type) => Expr::Cast(Cast::new(Box::new(of), data_type.clone())),
                    None => of,
                };
                let unit = datafusion_expr::lit(unit.as_str());
                Expr::ScalarFunction(ScalarFunction::new_udf(
                    Arc::clone(function),
                    vec![unit, moment],
                ))
            }
            Value::Constant(constant) => constant.clone(),
        })
    }

    /// Whether the caller sees the entity masked, so that nothing may be told by what it is.
    pub(super) fn masks_entity(&self) -> Result<bool> {
        Ok(masks(self.secured()?, self.rule()?.entity))
    }

    /// The entity.
    pub(super) fn entity(&self) -> Result<Value> {
        Ok(Value::Own(self.rule()?.entity))
    }

    /// All rows that belong to an entity, with those beside them, before any condition.
    pub(super) fn rows(&self) -> Result<LogicalPlanBuilder> {
        let guarded = self.secured()?.rule().map(|(_, guarded)| guarded);
        let guarded: Arc<dyn TableSource> = match guarded {
            Some(guarded) => Arc::<SecuredSource>::clone(guarded),
            None => return Err(defect("a block without a rule")),
        };
        let mut rows = LogicalPlanBuilder::scan(TableReference::bare(OWN), guarded, None)?;
        for (number, joined) in self.beside.iter().enumerate() {
            if !joined.is_joined {
                return Err(self.undeclared());
            }
            let other = LogicalPlanBuilder::scan(beside(number), Arc::clone(&joined.source), None)?;
            let declared = self.declared(number)?;
            let own = self.expr(&Value::Own(declared.column))?;
            let key = self.expr(&Value::Joined(number, declared.key))?;
            // Rows without a partner are counted, too, where a condition leaves them out.
            rows = rows.join_on(other.build()?, JoinType::Left, [own.eq(key)])?;
        }
        let entity = self.expr(&self.entity()?)?;
        rows.filter(entity.is_not_null())
    }
}

/// Whether a relation shows a column of its table masked.
fn masks(source: &SecuredSource, index: usize) -> bool {
    let mut columns = source.secured().columns().iter();
    columns.any(|column| column.index == index && column.mask.is_some())
}

fn beside(number: usize) -> TableReference {
    TableReference::bare(format!("j{number}"))
}

fn column(relation: TableReference, table: &Table, index: usize) -> Result<Expr> {
    let column = table.columns.get(index).ok_or_else(|| defect("a column is out of range"))?;
    Ok(Expr::Column(Column::new(Some(relation), &column.name)))
}

fn type_of(table: &Table, index: usize) -> Result<DataType> {
    let column = table.columns.get(index).map(|column| column.data_type.clone());
    column.ok_or_else(|| defect("a column is out of range"))
}

/// The scan that a relation is, by whatever name.
fn scan_of(plan: &LogicalPlan) -> Option<&TableScan> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
            Some(scan)
        }
        LogicalPlan::SubqueryAlias(alias) => scan_of(&alias.input),
        // Everything else may do more than name it.
        _ => None,
    }
}

/// Whether an expression is a constant that a client wrote or will bind.
pub(super) fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) | Expr::Placeholder(_) => true,
        Expr::Alias(alias) => is_constant(&alias.expr),
        Expr::Cast(cast) => is_constant(&cast.expr),
        Expr::Negative(inner) => is_constant(inner),
        // Everything else computes.
        _ => false,
    }
}
