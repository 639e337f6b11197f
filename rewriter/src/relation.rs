//! A secured relation: the only thing that a user's table name can become.
//!
//! `SecuredSource` is a leaf. An optimiser sees its visible, masked columns and can't reach inside:
//! the row policy and the masks live in `relation()`, which the warehouse plans on its own. So the
//! barrier isn't a rule that might be skipped, it is the shape. Only predicates that `passes` proves
//! safe are taken inside, where they still prune files and row groups.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::{Column, Result as PlanResult, TableReference};
use datafusion_expr::{
    BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, TableProviderFilterPushDown,
    TableSource,
};
use tollgate_catalog::RawSource;

use tollgate_policy::{Aggregation, Mask, SecuredTable};

use crate::lineage::Mark;
use crate::sample::{Sample, is_whole};

/// The secured relation of one table for one principal, as a leaf of the user's plan.
#[derive(Debug)]
pub struct SecuredSource {
    secured: Arc<SecuredTable>,
    relation: LogicalPlan,
    schema: SchemaRef,
    /// Names of the columns that no mask changes.
    clear: Vec<String>,
    /// Of a view: what may be done with the columns of its query.
    marks: Vec<Mark>,
    /// What guards read instead, if statements get aggregates only.
    guarded: Option<Arc<SecuredSource>>,
    /// Whether it is what guards read.
    is_guarded: bool,
    /// How its rows are chosen, if it is a sample.
    sample: Option<Sample>,
}

impl SecuredSource {
    /// Builds the relation that a permit describes: `masks ← row predicate ← raw scan`.
    pub(crate) fn new(mut secured: SecuredTable) -> PlanResult<Self> {
        let guarded = match secured.take_guarded() {
            Some(guarded) => Some(Arc::new(Self { is_guarded: true, ..Self::new(guarded)? })),
            None => None,
        };
        if secured.aggregation().is_some() != guarded.is_some() {
            return datafusion_common::internal_err!("a rule for aggregates without its rows");
        }
        let table = Arc::clone(secured.table());
        if table.view().is_some() {
            return datafusion_common::internal_err!("a view has no rows of its own");
        }
        let raw: Arc<dyn TableSource> = Arc::new(RawSource::new(Arc::clone(&table)));
        let name = TableReference::bare(table.name.table.as_str());
        let rows = LogicalPlanBuilder::scan(name, raw, None)?;
        Ok(Self { guarded, ..Self::over(secured, rows, Vec::new())? })
    }

    /// Builds the relation of a view: `masks ← row predicate ← its query over secured relations`.
    pub(crate) fn view(
        secured: SecuredTable,
        query: LogicalPlan,
        marks: Vec<Mark>,
    ) -> PlanResult<Self> {
        let table = Arc::clone(secured.table());
        let fields = query.schema().iter();
        let same = query.schema().fields().len() == table.columns.len()
            && marks.len() == table.columns.len()
            && query
                .schema()
                .fields()
                .iter()
                .zip(&table.columns)
                .all(|(field, column)| *field.data_type() == column.data_type);
        if !same {
            return datafusion_common::internal_err!("a view has other columns than declared");
        }
        let columns: Vec<Expr> = fields
            .zip(&table.columns)
            .map(|((qualifier, field), column)| {
                let raw = Expr::Column(Column::new(qualifier.cloned(), field.name()));
                raw.alias(&column.name)
            })
            .collect();
        let named = LogicalPlanBuilder::from(query)
            .project(columns)?
            .alias(TableReference::bare(table.name.table.as_str()))?;
        Self::over(secured, named, marks)
    }

    /// The masks over the row predicate over the rows below.
    fn over(
        secured: SecuredTable,
        mut builder: LogicalPlanBuilder,
        marks: Vec<Mark>,
    ) -> PlanResult<Self> {
        let table = Arc::clone(secured.table());
        if let Some(predicate) = secured.row_predicate() {
            builder = builder.filter(predicate.clone())?;
        }
        let mut output = Vec::with_capacity(secured.columns().len());
        let mut fields = Vec::with_capacity(secured.columns().len());
        let mut clear = Vec::new();
        for visible in secured.columns() {
            let Some(column) = table.columns.get(visible.index) else {
                return datafusion_common::internal_err!("a permit names a column out of range");
            };
            let raw = Expr::Column(Column::new_unqualified(&column.name));
            match &visible.mask {
                Some(mask) => {
                    output.push(mask.expr.clone().alias(&column.name));
                    fields.push(Field::new(&column.name, column.data_type.clone(), true));
                }
                None => {
                    output.push(raw);
                    clear.push(column.name.clone());
                    fields.push(Field::new(
                        &column.name,
                        column.data_type.clone(),
                        column.nullable,
                    ));
                }
            }
        }
        let relation = builder.project(output)?.build()?;
        Ok(Self {
            secured: Arc::new(secured),
            relation,
            schema: Arc::new(Schema::new(fields)),
            clear,
            marks,
            guarded: None,
            is_guarded: false,
            sample: None,
        })
    }

    /// A sample of it; nothing if its caller doesn't see all of its rows.
    pub(crate) fn sampled(&self, sample: Sample) -> Option<Self> {
        let Self { secured, relation, schema, clear, marks, guarded, is_guarded, sample: own } =
            self;
        let whole = guarded.is_none() && !is_guarded && own.is_none() && is_whole(secured);
        whole.then(|| Self {
            secured: Arc::clone(secured),
            relation: relation.clone(),
            schema: Arc::clone(schema),
            clear: clear.clone(),
            marks: marks.clone(),
            guarded: None,
            is_guarded: false,
            sample: Some(sample),
        })
    }

    /// How its rows are chosen, if it is a sample.
    pub fn sample(&self) -> Option<&Sample> {
        self.sample.as_ref()
    }

    /// The rule, and what its guards read, if statements get aggregates only.
    pub(crate) fn rule(&self) -> Option<(&Aggregation, &Arc<Self>)> {
        self.secured.aggregation().zip(self.guarded.as_ref())
    }

    /// Whether it is what guards read: the entity is shown as it is, and nothing of it to a user.
    pub fn is_guarded(&self) -> bool {
        self.is_guarded
    }

    /// What may be done with the columns of a view's query; none for a table.
    pub(crate) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// What the permit says about the table.
    pub fn secured(&self) -> &SecuredTable {
        &self.secured
    }

    /// `Projection(masks) ← Filter(row predicate) ← TableScan(RawSource)`; the filter is absent only
    /// where no row policy applies.
    pub fn relation(&self) -> &LogicalPlan {
        &self.relation
    }

    /// Whether rows or values are hidden, so that user expressions must stay outside.
    pub fn barrier(&self) -> bool {
        self.is_guarded || !self.secured.is_unrestricted()
    }

    /// Whether a plan over the other is a plan over this one: planning, and the check of what a
    /// statement may do with masked columns, see no more of a relation than this.
    pub(crate) fn has_shape_of(&self, other: &Self) -> bool {
        // A sample is made of the table that has the shape.
        let Self { secured, relation: _, schema, clear, marks, guarded, is_guarded, sample: _ } =
            self;
        // Where there is a guard, the plan is made anew.
        let plain = [guarded.is_some(), *is_guarded, other.guarded.is_some(), other.is_guarded];
        if plain.contains(&true) {
            return false;
        }
        let columns = |secured: &SecuredTable| -> Vec<_> {
            let columns = secured.columns().iter();
            let predicates = |mask: &Mask| mask.predicates;
            columns.map(|column| (column.index, column.mask.as_ref().map(predicates))).collect()
        };
        Arc::ptr_eq(secured.table(), other.secured.table())
            && columns(secured) == columns(&other.secured)
            && *schema == other.schema
            && *clear == other.clear
            && *marks == other.marks
    }

    /// Whether a user's predicate may be evaluated inside, on hidden rows too: a comparison of an
    /// unmasked column with constants of its own type, or AND, OR, IS NULL of such. None of these
    /// can fail, none takes longer for one value than for another of its length, and each answers
    /// the same for a row as for the statistics of the rows around it. Floats don't: statistics leave
    /// NaN out, so that whether a visible NaN shows would depend on its hidden neighbours.
    fn passes(&self, predicate: &Expr) -> bool {
        match predicate {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::And | Operator::Or => self.passes(left) && self.passes(right),
                Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq => self.compares(left, right) || self.compares(right, left),
                _ => false,
            },
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => self.clear_type(inner).is_some(),
            Expr::InList(list) => list.list.iter().all(|item| self.compares(&list.expr, item)),
            Expr::Between(between) => {
                self.compares(&between.expr, &between.low)
                    && self.compares(&between.expr, &between.high)
            }
            _ => false,
        }
    }

    fn compares(&self, column: &Expr, constant: &Expr) -> bool {
        let Some(data_type) = self.clear_type(column) else { return false };
        !data_type.is_floating()
            && matches!(constant, Expr::Literal(value, _) if value.data_type() == *data_type)
    }

    fn clear_type(&self, expr: &Expr) -> Option<&DataType> {
        let Expr::Column(column) = expr else { return None };
        if !self.clear.contains(&column.name) {
            return None;
        }
        self.schema.field_with_name(&column.name).ok().map(Field::data_type)
    }
}

impl TableSource for SecuredSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                // What a column of a view is computed from may fail on rows that the view leaves out.
                let whole = self.secured.table().view().is_none() && self.sample.is_none();
                if whole && self.passes(filter) {
                    TableProviderFilterPushDown::Exact
                } else {
                    TableProviderFilterPushDown::Unsupported
                }
            })
            .collect())
    }
}
