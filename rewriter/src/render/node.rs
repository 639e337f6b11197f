//! Nodes of the plan as blocks.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::DFSchema;
use datafusion_expr::expr::GroupingSet;
use datafusion_expr::logical_plan::{
    Aggregate, Distinct, DistinctOn, Limit, RecursiveQuery, TableScan, Union, Unnest, Values,
};
use datafusion_expr::{Expr, LogicalPlan};
use tollgate_catalog::Error;

use super::barrier::has_subquery;
use super::block::Block;
use super::types::Kind;
use super::{Dialect, Printer, Row, quote};
use crate::relation::SecuredSource;
use crate::secured::OutputColumn;
use crate::system::WorkTableSource;

/// The rows around a query.
pub(super) type Outer<'a> = Option<&'a Row<'a>>;

impl Printer {
    /// The whole statement; its columns have the types of `output`.
    pub(super) fn statement(
        &mut self,
        plan: &LogicalPlan,
        output: &[OutputColumn],
    ) -> Result<String, Error> {
        let mut block = self.block(plan, None)?;
        if !block.distinct.is_empty() || !block.group.is_empty() {
            block = self.wrap(&block)?;
        }
        if block.columns.len() != output.len() {
            return Err(Error::internal("the text has other columns than the plan"));
        }
        for (column, told) in block.columns.iter_mut().zip(output) {
            if column.is_empty() {
                return Err(Error::internal("a column of the result can't be named"));
            }
            *column = match self.dialect.kind(&told.data_type)? {
                // Out of the warehouse it goes as its JSON.
                Kind::Document => {
                    let json = self.invoke("TO_JSON", column);
                    self.typed(json, &DataType::Utf8)?
                }
                _ => format!("CAST({column} AS {})", self.dialect.name(&told.data_type, true)?),
            };
        }
        block.computed = true;
        block.text()
    }

    /// A query inside another one.
    pub(super) fn query(&mut self, plan: &LogicalPlan, outer: Outer<'_>) -> Result<String, Error> {
        self.block(plan, outer)?.text()
    }

    /// A node and all below.
    pub(super) fn block(&mut self, plan: &LogicalPlan, outer: Outer<'_>) -> Result<Block, Error> {
        stacker::maybe_grow(256 << 10, 2 << 20, || self.block_here(plan, outer))
    }

    fn block_here(&mut self, plan: &LogicalPlan, outer: Outer<'_>) -> Result<Block, Error> {
        match plan {
            LogicalPlan::Projection(node) => {
                let mut block = self.block(&node.input, outer)?;
                if block.computed || !block.group.is_empty() || !block.distinct.is_empty() {
                    block = self.wrap(&block)?;
                }
                let row = Row { schema: node.input.schema(), columns: &block.columns, outer };
                let columns = node.expr.iter().map(|expr| self.expr(expr, row));
                let columns = columns.collect::<Result<Vec<_>, _>>()?;
                Ok(Block { columns, computed: true, ..block })
            }
            LogicalPlan::Filter(node) => {
                let block = self.block(&node.input, outer)?;
                let mut block = self.open(block)?;
                let row = Row { schema: node.input.schema(), columns: &block.columns, outer };
                let predicate = self.expr(&node.predicate, row)?;
                block.filter.push(predicate);
                Ok(block)
            }
            LogicalPlan::Window(node) => {
                let block = self.block(&node.input, outer)?;
                let block = self.open(block)?;
                let row = Row { schema: node.input.schema(), columns: &block.columns, outer };
                let added = node.window_expr.iter().map(|expr| self.window(expr, row));
                let added = added.collect::<Result<Vec<_>, _>>()?;
                let mut block = block;
                block.columns.extend(added);
                Ok(Block { computed: true, ..block })
            }
            LogicalPlan::Aggregate(node) => self.aggregation(node, outer),
            LogicalPlan::Sort(node) => {
                let block = self.block(&node.input, outer)?;
                let mut block = self.open(block)?;
                let row = Row { schema: node.input.schema(), columns: &block.columns, outer };
                block.order = self.order(&node.expr, row)?;
                if let Some(fetch) = node.fetch {
                    let fetch = match self.dialect {
                        Dialect::Postgres => self.written(&fetch.to_string(), "bigint")?,
                        Dialect::Snowflake => self.number(i64::try_from(fetch).unwrap_or(i64::MAX)),
                    };
                    block.limit = format!(" LIMIT {fetch}");
                }
                Ok(block)
            }
            LogicalPlan::Join(node) => self.join(node, outer),
            LogicalPlan::Union(node) => self.union(node, outer),
            LogicalPlan::EmptyRelation(node) => {
                let nothing = |field: &arrow::datatypes::FieldRef| {
                    Ok(format!("CAST(NULL AS {})", self.dialect.name(field.data_type(), false)?))
                };
                let columns = node.schema.fields().iter().map(nothing);
                let columns = columns.collect::<Result<Vec<_>, Error>>()?;
                let computed = !columns.is_empty();
                let mut block = Block { columns, computed, ..Block::default() };
                if !node.produce_one_row {
                    block.filter.push(self.boolean(false)?);
                }
                Ok(block)
            }
            LogicalPlan::Subquery(node) => self.block(&node.subquery, outer),
            LogicalPlan::SubqueryAlias(node) => self.block(&node.input, outer),
            LogicalPlan::Limit(node) => self.limit(node, outer),
            LogicalPlan::Values(node) => self.values(node, outer),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let mut block = self.block(input, outer)?;
                let clauses = [&block.distinct, &block.order, &block.limit];
                if clauses.iter().any(|clause| !clause.is_empty()) {
                    block = self.wrap(&block)?;
                }
                block.distinct = "DISTINCT ".to_owned();
                Ok(block)
            }
            LogicalPlan::Distinct(Distinct::On(node)) => self.distinct_on(node, outer),
            LogicalPlan::Unnest(node) => self.unnest(node, outer),
            LogicalPlan::RecursiveQuery(node) => self.recursive(node, outer),
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Repartition(_)
            | LogicalPlan::Statement(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Extension(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_) => {
                Err(Error::internal("a node that isn't part of a query"))
            }
        }
    }

    pub(super) fn scan(&mut self, scan: &TableScan) -> Result<Block, Error> {
        if self.base.is_some() {
            // A lookup in a policy; nothing else stands inside of a base table's relation.
            return self.raw(scan);
        }
        if !scan.filters.is_empty() || scan.fetch.is_some() {
            return Err(Error::internal("a scan was optimised"));
        }
        let mut block = if let Some(source) = scan.source.downcast_ref::<SecuredSource>() {
            self.secured(source)?
        } else if let Some(work) = scan.source.downcast_ref::<WorkTableSource>() {
            let known = self.recursive.iter().rev().find(|(name, _)| name == work.name());
            let Some((_, ours)) = known else {
                return Err(Error::internal("a work table outside of its query"));
            };
            let ours = quote(ours)?;
            let alias = self.name();
            let width = scan.source.schema().fields().len();
            let columns = self.columns_of(&alias, width)?;
            let from = format!("{ours} AS {}", quote(&alias)?);
            self.printed.aliases.insert(alias);
            Block { from, columns, ..Block::default() }
        } else {
            // The catalogs are the gateway's, and raw tables stand inside of secured relations.
            return Err(Error::internal("a scan of what isn't a secured relation"));
        };
        if let Some(projection) = &scan.projection {
            let columns = projection.iter().map(|index| block.columns.get(*index).cloned());
            let columns = columns.collect::<Option<Vec<_>>>();
            block.columns =
                columns.ok_or_else(|| Error::internal("a projection is out of range"))?;
        }
        Ok(block)
    }

    fn aggregation(&mut self, node: &Aggregate, outer: Outer<'_>) -> Result<Block, Error> {
        let block = self.block(&node.input, outer)?;
        let mut block = self.open(block)?;
        let mut ready = Vec::new();
        let width = block.columns.len();
        if node.group_expr.iter().any(has_subquery) {
            // A key stands twice in the text; a relation may not.
            if matches!(node.group_expr.as_slice(), [Expr::GroupingSet(_)]) {
                return Err(self.dialect.unsupported("a subquery in grouping sets"));
            }
            let row = Row { schema: node.input.schema(), columns: &block.columns, outer };
            let keys = node.group_expr.iter().map(|key| self.expr(key, row));
            let keys = keys.collect::<Result<Vec<_>, _>>()?;
            block.columns.extend(keys);
            block.computed = true;
            block = self.wrap(&block)?;
            ready = block.columns.split_off(width);
        }
        let row = Row { schema: node.input.schema(), columns: &block.columns, outer };
        let mut columns = Vec::new();
        let mut group = String::new();
        match node.group_expr.as_slice() {
            [] => {}
            [Expr::GroupingSet(set)] => {
                let keys = set.distinct_expr();
                let texts = keys.iter().map(|key| self.expr(key, row));
                let texts = texts.collect::<Result<Vec<_>, _>>()?;
                group = format!(" GROUP BY {}", self.grouping(set, row)?);
                columns = texts;
                // The engine's number of the set, which `grouping` asks for in another way.
                columns.push(String::new());
            }
            _ if !ready.is_empty() => {
                columns = ready;
                group = format!(" GROUP BY {}", columns.join(", "));
            }
            keys => {
                for key in keys {
                    if matches!(key, Expr::GroupingSet(_)) {
                        return Err(self
                            .dialect
                            .unsupported("several grouping sets beside each other"));
                    }
                    columns.push(self.expr(key, row)?);
                }
                group = format!(" GROUP BY {}", columns.join(", "));
            }
        }
        for expr in &node.aggr_expr {
            columns.push(self.aggregate(expr, row)?);
        }
        if columns.len() != node.schema.fields().len() {
            return Err(Error::internal("an aggregation has other columns than its text"));
        }
        Ok(Block { columns, group, computed: true, ..block })
    }

    fn grouping(&mut self, set: &GroupingSet, row: Row<'_>) -> Result<String, Error> {
        Ok(match set {
            GroupingSet::Rollup(keys) => format!("ROLLUP ({})", self.exprs(keys, row)?),
            GroupingSet::Cube(keys) => format!("CUBE ({})", self.exprs(keys, row)?),
            GroupingSet::GroupingSets(sets) => {
                let sets = sets.iter().map(|keys| Ok(format!("({})", self.exprs(keys, row)?)));
                let sets = sets.collect::<Result<Vec<_>, Error>>()?;
                format!("GROUPING SETS ({})", sets.join(", "))
            }
        })
    }

    fn limit(&mut self, node: &Limit, outer: Outer<'_>) -> Result<Block, Error> {
        let mut block = self.block(&node.input, outer)?;
        if !block.limit.is_empty() {
            block = self.wrap(&block)?;
        }
        if self.dialect == Dialect::Snowflake {
            block.limit = self.constant_limit(node)?;
            return Ok(block);
        }
        // No column may be named here.
        let nothing = DFSchema::empty();
        let row = Row { schema: &nothing, columns: &[], outer };
        for (word, expr) in [("LIMIT", &node.fetch), ("OFFSET", &node.skip)] {
            if let Some(expr) = expr {
                let text = self.expr(expr, row)?;
                block.limit.push_str(&format!(" {word} CAST({text} AS bigint)"));
            }
        }
        Ok(block)
    }

    fn union(&mut self, node: &Union, outer: Outer<'_>) -> Result<Block, Error> {
        let width = node.schema.fields().len();
        let mut legs = Vec::with_capacity(node.inputs.len());
        for input in &node.inputs {
            if input.schema().fields().len() != width {
                return Err(Error::internal("a leg of a union has other columns"));
            }
            legs.push(self.query(input, outer)?);
        }
        self.combined(&legs.join(") UNION ALL ("), width)
    }

    /// Queries that an operator combines, as a derived table.
    pub(super) fn combined(&mut self, legs: &str, width: usize) -> Result<Block, Error> {
        let alias = self.name();
        let columns = self.columns_of(&alias, width)?;
        let from = format!("(({legs})) AS {}", quote(&alias)?);
        self.printed.aliases.insert(alias);
        Ok(Block { from, columns, ..Block::default() })
    }

    /// Rows as they stand. Snowflake takes constants only in `VALUES`, so there it is a union.
    fn values(&mut self, node: &Values, outer: Outer<'_>) -> Result<Block, Error> {
        let width = node.schema.fields().len();
        let nothing = DFSchema::empty();
        let row = Row { schema: &nothing, columns: &[], outer };
        let mut rows = Vec::with_capacity(node.values.len());
        for values in &node.values {
            let mut texts = Vec::with_capacity(width);
            for (value, field) in values.iter().zip(node.schema.fields()) {
                let text = self.expr(value, row)?;
                texts.push(self.typed(text, field.data_type())?);
            }
            rows.push(match self.dialect {
                Dialect::Postgres => format!("({})", texts.join(", ")),
                Dialect::Snowflake => {
                    Block { columns: texts, computed: true, ..Block::default() }.text()?
                }
            });
        }
        if self.dialect == Dialect::Snowflake {
            return self.combined(&rows.join(") UNION ALL ("), width);
        }
        let alias = self.name();
        let columns = self.columns_of(&alias, width)?;
        let names: Vec<String> = (0..width).map(|index| format!("\"c{index}\"")).collect();
        let from =
            format!("(VALUES {}) AS {} ({})", rows.join(", "), quote(&alias)?, names.join(", "));
        self.printed.aliases.insert(alias);
        Ok(Block { from, columns, ..Block::default() })
    }

    fn distinct_on(&mut self, node: &DistinctOn, outer: Outer<'_>) -> Result<Block, Error> {
        if self.dialect == Dialect::Snowflake {
            return self.first_of_each(node, outer);
        }
        let block = self.block(&node.input, outer)?;
        let block = self.open(block)?;
        let row = Row { schema: node.input.schema(), columns: &block.columns, outer };
        let keys = self.exprs(&node.on_expr, row)?;
        let order = self.order(node.sort_expr.as_deref().unwrap_or_default(), row)?;
        let columns = node.select_expr.iter().map(|expr| self.expr(expr, row));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let distinct = format!("DISTINCT ON ({keys}) ");
        Ok(Block { columns, distinct, order, computed: true, ..block })
    }

    fn unnest(&mut self, node: &Unnest, outer: Outer<'_>) -> Result<Block, Error> {
        if self.dialect == Dialect::Snowflake {
            return self.flatten(node, outer);
        }
        if !node.struct_type_columns.is_empty()
            || node.list_type_columns.is_empty()
            || !node.options.recursions.is_empty()
            || node.list_type_columns.iter().any(|(_, list)| list.depth != 1)
        {
            return Err(self.dialect.unsupported("this use of UNNEST"));
        }
        let block = self.block(&node.input, outer)?;
        let block = self.item(block)?;
        let mut lists = Vec::new();
        for (index, _) in &node.list_type_columns {
            match block.columns.get(*index) {
                Some(list) if !list.is_empty() => lists.push(list.clone()),
                _ => return Err(Error::internal("an unnested column is out of range")),
            }
        }
        let alias = self.name();
        let made = self.columns_of(&alias, lists.len())?;
        let names: Vec<String> = (0..lists.len()).map(|index| format!("\"c{index}\"")).collect();
        // As in a select list of PostgreSQL: side by side, the shorter ones filled with NULL.
        let from = format!(
            "({} CROSS JOIN LATERAL \"pg_catalog\".\"unnest\"({}) AS {} ({}))",
            block.from,
            lists.join(", "),
            quote(&alias)?,
            names.join(", ")
        );
        self.printed.aliases.insert(alias);
        self.printed.table_functions.insert("unnest".to_owned());
        let mut unnested = node.list_type_columns.iter().map(|(index, _)| *index).zip(made);
        let mut columns = Vec::with_capacity(node.dependency_indices.len());
        for index in &node.dependency_indices {
            let is_list = node.list_type_columns.iter().any(|(list, _)| list == index);
            columns.push(if is_list {
                match unnested.next() {
                    Some((list, column)) if list == *index => column,
                    _ => return Err(self.dialect.unsupported("this use of UNNEST")),
                }
            } else {
                let column = block.columns.get(*index).cloned();
                column.ok_or_else(|| Error::internal("an unnested column is out of range"))?
            });
        }
        Ok(Block { from, columns, ..Block::default() })
    }

    fn recursive(&mut self, node: &RecursiveQuery, outer: Outer<'_>) -> Result<Block, Error> {
        if self.dialect == Dialect::Snowflake && node.is_distinct {
            return Err(self
                .dialect
                .unsupported("a recursive query with UNION instead of UNION ALL"));
        }
        let width = node.schema.fields().len();
        let first = self.typed_query(&node.static_term, &node.schema, outer)?;
        let name = self.name();
        self.recursive.push((node.name.clone(), name.clone()));
        let next = self.typed_query(&node.recursive_term, &node.schema, outer);
        self.recursive.pop();
        let next = next?;
        let names: Vec<String> = (0..width).map(|index| format!("\"c{index}\"")).collect();
        let quantifier = if node.is_distinct { "UNION" } else { "UNION ALL" };
        let quoted = quote(&name)?;
        let (alias, inner) = (self.name(), self.name());
        let all: Vec<String> = self
            .columns_of(&inner, width)?
            .into_iter()
            .enumerate()
            .map(|(index, column)| format!("{column} AS \"c{index}\""))
            .collect();
        let from = format!(
            "(WITH RECURSIVE {quoted} ({}) AS ({first} {quantifier} {next}) \
             SELECT {} FROM {quoted} AS {}) AS {}",
            names.join(", "),
            all.join(", "),
            quote(&inner)?,
            quote(&alias)?
        );
        let columns = self.columns_of(&alias, width)?;
        self.printed.recursive.insert(name);
        self.printed.aliases.extend([alias, inner]);
        Ok(Block { from, columns, ..Block::default() })
    }

    /// A query whose columns have the types of `schema`, as both parts of a recursion must.
    fn typed_query(
        &mut self,
        plan: &Arc<LogicalPlan>,
        schema: &DFSchema,
        outer: Outer<'_>,
    ) -> Result<String, Error> {
        let block = self.block(plan, outer)?;
        let mut block = if block.distinct.is_empty() && block.group.is_empty() {
            block
        } else {
            self.wrap(&block)?
        };
        if block.columns.len() != schema.fields().len() {
            return Err(Error::internal("the two parts of a recursive query differ"));
        }
        for (column, field) in block.columns.iter_mut().zip(schema.fields()) {
            *column = format!("CAST({column} AS {})", self.dialect.name(field.data_type(), false)?);
        }
        block.computed = true;
        block.text()
    }
}
