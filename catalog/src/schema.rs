//! A table as the catalog knows it, and the raw source that stands for it in a plan.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_expr::{TableProviderFilterPushDown, TableSource};

use crate::{TableName, WarehouseName};

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name, folded.
    pub name: String,
    /// The Arrow type in which values leave the warehouse.
    pub data_type: DataType,
    /// Whether NULL may occur.
    pub nullable: bool,
    /// What the column means, for people.
    pub comment: Option<String>,
}

/// Where the rows of a table are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// Parquet files; all have the same schema.
    Parquet(Vec<PathBuf>),
    /// CSV files with a header line; all have the same schema.
    Csv(Vec<PathBuf>),
    /// In a PostgreSQL, under the same name.
    Postgres {
        /// The columns whose texts have another order than the database's, by index.
        collated: Vec<usize>,
    },
    /// In a Snowflake account.
    Snowflake(RealNames),
    /// Nowhere: a query that the policies declare.
    View(View),
    /// In the gateway's own ledger.
    Ledger,
}

/// The schema of the gateway's own relations; nothing else may be in it.
pub const OWN_SCHEMA: &str = "tollgate";

/// What a table is called in a warehouse that folds names to upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealNames {
    /// The database.
    pub database: String,
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// Its columns, in the catalog's order.
    pub columns: Vec<String>,
    /// Whether nothing but a declaration that nobody enforces says that its primary key is one.
    pub key_is_claimed: bool,
}

/// A query that stands for a table, with the rights of whoever declared it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The query.
    pub sql: String,
    /// The tables that it names, and which columns of each it reads, by index.
    pub reads: Vec<(Arc<Table>, Vec<usize>)>,
    /// Whether fewer rows of what it reads are fewer rows of the view: not if it counts, or asks
    /// for what isn't there.
    pub is_monotone: bool,
    /// The names of the columns that decide which rows it has, as those in its WHERE. All that it
    /// reads if it isn't monotone.
    pub decides: BTreeSet<String>,
}

/// A foreign key: columns of this table that name a row of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Columns of this table, by index.
    pub columns: Vec<usize>,
    /// The other table.
    pub references: TableName,
    /// Its columns, by name.
    pub referenced_columns: Vec<String>,
}

/// A base table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The full name.
    pub name: TableName,
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// The columns of the primary key, by index; empty if there is none.
    pub primary_key: Vec<usize>,
    /// The foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// What the table means, for people.
    pub comment: Option<String>,
    /// The number of rows, where the source knows it.
    pub row_count: Option<u64>,
    /// The size in bytes, where the source knows it.
    pub bytes: Option<u64>,
    /// How old a result over it may be; nothing: as old as the rows themselves.
    pub cache_for: Option<Duration>,
    /// The warehouse that has the rows, of a view those of all that it reads; nothing if no warehouse
    /// has them: then no query may be sent to one.
    pub warehouse: Option<WarehouseName>,
    /// Where the rows are in it.
    pub storage: Storage,
}

impl Table {
    /// The primary key as far as no two rows share it: what grouping by it determines rests on that. Nothing of one
    /// that is only claimed.
    pub fn held_key(&self) -> &[usize] {
        match &self.storage {
            Storage::Snowflake(real) if real.key_is_claimed => &[],
            Storage::View(_)
            | Storage::Parquet(_)
            | Storage::Csv(_)
            | Storage::Postgres { .. }
            | Storage::Snowflake(_)
            | Storage::Ledger => &self.primary_key,
        }
    }

    /// The query that stands for it, if it is a view.
    pub fn view(&self) -> Option<&View> {
        match &self.storage {
            Storage::View(view) => Some(view),
            Storage::Parquet(_)
            | Storage::Csv(_)
            | Storage::Postgres { .. }
            | Storage::Snowflake(_)
            | Storage::Ledger => None,
        }
    }

    /// Whether whoever has the rows may order texts of these columns in another way than texts of other tables. Of a
    /// view that isn't known.
    pub fn is_collated(&self, columns: &[usize]) -> bool {
        match &self.storage {
            Storage::Postgres { collated } => collated.iter().any(|index| columns.contains(index)),
            Storage::View(_) => self.is_in_postgres(),
            // By their bytes.
            Storage::Parquet(_) | Storage::Csv(_) | Storage::Snowflake(_) | Storage::Ledger => {
                false
            }
        }
    }

    fn is_in_postgres(&self) -> bool {
        match &self.storage {
            Storage::Postgres { .. } => true,
            Storage::View(view) => view.reads.iter().any(|(read, _)| read.is_in_postgres()),
            Storage::Parquet(_) | Storage::Csv(_) | Storage::Snowflake(_) | Storage::Ledger => {
                false
            }
        }
    }

    /// Whether its rows are the gateway's own records, not a warehouse's.
    pub fn is_record(&self) -> bool {
        self.storage == Storage::Ledger
    }

    /// The index of a column by its folded name.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The Arrow schema of all columns.
    pub fn arrow_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.columns
                .iter()
                .map(|column| Field::new(&column.name, column.data_type.clone(), column.nullable))
                .collect::<Vec<_>>(),
        ))
    }
}

/// The raw rows of a base table as a leaf of a plan.
///
/// It occurs only inside a secured relation or a policy's own subquery, never in a plan that was
/// made from a user's statement: name resolution there knows secured sources only.
#[derive(Debug)]
pub struct RawSource {
    table: Arc<Table>,
    schema: SchemaRef,
}

impl RawSource {
    /// The raw source of `table`.
    pub fn new(table: Arc<Table>) -> Self {
        let schema = table.arrow_schema();
        Self { table, schema }
    }

    /// The table it reads.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

impl TableSource for RawSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&datafusion_expr::Expr],
    ) -> datafusion_common::Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
