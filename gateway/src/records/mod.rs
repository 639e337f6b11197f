//! The gateway's own records as relations, in the schema `tollgate`.
//!
//! `my_queries`, `my_usage` and `my_limits` exist for everyone, and are made of the caller's own
//! records: what they are read from knows one principal only. `audit` and `usage` are base tables of
//! the catalog, so that grants, row policies and masks decide about them as about any others.
//!
//! | module | |
//! |---|---|
//! | `fields` | the columns of the history and the usage |
//! | `limits` | what a caller's limits allow, and what is used of it |
//! | `since` | from when on records are asked for |

mod fields;
mod limits;
mod since;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session as DataFusionSession, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tollgate_catalog::{Error, ErrorKind, OWN_SCHEMA, Storage, Table, TableName};
use tollgate_ledger::history::{Days, Queries, Whose};
use tollgate_ledger::{LedgerError, Place};
use tollgate_rewriter::SystemSchemas;
use tollgate_warehouse::BatchStream;

use crate::introspect::{self, SystemRelations, VisibleColumn};

use fields::{Field, QUERY, SUM};
pub(crate) use limits::Standing;

/// Who reads the ledger for statements at once, in the whole process: each on a connection of its own.
static READERS: Semaphore = Semaphore::const_new(32);

/// Queries in one batch.
const BATCH: usize = 256;

const MY_QUERIES: &str = "my_queries";
const MY_USAGE: &str = "my_usage";
const MY_LIMITS: &str = "my_limits";
const AUDIT: &str = "audit";
const USAGE: &str = "usage";

/// What each relation holds, for people.
const COMMENTS: [(&str, &str); 5] = [
    (MY_QUERIES, "your own queries, newest first"),
    (MY_USAGE, "what you have used, by day and tables"),
    (MY_LIMITS, "the limits that are for you, and what is used of them"),
    (AUDIT, "everybody's queries, newest first"),
    (USAGE, "what everybody has used, by day and tables"),
];

fn table(name: &str) -> Table {
    let columns = match name {
        MY_QUERIES => fields::columns(QUERY, true),
        MY_USAGE => fields::columns(SUM, true),
        MY_LIMITS => fields::columns(limits::FIELDS, true),
        AUDIT => fields::columns(QUERY, false),
        _ => fields::columns(SUM, false),
    };
    let comment = COMMENTS.iter().find(|(of, _)| *of == name);
    Table {
        name: TableName::new(OWN_SCHEMA, name),
        columns,
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        comment: comment.map(|(_, comment)| (*comment).to_owned()),
        row_count: None,
        bytes: None,
        cache_for: None,
        warehouse: None,
        storage: Storage::Ledger,
    }
}

/// The relations of all principals' records, for a catalog: whoever sees them, policies say.
pub fn tables() -> [Table; 2] {
    [table(AUDIT), table(USAGE)]
}

fn own() -> [Table; 3] {
    [table(MY_LIMITS), table(MY_QUERIES), table(MY_USAGE)]
}

/// The relations of a caller's own records, as the catalogs show them.
pub(crate) fn own_tables() -> impl Iterator<Item = introspect::VisibleTable> {
    own().into_iter().map(|table| {
        let columns = (0..table.columns.len()).map(|index| VisibleColumn { index, masked: false });
        introspect::VisibleTable { columns: columns.collect(), table: Arc::new(table) }
    })
}

/// Which relations exist that are no base tables: the catalogs, and with a ledger the caller's records.
pub(crate) struct Known {
    pub(crate) records: bool,
}

impl SystemSchemas for Known {
    fn schema(&self, name: &TableName) -> Option<SchemaRef> {
        if self.records && name.schema == OWN_SCHEMA {
            return own().iter().find(|table| table.name == *name).map(Table::arrow_schema);
        }
        SystemRelations.schema(name)
    }

    fn always_empty(&self, name: &TableName) -> bool {
        SystemRelations.always_empty(name)
    }
}

/// Reads rows; of those before a time, in microseconds since 1970, as many as it likes.
type Read = dyn Fn(Option<i64>) -> BatchStream + Send + Sync;

/// A relation whose rows are read when a plan asks for them.
struct Relation {
    schema: SchemaRef,
    /// The column that says when.
    time: &'static str,
    read: Arc<Read>,
}

impl fmt::Debug for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relation").finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Relation {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Inexact: a condition on the time spares reading, and every row is still asked.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn DataFusionSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let since = since::since(filters, self.time);
        let rows = Rows { schema: Arc::clone(&self.schema), read: Arc::clone(&self.read), since };
        let table = StreamingTable::try_new(Arc::clone(&self.schema), vec![Arc::new(rows)])?;
        table.scan(state, projection, &[], limit).await
    }
}

/// The rows of a relation for one plan.
struct Rows {
    schema: SchemaRef,
    read: Arc<Read>,
    since: Option<i64>,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

impl PartitionStream for Rows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows =
            (self.read)(self.since).map_err(|error| DataFusionError::External(Box::new(error)));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

fn provider(
    name: &str,
    read: impl Fn(Option<i64>) -> BatchStream + Send + Sync + 'static,
) -> Arc<dyn TableProvider> {
    let time = match name {
        MY_QUERIES | AUDIT => "started",
        _ => "day",
    };
    Arc::new(Relation { schema: table(name).arrow_schema(), time, read: Arc::new(read) })
}

/// The rows of all principals' records, each relation with who provides it.
pub(crate) fn everyones(place: &Place) -> HashMap<TableName, Arc<dyn TableProvider>> {
    let (audit, usage) = (place.clone(), place.clone());
    let all = [
        (AUDIT, provider(AUDIT, move |since| queries(audit.clone(), Whose::Everyone, since))),
        (USAGE, provider(USAGE, move |since| days(usage.clone(), Whose::Everyone, since))),
    ];
    all.into_iter().map(|(name, rows)| (TableName::new(OWN_SCHEMA, name), rows)).collect()
}

/// One principal's own records.
pub(crate) struct Own {
    /// Where they are.
    pub(crate) place: Place,
    /// Whose they are.
    pub(crate) principal: String,
    /// What limits the principal.
    pub(crate) standing: Arc<Standing>,
}

impl Own {
    /// The rows of a relation; `None` if it isn't one of a caller's own records.
    pub(crate) fn provider(&self, name: &TableName) -> Option<Arc<dyn TableProvider>> {
        if name.schema != OWN_SCHEMA {
            return None;
        }
        let (place, principal) = (self.place.clone(), self.principal.clone());
        let whose = move || (place.clone(), Whose::Of(principal.clone()));
        let read = move |read: fn(Place, Whose, Option<i64>) -> BatchStream| {
            move |since| {
                let (place, whose) = whose();
                read(place, whose, since)
            }
        };
        Some(match name.table.as_str() {
            MY_QUERIES => provider(MY_QUERIES, read(queries)),
            MY_USAGE => provider(MY_USAGE, read(days)),
            MY_LIMITS => {
                let standing = Arc::clone(&self.standing);
                provider(MY_LIMITS, move |_| {
                    let standing = Arc::clone(&standing);
                    stream::once(async move { standing.rows().await }).boxed()
                })
            }
            _ => return None,
        })
    }
}

/// The error of a gateway that keeps no records which could be asked.
pub(crate) fn none_kept() -> Error {
    Error::new(ErrorKind::NotSupported, "there are no records to be asked here")
        .with_hint("ask a gateway that keeps a ledger, not a rehearsal")
}

fn unreadable(error: LedgerError) -> Error {
    Error::new(ErrorKind::IoError, "the ledger can't be read")
        .with_hint("try again; whoever runs the gateway finds the reason in its log")
        .with_cause(error)
}

fn reader() -> Result<SemaphorePermit<'static>, Error> {
    READERS.try_acquire().map_err(|_| {
        Error::new(ErrorKind::TooManyConnections, "too many statements read the gateway's records")
            .with_hint("name them less often in one statement, or try again later")
    })
}

fn batch<R>(all: &[Field<R>], whose: &Whose, rows: &[R]) -> Result<RecordBatch, Error> {
    fields::batch(all, matches!(whose, Whose::Of(_)), rows)
}

/// The queries of a ledger, newest first: a page is read when it is asked for.
fn queries(place: Place, whose: Whose, since: Option<i64>) -> BatchStream {
    let rows = stream::try_unfold(None, move |open| {
        let (place, whose) = (place.clone(), whose.clone());
        async move {
            let (mut open, reader) = match open {
                Some(open) => open,
                None => {
                    let reader = reader()?;
                    let open = Queries::open(&place, whose.clone()).await.map_err(unreadable)?;
                    (open.since(since), reader)
                }
            };
            let mut rows = Vec::with_capacity(BATCH);
            while rows.len() < BATCH
                && let Some(query) = open.next().await.map_err(unreadable)?
            {
                rows.push(query);
            }
            let batch = (!rows.is_empty()).then(|| batch(QUERY, &whose, &rows)).transpose()?;
            Ok(batch.map(|batch| (batch, Some((open, reader)))))
        }
    });
    rows.boxed()
}

/// What was used, the last day first.
fn days(place: Place, whose: Whose, since: Option<i64>) -> BatchStream {
    let rows = stream::try_unfold(None, move |open| {
        let (place, whose) = (place.clone(), whose.clone());
        async move {
            let (mut open, reader) = match open {
                Some(open) => open,
                None => {
                    let reader = reader()?;
                    let open = Days::open(&place, whose.clone()).await.map_err(unreadable)?;
                    (open.since(since), reader)
                }
            };
            let day = open.next().await.map_err(unreadable)?;
            let batch = day.map(|sums| batch(SUM, &whose, &sums)).transpose()?;
            Ok(batch.map(|batch| (batch, Some((open, reader)))))
        }
    });
    rows.boxed()
}

#[cfg(test)]
mod tests;
