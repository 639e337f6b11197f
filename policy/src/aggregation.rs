//! Tables that answer in aggregates only.

use std::fmt;

use tollgate_catalog::TableName;

use crate::model::{Aggregates, JoinSpec, Name, Part};

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

impl DeclaredJoin {
    fn is_over(&self, other: &Self) -> bool {
        self.table == other.table && self.column == other.column && self.key == other.key
    }
}

fn both<T: PartialEq + Clone>(these: &[T], those: &[T]) -> Vec<T> {
    these.iter().filter(|one| those.contains(one)).cloned().collect()
}

fn among<T: PartialEq>(these: &[T], those: &[T]) -> bool {
    these.iter().all(|one| those.contains(one))
}

impl Aggregation {
    /// The rule that allows what both allow, which must be of one entity.
    pub(crate) fn and(&self, other: &Self) -> Option<Self> {
        let Self { least, dominance, entity, dimensions, measures, joins } = self;
        if *entity != other.entity {
            return None;
        }
        let joins = joins.iter().filter_map(|join| {
            let other = other.joins.iter().find(|other| join.is_over(other))?;
            Some(DeclaredJoin {
                dimensions: both(&join.dimensions, &other.dimensions),
                ..join.clone()
            })
        });
        Some(Self {
            least: *least.max(&other.least),
            dominance: *dominance.min(&other.dominance),
            entity: *entity,
            dimensions: both(dimensions, &other.dimensions),
            measures: both(measures, &other.measures),
            joins: joins.collect(),
        })
    }

    /// Whether it is proven that the other one shows all that this one shows.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let Self { least, dominance, entity, dimensions, measures, joins } = self;
        *entity == other.entity
            && *least >= other.least
            && *dominance <= other.dominance
            && among(dimensions, &other.dimensions)
            && among(measures, &other.measures)
            && joins.iter().all(|join| {
                let mut same = other.joins.iter().filter(|other| join.is_over(other));
                same.any(|other| among(&join.dimensions, &other.dimensions))
            })
    }
}

/// As it is written, behind whom it is for.
impl fmt::Display for Aggregates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entity, least, share, dimensions, measures, joins } = self;
        write!(f, "ENTITY ({}) MIN GROUP SIZE {}", names(entity), least.text)?;
        if let Some(share) = share {
            write!(f, " MAX SHARE {} PERCENT", share.text)?;
        }
        write!(f, " DIMENSIONS ({})", parts(dimensions))?;
        if !measures.is_empty() {
            write!(f, " MEASURES ({})", names(measures))?;
        }
        for JoinSpec { table, at: _, on: (left, right), dimensions } in joins {
            let (left, right, dimensions) = (&left.text, &right.text, parts(dimensions));
            write!(f, " JOIN {table} ON ({left} = {right}) DIMENSIONS ({dimensions})")?;
        }
        Ok(())
    }
}

fn names(names: &[Name]) -> String {
    names.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(", ")
}

fn parts(parts: &[Part]) -> String {
    let texts = parts.iter().map(|Part { column, unit }| match unit {
        None => column.text.clone(),
        Some(unit) => format!("date_trunc('{}', {})", unit.text, column.text),
    });
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
