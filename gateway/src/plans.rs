//! Statements that were parsed and planned before, for all sessions.
//!
//! Nothing here decides. A parsed text depends on nothing but the text and its dialect; a plan is taken for what it
//! is made of names and shapes, and each execution is decided anew (see `Prepared::again`).
//! What the key holds finds a plan that is likely to fit; whether it fits is checked in any case.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::DataType;
use moka::Equivalent;
use moka::sync::Cache;
use tollgate_catalog::{Error, Snapshot};
use tollgate_policy::Standing;
use tollgate_rewriter::{Parsed, Prepared, SessionFacts, SqlDialect, USER};

/// Texts that are longer aren't kept.
const LONGEST: usize = 64 << 10;
/// About what a statement's tree takes, in bytes per byte of its text.
const TREE: usize = 40;
/// About what a plan takes: in bytes, and per byte of its text. Together: 1 500 statements of 483 bytes
/// with joins, groups and windows took 112 kB each of the process, these give 108.
const PLAN: (usize, usize) = (16 << 10, 150);

/// Under what a plan is kept.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    sql: Box<str>,
    dialect: SqlDialect,
    hints: Box<[Option<DataType>]>,
    path: Box<[Box<str>]>,
    snapshot: u64,
    roles: BTreeSet<String>,
}

impl Key {
    pub(crate) fn new(
        statement: &Parsed,
        facts: &SessionFacts,
        hints: &[Option<DataType>],
        snapshot: &Snapshot,
        standing: &Standing,
    ) -> Self {
        // A schema of the user's own makes a path of its own; where there is none, the name is
        // like no name at all.
        let own = snapshot.has_schema(&facts.user)
            || facts.user.starts_with("pg_")
            || facts.user == "information_schema";
        let path = facts.path().zip(&facts.search_path);
        let path = path.filter(|(_, set)| own || *set != USER);
        Self {
            sql: statement.sql().as_ref().into(),
            dialect: statement.dialect(),
            hints: hints.into(),
            path: path.map(|(schema, _)| schema.into()).collect(),
            snapshot: snapshot.version(),
            roles: standing.active().clone(),
        }
    }
}

/// Under what a parsed text is kept: in another dialect it says something else.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Text {
    dialect: SqlDialect,
    sql: Arc<str>,
}

/// The same, to be looked up.
#[derive(Hash)]
struct Asked<'a> {
    dialect: SqlDialect,
    sql: &'a str,
}

impl Equivalent<Text> for Asked<'_> {
    fn equivalent(&self, key: &Text) -> bool {
        self.dialect == key.dialect && *self.sql == *key.sql
    }
}

/// How often what was kept could be used since the start, and how often not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheCounts {
    /// Statements whose plan was there.
    pub plan_hits: u64,
    /// Statements that were planned.
    pub plan_misses: u64,
    /// Queries whose result was there.
    pub result_hits: u64,
    /// Queries whose result might have been there.
    pub result_misses: u64,
}

/// Counts hits and misses.
#[derive(Default)]
pub(crate) struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Counts {
    pub(crate) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}

/// What sessions share. Bounded by bytes; what is used least goes first.
pub(crate) struct Plans {
    texts: Cache<Text, Arc<[Parsed]>>,
    plans: Cache<Arc<Key>, Arc<Prepared>>,
    /// The longest text that is kept.
    longest: usize,
    pub(crate) counts: Counts,
}

impl Plans {
    /// A quarter of `bytes` for parsed texts, the rest for plans; with 0 nothing is kept.
    pub(crate) fn new(bytes: u64) -> Self {
        let weight = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        Self {
            texts: Cache::builder()
                .weigher(move |text: &Text, _| weight(text.sql.len() * TREE))
                .max_capacity(bytes / 4)
                .build(),
            plans: Cache::builder()
                .weigher(move |key: &Arc<Key>, _| weight(PLAN.0 + key.sql.len() * PLAN.1))
                .max_capacity(bytes - bytes / 4)
                .build(),
            longest: if bytes == 0 { 0 } else { LONGEST },
            counts: Counts::default(),
        }
    }

    /// The statements of a text in a dialect.
    ///
    /// # Errors
    /// Those of parsing it.
    pub(crate) fn parse(&self, dialect: SqlDialect, sql: &str) -> Result<Arc<[Parsed]>, Error> {
        if let Some(known) = self.texts.get(&Asked { dialect, sql }) {
            return Ok(known);
        }
        let parsed: Arc<[Parsed]> = tollgate_rewriter::parse_in(dialect, sql)?.into();
        if sql.len() <= self.longest {
            self.texts.insert(Text { dialect, sql: sql.into() }, Arc::clone(&parsed));
        }
        Ok(parsed)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Prepared>> {
        self.plans.get(key)
    }

    pub(crate) fn keep(&self, key: Key, prepared: &Arc<Prepared>) {
        if prepared.is_shared() && key.sql.len() <= self.longest {
            self.plans.insert(Arc::new(key), Arc::clone(prepared));
        }
    }

    /// Another catalog or other policies are in force: the old plans only take room.
    pub(crate) fn forget(&self) {
        self.plans.invalidate_all();
    }
}
