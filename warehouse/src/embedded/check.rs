//! The last look at a plan before it runs.
//!
//! Optimisers rewrite plans freely. This walk proves on the final physical plan what the rest of
//! the gateway intends: raw files are read below a barrier or belong to a table that the principal
//! may read unrestricted, and below a barrier with a row predicate no scan of the governed table is
//! without a filter above it. Below the barrier of a view every table has a barrier of its own, also
//! one that the principal may read unrestricted. What isn't known is refused.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::object_store::path::Path;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::async_func::AsyncFuncExec;
use datafusion::physical_plan::buffer::BufferExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PiecewiseMergeJoinExec, SortMergeJoinExec,
    SymmetricHashJoinExec,
};
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::memory::LazyMemoryExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::sorts::partial_sort::PartialSortExec;
use datafusion::physical_plan::sorts::partitioned_topk::PartitionedTopKExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::streaming::StreamingTableExec;
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::work_table::WorkTableExec;
use tollgate_catalog::{Error, TableName};

use super::barrier::BarrierExec;
use super::files::Files;
use super::once::Once;

/// Why a plan may not run.
#[derive(Debug, thiserror::Error)]
enum Violation {
    #[error("the plan has a node of an unknown kind: {0}")]
    UnknownNode(String),
    #[error("the plan reads from a source of an unknown kind")]
    UnknownSource,
    #[error("the plan reads the file {0} outside of every barrier")]
    BareScan(Path),
    #[error("the plan reads the file {1} of {0} without its row predicate")]
    Unfiltered(TableName, Path),
    #[error("the plan reads records outside of every barrier")]
    BareRecords,
    #[error("the plan reads records of {0} without its row predicate")]
    UnfilteredRecords(TableName),
    #[error("the plan has a barrier below a barrier")]
    NestedBarrier,
    #[error("the plan sorts below the barrier of {0}: by what, a user may have said")]
    SortBelow(TableName),
}

/// Where a node stands.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// Above every barrier: among the user's own nodes.
    User,
    /// Below the barrier of a view: among its author's nodes. Each table there has its own barrier.
    View,
    /// Below a table's barrier, and whether a filter stands between.
    Secured { barrier: &'a BarrierExec, filter: bool },
}

/// Checks a plan. Only the tables in `unrestricted` may be read outside of a barrier, and records only
/// if all that are provided are the caller's own.
pub(crate) fn check(
    plan: &Arc<dyn ExecutionPlan>,
    unrestricted: &[Arc<Files>],
    own_records: bool,
) -> Result<(), Error> {
    walk(plan.as_ref(), unrestricted, own_records).map_err(Error::internal)
}

fn walk(
    plan: &dyn ExecutionPlan,
    unrestricted: &[Arc<Files>],
    own_records: bool,
) -> Result<(), Violation> {
    // A stack of our own: a plan may be deeper than the thread's stack allows.
    let mut open = vec![(plan, Place::User)];
    while let Some((node, place)) = open.pop() {
        let below = if let Some(barrier) = node.downcast_ref::<BarrierExec>() {
            match place {
                Place::User | Place::View if barrier.is_view() => Place::View,
                Place::User | Place::View => Place::Secured { barrier, filter: false },
                Place::Secured { .. } => return Err(Violation::NestedBarrier),
            }
        } else if let Some(source) = node.downcast_ref::<DataSourceExec>() {
            scan(source, place, unrestricted)?;
            place
        } else if node.is::<StreamingTableExec>() {
            records(place, own_records)?;
            place
        } else if !known(node) {
            return Err(Violation::UnknownNode(node.name().to_owned()));
        } else {
            match place {
                Place::User | Place::View => place,
                Place::Secured { barrier, .. } if sorts(node) => {
                    return Err(Violation::SortBelow(barrier.files().table().clone()));
                }
                Place::Secured { barrier, filter } => {
                    Place::Secured { barrier, filter: filter || filters(node) }
                }
            }
        };
        open.extend(node.children().into_iter().map(|child| (child.as_ref(), below)));
    }
    Ok(())
}

fn scan(
    source: &DataSourceExec,
    place: Place<'_>,
    unrestricted: &[Arc<Files>],
) -> Result<(), Violation> {
    let source = source.data_source();
    if source.is::<MemorySourceConfig>() {
        return Ok(());
    }
    let files = source.downcast_ref::<FileScanConfig>().ok_or(Violation::UnknownSource)?;
    for file in files.file_groups.iter().flat_map(|group| group.iter()) {
        let location = &file.object_meta.location;
        match place {
            Place::User => {
                if !unrestricted.iter().any(|table| table.contains(location)) {
                    return Err(Violation::BareScan(location.clone()));
                }
            }
            Place::View => return Err(Violation::BareScan(location.clone())),
            Place::Secured { barrier, filter } => {
                let table = barrier.files();
                if barrier.filtered() && !filter && table.contains(location) {
                    return Err(Violation::Unfiltered(table.table().clone(), location.clone()));
                }
            }
        }
    }
    Ok(())
}

/// Whether records may be read there.
fn records(place: Place<'_>, own_records: bool) -> Result<(), Violation> {
    match place {
        Place::User if own_records => Ok(()),
        Place::User | Place::View => Err(Violation::BareRecords),
        Place::Secured { barrier, filter } if barrier.filtered() && !filter => {
            Err(Violation::UnfilteredRecords(barrier.files().table().clone()))
        }
        Place::Secured { .. } => Ok(()),
    }
}

/// Whether a node sorts: no policy does.
fn sorts(node: &dyn ExecutionPlan) -> bool {
    node.is::<SortExec>() || node.is::<PartialSortExec>() || node.is::<PartitionedTopKExec>()
}

/// Whether a node below a barrier drops rows by a condition: all nodes there are the policy's own,
/// so a subquery of the row predicate that became a join is such a node too.
fn filters(node: &dyn ExecutionPlan) -> bool {
    if node.is::<FilterExec>() {
        true
    } else if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        restricts(*join.join_type())
    } else if let Some(join) = node.downcast_ref::<SortMergeJoinExec>() {
        restricts(join.join_type())
    } else if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        join.filter().is_some() && restricts(*join.join_type())
            // `EXISTS` without correlation: the join has no condition but the other side's rows.
            || matches!(join.join_type(), JoinType::LeftSemi | JoinType::RightSemi)
            || matches!(join.join_type(), JoinType::LeftAnti | JoinType::RightAnti)
    } else {
        false
    }
}

/// Whether a join of that type keeps only the rows that meet its condition. A mark join keeps all.
fn restricts(join: JoinType) -> bool {
    match join {
        JoinType::Inner
        | JoinType::LeftSemi
        | JoinType::RightSemi
        | JoinType::LeftAnti
        | JoinType::RightAnti => true,
        JoinType::Left
        | JoinType::Right
        | JoinType::Full
        | JoinType::LeftMark
        | JoinType::RightMark => false,
    }
}

/// Whether a node is of a kind that a query may have. Sinks, explanations and foreign nodes aren't.
fn known(node: &dyn ExecutionPlan) -> bool {
    macro_rules! any {
        ($($kind:ty),* $(,)?) => { $(node.is::<$kind>())||* };
    }
    any!(
        AggregateExec,
        AsyncFuncExec,
        BoundedWindowAggExec,
        BufferExec,
        CoalescePartitionsExec,
        CooperativeExec,
        CrossJoinExec,
        EmptyExec,
        FilterExec,
        GlobalLimitExec,
        HashJoinExec,
        InterleaveExec,
        LazyMemoryExec,
        LocalLimitExec,
        NestedLoopJoinExec,
        Once,
        PartialSortExec,
        PartitionedTopKExec,
        PiecewiseMergeJoinExec,
        PlaceholderRowExec,
        ProjectionExec,
        RecursiveQueryExec,
        RepartitionExec,
        ScalarSubqueryExec,
        SortExec,
        SortMergeJoinExec,
        SortPreservingMergeExec,
        SymmetricHashJoinExec,
        UnionExec,
        UnnestExec,
        WindowAggExec,
        WorkTableExec,
    )
}

#[cfg(test)]
mod tests;
