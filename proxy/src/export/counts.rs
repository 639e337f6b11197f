//! What the metrics tell of an export.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

/// Of one export.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    name: String,
    leads: AtomicBool,
    events: AtomicU64,
    failures: AtomicU64,
    missing: AtomicU64,
    /// Records that aren't delivered.
    behind: AtomicU64,
    /// When the oldest of them was written, in microseconds since 1970; 0: there is none.
    oldest: AtomicI64,
}

/// A metric: its name, what it means, its type, its value.
type Metric = (&'static str, &'static str, &'static str, fn(&Counts) -> f64);

const METRICS: [Metric; 6] = [
    ("tollgate_export_active", "Whether this process delivers", "gauge", |of| {
        f64::from(u8::from(of.leads.load(Relaxed)))
    }),
    ("tollgate_export_events_total", "Events that were delivered", "counter", |of| {
        of.events.load(Relaxed) as f64
    }),
    ("tollgate_export_failures_total", "Deliveries that failed", "counter", |of| {
        of.failures.load(Relaxed) as f64
    }),
    (
        "tollgate_export_missing_records_total",
        "Records that retention deleted before they were delivered",
        "counter",
        |of| of.missing.load(Relaxed) as f64,
    ),
    ("tollgate_export_pending_records", "Records that are not delivered", "gauge", |of| {
        of.behind.load(Relaxed) as f64
    }),
    ("tollgate_export_lag_seconds", "Age of the oldest of them", "gauge", Counts::lag),
];

impl Counts {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(super) fn leads(&self, leads: bool) {
        self.leads.store(leads, Relaxed);
        if !leads {
            self.idle();
        }
    }

    pub(super) fn idle(&self) {
        self.behind(0, 0);
    }

    pub(super) fn behind(&self, records: u64, oldest: i64) {
        self.behind.store(records, Relaxed);
        self.oldest.store(oldest, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(super) fn delivered(&self, events: usize, missing: u64) {
        self.events.fetch_add(events as u64, Relaxed);
        self.missing.fetch_add(missing, Relaxed);
    }

    fn lag(&self) -> f64 {
        match self.oldest.load(Relaxed) {
            0 => 0.0,
            oldest => {
                let age = chrono::Utc::now().timestamp_micros().saturating_sub(oldest).max(0);
                age as f64 / 1e6
            }
        }
    }

    /// Writes the metrics of all exports.
    pub(crate) fn write(exports: &[Arc<Counts>], text: &mut String) {
        for (name, help, kind, value) in METRICS.iter().filter(|_| !exports.is_empty()) {
            // Writing to a String can't fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for of in exports {
                let _ = writeln!(text, "{name}{{export=\"{}\"}} {}", of.name, value(of));
            }
        }
    }
}
