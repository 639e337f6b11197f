//! Tests of the module beside.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::{JoinType, NullEquality};
use datafusion::execution::SessionState;
use datafusion::physical_expr::expressions::{col, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::explain::ExplainExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::streaming::StreamingTableExec;
use datafusion::physical_plan::union::UnionExec;

use super::super::barrier::BarrierExec;
use super::super::files::{Files, RawTables};
use super::super::tests::orders;
use super::super::{Context, Options};
use super::{Violation, walk};

type Node = Arc<dyn ExecutionPlan>;

struct World {
    _folder: tempfile::TempDir,
    scan: Node,
    files: Arc<Files>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::new(&Options::default()).unwrap();
        let state: &SessionState = &context.inner;
        let raw = RawTables::default().get(state, &orders(folder.path())).unwrap();
        let scan = raw.provider.scan(state, None, &[], None).await.unwrap();
        Self { _folder: folder, scan, files: raw.files }
    }

    fn scan(&self) -> Node {
        Arc::clone(&self.scan)
    }

    fn barrier(&self, input: Node, filtered: bool) -> Node {
        Arc::new(BarrierExec::new(input, Arc::clone(&self.files), filtered))
    }
}

fn filter(input: Node) -> Node {
    Arc::new(FilterExec::try_new(lit(true), input).unwrap())
}

fn join(left: Node, right: Node, join: JoinType) -> Node {
    let on = vec![(col("id", &left.schema()).unwrap(), col("id", &right.schema()).unwrap())];
    let mode = PartitionMode::CollectLeft;
    let null = NullEquality::NullEqualsNothing;
    Arc::new(HashJoinExec::try_new(left, right, on, None, &join, None, mode, null, false).unwrap())
}

#[tokio::test]
async fn a_scan_without_a_barrier_needs_an_unrestricted_table() {
    let world = World::new().await;
    let plan = filter(world.scan());
    assert!(matches!(walk(plan.as_ref(), &[], false), Err(Violation::BareScan(_))));
    assert!(walk(plan.as_ref(), &[Arc::clone(&world.files)], false).is_ok());
}

#[tokio::test]
async fn a_row_predicate_must_stand_below_the_barrier() {
    let world = World::new().await;
    let good = world.barrier(filter(world.scan()), true);
    assert!(walk(good.as_ref(), &[], false).is_ok());
    let above = filter(world.barrier(world.scan(), true));
    assert!(matches!(walk(above.as_ref(), &[], false), Err(Violation::Unfiltered(..))));
    let between = world.barrier(Arc::new(CoalescePartitionsExec::new(world.scan())), true);
    assert!(matches!(walk(between.as_ref(), &[], false), Err(Violation::Unfiltered(..))));
}

/// Records are the caller's own, or they stand below a barrier as any table's rows.
#[tokio::test]
async fn records_of_others_need_a_barrier() {
    let world = World::new().await;
    let schema = Arc::new(Schema::empty());
    let records = || -> Node {
        let none = StreamingTableExec::try_new(Arc::clone(&schema), vec![], None, [], false, None);
        Arc::new(none.unwrap())
    };
    assert!(walk(filter(records()).as_ref(), &[], true).is_ok());
    assert!(matches!(walk(filter(records()).as_ref(), &[], false), Err(Violation::BareRecords)));
    assert!(walk(world.barrier(records(), false).as_ref(), &[], false).is_ok());
    assert!(walk(world.barrier(filter(records()), true).as_ref(), &[], false).is_ok());
    for own in [false, true] {
        let bare = world.barrier(records(), true);
        assert!(matches!(walk(bare.as_ref(), &[], own), Err(Violation::UnfilteredRecords(_))));
        let view = BarrierExec::of_view(records(), Arc::clone(&world.files));
        assert!(matches!(walk(&view, &[], own), Err(Violation::BareRecords)));
    }
}

#[tokio::test]
async fn every_branch_needs_its_own_predicate() {
    let world = World::new().await;
    let both = UnionExec::try_new(vec![filter(world.scan()), world.scan()]).unwrap();
    let plan = world.barrier(both, true);
    assert!(matches!(walk(plan.as_ref(), &[], false), Err(Violation::Unfiltered(..))));
    let open = UnionExec::try_new(vec![world.barrier(filter(world.scan()), true), world.scan()]);
    assert!(matches!(walk(open.unwrap().as_ref(), &[], false), Err(Violation::BareScan(_))));
}

#[tokio::test]
async fn masks_need_a_barrier_but_no_predicate() {
    let world = World::new().await;
    assert!(walk(world.barrier(world.scan(), false).as_ref(), &[], false).is_ok());
}

#[tokio::test]
async fn only_joins_that_drop_rows_count_as_predicates() {
    let world = World::new().await;
    for (kind, counts) in [
        (JoinType::LeftSemi, true),
        (JoinType::RightSemi, true),
        (JoinType::LeftAnti, true),
        (JoinType::Inner, true),
        (JoinType::LeftMark, false),
        (JoinType::Left, false),
        (JoinType::Full, false),
    ] {
        let plan = world.barrier(join(world.scan(), world.scan(), kind), true);
        assert_eq!(walk(plan.as_ref(), &[], false).is_ok(), counts, "{kind}");
    }
}

#[tokio::test]
async fn nothing_to_read_needs_no_predicate() {
    let world = World::new().await;
    let plan = world.barrier(Arc::new(EmptyExec::new(world.scan().schema())), true);
    assert!(walk(plan.as_ref(), &[], false).is_ok());
}

#[tokio::test]
async fn unknown_nodes_are_refused_everywhere() {
    let world = World::new().await;
    let inside = world.barrier(filter(world.scan()), true);
    assert!(matches!(
        walk(world.barrier(inside, true).as_ref(), &[], false),
        Err(Violation::NestedBarrier)
    ));
    let explain: Node = Arc::new(ExplainExec::new(world.scan().schema(), vec![], false));
    let both = UnionExec::try_new(vec![Arc::clone(&explain), explain]).unwrap();
    assert!(matches!(walk(both.as_ref(), &[], false), Err(Violation::UnknownNode(_))));
}

#[tokio::test]
async fn below_a_view_every_table_has_its_own_barrier() {
    let world = World::new().await;
    let view =
        |input: Node| -> Node { Arc::new(BarrierExec::of_view(input, Arc::clone(&world.files))) };
    let table = || world.barrier(filter(world.scan()), true);
    assert!(walk(view(filter(table())).as_ref(), &[], false).is_ok());
    assert!(walk(view(filter(view(table()))).as_ref(), &[], false).is_ok());
    // Not even a table that the principal may read as it is.
    let open = [Arc::clone(&world.files)];
    for bare in [view(filter(world.scan())), view(view(world.scan()))] {
        assert!(matches!(walk(bare.as_ref(), &open, false), Err(Violation::BareScan(_))));
    }
    let unfiltered = view(filter(world.barrier(world.scan(), true)));
    assert!(matches!(walk(unfiltered.as_ref(), &[], false), Err(Violation::Unfiltered(..))));
    // A view is never inside of a table.
    let inside = world.barrier(filter(view(table())), true);
    assert!(matches!(walk(inside.as_ref(), &[], false), Err(Violation::NestedBarrier)));
}
