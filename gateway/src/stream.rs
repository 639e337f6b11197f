//! The rows of one statement, with their bounds and their receipt.

use std::sync::Arc;
use std::time::{Duration, Instant};

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
use crate::limits::Costs;
use crate::limits::bounds::{Cut, Deadline, Given};
use crate::limits::charge::Charge;
use crate::progress::Progress;
use crate::revocation::{Entry, revoked};
use crate::session::Notice;
use crate::start::Started;
use crate::state::State;

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
///     RowStream::new(recorded, (batches, admitted), meter, CancelToken::new(), None)
/// }
/// ```
/// ```compile_fail,E0616
/// # use tollgate_gateway::RowStream;
/// fn other_rows(batches: tollgate_warehouse::BatchStream, stream: &mut RowStream) {
///     stream.batches = batches;
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
    charge: Option<Charge>,
    /// Where to note what was scanned of what was estimated.
    estimated: Option<(Arc<Costs>, u64)>,
    cut: Option<Cut>,
    progress: Option<Progress>,
    /// What the client is still to be told.
    notice: Option<Notice>,
    /// On once access is revoked.
    revoked: CancelToken,
    /// On once its principal has stopped it by its id.
    stopped: CancelToken,
    _entry: Option<Entry>,
    meter: Option<Meter>,
    columns: Arc<[OutputColumn]>,
    schema: SchemaRef,
    tag: Tag,
    cancel: CancelToken,
    deadline: Option<Deadline>,
    done: bool,
}

/// What may end a query before its rows do.
pub(crate) struct Ends {
    pub(crate) entry: Entry,
    pub(crate) cancel: CancelToken,
    pub(crate) deadline: Deadline,
    /// When the statement began.
    pub(crate) began: Instant,
}

impl Ends {
    /// Waits for what a query needs before it gives rows, as long as nothing ends it. Whatever waits
    /// beside it or after it has the same end.
    pub(crate) async fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let left = self.deadline.left().saturating_sub(self.began.elapsed());
        tokio::select! {
            biased;
            () = self.entry.token().cancelled() => Err(revoked()),
            () = self.entry.stopped().cancelled() => Err(canceled()),
            () = self.cancel.cancelled() => Err(canceled()),
            done = tokio::time::timeout(left, work) => {
                done.unwrap_or_else(|_| Err(self.deadline.passed()))
            }
        }
    }
}

impl RowStream {
    pub(crate) fn new(
        _: Recorded,
        started: Started,
        meter: Meter,
        ends: Ends,
        costs: Arc<Costs>,
    ) -> Self {
        let Started { batches, admitted, charge, estimated, progress } = started;
        let Ends { entry, cancel, mut deadline, began } = ends;
        deadline.spend(began.elapsed());
        let columns = Arc::clone(admitted.secured().output());
        Self {
            batches,
            cut: Cut::of(admitted.secured()),
            admitted: Some(admitted),
            charge,
            estimated: estimated.map(|bytes| (costs, bytes)),
            progress,
            notice: None,
            revoked: entry.token().clone(),
            stopped: entry.stopped().clone(),
            _entry: Some(entry),
            meter: Some(meter),
            schema: schema(&columns),
            columns,
            tag: Tag::Select,
            cancel,
            deadline: Some(deadline),
            done: false,
        }
    }

    /// Rows that the session made itself.
    pub(crate) fn fixed(columns: Arc<[OutputColumn]>, batch: RecordBatch, tag: Tag) -> Self {
        Self {
            batches: futures::stream::iter([Ok(batch)]).boxed(),
            admitted: None,
            charge: None,
            estimated: None,
            cut: None,
            progress: None,
            notice: None,
            revoked: CancelToken::new(),
            stopped: CancelToken::new(),
            _entry: None,
            meter: None,
            schema: schema(&columns),
            columns,
            tag,
            cancel: CancelToken::new(),
            deadline: None,
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
        let started = Instant::now();
        let left = self.deadline.as_ref().map_or(Duration::MAX, Deadline::left);
        let item = tokio::select! {
            biased;
            () = self.revoked.cancelled() => Some(Err(revoked())),
            () = self.stopped.cancelled() => Some(Err(canceled())),
            () = self.cancel.cancelled() => Some(Err(canceled())),
            item = tokio::time::timeout(left, pull(&mut self.admitted, &mut self.batches)) => match item {
                Ok(item) => item.map(|batch| batch.map_err(|error| self.named(error))),
                Err(_) => Some(Err(self.deadline.as_ref().map_or_else(timed_out, Deadline::passed))),
            },
        };
        if let Some(deadline) = &mut self.deadline {
            deadline.spend(started.elapsed());
        }
        match item {
            None => {
                self.end(Ending::Complete);
                None
            }
            Some(result) => match result.and_then(|batch| self.bounded(batch)) {
                Ok(batch) => Some(Ok(batch)),
                Err(error) => {
                    self.end(Ending::Failed(error.kind()));
                    Some(Err(error))
                }
            },
        }
    }

    /// A timeout of the warehouse's own is that of the limit, which it was told.
    fn named(&self, error: Error) -> Error {
        match &self.deadline {
            Some(deadline) if error.kind() == ErrorKind::QueryCanceled => deadline.named(error),
            Some(_) | None => error,
        }
    }

    /// As many of the rows as the caller may be given. After the last of them the warehouse's work
    /// is over; the receipt is written when the client asks for more.
    fn bounded(&mut self, batch: RecordBatch) -> Result<RecordBatch, Error> {
        let batch = self.conform(batch)?;
        let Some(cut) = &mut self.cut else { return Ok(batch) };
        match cut.take(batch.num_rows() as u64)? {
            Given::All => Ok(batch),
            Given::Only(rows) => {
                self.notice = Some(cut.notice());
                if let Some(meter) = &mut self.meter {
                    meter.truncated();
                }
                self.stop();
                Ok(batch
                    .slice(0, usize::try_from(rows).unwrap_or(usize::MAX).min(batch.num_rows())))
            }
        }
    }

    /// What the client is to be told when the rows have ended.
    pub fn take_notice(&mut self) -> Option<Notice> {
        self.notice.take()
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

    /// Ends the warehouse's work at once, not when the stream is dropped.
    fn stop(&mut self) {
        self.batches = futures::stream::empty().boxed();
        let Some(admitted) = self.admitted.take() else { return };
        let scanned = admitted.usage().scanned();
        if let (Some((costs, estimated)), Some(scanned)) = (self.estimated.take(), scanned) {
            costs.counts.note(estimated, scanned);
        }
        if let Some(meter) = &mut self.meter {
            meter.scanned(scanned);
        }
    }

    fn end(&mut self, ending: Ending) {
        self.done = true;
        self.stop();
        self.charge = None;
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

    /// Waits until no more may be sent: the access that this query rests on is revoked, or its principal
    /// has stopped it.
    pub fn cut(&self) -> impl Future<Output = ()> + Send + use<> {
        let (revoked, stopped) = (self.revoked.clone(), self.stopped.clone());
        async move {
            tokio::select! {
                () = revoked.cancelled() => {}
                () = stopped.cancelled() => {}
            }
        }
    }

    /// Why no more may be sent, once that is so.
    ///
    /// # Errors
    /// It is revoked, or stopped.
    pub fn may_go_on(&self) -> Result<(), Error> {
        if self.revoked.is_cancelled() {
            return Err(revoked());
        }
        if self.stopped.is_cancelled() {
            return Err(canceled());
        }
        Ok(())
    }

    /// Whether rows that were left waiting may be asked for again.
    ///
    /// # Errors
    /// Other policies are in force, or a role that they rest on isn't active any more.
    pub(crate) fn may_be_resumed(&self, state: &State) -> Result<(), Error> {
        self._entry.as_ref().map_or(Ok(()), |entry| entry.may_be_resumed(state))
    }

    /// Counts what went to the client. Called before the next batch is asked for.
    pub fn sent(&mut self, rows: u64, bytes: u64) {
        if let Some(meter) = &mut self.meter {
            meter.add(rows, bytes);
        }
        if let Some(progress) = &self.progress {
            progress.add(rows);
        }
        if let Some(charge) = &mut self.charge {
            charge.add(rows);
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

impl Drop for RowStream {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // Whoever cancels while rows wait for the socket is told so before the stream hears of it.
        self.end(match self.cancel.is_cancelled() {
            true => Ending::Failed(ErrorKind::QueryCanceled),
            false => Ending::Abandoned,
        });
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
