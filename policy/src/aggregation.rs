//! Tables that answer in aggregates only.

use tollgate_catalog::TableName;

/// A table that answers in aggregates only, for this caller: no row of its own is shown, and no
/// group of fewer entities than this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregation {
    /// How many different entities a group needs at least; 2 or more.
    pub least: u64,
    /// How much of a sum may come from the entity with the largest share, in percent.
    pub dominance: u32,
    /// The column that tells entities apart, by its index in the table.
    pub entity: usize,
    /// What statements may group by and filter on.
    pub dimensions: Vec<Dimension>,
    /// The columns that may be summed, by their indexes in the table.
    pub measures: Vec<usize>,
    /// The joins that are allowed, each from a row to one row at most.
    pub joins: Vec<DeclaredJoin>,
}

/// What groups are made of: a column, or the beginnings of the periods that its values are in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dimension {
    /// By its index in its table.
    pub column: usize,
    /// `year`, `quarter`, `month`, `week` or `day`; `None`: the values themselves.
    pub bucket: Option<String>,
}

/// A join by equality to another table, of which only the dimensions may be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredJoin {
    /// The joined table.
    pub table: TableName,
    /// The column of the table itself, by its index there.
    pub column: usize,
    /// The column of the joined table, by its index there.
    pub key: usize,
    /// What statements may group by and filter on, of the joined table.
    pub dimensions: Vec<Dimension>,
}
