//! Connections to a warehouse, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many connections there are to a warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Those that are kept for the next queries.
    pub idle: usize,
    /// Those that something is done with: a query runs, or is being ended.
    pub used: usize,
}

/// Counts the connections in use.
#[derive(Debug, Default)]
pub(crate) struct Uses(Arc<AtomicUsize>);

impl Uses {
    /// One more, until it is dropped.
    pub(crate) fn one(&self) -> Use {
        self.0.fetch_add(1, Relaxed);
        Use(Arc::clone(&self.0))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// A connection in use.
#[derive(Debug)]
pub(crate) struct Use(Arc<AtomicUsize>);

impl Drop for Use {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
