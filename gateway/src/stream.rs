//! The rows of one statement, with their bounds and their receipt.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::util::display::FormatOptions;
use futures::StreamExt;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_rewriter::OutputColumn;
use tollgate_warehouse::BatchStream;
use tollgate_warehouse::admission::Admitted;

use crate::audit::{Ending, Meter, Recorded};
use crate::cancel::CancelToken;
use crate::revocation::{Entry, revoked};

/// A value that doesn't fit is an error, never NULL.
const EXACT: CastOptions<'static> =
    CastOptions { safe: false, format_options: FormatOptions::new() };

/// What a stream's command tag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Select,
    Show,
    Explain,
}

/// The rows of one statement. Dropping it cancels the query and writes its receipt.
///
/// Only the pipeline makes one, from an admitted query and the proof that its decision is recorded:
/// ```compile_fail,E0624
/// # use tollgate_gateway::{CancelToken, RowStream, audit::{Meter, Recorded}};
/// # use tollgate_warehouse::{BatchStream, admission::Admitted};
/// fn stream(recorded: Recorded, batches: BatchStream, admitted: Admitted, meter: Meter) -> RowStream {
///     RowStream::new(recorded, batches, admitted, meter, CancelToken::new(), None)
/// }
/// ```
/// ```compile_fail,E0451
/// # use tollgate_gateway::RowStream;
/// fn other_rows(batches: tollgate_warehouse::BatchStream, stream: RowStream) -> RowStream {
///     RowStream { batches, ..stream }
/// }
/// ```
/// ```
/// # use tollgate_gateway::RowStream;
/// async fn first(mut stream: RowStream) -> bool {
///     matches!(stream.next().await, Some(Ok(_)))
/// }
/// ```
pub struct RowStream {
    // Fields drop in this order: the query stops, its slot is free, its receipt is written.
    batches: BatchStream,
    admitted: Option<Admitted>,
    /// On once access is revoked.
    revoked: CancelToken,
    _entry: Option<Entry>,
    meter: Option<Meter>,
    columns: Arc<[OutputColumn]>,
    schema: SchemaRef,
    tag: Tag,
    cancel: CancelToken,
    budget: Option<Duration>,
    done: bool,
}

impl RowStream {
    pub(crate) fn new(
        _: Recorded,
        batches: BatchStream,
        admitted: Admitted,
        entry: Entry,
        meter: Meter,
        cancel: CancelToken,
        budget: Option<Duration>,
    ) -> Self {
        let columns = Arc::clone(admitted.secured().output());
        Self {
            batches,
            admitted: Some(admitted),
            revoked: entry.token().clone(),
            _entry: Some(entry),
            meter: Some(meter),
            schema: schema(&columns),
            columns,
            tag: Tag::Select,
            cancel,
            budget,
            done: false,
        }
    }

    /// Rows that the session made itself.
    pub(crate) fn fixed(columns: Arc<[OutputColumn]>, batch: RecordBatch, tag: Tag) -> Self {
        Self {
            batches: futures::stream::iter([Ok(batch)]).boxed(),
            admitted: None,
            revoked: CancelToken::new(),
            _entry: None,
            meter: None,
            schema: schema(&columns),
            columns,
            tag,
            cancel: CancelToken::new(),
            budget: None,
            done: false,
        }
    }

    /// The columns, in order.
    pub fn columns(&self) -> &Arc<[OutputColumn]> {
        &self.columns
    }

    /// The next batch, with exactly the types of [`Self::columns`]. `None` after the last and after
    /// an error.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, Error>> {
        if self.done {
            return None;
        }
        let started = std::time::Instant::now();
        let budget = self.budget.unwrap_or(Duration::MAX);
        let item = tokio::select! {
            biased;
            () = self.revoked.cancelled() => Some(Err(revoked())),
            () = self.cancel.cancelled() => Some(Err(canceled())),
            item = tokio::time::timeout(budget, pull(&mut self.admitted, &mut self.batches)) => match item {
                Ok(item) => item,
                Err(_) => Some(Err(timed_out())),
            },
        };
        if let Some(budget) = &mut self.budget {
            *budget = budget.saturating_sub(started.elapsed());
        }
        match item {
            None => {
                self.end(Ending::Complete);
                None
            }
            Some(result) => match result.and_then(|batch| self.conform(batch)) {
                Ok(batch) => Some(Ok(batch)),
                Err(error) => {
                    self.end(Ending::Failed(error.kind()));
                    Some(Err(error))
                }
            },
        }
    }

    /// Renames and casts by position: the warehouse's own names and types don't matter.
    fn conform(&self, batch: RecordBatch) -> Result<RecordBatch, Error> {
        if batch.num_columns() != self.columns.len() {
            return Err(Error::internal("the result has another number of columns"));
        }
        let columns = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(array, field)| {
                if array.data_type() == field.data_type() {
                    Ok(Arc::clone(array))
                } else {
                    cast_with_options(array, field.data_type(), &EXACT)
                        .map_err(tollgate_warehouse::error::public_arrow)
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(Error::internal)
    }

    fn end(&mut self, ending: Ending) {
        self.done = true;
        // Ends the warehouse's work at once, not when the stream is dropped.
        self.batches = futures::stream::empty().boxed();
        self.admitted = None;
        self._entry = None;
        if let Some(meter) = &mut self.meter {
            meter.end(ending);
        }
    }

    /// Gives the query's slot back until the next batch is asked for: nobody may ever ask.
    pub fn pause(&mut self) {
        if let Some(admitted) = &mut self.admitted {
            admitted.pause();
        }
    }

    /// On once the access that this query rests on is revoked: no more may be sent.
    pub fn revoked(&self) -> &CancelToken {
        &self.revoked
    }

    /// Counts what went to the client. Called before the next batch is asked for.
    pub fn sent(&mut self, rows: u64, bytes: u64) {
        if let Some(meter) = &mut self.meter {
            meter.add(rows, bytes);
        }
    }

    /// The command tag after `rows` rows.
    pub fn complete_tag(&self, rows: u64) -> String {
        match self.tag {
            Tag::Select => format!("SELECT {rows}"),
            Tag::Show => "SHOW".to_owned(),
            Tag::Explain => "EXPLAIN".to_owned(),
        }
    }
}

/// The next batch, once the query has a slot.
async fn pull(
    admitted: &mut Option<Admitted>,
    batches: &mut BatchStream,
) -> Option<Result<RecordBatch, Error>> {
    if let Some(admitted) = admitted
        && let Err(error) = admitted.resume().await
    {
        return Some(Err(error));
    }
    batches.next().await
}

fn schema(columns: &[OutputColumn]) -> SchemaRef {
    // Nullable throughout: what a column may hold is the warehouse's word, not a promise to check.
    let fields =
        columns.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The error of a statement that was cancelled.
pub(crate) fn canceled() -> Error {
    Error::new(ErrorKind::QueryCanceled, "canceling statement due to user request")
}

/// The error of a statement that took too long.
pub(crate) fn timed_out() -> Error {
    Error::new(ErrorKind::QueryCanceled, "canceling statement due to statement timeout")
}
