//! The relations of `pg_catalog` and `information_schema`, as leaves of a plan.

use arrow::datatypes::SchemaRef;
use datafusion_expr::TableSource;
use tollgate_catalog::TableName;

/// Which system relations exist, and their columns. The same for every principal; their rows differ.
pub trait SystemSchemas: Send + Sync {
    /// The columns of a system relation, or `None` if there is none of that name.
    fn schema(&self, name: &TableName) -> Option<SchemaRef>;

    /// Whether a system relation has no rows, for any principal.
    fn always_empty(&self, name: &TableName) -> bool {
        let _ = name;
        false
    }
}

/// A system relation as a leaf. Its rows are made from the principal's own view of the catalog.
#[derive(Debug)]
pub struct SystemSource {
    name: TableName,
    schema: SchemaRef,
}

impl SystemSource {
    pub(crate) fn new(name: TableName, schema: SchemaRef) -> Self {
        Self { name, schema }
    }

    /// The relation's name.
    pub fn name(&self) -> &TableName {
        &self.name
    }
}

impl TableSource for SystemSource {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

/// The rows that a recursive query has found so far, as a leaf of its recursive part.
#[derive(Debug)]
pub struct WorkTableSource {
    name: String,
    schema: SchemaRef,
}

impl WorkTableSource {
    pub(crate) fn new(name: String, schema: SchemaRef) -> Self {
        Self { name, schema }
    }

    /// The recursive query's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl TableSource for WorkTableSource {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}
