//! Results that were computed before, for whoever would be shown the very same rows.
//!
//! A query is decided, recorded, admitted and metered like any other; only the warehouse's work is
//! spared. Equal keys mean equal rows (see `ResultKey`); how old a result may be, its tables say.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::plans::Counts;
use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt};
use moka::Expiry;
use moka::sync::Cache;
use tollgate_catalog::Error;
use tollgate_rewriter::{ResultKey, Secured};
use tollgate_warehouse::BatchStream;

/// The part of the room that one result may take.
const SHARE: u64 = 16;
/// What an entry takes beside its batches, in bytes.
const ENTRY: usize = 16 << 10;

/// The kept results. Bounded by bytes; what is used least goes first.
pub(crate) struct Results {
    kept: Cache<Arc<ResultKey>, Arc<Kept>>,
    largest: usize,
    pub(crate) counts: Counts,
}

struct Kept {
    batches: Vec<RecordBatch>,
    bytes: usize,
    until: Instant,
}

/// Results go when they are too old, not when someone asks for them next.
struct Age;

impl Expiry<Arc<ResultKey>, Arc<Kept>> for Age {
    fn expire_after_create(
        &self,
        _: &Arc<ResultKey>,
        kept: &Arc<Kept>,
        _: Instant,
    ) -> Option<Duration> {
        Some(kept.until.saturating_duration_since(Instant::now()))
    }
}

/// Where the result of one query is to be kept.
pub(crate) struct Place {
    key: Arc<ResultKey>,
    until: Instant,
}

impl Results {
    /// Keeps at most `bytes`; 0 keeps nothing.
    pub(crate) fn new(bytes: u64) -> Self {
        let weight = |_: &Arc<ResultKey>, kept: &Arc<Kept>| {
            u32::try_from(kept.bytes + ENTRY).unwrap_or(u32::MAX)
        };
        let kept = Cache::builder().weigher(weight).max_capacity(bytes).expire_after(Age).build();
        // A weight is 32 bits.
        let largest = (bytes / SHARE).min(1 << 30);
        Self { kept, largest: usize::try_from(largest).unwrap_or(0), counts: Counts::default() }
    }

    /// Where the result of this query may be kept, as old as it is from now on; nothing if it may
    /// not.
    pub(crate) fn place(&self, secured: &Secured) -> Option<Place> {
        if self.largest == 0 {
            return None;
        }
        let age = secured.cache_for().filter(|age| !age.is_zero())?;
        let until = Instant::now().checked_add(age)?;
        Some(Place { key: Arc::new(secured.result_key()?), until })
    }

    /// The result that is kept there.
    pub(crate) fn get(&self, place: &Place) -> Option<BatchStream> {
        let kept = self.kept.get(&place.key).filter(|kept| Instant::now() < kept.until);
        let Some(kept) = kept else {
            self.counts.miss();
            return None;
        };
        self.counts.hit();
        let batches = 0..kept.batches.len();
        let batches = batches.filter_map(move |index| kept.batches.get(index).cloned().map(Ok));
        Some(futures::stream::iter(batches).boxed())
    }

    /// Passes a result on and keeps it, once it has come to its end and if it isn't too large.
    pub(crate) fn keep(&self, place: Place, batches: BatchStream) -> BatchStream {
        let tee = Tee {
            batches,
            copy: Some((Vec::new(), 0)),
            place: Some(place),
            kept: self.kept.clone(),
            largest: self.largest,
        };
        tee.boxed()
    }

    /// Another catalog or other policies are in force: the old results only take room.
    pub(crate) fn forget(&self) {
        self.kept.invalidate_all();
    }
}

/// A stream whose batches are shared with a copy of it.
struct Tee {
    batches: BatchStream,
    /// The batches so far and their bytes; nothing once they are too many.
    copy: Option<(Vec<RecordBatch>, usize)>,
    place: Option<Place>,
    kept: Cache<Arc<ResultKey>, Arc<Kept>>,
    largest: usize,
}

impl Stream for Tee {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Poll::Ready(item) = this.batches.poll_next_unpin(context) else { return Poll::Pending };
        match &item {
            Some(Ok(batch)) => {
                if let Some((batches, bytes)) = &mut this.copy {
                    // Of the buffers whole, which a slice keeps too.
                    *bytes = bytes.saturating_add(batch.get_array_memory_size());
                    if *bytes > this.largest {
                        this.copy = None;
                    } else {
                        batches.push(batch.clone());
                    }
                }
            }
            // Half a result is none.
            Some(Err(_)) => this.copy = None,
            None => {
                if let (Some((batches, bytes)), Some(Place { key, until })) =
                    (this.copy.take(), this.place.take())
                {
                    this.kept.insert(key, Arc::new(Kept { batches, bytes, until }));
                }
            }
        }
        Poll::Ready(item)
    }
}
