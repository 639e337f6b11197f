//! A base table: its permitted, masked columns over its permitted rows, as a derived table.
//!
//! Below it stand raw tables, and nowhere else.

use arrow::datatypes::DataType;
use datafusion_expr::LogicalPlan;
use datafusion_expr::logical_plan::TableScan;
use tollgate_catalog::{Error, RawSource, Storage, Table};

use super::block::Block;
use super::{Dialect, Printer, Row, Secured, quote};
use crate::relation::SecuredSource;

impl Printer {
    /// The secured relation of a table or of a view.
    pub(super) fn secured(&mut self, source: &SecuredSource) -> Result<Block, Error> {
        let table = source.secured().table();
        if table.view().is_some() {
            // Its query is its author's, over secured relations; nothing of a user gets inside.
            let base = self.base.take();
            let closes = self.barrier.closes_views(self.dialect);
            let block = match (closes, self.dialect) {
                (false, _) => self.block(source.relation(), None),
                (true, Dialect::Postgres) => {
                    self.block(source.relation(), None).and_then(|block| self.closed(block))
                }
                (true, Dialect::Snowflake) => self.guarded_view(source),
            };
            self.base = base;
            return self.wrap(&block?);
        }
        if self.base.is_some() {
            return Err(Error::internal("a secured relation inside of another"));
        }
        let closes = self.barrier.closes(source, self.dialect);
        let guards = closes && self.dialect == Dialect::Snowflake;
        self.base = Some(Vec::new());
        self.sample = source.sample().cloned();
        let block = self.base_block(source.relation(), guards);
        let tables = self.base.take().unwrap_or_default();
        let mut block = block?;
        if self.sample.take().is_some() || (source.sample().is_some() && tables.len() != 1) {
            return Err(Error::internal("a sample of nothing, or of other tables too"));
        }
        if closes {
            block = match self.dialect {
                Dialect::Postgres => self.closed(block)?,
                Dialect::Snowflake => self.guarded(block)?,
            };
        }
        let own = self.real_name(table)?;
        if !tables.contains(&own) {
            return Err(Error::internal("a secured relation doesn't read its table"));
        }
        let (width, text) = (block.columns.len(), block.text()?);
        let alias = self.name();
        let from = format!("({text}) AS {}", quote(&alias)?);
        let columns = self.columns_of(&alias, width)?;
        self.printed.secured.insert(alias, Secured { text, tables });
        Ok(Block { from, columns, ..Block::default() })
    }

    /// What the table is called in the warehouse, outermost part first.
    fn real_name(&self, table: &Table) -> Result<Vec<String>, Error> {
        match (self.dialect, &table.storage) {
            (Dialect::Postgres, Storage::Postgres { .. }) => {
                Ok(vec![table.name.schema.clone(), table.name.table.clone()])
            }
            (Dialect::Snowflake, Storage::Snowflake(real)) => {
                Ok(vec![real.database.clone(), real.schema.clone(), real.table.clone()])
            }
            (
                Dialect::Postgres | Dialect::Snowflake,
                Storage::Parquet(_)
                | Storage::Csv(_)
                | Storage::Postgres { .. }
                | Storage::Snowflake(_)
                | Storage::View(_)
                | Storage::Ledger,
            ) => Err(Error::internal("a table of another warehouse")),
        }
    }

    /// `OFFSET 0` keeps PostgreSQL from moving a condition inside, or a row policy out. Behind a sample it
    /// has a `LIMIT ALL` before it: the parser of `verify` would read it as a part of that.
    fn closed(&mut self, mut block: Block) -> Result<Block, Error> {
        if !block.limit.is_empty() {
            block = self.wrap(&block)?;
        }
        let zero = self.written("0", &self.dialect.name(&DataType::Int64, false)?)?;
        let all = if self.printed.samples.is_empty() { "" } else { " LIMIT ALL" };
        block.limit = format!("{all} OFFSET {zero}");
        Ok(block)
    }

    /// `masks ← row predicate ← raw rows`; for guards, with the lookups of the predicate as joins.
    fn base_block(&mut self, plan: &LogicalPlan, guards: bool) -> Result<Block, Error> {
        match plan {
            LogicalPlan::Projection(node) => {
                let block = self.base_block(&node.input, guards)?;
                let row = Row { schema: node.input.schema(), columns: &block.columns, outer: None };
                let columns = node.expr.iter().map(|expr| self.expr(expr, row));
                let columns = columns.collect::<Result<Vec<_>, _>>()?;
                Ok(Block { columns, computed: true, ..block })
            }
            LogicalPlan::Filter(node) => {
                let mut block = self.base_block(&node.input, guards)?;
                let row = Row { schema: node.input.schema(), columns: &block.columns, outer: None };
                let predicate = if guards {
                    self.looked_up(&node.predicate, row, &mut block.from)?
                } else {
                    self.expr(&node.predicate, row)?
                };
                block.filter.push(predicate);
                Ok(block)
            }
            LogicalPlan::TableScan(scan) => self.raw(scan),
            _ => Err(Error::internal("a secured relation holds another node")),
        }
    }

    /// The raw rows of a table, with the types that the catalog says.
    pub(super) fn raw(&mut self, scan: &TableScan) -> Result<Block, Error> {
        let Some(raw) = scan.source.downcast_ref::<RawSource>() else {
            return Err(Error::internal("a secured relation reads what is no raw table"));
        };
        let table: &Table = raw.table();
        let real = self.real_name(table)?;
        let bare = scan.projection.is_none() && scan.filters.is_empty() && scan.fetch.is_none();
        let Some(named) = self.base.as_mut().filter(|_| bare) else {
            return Err(Error::internal("a raw table outside of a secured relation"));
        };
        named.push(real.clone());
        let alias = self.name();
        let quoted = quote(&alias)?;
        let mut columns = Vec::with_capacity(table.columns.len());
        for (index, column) in table.columns.iter().enumerate() {
            let name = match (self.dialect, &table.storage) {
                (Dialect::Postgres, Storage::Postgres { .. }) => Some(&column.name),
                (Dialect::Snowflake, Storage::Snowflake(real)) => real.columns.get(index),
                (
                    Dialect::Postgres | Dialect::Snowflake,
                    Storage::Parquet(_)
                    | Storage::Csv(_)
                    | Storage::Postgres { .. }
                    | Storage::Snowflake(_)
                    | Storage::View(_)
                    | Storage::Ledger,
                ) => None,
            };
            let Some(name) = name else {
                return Err(Error::internal("a column of another warehouse"));
            };
            let data_type = self.dialect.name(&column.data_type, false)?;
            columns.push(format!("CAST({quoted}.{} AS {data_type})", quote(name)?));
        }
        let from = real.iter().map(|part| quote(part)).collect::<Result<Vec<_>, Error>>()?;
        let mut from = format!("{} AS {quoted}", from.join("."));
        if let Some(sample) = self.sample.take() {
            let text = sample.to_string();
            from = format!("{from} {text}");
            self.printed.numbers.extend(sample.numbers());
            self.printed.samples.insert(text);
        }
        self.printed.aliases.insert(alias);
        Ok(Block { from, columns, computed: false, ..Block::default() })
    }
}
