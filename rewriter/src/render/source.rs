//! A base table: its permitted, masked columns over its permitted rows, as a derived table.
//!
//! Below it stand raw tables, and nowhere else.

use datafusion_expr::LogicalPlan;
use datafusion_expr::logical_plan::TableScan;
use tollgate_catalog::{Error, RawSource, Table};

use super::block::Block;
use super::{Printer, Row, Secured, quote, types};
use crate::relation::SecuredSource;

impl Printer {
    /// The secured relation of a table or of a view.
    pub(super) fn secured(&mut self, source: &SecuredSource) -> Result<Block, Error> {
        let table = source.secured().table();
        if table.view().is_some() {
            // Its query is its author's, over secured relations; nothing of a user gets inside.
            let base = self.base.take();
            let mut block = self.block(source.relation(), None)?;
            self.base = base;
            let closed = self.barrier.closes_views();
            if closed {
                block = self.closed(block)?;
            }
            return self.wrap(&block);
        }
        if self.base.is_some() {
            return Err(Error::internal("a secured relation inside of another"));
        }
        self.base = Some(Vec::new());
        let block = self.base_block(source.relation());
        let tables = self.base.take().unwrap_or_default();
        let mut block = block?;
        if self.barrier.closes(source) {
            block = self.closed(block)?;
        }
        if !tables.iter().any(|named| *named == table.name) {
            return Err(Error::internal("a secured relation doesn't read its table"));
        }
        let (width, text) = (block.columns.len(), block.text()?);
        let alias = self.name();
        let from = format!("({text}) AS {}", quote(&alias)?);
        let columns = self.columns_of(&alias, width)?;
        self.printed.secured.insert(alias, Secured { text, tables });
        Ok(Block { from, columns, ..Block::default() })
    }

    /// `OFFSET 0` keeps PostgreSQL from moving a condition inside, or a row policy out.
    fn closed(&mut self, mut block: Block) -> Result<Block, Error> {
        if !block.limit.is_empty() {
            block = self.wrap(&block)?;
        }
        let zero = self.written("0", "bigint")?;
        block.limit = format!(" OFFSET {zero}");
        Ok(block)
    }

    /// `masks ← row predicate ← raw rows`, of a table or of a lookup in a policy.
    fn base_block(&mut self, plan: &LogicalPlan) -> Result<Block, Error> {
        match plan {
            LogicalPlan::Projection(node) => {
                let block = self.base_block(&node.input)?;
                let row = Row { schema: node.input.schema(), columns: &block.columns, outer: None };
                let columns = node.expr.iter().map(|expr| self.expr(expr, row));
                let columns = columns.collect::<Result<Vec<_>, _>>()?;
                Ok(Block { columns, computed: true, ..block })
            }
            LogicalPlan::Filter(node) => {
                let mut block = self.base_block(&node.input)?;
                let row = Row { schema: node.input.schema(), columns: &block.columns, outer: None };
                let predicate = self.expr(&node.predicate, row)?;
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
        let bare = scan.projection.is_none() && scan.filters.is_empty() && scan.fetch.is_none();
        let Some(named) = self.base.as_mut().filter(|_| bare) else {
            return Err(Error::internal("a raw table outside of a secured relation"));
        };
        named.push(table.name.clone());
        let alias = self.name();
        let quoted = quote(&alias)?;
        let columns = table.columns.iter().map(|column| {
            let data_type = types::name(&column.data_type, false)?;
            Ok(format!("CAST({quoted}.{} AS {data_type})", quote(&column.name)?))
        });
        let columns = columns.collect::<Result<Vec<_>, Error>>()?;
        let from =
            format!("{}.{} AS {quoted}", quote(&table.name.schema)?, quote(&table.name.table)?);
        self.printed.aliases.insert(alias);
        Ok(Block { from, columns, computed: false, ..Block::default() })
    }
}
