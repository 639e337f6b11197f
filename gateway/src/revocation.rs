//! Open sessions and running queries, and how a change of users or policies reaches them.
//!
//! A query finishes under the state it started with unless access was revoked: then it is cut. A
//! query registers before it is looked at, so that either the change finds it or it finds the change.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_identity::Principal;
use tollgate_rewriter::Prepared;

use crate::cancel::CancelToken;
use crate::peers::{Cancel, Peers};
use crate::state::{State, circumstances};

/// What is open now. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Open {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    sessions: Mutex<HashMap<u64, (Arc<Principal>, CancelToken)>>,
    queries: Mutex<HashMap<u64, Running>>,
}

/// A query that runs, or is about to.
#[derive(Debug)]
struct Running {
    /// As records name it.
    id: String,
    prepared: Arc<Prepared>,
    revoked: CancelToken,
    stopped: CancelToken,
    /// On once other policies are in force.
    outdated: CancelToken,
}

/// Whether everything that was permitted still is: no role is gone, and no column.
fn holds(prepared: &Prepared, state: &State) -> bool {
    let State { bundle, snapshot, .. } = state;
    if prepared.is_under(bundle.hash(), snapshot.version()) {
        return true;
    }
    let standing = circumstances(prepared.principal())
        .and_then(|now| state.standing(prepared.principal(), &now));
    let Ok(standing) = standing else { return false };
    prepared.roles().is_subset(standing.active())
        && prepared.visible().iter().all(|(name, columns)| {
            let Some(table) = snapshot.table(name) else { return false };
            let Some(visible) = bundle.visible(prepared.principal(), &standing, table) else {
                return false;
            };
            let visible: BTreeSet<&str> = visible
                .iter()
                .filter_map(|index| table.columns.get(*index))
                .map(|column| column.name.as_str())
                .collect();
            columns.iter().all(|column| visible.contains(column.as_str()))
        })
}

impl Open {
    /// Notes a session; the token is on once its user's access is revoked.
    pub(crate) fn session(&self, principal: &Arc<Principal>) -> Entry {
        let (id, token) = self.token();
        self.inner.sessions.lock().insert(id, (Arc::clone(principal), token.clone()));
        let _expiry = Expiry::of(principal, &token);
        let stopped = CancelToken::new();
        let outdated = CancelToken::new();
        let (kind, prepared) = (Kind::Session, None);
        Entry { open: self.clone(), id, token, stopped, outdated, prepared, kind, _expiry }
    }

    /// Notes a query that is about to start, and what records call it. `state` is asked after that, and
    /// whether its session has `ended`: both may have come since the decision, before anyone could find
    /// this query.
    pub(crate) fn query(
        &self,
        name: &str,
        prepared: &Arc<Prepared>,
        ended: &CancelToken,
        state: impl FnOnce() -> Arc<State>,
    ) -> Entry {
        let (id, token) = self.token();
        let (stopped, outdated) = (CancelToken::new(), CancelToken::new());
        let running = Running {
            id: name.to_owned(),
            prepared: Arc::clone(prepared),
            revoked: token.clone(),
            stopped: stopped.clone(),
            outdated: outdated.clone(),
        };
        self.inner.queries.lock().insert(id, running);
        let state = state();
        if ended.is_cancelled() || !holds(prepared, &state) {
            token.cancel();
        }
        if !prepared.is_of_bundle(state.bundle.hash()) {
            outdated.cancel();
        }
        let _expiry = Expiry::of(prepared.principal(), &token);
        let (kind, prepared) = (Kind::Query, Some(Arc::clone(prepared)));
        Entry { open: self.clone(), id, token, stopped, outdated, prepared, kind, _expiry }
    }

    fn token(&self) -> (u64, CancelToken) {
        (self.inner.next.fetch_add(1, Ordering::Relaxed), CancelToken::new())
    }

    /// Cuts the queries that the new state wouldn't permit, and says how many.
    pub(crate) fn cut(&self, state: &State) -> usize {
        let queries = self.inner.queries.lock();
        for query in queries.values() {
            if !query.prepared.is_of_bundle(state.bundle.hash()) {
                query.outdated.cancel();
            }
        }
        let revoked = queries.values().filter(|query| !holds(&query.prepared, state));
        revoked.map(|query| query.revoked.cancel()).count()
    }

    /// Lets the statement of an entry stop other statements of its principal.
    pub(crate) fn stops(&self, entry: &Entry, peers: &Arc<Peers>) -> Stops {
        Stops { open: self.clone(), of: entry.id, peers: Arc::clone(peers) }
    }

    /// Stops the statement that records call `id` if it is this principal's, and isn't the entry `but`.
    /// Whether there was one.
    pub(crate) fn stop(&self, id: &str, principal: &str, but: Option<u64>) -> bool {
        let queries = self.inner.queries.lock();
        let found = queries.iter().find(|(entry, query)| {
            Some(**entry) != but && query.id == id && query.prepared.principal().name() == principal
        });
        let Some((_, query)) = found else { return false };
        query.stopped.cancel();
        true
    }

    /// Ends the sessions and cuts the queries of principals that aren't `current` any more, and says
    /// how many sessions.
    pub(crate) fn end(&self, current: impl Fn(&Principal) -> bool) -> usize {
        // Sessions first: a query that comes too late to be found sees that its session has ended.
        let sessions = self.inner.sessions.lock();
        let gone = sessions.values().filter(|(principal, _)| !current(principal));
        let gone = gone.map(|(_, token)| token.cancel()).count();
        drop(sessions);
        let queries = self.inner.queries.lock();
        let running = queries.values().filter(|query| !current(query.prepared.principal()));
        running.for_each(|query| query.revoked.cancel());
        gone
    }
}

/// No id of a statement has more bytes.
const LONGEST_ID: usize = 64;

/// What one statement may stop: the other statements of its own principal, and nothing else.
#[derive(Debug)]
pub(crate) struct Stops {
    open: Open,
    /// The statement's own entry.
    of: u64,
    peers: Arc<Peers>,
}

impl Stops {
    /// Stops the statement that records call `id`, and says whether there is one to stop; nothing if
    /// other gateways were asked to. One of somebody else is told from none by nothing.
    pub(crate) fn stop(&self, id: &str) -> Option<bool> {
        // What can't be an id isn't worth a call.
        if id.len() > LONGEST_ID
            || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Some(false);
        }
        let caller = self
            .open
            .inner
            .queries
            .lock()
            .get(&self.of)
            .map(|own| own.prepared.principal().name().to_owned());
        let Some(principal) = caller else { return Some(false) };
        if self.open.stop(id, &principal, Some(self.of)) {
            return Some(true);
        }
        let cancel = Cancel::Statement { id: id.to_owned(), principal };
        if self.peers.pass_on(&cancel) { None } else { Some(false) }
    }
}

/// Ends what is open with the authentication that it rests on.
#[derive(Debug)]
struct Expiry(tokio::task::JoinHandle<()>);

impl Expiry {
    /// Nothing if the authentication doesn't end by itself.
    fn of(principal: &Principal, open: &CancelToken) -> Option<Self> {
        principal.expires().map(|end| Self::at(end, open))
    }

    /// At `end`, in seconds since 1970.
    fn at(end: u64, open: &CancelToken) -> Self {
        let end = UNIX_EPOCH.checked_add(Duration::from_secs(end));
        let left = end.and_then(|end| end.duration_since(SystemTime::now()).ok());
        let open = open.clone();
        Self(tokio::spawn(async move {
            tokio::time::sleep(left.unwrap_or_default()).await;
            open.cancel();
        }))
    }
}

impl Drop for Expiry {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Session,
    Query,
}

/// One that is open; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Entry {
    open: Open,
    id: u64,
    token: CancelToken,
    stopped: CancelToken,
    outdated: CancelToken,
    /// What a query was decided by.
    prepared: Option<Arc<Prepared>>,
    kind: Kind,
    _expiry: Option<Expiry>,
}

impl Entry {
    /// On once its principal has stopped it by its id.
    pub(crate) fn stopped(&self) -> &CancelToken {
        &self.stopped
    }

    /// Whether rows that were left waiting may be asked for again: a query ends under the policies that it began
    /// with, but what nobody asked for when they changed, or its roles ended, is not that query's any more.
    pub(crate) fn may_be_resumed(&self, state: &State) -> Result<(), Error> {
        if self.outdated.is_cancelled() {
            return Err(outdated());
        }
        let Some(prepared) = &self.prepared else { return Ok(()) };
        let now = circumstances(prepared.principal())?;
        let standing = state.standing(prepared.principal(), &now)?;
        if prepared.roles().is_subset(standing.active()) { Ok(()) } else { Err(revoked()) }
    }

    /// On once access is revoked.
    pub(crate) fn token(&self) -> &CancelToken {
        &self.token
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        match self.kind {
            Kind::Session => drop(self.open.inner.sessions.lock().remove(&self.id)),
            Kind::Query => drop(self.open.inner.queries.lock().remove(&self.id)),
        }
    }
}

/// The error of a query whose permission ended while it ran.
pub fn revoked() -> Error {
    Error::new(ErrorKind::InsufficientPrivilege, "canceling statement because access was revoked")
        .with_hint("run it again to see what you may see now")
}

/// The error of rows that were left waiting while the policies changed.
pub fn outdated() -> Error {
    Error::new(
        ErrorKind::InsufficientPrivilege,
        "the policies have changed since these rows were asked for",
    )
    .with_hint("run the query again to see what you may see now")
}

/// The error of a session whose user is gone or has other attributes.
pub fn ended() -> Error {
    Error::new(
        ErrorKind::AdminShutdown,
        "terminating connection because the user's access has changed",
    )
    .with_hint("connect again")
}
