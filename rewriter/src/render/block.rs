//! One `SELECT` in the making.

use tollgate_catalog::{Error, ErrorKind};

use super::{MAX_TEXT, Printer, quote};

/// A `SELECT` that takes further clauses as long as their meaning allows.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// `FROM`; empty for one row without columns.
    pub(super) from: String,
    /// What stands for each column of the node; one that can't be named is empty.
    pub(super) columns: Vec<String>,
    /// Whether some columns are more than names of what `FROM` has.
    pub(super) computed: bool,
    pub(super) filter: Vec<String>,
    pub(super) group: String,
    pub(super) distinct: String,
    pub(super) order: String,
    pub(super) limit: String,
}

impl Block {
    /// Whether its columns can be named by clauses of this very `SELECT`, and rows be filtered.
    fn is_open(&self) -> bool {
        !self.computed
            && self.group.is_empty()
            && self.distinct.is_empty()
            && self.order.is_empty()
            && self.limit.is_empty()
    }

    /// The text, with columns `c0`, `c1`, …
    pub(super) fn text(&self) -> Result<String, Error> {
        let items: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                // One that nothing can name.
                let column = if column.is_empty() { "NULL" } else { column };
                format!("{column} AS \"c{index}\"")
            })
            .collect();
        let items = if items.is_empty() { "NULL AS \"c0\"".to_owned() } else { items.join(", ") };
        let mut text = format!("SELECT {}{items}", self.distinct);
        if !self.from.is_empty() {
            text.push_str(" FROM ");
            text.push_str(&self.from);
        }
        if !self.filter.is_empty() {
            text.push_str(" WHERE ");
            text.push_str(&self.filter.join(" AND "));
        }
        for clause in [&self.group, &self.order, &self.limit] {
            text.push_str(clause);
        }
        if text.len() > MAX_TEXT {
            return Err(Error::new(
                ErrorKind::ProgramLimit,
                "the statement is too long for the warehouse",
            )
            .with_hint("split it into several statements"));
        }
        Ok(text)
    }
}

impl Printer {
    /// The block as a derived table.
    pub(super) fn wrap(&mut self, block: &Block) -> Result<Block, Error> {
        let width = block.columns.len();
        let alias = self.name();
        let from = format!("({}) AS {}", block.text()?, quote(&alias)?);
        let columns = block
            .columns
            .iter()
            .zip(self.columns_of(&alias, width)?)
            .map(|(column, name)| if column.is_empty() { String::new() } else { name })
            .collect();
        self.printed.aliases.insert(alias);
        Ok(Block { from, columns, ..Block::default() })
    }

    /// The columns of a relation of ours.
    pub(super) fn columns_of(&self, alias: &str, width: usize) -> Result<Vec<String>, Error> {
        let alias = quote(alias)?;
        Ok((0..width).map(|index| format!("{alias}.\"c{index}\"")).collect())
    }

    /// The block, or a wrapped one, whose rows can be filtered and computed with.
    pub(super) fn open(&mut self, block: Block) -> Result<Block, Error> {
        if block.is_open() { Ok(block) } else { self.wrap(&block) }
    }

    /// The block as an item of a `FROM`.
    pub(super) fn item(&mut self, block: Block) -> Result<Block, Error> {
        if block.is_open() && block.filter.is_empty() && !block.from.is_empty() {
            Ok(block)
        } else {
            self.wrap(&block)
        }
    }
}
