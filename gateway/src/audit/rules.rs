//! Of which statements less is recorded than of others.

use std::collections::BTreeSet;
use std::sync::Arc;

use tollgate_catalog::{Table, TableName};

use super::Statements;

/// How much of statements is recorded, by who sends them and what they read. The strictest counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRules {
    /// Of every statement.
    pub all: Statements,
    /// Of some of them.
    pub rules: Vec<TextRule>,
}

/// How much of some statements is recorded: those of somebody with one of the roles that read one of the
/// tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRule {
    /// Roles; none: of everyone.
    pub roles: BTreeSet<String>,
    /// Tables; none: over all of them.
    pub tables: Vec<TablePattern>,
    /// How much is recorded.
    pub store: Statements,
}

/// One table, or all in a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TablePattern {
    /// This one.
    Table(TableName),
    /// All of a schema.
    Schema(String),
}

impl From<Statements> for TextRules {
    fn from(all: Statements) -> Self {
        Self { all, rules: Vec::new() }
    }
}

impl TablePattern {
    /// Whether a table is one of these.
    pub fn is_for(&self, name: &TableName) -> bool {
        match self {
            TablePattern::Table(table) => table == name,
            TablePattern::Schema(schema) => *schema == name.schema,
        }
    }

    /// Whether a table is one of these, or a view that reads one.
    fn reaches(&self, table: &Table) -> bool {
        let reads = || table.view().into_iter().flat_map(|view| &view.reads);
        self.is_for(&table.name) || reads().any(|(read, _)| self.reaches(read))
    }
}

/// What a statement reads, as far as that is known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reads<'a> {
    /// These tables.
    Tables(&'a [Arc<Table>]),
    /// It was refused, so nobody can tell what it would have read, or it asks about tables without reading any.
    Unknown,
}

impl TextRules {
    /// How much is recorded of a statement of somebody with these roles.
    pub(crate) fn of(&self, roles: &BTreeSet<String>, reads: Reads<'_>) -> Statements {
        let is_for = |rule: &&TextRule| {
            let theirs = rule.roles.is_empty() || !rule.roles.is_disjoint(roles);
            let over = rule.tables.is_empty()
                || match reads {
                    Reads::Unknown => true,
                    Reads::Tables(tables) => tables
                        .iter()
                        .any(|table| rule.tables.iter().any(|pattern| pattern.reaches(table))),
                };
            theirs && over
        };
        let own = self.rules.iter().filter(is_for).map(|rule| rule.store);
        own.fold(self.all, Statements::max)
    }
}
