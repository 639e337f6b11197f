//! Results that were computed before, for whoever would be shown the very same rows.
//!
//! A query is decided, recorded, admitted and metered like any other; only the warehouse's work is
//! spared. Equal keys mean equal rows (see `ResultKey`); how old a result may be, its tables say.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt};
use moka::Expiry;
use moka::sync::Cache;
use tollgate_catalog::Error;
use tollgate_rewriter::{ResultKey, Secured};
use tollgate_warehouse::BatchStream;

use crate::plans::Counts;

/// The part of the room that one result may take.
const SHARE: u64 = 16;
/// The part of it that copies may take beside, while their results stream.
const COPIES: u64 = 4;
/// What an entry takes beside its batches, in bytes.
const ENTRY: usize = 16 << 10;

/// The kept results. Bounded by bytes; what is used least goes first.
pub(crate) struct Results {
    kept: Cache<Arc<ResultKey>, Arc<Kept>>,
    largest: usize,
    /// What copies of results that still stream may take together, and take.
    room: usize,
    taken: Arc<AtomicUsize>,
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
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(0);
        Self {
            kept,
            largest: size((bytes / SHARE).min(1 << 30)),
            room: size(bytes / COPIES),
            taken: Arc::default(),
            counts: Counts::default(),
        }
    }

    /// Where the result of this query may be kept, as old as it is from now on; nothing if it may
    /// not.
    pub(crate) fn place(&self, secured: &Secured) -> Option<Place> {
        if self.largest == 0 {
            return None;
        }
        let (key, age) = secured.result_key()?;
        let until = Instant::now().checked_add(age)?;
        Some(Place { key: Arc::new(key), until })
    }

    /// The result that is kept there, and how many rows it has.
    pub(crate) fn get(&self, place: &Place) -> Option<(BatchStream, u64)> {
        let kept = self.kept.get(&place.key).filter(|kept| Instant::now() < kept.until);
        let Some(kept) = kept else {
            self.counts.miss();
            return None;
        };
        self.counts.hit();
        let rows = kept.batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let batches = 0..kept.batches.len();
        let batches = batches.filter_map(move |index| kept.batches.get(index).cloned().map(Ok));
        Some((futures::stream::iter(batches).boxed(), rows))
    }

    /// Passes a result on and keeps it, once it has come to its end and if it isn't too large. One that
    /// was asked for no more than `most` rows and one has not come to its end if there are more.
    pub(crate) fn keep(
        &self,
        place: Place,
        batches: BatchStream,
        most: Option<u64>,
    ) -> BatchStream {
        let copy = Draft { batches: Vec::new(), bytes: 0, taken: Arc::clone(&self.taken) };
        let (largest, room) = (self.largest, self.room);
        let left = most.unwrap_or(u64::MAX);
        Tee { batches, filling: Some((place, copy)), kept: self.kept.clone(), largest, room, left }
            .boxed()
    }

    /// Another catalog or other policies are in force: the old results only take room.
    pub(crate) fn forget(&self) {
        self.kept.invalidate_all();
    }
}

/// A stream whose batches are shared with a copy of it.
struct Tee {
    batches: BatchStream,
    /// The batches so far and where they belong; nothing once they are too many.
    filling: Option<(Place, Draft)>,
    kept: Cache<Arc<ResultKey>, Arc<Kept>>,
    largest: usize,
    room: usize,
    /// Rows that may come before it is known not to be whole.
    left: u64,
}

/// Batches of a result that still streams. Dropping it gives its room back.
struct Draft {
    batches: Vec<RecordBatch>,
    bytes: usize,
    taken: Arc<AtomicUsize>,
}

impl Draft {
    /// Adds a batch, if there is room for it; says whether.
    fn add(&mut self, batch: &RecordBatch, largest: usize, room: usize) -> bool {
        // Of the buffers whole, which a slice keeps too.
        let size = batch.get_array_memory_size();
        let before = self.taken.fetch_add(size, Ordering::Relaxed);
        self.bytes = self.bytes.saturating_add(size);
        self.batches.push(batch.clone());
        self.bytes <= largest && before.saturating_add(size) <= room
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Stream for Tee {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Poll::Ready(item) = this.batches.poll_next_unpin(context) else { return Poll::Pending };
        match &item {
            Some(Ok(batch)) => {
                match this.left.checked_sub(batch.num_rows() as u64) {
                    Some(left) => this.left = left,
                    None => this.filling = None,
                }
                if let Some((_, copy)) = &mut this.filling
                    && !copy.add(batch, this.largest, this.room)
                {
                    this.filling = None;
                }
            }
            // Half a result is none.
            Some(Err(_)) => this.filling = None,
            None => {
                if let Some((Place { key, until }, mut copy)) = this.filling.take() {
                    let batches = std::mem::take(&mut copy.batches);
                    this.kept.insert(key, Arc::new(Kept { batches, bytes: copy.bytes, until }));
                }
            }
        }
        Poll::Ready(item)
    }
}
