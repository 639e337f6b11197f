//! Names of tables and warehouses, and quoting as PostgreSQL does it.

use std::fmt;
use std::sync::Arc;

/// The name of a table: a schema and a table, both folded already (case rules are PostgreSQL's).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The table in that schema.
    pub table: String,
}

impl TableName {
    /// A table name of two parts that are folded already.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self { schema: schema.into(), table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quote_if_needed(&self.schema), quote_if_needed(&self.table))
    }
}

/// The name of a warehouse, as the configuration gives it. Clients are never told it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WarehouseName(Arc<str>);

impl WarehouseName {
    /// A name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a warehouse is called that the configuration gives no name.
impl Default for WarehouseName {
    fn default() -> Self {
        Self::new("main")
    }
}

impl fmt::Display for WarehouseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Folds an identifier as PostgreSQL does: unquoted to lower case (ASCII only), quoted unchanged.
pub fn fold(value: &str, quoted: bool) -> String {
    if quoted { value.to_owned() } else { value.to_ascii_lowercase() }
}

/// An identifier in double quotes, inner quotes doubled.
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// An identifier, quoted only if it would not survive unquoted.
pub fn quote_if_needed(identifier: &str) -> String {
    let mut chars = identifier.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { identifier.to_owned() } else { quote(identifier) }
}
