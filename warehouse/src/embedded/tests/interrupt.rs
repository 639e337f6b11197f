//! Queries that nobody waits for stop, whatever they are at.

use std::time::Duration;

use futures::StreamExt;

use super::super::run_plan;
use super::*;

/// Takes every provider as it is.
struct Open;

impl Leaves for Open {
    fn provider(&self, source: &Arc<dyn TableSource>) -> Result<Arc<dyn TableProvider>, Error> {
        Ok(source_as_provider(source).unwrap())
    }

    fn check(&self, _: &Arc<dyn ExecutionPlan>) -> Result<(), Error> {
        Ok(())
    }
}

/// Each would run for hours and reads its tables within moments.
const ENDLESS: &[&str] = &[
    "SELECT sum(a.v + b.v) FROM n a, n b",
    "SELECT sum(a.v + b.v) FROM n a, n b WHERE a.v <> b.v",
    "SELECT a.v FROM n a JOIN n b ON a.v + b.v < 0",
    "SELECT a.v FROM n a LEFT JOIN n b ON a.v + b.v < 0 AND sin(a.v) * cos(b.v) > 2",
    "SELECT a.v FROM n a WHERE NOT EXISTS (SELECT 1 FROM n b WHERE a.v + b.v < 0)",
    "SELECT a.v FROM n a JOIN n b ON a.one = b.one AND sin(a.v) * cos(b.v) > 2",
    "SELECT sum(a.v + b.v) FROM n a JOIN n b ON a.one = b.one",
    "SELECT a.v FROM n a, n b WHERE sin(a.v + b.v) > 2 ORDER BY 1 LIMIT 1",
    "SELECT DISTINCT a.one + b.one FROM n a, n b",
    "SELECT max(v) FROM (SELECT unnest(range(1, 2000)) AS v FROM n)",
    "WITH RECURSIVE r(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM r WHERE v > 0) \
     SELECT sum(v) FROM r",
];

#[tokio::test]
async fn what_nobody_waits_for_stops() {
    let values = Arc::new(Int64Array::from_iter_values(0..300_000)) as ArrayRef;
    let ones = Arc::new(Int64Array::from_iter_values((0..300_000).map(|_| 1))) as ArrayRef;
    let rows = RecordBatch::try_from_iter([("v", values), ("one", ones)]).unwrap();
    let planner = SessionContext::new();
    planner.register_batch("n", rows).unwrap();
    for sql in ENDLESS {
        let context = Context::new(&Options { partitions: Some(2), ..Options::default() }).unwrap();
        let plan = planner.state().create_logical_plan(sql).await.expect(sql);
        let mut rows = run_plan(&context, plan, Open).await.expect(sql);
        let first = tokio::time::timeout(Duration::from_millis(300), rows.next()).await;
        assert!(first.is_err(), "{sql}: came to an end: {first:?}");
        drop(rows);
        // No bound on how fast: only that it doesn't go on for ever.
        let idle = async {
            while context.threads.tasks() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(
            tokio::time::timeout(Duration::from_secs(60), idle).await.is_ok(),
            "{sql}: runs on"
        );
    }
}
