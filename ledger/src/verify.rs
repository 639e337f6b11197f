//! Proves the integrity of a store, without a gateway: walks every chain once, in bounded memory, and
//! says what is wrong where.

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::fmt;

use crate::chain::{Checkpoint, Hash, Purpose, is_signed};
use crate::error::LedgerError;
use crate::keys::PublicKey;
use crate::read::{PAGE, Reader};
use crate::record::{Body, Kind, spelled};
use crate::store::{ChainRow, EndRow, Place, RecordRow};

/// The most problems that are listed.
const LISTED: usize = 1000;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// A record isn't what was written.
    Edited,
    /// Records are missing.
    Removed,
    /// A record was never written there.
    Inserted,
    /// A record stands in another one's place.
    Moved,
    /// Records were written anew, with hashes that fit each other but not what was signed.
    Rewritten,
    /// The chain ends before a checkpoint that is kept elsewhere.
    Truncated,
    /// A signature isn't one of the keys that are trusted.
    BadSignature,
    /// A query has two decisions, two receipts, or a receipt without a decision.
    Unpaired,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The chain.
    pub chain: String,
    /// The record.
    pub seq: i64,
    /// What is wrong.
    pub finding: Finding,
    /// The same in words.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chain \"{}\", record {}: {}", self.chain, self.seq, self.text)
    }
}

/// One chain that was walked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// How many records it holds.
    pub records: i64,
    /// The number up to which retention has deleted, or 0.
    pub cut: i64,
    /// The number of its head.
    pub head: i64,
    /// When the head was signed.
    pub signed: String,
    /// Decisions without a receipt: running queries, or queries of a gateway that died.
    pub open: usize,
}

/// What verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The chains.
    pub chains: Vec<Chain>,
    /// What is wrong, the first thousand.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub count: usize,
}

impl Report {
    fn note(&mut self, chain: &str, seq: i64, finding: Finding, text: impl Into<String>) {
        self.count += 1;
        if self.problems.len() < LISTED {
            let (chain, text) = (chain.to_owned(), text.into());
            self.problems.push(Problem { chain, seq, finding, text });
        }
    }
}

/// Verifies a store. `keys` are the public keys that are trusted; `kept` are checkpoints that were kept
/// elsewhere.
///
/// # Errors
/// The store can't be read.
pub async fn verify(
    place: &Place,
    keys: &[PublicKey],
    kept: &[Checkpoint],
) -> Result<Report, LedgerError> {
    let mut reader = Reader::open(place).await?;
    reader.store.hold_still().await?;
    let mut report = Report::default();
    let chains = reader.store.chains().await?;
    let mut walked = 0;
    for chain in &chains {
        let mut walk = Walk::new(chain, keys, &mut report);
        walk.kept(kept);
        walked += walk.all(&mut reader).await?;
    }
    let all = reader.store.count(None).await?;
    if all != walked {
        let text = format!("{} records belong to no chain", all - walked);
        report.note("", 0, Finding::Inserted, text);
    }
    for kept in kept.iter().filter(|kept| !chains.iter().any(|chain| chain.name == kept.chain)) {
        let text = "the whole chain is missing, a checkpoint of it was kept";
        report.note(&kept.chain, kept.seq, Finding::Truncated, text);
    }
    Ok(report)
}

/// A walk along one chain.
struct Walk<'a> {
    chain: &'a ChainRow,
    keys: &'a [PublicKey],
    report: &'a mut Report,
    /// The record that was seen last, as the store has it.
    seq: i64,
    hash: Hash,
    /// Whether that hash can be relied on to check the next record.
    known: bool,
    /// Whether retention has deleted the beginning: receipts may have lost their decisions.
    cut: bool,
    /// What was signed of records that are still to come, in order.
    signed: VecDeque<(i64, Hash, String)>,
    open: HashSet<String>,
}

impl<'a> Walk<'a> {
    fn new(chain: &'a ChainRow, keys: &'a [PublicKey], report: &'a mut Report) -> Self {
        Walk {
            chain,
            keys,
            report,
            seq: 0,
            hash: Hash::genesis(&chain.name),
            known: true,
            cut: false,
            signed: VecDeque::new(),
            open: HashSet::new(),
        }
    }

    fn note(&mut self, seq: i64, finding: Finding, text: impl Into<String>) {
        self.report.note(&self.chain.name, seq, finding, text);
    }

    fn is_signed(&self, purpose: Purpose, end: &EndRow) -> bool {
        let (name, of) = (&self.chain.name, (end.seq, &end.hash, end.at));
        self.keys.iter().any(|key| is_signed(key, purpose, name, of, &end.signature))
    }

    /// Takes in checkpoints that were kept elsewhere.
    fn kept(&mut self, kept: &[Checkpoint]) {
        let mut mine: Vec<&Checkpoint> =
            kept.iter().filter(|kept| kept.chain == self.chain.name).collect();
        mine.sort_by_key(|kept| kept.seq);
        for kept in mine {
            match kept.hash() {
                Some(hash) if self.keys.iter().any(|key| kept.is_signed_by(key)) => {
                    if kept.seq > self.chain.seq {
                        let text = format!(
                            "the chain ends with record {}, a checkpoint that was kept is of record {}",
                            self.chain.seq, kept.seq
                        );
                        self.note(self.chain.seq, Finding::Truncated, text);
                    } else {
                        self.signed.push_back((kept.seq, hash, format!("kept of {}", kept.time)));
                    }
                }
                Some(_) | None => {
                    let text = "the checkpoint that was kept is not signed with a trusted key";
                    self.note(kept.seq, Finding::BadSignature, text);
                }
            }
        }
    }

    /// The whole chain; says how many records it has.
    async fn all(mut self, reader: &mut Reader) -> Result<i64, LedgerError> {
        let cut = reader.store.cut(self.chain.id).await?;
        let first = cut.as_ref().map_or(0, |cut| cut.seq);
        if let Some(cut) = cut {
            if !self.is_signed(Purpose::Cut, &cut) {
                let text = "the end of what retention deleted is not signed with a trusted key";
                self.note(cut.seq, Finding::BadSignature, text);
            }
            (self.seq, self.hash, self.cut) = (cut.seq, cut.hash, true);
            self.check_signed();
        }
        let mut checkpoints = Checkpoints::default();
        let mut walked = 0;
        loop {
            let rows = reader.store.records(self.chain.id, self.seq, PAGE).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                walked += 1;
                self.record(&row);
                while let Some(checkpoint) =
                    checkpoints.until(reader, self.chain.id, row.seq).await?
                {
                    self.checkpoint(&checkpoint);
                }
                self.check_signed();
            }
        }
        self.end();
        let all = reader.store.count(Some(self.chain.id)).await?;
        if all != walked {
            let text = format!("{} records have numbers that were never given", all - walked);
            self.note(self.seq, Finding::Inserted, text);
        }
        let open = self.open.len();
        let chain = Chain {
            name: self.chain.name.clone(),
            records: all,
            cut: first,
            head: self.chain.seq,
            signed: spelled(self.chain.at),
            open,
        };
        self.report.chains.push(chain);
        Ok(all)
    }

    fn record(&mut self, row: &RecordRow) {
        let expected = self.seq + 1;
        let stored = Hash::read(&row.hash);
        if row.seq > expected {
            let text = match row.seq - expected {
                1 => format!("record {expected} was removed"),
                _ => format!("records {expected} to {} were removed", row.seq - 1),
            };
            self.note(expected, Finding::Removed, text);
            self.known = false;
        }
        if row.seq > self.chain.seq {
            self.note(row.seq, Finding::Inserted, "it stands after the signed end of the chain");
        }
        match serde_json::from_str::<Body>(&row.body) {
            Err(_) => self.note(row.seq, Finding::Edited, "it is not a record of a gateway"),
            Ok(body) if body.seq != row.seq => {
                let text = format!("the record here is the one that was written as {}", body.seq);
                self.note(row.seq, Finding::Moved, text);
            }
            Ok(body) => {
                self.body(row, &body);
                let fits = stored == Some(Hash::of(&self.hash, row.body.as_bytes()));
                if self.known && !fits {
                    let text = "it does not fit its hash and the one before: \
                                it, its hash or the hash before was edited";
                    self.note(row.seq, Finding::Edited, text);
                }
            }
        }
        self.seq = row.seq;
        // One wrong record doesn't make all that follow wrong.
        self.known = stored.is_some();
        self.hash = stored.unwrap_or(self.hash);
    }

    /// What the columns repeat of the record, and whether decisions and receipts are in pairs.
    fn body(&mut self, row: &RecordRow, body: &Body) {
        let kinds = [Kind::Decision, Kind::Receipt, Kind::Text, Kind::Correction];
        let kind = kinds.into_iter().find(|kind| kind.word() == body.record);
        let same = kind.is_some_and(|kind| kind.number() == row.kind)
            && body.at() == Some(row.at)
            && body.principal == row.principal;
        if !same {
            let text = "its kind, time or user is not what the record says";
            self.note(row.seq, Finding::Edited, text);
        }
        match kind {
            Some(Kind::Decision) => {
                if !self.open.insert(body.id.clone()) {
                    self.note(row.seq, Finding::Unpaired, "the query was decided before");
                }
            }
            Some(Kind::Receipt) => {
                if !self.open.remove(&body.id) && !self.cut {
                    let text = "the receipt's query has no decision, or has ended before";
                    self.note(row.seq, Finding::Unpaired, text);
                }
            }
            Some(Kind::Text | Kind::Correction) | None => {}
        }
    }

    fn checkpoint(&mut self, checkpoint: &EndRow) {
        let time = spelled(checkpoint.at);
        if !self.is_signed(Purpose::Head, checkpoint) {
            let text = format!("the checkpoint of {time} is not signed with a trusted key");
            self.note(checkpoint.seq, Finding::BadSignature, text);
        } else if checkpoint.seq == self.seq && checkpoint.hash != self.hash {
            self.rewritten(&format!("of {time}"));
        }
    }

    fn rewritten(&mut self, which: &str) {
        let text = format!("it is not the record that the checkpoint {which} signs");
        self.note(self.seq, Finding::Rewritten, text);
    }

    /// Compares with checkpoints that were kept elsewhere.
    fn check_signed(&mut self) {
        while self.signed.front().is_some_and(|(seq, _, _)| *seq <= self.seq) {
            // What was cut away, or is missing, can't be compared; that it is missing was said.
            if let Some((seq, hash, which)) = self.signed.pop_front()
                && seq == self.seq
                && hash != self.hash
            {
                self.rewritten(&which);
            }
        }
    }

    fn end(&mut self) {
        let chain = self.chain;
        let end = EndRow {
            seq: chain.seq,
            hash: chain.hash,
            at: chain.at,
            signature: chain.signature.clone(),
        };
        if !self.is_signed(Purpose::Head, &end) {
            let text = "the end of the chain is not signed with a trusted key";
            self.note(chain.seq, Finding::BadSignature, text);
        }
        if self.seq < chain.seq {
            let text = match chain.seq - self.seq {
                1 => format!("record {} was removed", chain.seq),
                _ => format!("records {} to {} were removed", self.seq + 1, chain.seq),
            };
            self.note(self.seq + 1, Finding::Removed, text);
        } else if self.seq == chain.seq && self.hash != chain.hash {
            self.note(chain.seq, Finding::Rewritten, "it is not the record that the head signs");
        }
    }
}

/// The kept checkpoints of a chain, page by page.
#[derive(Default)]
struct Checkpoints {
    page: VecDeque<EndRow>,
    after: i64,
    done: bool,
}

impl Checkpoints {
    /// The next one up to a record.
    async fn until(
        &mut self,
        reader: &mut Reader,
        chain: i64,
        seq: i64,
    ) -> Result<Option<EndRow>, LedgerError> {
        if self.page.is_empty() && !self.done {
            self.page = reader.store.checkpoints(chain, self.after, PAGE).await?.into();
            self.done = self.page.is_empty();
            self.after = self.page.back().map_or(self.after, |last| last.seq);
        }
        let next = self.page.front().is_some_and(|checkpoint| checkpoint.seq <= seq);
        Ok(if next { self.page.pop_front() } else { None })
    }
}
