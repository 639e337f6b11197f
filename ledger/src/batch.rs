//! What one commit writes: records with their numbers and hashes, and the queries that they open and
//! close.

use std::collections::{BTreeSet, HashMap};

use crate::chain::Hash;
use crate::ledger::Entry;
use crate::record::Kind;

/// The queries of a chain that were decided and have no receipt yet.
#[derive(Debug, Default)]
pub(crate) struct Open {
    by_id: HashMap<String, i64>,
    numbers: BTreeSet<i64>,
}

impl Open {
    pub(crate) fn begin(&mut self, id: &str, seq: i64) {
        self.by_id.insert(id.to_owned(), seq);
        self.numbers.insert(seq);
    }

    pub(crate) fn end(&mut self, id: &str) -> bool {
        match self.by_id.remove(id) {
            Some(seq) => self.numbers.remove(&seq),
            None => false,
        }
    }

    pub(crate) fn holds(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    fn number(&self, id: &str) -> Option<i64> {
        self.by_id.get(id).copied()
    }
}

/// A record with its place in the chain.
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) body: String,
    pub(crate) hash: Hash,
    pub(crate) entry: Entry,
}

/// What one commit writes.
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    pub(crate) seq: i64,
    pub(crate) hash: Hash,
    /// From where queries are open once it is written.
    pub(crate) open_from: i64,
}

impl Batch {
    /// Puts entries after a head, in order. A receipt of a query that isn't open is left out: its
    /// decision was never recorded, and the query refused.
    pub(crate) fn new(
        head: (i64, Hash),
        open: &Open,
        entries: impl Iterator<Item = Entry>,
    ) -> Batch {
        let (mut seq, mut hash) = head;
        let mut rows: Vec<Row> = Vec::new();
        let mut begun: HashMap<String, i64> = HashMap::new();
        let mut ended: BTreeSet<i64> = BTreeSet::new();
        for entry in entries {
            let next = seq + 1;
            match entry.kind {
                Kind::Decision => {
                    begun.insert(entry.id.clone(), next);
                }
                Kind::Receipt => match begun.remove(&entry.id).or_else(|| open.number(&entry.id)) {
                    Some(number) if ended.insert(number) => {}
                    Some(_) | None => continue,
                },
                Kind::Text | Kind::Correction => {}
            }
            let body = numbered(next, &entry.body);
            (seq, hash) = (next, Hash::of(&hash, body.as_bytes()));
            rows.push(Row { seq, body, hash, entry });
        }
        let first_open = open.numbers.iter().find(|number| !ended.contains(number)).copied();
        let first_begun = begun.values().min().copied();
        let open_from = [first_open, first_begun].into_iter().flatten().min().unwrap_or(seq + 1);
        Batch { rows, seq, hash, open_from }
    }

    /// What the batch opens and closes, once it is written.
    pub(crate) fn apply(&self, open: &mut Open) {
        for row in &self.rows {
            match row.entry.kind {
                Kind::Decision => open.begin(&row.entry.id, row.seq),
                Kind::Receipt => {
                    open.end(&row.entry.id);
                }
                Kind::Text | Kind::Correction => {}
            }
        }
    }
}

/// A record's body with its number in front.
fn numbered(seq: i64, body: &str) -> String {
    let rest = body.strip_prefix('{').unwrap_or(body);
    format!("{{\"seq\":{seq},{rest}")
}
