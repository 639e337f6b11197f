//! The audit trail: one decision before the first row leaves, one receipt at the end.
//!
//! Records go to the ledger, which makes those that wait together durable together; or, without a
//! ledger, to JSON lines. A decision is acknowledged once it is durable, and no row leaves before that.
//!
//! A long statement is written once, in a record of its own that later decisions refer to by its
//! SHA-256: executing a prepared statement costs its client a few bytes, and must not fill a disk.

mod lines;
mod pending;
mod rules;
mod text;
mod texts;
mod totals;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use ring::digest;
use rust_decimal::Decimal;
use tollgate_catalog::{ErrorKind, WarehouseName};
use tollgate_identity::Principal;
use tollgate_ledger::billing::{Price, billed_bytes};
use tollgate_ledger::{Entry, Health, Ledger, Place, Receipt, Refusal, Text};
use tollgate_policy::Limits;
use tollgate_policy::limits::Used;
use tollgate_rewriter::Secured;
use tollgate_warehouse::estimate::Usage;
use tracing::Span;

pub use self::lines::AuditTarget;
use self::lines::Lines;
use self::pending::Waiting;
pub use self::pending::{Pending, Recorded};
pub(crate) use self::rules::Reads;
pub use self::rules::{TablePattern, TextRule, TextRules};
pub use self::text::Statements;
use self::text::{Normalised, Shown};
use self::texts::Texts;
use self::totals::Totals;
pub use self::totals::{Ended, StatementCounts};
use crate::stages::{self, Stage, Stages};
pub use tollgate_ledger::Decision;

/// The longest text that every decision holds itself, in bytes.
const SHORT: usize = 8 * 1024;

/// The attribute of a user that names who pays, unless the configuration names another.
pub const TENANT: &str = "tenant_id";

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All rows were taken.
    Complete,
    /// Refused before it ran, with the error's kind.
    Denied(ErrorKind),
    /// Failed, with the error's kind.
    Failed(ErrorKind),
    /// Dropped by the client or by the session before its end.
    Abandoned,
}

/// The writer of the trail.
pub struct Audit {
    trail: Trail,
    next: AtomicU64,
    start: u64,
    rehearsal: bool,
    tenant: String,
    rules: TextRules,
    texts: Mutex<Texts>,
    normalised: Normalised,
    totals: Totals,
}

/// Where records become durable.
enum Trail {
    Lines(Lines),
    Ledger(Box<Ledger>),
}

impl Trail {
    fn note(&self, entry: Entry) {
        match self {
            Trail::Lines(lines) => lines.note(entry),
            Trail::Ledger(ledger) => ledger.note(entry),
        }
    }
}

impl Audit {
    /// Opens a trail of lines, without a ledger, and starts its writer. `tenant` and `rules` are as for
    /// [`Audit::ledger`].
    ///
    /// # Errors
    /// The file can't be opened for appending, or the thread can't start.
    pub fn open(
        target: AuditTarget,
        tenant: &str,
        rules: impl Into<TextRules>,
    ) -> io::Result<Audit> {
        Ok(Self::start(Trail::Lines(Lines::open(target)?), false, tenant, rules.into()))
    }

    /// Opens the trail of rehearsals: each record says that it is one. A gateway with this trail takes
    /// rehearsed principals and no others.
    ///
    /// # Errors
    /// As [`Audit::open`].
    pub fn rehearsal(target: AuditTarget) -> io::Result<Audit> {
        Ok(Self::start(Trail::Lines(Lines::open(target)?), true, TENANT, Statements::Whole.into()))
    }

    /// The trail that a ledger keeps. `tenant` is the attribute of a user that names who pays, and `rules`
    /// say how much of statements is recorded.
    pub fn ledger(ledger: Ledger, tenant: &str, rules: impl Into<TextRules>) -> Audit {
        Self::start(Trail::Ledger(Box::new(ledger)), false, tenant, rules.into())
    }

    /// Whether the last record could not be written: then nothing is begun before its decision is durable.
    pub(crate) fn is_failing(&self) -> bool {
        match &self.trail {
            Trail::Lines(lines) => lines.is_failing(),
            Trail::Ledger(ledger) => ledger.refusal().is_some(),
        }
    }

    /// What all statements came to.
    pub(crate) fn totals(&self) -> StatementCounts {
        self.totals.read()
    }

    /// How the ledger does, if there is one, and how many decisions wait for it.
    pub(crate) fn health(&self) -> Option<(&Health, usize)> {
        match &self.trail {
            Trail::Lines(_) => None,
            Trail::Ledger(ledger) => Some((ledger.health(), ledger.waiting())),
        }
    }

    /// Where the records can be asked, if they are in a ledger.
    pub(crate) fn place(&self) -> Option<&Place> {
        match &self.trail {
            Trail::Lines(_) => None,
            Trail::Ledger(ledger) => Some(ledger.place()),
        }
    }

    /// Whether it is that of rehearsals.
    pub(crate) fn is_rehearsal(&self) -> bool {
        self.rehearsal
    }

    fn start(trail: Trail, rehearsal: bool, tenant: &str, rules: TextRules) -> Audit {
        let start = chrono::Utc::now().timestamp_micros().unsigned_abs();
        let (next, texts, tenant) = (AtomicU64::new(0), Mutex::default(), tenant.to_owned());
        let (totals, normalised) = (Totals::default(), Normalised::default());
        Audit { trail, next, start, rehearsal, tenant, rules, texts, normalised, totals }
    }

    /// How much of statements is recorded.
    pub(crate) fn rules(&self) -> &TextRules {
        &self.rules
    }

    /// A new query id, unique across restarts.
    pub fn next_id(&self) -> String {
        format!("{:x}-{:x}", self.start, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Who pays for a principal's queries: the value of the attribute, if it has one value.
    pub(crate) fn tenant<'a>(&self, principal: &'a Principal) -> Option<&'a str> {
        match principal.attributes().get(&self.tenant)?.as_slice() {
            [tenant] => Some(tenant),
            [] | [_, _, ..] => None,
        }
    }

    /// Sends a decision, with so much of its texts; the answer resolves once it is durable.
    pub(crate) fn decide(&self, decision: Decision<'_>, statements: Statements) -> Pending {
        if let Trail::Ledger(ledger) = &self.trail
            && let Some(refusal) = ledger.refusal()
        {
            return Pending(Waiting::Refused(refusal));
        }
        let keep = |dialect, text| {
            self.shorten(statements.record(&self.normalised, &decision, dialect, text))
        };
        let sql = keep(decision.dialect, decision.sql);
        // Ours is printed in one dialect, whatever it was written in.
        let secured_sql = decision.secured_sql.map(|text| keep(None, text));
        let decision = Decision { sql: &sql, secured_sql: secured_sql.as_deref(), ..decision };
        match Entry::decision(&decision, self.rehearsal) {
            Ok(entry) => Pending(match &self.trail {
                Trail::Lines(lines) => Waiting::Line(lines.decide(entry)),
                Trail::Ledger(ledger) => Waiting::Ledger(ledger.decide(entry)),
            }),
            Err(error) => {
                unwritten(&error);
                Pending(Waiting::Refused(Refusal::Failing))
            }
        }
    }

    /// What stands for a long text, which is written first unless it was before.
    fn shorten<'a>(&self, text: Shown<'a>) -> Shown<'a> {
        if text.len() <= SHORT {
            return text;
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        let name = text::hashed(&text);
        // Locked until it is queued, so that no decision that refers to it comes before.
        let mut texts = self.texts.lock();
        if texts.is_new(hash, Instant::now()) {
            let sha256 = name.trim_start_matches("sha256:");
            let text = Text { sha256, text: &text };
            self.note(Entry::text(&text, self.rehearsal));
        }
        Shown::Part(name.into())
    }

    fn note(&self, entry: Result<Entry, serde_json::Error>) {
        match entry {
            Ok(entry) => self.trail.note(entry),
            Err(error) => unwritten(&error),
        }
    }
}

fn unwritten(error: &serde_json::Error) {
    tracing::error!(%error, "an audit record could not be written");
}

/// By what a statement is billed.
struct Begun {
    /// The limits with the prices.
    limits: Limits,
    /// When it started, in microseconds since 1970.
    at: i64,
    usage: Arc<Usage>,
}

/// Writes exactly one receipt: at [`Meter::end`], or when it is dropped before.
///
/// A receipt can't be written in another way, and a meter can't be had twice:
/// ```compile_fail,E0603
/// use tollgate_gateway::audit::Receipt;
/// ```
/// ```compile_fail,E0277
/// fn copy(meter: &tollgate_gateway::audit::Meter) -> tollgate_gateway::audit::Meter {
///     Clone::clone(meter)
/// }
/// ```
/// ```compile_fail,E0616
/// fn again(meter: &mut tollgate_gateway::audit::Meter) {
///     meter.ended = false;
/// }
/// ```
/// ```
/// use tollgate_gateway::audit::{Ending, Meter};
/// fn once(meter: &mut Meter) {
///     meter.add(1, 10);
///     meter.end(Ending::Complete);
/// }
/// ```
pub struct Meter {
    audit: Arc<Audit>,
    id: String,
    principal: String,
    tenant: Option<String>,
    roles: Vec<String>,
    tables: Vec<String>,
    warehouse: Option<WarehouseName>,
    start: Instant,
    rows: u64,
    bytes: u64,
    cached: bool,
    estimated: Option<u64>,
    scanned: Option<u64>,
    filtered: Option<bool>,
    truncated: bool,
    /// What it is billed by; nothing until a warehouse is given it.
    begun: Option<Begun>,
    ran: bool,
    stages: Arc<Stages>,
    span: Span,
    /// Whether a decision is there, or on its way, that the receipt belongs to.
    decided: bool,
    ended: bool,
}

impl Meter {
    /// Starts counting for one statement.
    pub(crate) fn start(
        audit: Arc<Audit>,
        id: String,
        principal: &Principal,
        stages: Arc<Stages>,
    ) -> Self {
        let tenant = audit.tenant(principal).map(str::to_owned);
        let span = stages::statement(&id);
        Self {
            audit,
            id,
            span,
            principal: principal.name().to_owned(),
            tenant,
            roles: Vec::new(),
            tables: Vec::new(),
            warehouse: None,
            start: Instant::now(),
            rows: 0,
            bytes: 0,
            cached: false,
            estimated: None,
            scanned: None,
            filtered: None,
            truncated: false,
            begun: None,
            ran: false,
            stages,
            decided: false,
            ended: false,
        }
    }

    /// Notes the decision. Of one that was refused at once there is no receipt.
    pub(crate) fn decided(&mut self, decision: &Pending) {
        self.decided = decision.is_queued();
    }

    /// Notes what the query is over, at which warehouse, and under which roles.
    pub(crate) fn about(&mut self, secured: &Secured) {
        self.roles = secured.roles().iter().cloned().collect();
        self.tables = secured.tables().iter().map(ToString::to_string).collect();
        self.warehouse = secured.engine().warehouse().cloned();
    }

    /// Notes under which roles something is asked that is no query.
    pub(crate) fn under(&mut self, roles: &BTreeSet<String>) {
        self.roles = roles.iter().cloned().collect();
    }

    /// Notes how many bytes the query was expected to read.
    pub fn estimated(&mut self, bytes: Option<u64>) {
        self.estimated = bytes;
    }

    /// Notes how many bytes the warehouse read for it.
    pub fn scanned(&mut self, bytes: Option<u64>) {
        self.scanned = bytes;
    }

    /// Notes whether rows are hidden from the caller.
    pub(crate) fn filtered(&mut self, filtered: bool) {
        self.filtered = Some(filtered);
    }

    /// Notes that a limit ended the rows.
    pub fn truncated(&mut self) {
        self.truncated = true;
    }

    /// Notes that the rows come from an earlier execution.
    pub fn cached(&mut self) {
        self.cached = true;
    }

    /// Notes that a warehouse is given it, and by the prices of which moment it is billed.
    pub(crate) fn begins(&mut self, limits: &Limits, now: i64, usage: &Arc<Usage>) {
        usage.is_of(&self.id);
        self.begun = Some(Begun { limits: limits.clone(), at: now, usage: Arc::clone(usage) });
    }

    /// Notes that it runs. Where time is charged, it does from the moment when the warehouse began.
    pub(crate) fn runs(&mut self) {
        self.ran = true;
    }

    /// What it has scanned, if that is known: of one that failed at the warehouse, nothing is billed.
    fn has_scanned(&self) -> Option<u64> {
        let begun = self.begun.as_ref().is_some_and(|begun| begun.usage.has_begun());
        if begun && !self.ran { Some(0) } else { self.scanned }
    }

    /// The price that counts for what was used, as the receipt says it.
    fn price(&self, credits: Option<Decimal>) -> Option<Price> {
        let begun = self.begun.as_ref().filter(|begun| self.ran || begun.usage.has_begun())?;
        let bytes = billed_bytes(self.cached, self.has_scanned(), self.estimated);
        let used = Used { bytes, rows: self.rows, credits: credits.unwrap_or_default() };
        let price = begun.limits.price(begun.at, &used)?;
        Some(Price {
            name: price.name().to_owned(),
            currency: price.currency.clone(),
            per_query: price.query,
            per_gb_scanned: price.gigabyte,
            per_million_rows: price.million_rows,
            per_credit: price.credit,
        })
    }

    /// Adds rows and bytes that went to the client.
    pub fn add(&mut self, rows: u64, bytes: u64) {
        if self.rows == 0 && rows > 0 {
            self.stages.note(Stage::FirstRow, self.start.elapsed());
        }
        self.rows += rows;
        self.bytes += bytes;
    }

    /// The statement's span: what is done for it is inside.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// When it began.
    pub(crate) fn began(&self) -> Instant {
        self.start
    }

    /// Ends the count. Only the first end counts.
    pub fn end(&mut self, ending: Ending) {
        if self.ended {
            return;
        }
        self.ended = true;
        let elapsed = self.start.elapsed();
        self.stages.note(Stage::Total, elapsed);
        self.audit.totals.note(ending, self.rows, self.bytes);
        let outcome = ending.outcome();
        let error = match ending {
            Ending::Failed(kind) => Some(kind.label()),
            // The decision says why.
            Ending::Denied(_) | Ending::Complete | Ending::Abandoned => None,
        };
        self.span.record("outcome", outcome);
        let credits = self.begun.as_ref().and_then(|begun| begun.usage.credits());
        let virtual_warehouse = self.begun.as_ref().and_then(|begun| begun.usage.runs());
        let receipt = Receipt {
            id: &self.id,
            principal: &self.principal,
            tenant: self.tenant.as_deref(),
            roles: &self.roles,
            tables: &self.tables,
            warehouse: self.warehouse.as_ref().map(WarehouseName::as_str),
            virtual_warehouse,
            outcome,
            error,
            rows: self.rows,
            bytes: self.bytes,
            elapsed_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            cached: self.cached,
            estimated: self.estimated,
            scanned: self.has_scanned(),
            credits,
            filtered: self.filtered,
            truncated: self.truncated,
            price: self.price(credits),
        };
        if self.decided {
            self.audit.note(Entry::receipt(&receipt, self.audit.rehearsal));
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.end(Ending::Abandoned);
    }
}
