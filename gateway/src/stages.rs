//! How long the stages of the road take, counted for the operator's metrics and told as spans.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tracing::{Instrument, Span, info_span};

/// The target of the spans of statements: not for a log.
pub const TRACES: &str = "tollgate::traces";

/// The span of a statement. Spans hold no texts, names or values: they leave for other systems.
pub(crate) fn statement(id: &str) -> Span {
    info_span!(target: TRACES, "statement", id, outcome = tracing::field::Empty)
}

/// The stages that are measured, in their order on the road.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Text to statements.
    Parse,
    /// Names to tables, or the same for a plan that was there.
    Resolve,
    /// What the policies say.
    Decide,
    /// The plan over secured relations, or one that was there with the caller's own.
    Secure,
    /// Waiting for a place.
    Admit,
    /// Until the warehouse, or the engine of the catalogs, has begun.
    Start,
    /// What the record of the decision was waited for, beyond the start.
    Record,
    /// From the statement's arrival until the first rows went to the client.
    FirstRow,
    /// From its arrival to its end.
    Total,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Stage; 9] = [
        Stage::Parse,
        Stage::Resolve,
        Stage::Decide,
        Stage::Secure,
        Stage::Admit,
        Stage::Start,
        Stage::Record,
        Stage::FirstRow,
        Stage::Total,
    ];

    /// Its name, as a label of a metric.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Parse => "parse",
            Stage::Resolve => "resolve",
            Stage::Decide => "decide",
            Stage::Secure => "secure",
            Stage::Admit => "admit",
            Stage::Start => "start",
            Stage::Record => "record",
            Stage::FirstRow => "first_row",
            Stage::Total => "total",
        }
    }
}

impl Stage {
    /// Its span, inside that of its statement. What belongs to no statement yet has none.
    fn span(self) -> Span {
        if Span::current().is_none() {
            return Span::none();
        }
        info_span!(target: TRACES, "stage", otel.name = self.name())
    }
}

/// Up to which times is counted apart, in microseconds.
const BOUNDS: [u64; 15] = [
    10,
    30,
    100,
    300,
    1_000,
    3_000,
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
];

/// Counts of one stage.
#[derive(Debug, Default)]
struct Histogram {
    /// How many took as long as the bound at most, and longer than the one before; the last ones longer
    /// than all.
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// What one stage took, so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// Which stage.
    pub stage: Stage,
    /// How many took so many seconds at most.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// How long they took together, in seconds.
    pub sum: f64,
}

/// Counts of all stages.
#[derive(Debug, Default)]
pub(crate) struct Stages([Histogram; Stage::ALL.len()]);

impl Stages {
    /// Notes that a stage took so long.
    pub(crate) fn note(&self, stage: Stage, took: Duration) {
        let histogram = Stage::ALL.iter().zip(&self.0).find(|(other, _)| **other == stage);
        let Some((_, histogram)) = histogram else { return };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = histogram.counts.get(place) {
            count.fetch_add(1, Relaxed);
        }
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        histogram.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    /// Does the work of a stage, and notes how long it took, whatever came of it.
    pub(crate) fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = stage.span().in_scope(work);
        self.note(stage, start.elapsed());
        done
    }

    /// The same for work that waits. What is given up isn't noted.
    pub(crate) async fn waiting<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let done = work.instrument(stage.span()).await;
        self.note(stage, start.elapsed());
        done
    }

    pub(crate) fn read(&self) -> Vec<Latency> {
        let read = |(stage, histogram): (&Stage, &Histogram)| {
            let counts = histogram.counts.iter().map(|count| count.load(Relaxed));
            let mut count = 0;
            let summed: Vec<u64> = counts
                .map(|more| {
                    count += more;
                    count
                })
                .collect();
            let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1e6);
            Latency {
                stage: *stage,
                buckets: bounds.zip(summed).collect(),
                count,
                sum: histogram.nanoseconds.load(Relaxed) as f64 / 1e9,
            }
        };
        Stage::ALL.iter().zip(&self.0).map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use std::time::Duration;

    use super::{Stage, Stages};

    #[test]
    fn a_time_is_counted_up_to_its_bound() {
        let stages = Stages::default();
        for micros in [0, 10, 11, 1_000, 200_000_000] {
            stages.note(Stage::Decide, Duration::from_micros(micros));
        }
        let read = stages.read();
        let decide = &read[2];
        assert_eq!((decide.stage, decide.count), (Stage::Decide, 5));
        let counts: Vec<u64> = decide.buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]);
        assert!((decide.sum - 200.001021).abs() < 1e-9, "{}", decide.sum);
        assert!(
            read.iter().filter(|other| other.stage != Stage::Decide).all(|other| other.count == 0)
        );
    }
}
