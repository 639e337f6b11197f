//! Keys of an issuer that are fetched: at start, at intervals, and when a token names one that isn't known.
//!
//! One task fetches, whoever asks; so there is one request at a time, at most one in a while, and no
//! client that goes away stops it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tollgate_catalog::Error;
use tollgate_identity::Issuer;
use tollgate_warehouse::http::{Address, Http};
use tollgate_warehouse::postgres;

use crate::Gateway;

/// How long a fetch may take.
const LONGEST: Duration = Duration::from_secs(10);
/// The most bytes of a key set.
const MAX_SET: usize = 256 << 10;

/// Where the keys of an issuer are fetched, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySource {
    /// Where the issuer publishes them.
    pub address: Address,
    /// The certificates of the authorities to trust, PEM.
    pub authorities: Vec<u8>,
    /// How often to look for others.
    pub refresh: Duration,
    /// How long to wait before another try, after a failure or for a key that isn't known.
    pub again: Duration,
    /// How long keys are believed while no newer ones can be fetched.
    pub keep: Duration,
}

/// The keys of an issuer, which a task of their own keeps fresh. Dropping them ends it.
pub struct RemoteKeys {
    inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

struct Inner {
    issuer: Arc<Issuer>,
    source: KeySource,
    http: Http,
    /// Called when keys were withdrawn.
    withdrawn: Box<dyn Fn() + Send + Sync>,
    asked: Notify,
    /// Says when a fetch has ended.
    rounds: watch::Sender<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fetching: bool,
    /// When the last fetch ended, and when one last brought keys.
    tried: Option<Instant>,
    good: Option<Instant>,
}

impl RemoteKeys {
    /// Begins to fetch. Must be called in a runtime. `withdrawn` is called whenever keys are no longer
    /// believed that were.
    ///
    /// # Errors
    /// The certificates of the authorities can't be read.
    pub fn start(
        issuer: Arc<Issuer>,
        source: KeySource,
        withdrawn: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let tls = match source.address.is_encrypted() {
            true => Some(postgres::trusting(&source.authorities)?),
            false => None,
        };
        let inner = Arc::new(Inner {
            issuer,
            source,
            http: Http::new(tls),
            withdrawn: Box::new(withdrawn),
            asked: Notify::new(),
            rounds: watch::Sender::new(()),
            state: Mutex::new(State { fetching: true, ..State::default() }),
        });
        let task = tokio::spawn(run(Arc::clone(&inner)));
        Ok(Self { inner, task })
    }

    /// Whose keys they are.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.inner.issuer
    }

    /// Whether these are an issuer's keys from a source.
    pub fn are(&self, issuer: &Issuer, source: &KeySource) -> bool {
        self.inner.issuer.is_like(issuer) && self.inner.source == *source
    }

    /// Waits for a fetch if a token names a key that isn't known, unless there was one just now.
    async fn wait_for(&self, token: &str) {
        let inner = &self.inner;
        if !inner.issuer.lacks_key_of(token) {
            return;
        }
        let mut rounds = inner.rounds.subscribe();
        if !inner.may_fetch() {
            return;
        }
        inner.asked.notify_one();
        // Longer than any fetch takes.
        let _ = timeout(2 * LONGEST, rounds.changed()).await;
    }
}

impl Drop for RemoteKeys {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gateway {
    /// Puts other keys in the place of those that are fetched, or none.
    pub fn replace_keys(&self, keys: Option<RemoteKeys>) {
        *self.keys.write() = keys.map(Arc::new);
    }

    /// The keys that are fetched.
    pub fn keys(&self) -> Option<Arc<RemoteKeys>> {
        self.keys.read().clone()
    }

    /// To be called before a token is judged: if it names a key that isn't known, newer keys are fetched
    /// first.
    pub async fn wait_for_key(&self, token: &str) {
        if let Some(keys) = self.keys() {
            keys.wait_for(token).await;
        }
    }
}

/// Fetches, then waits for its time or for who asks.
async fn run(inner: Arc<Inner>) {
    loop {
        inner.fetch().await;
        let due = Instant::now() + inner.pause();
        loop {
            tokio::select! {
                () = sleep_until(due) => break,
                () = inner.asked.notified() => if inner.may_fetch() { break },
            }
        }
        inner.state.lock().fetching = true;
    }
}

impl Inner {
    /// Whether a fetch is under way, or may begin for who asks.
    fn may_fetch(&self) -> bool {
        let state = self.state.lock();
        state.fetching || state.tried.is_none_or(|tried| tried.elapsed() >= self.source.again)
    }

    async fn fetch(&self) {
        let (withdrawn, good) = match self.keys().await {
            Ok(withdrawn) => (withdrawn, true),
            Err(error) => {
                let (address, kept) = (self.source.address.as_str(), !self.is_too_old());
                tracing::warn!(address, %error, kept, "the keys of tokens could not be fetched");
                (!kept && self.issuer.forget_keys(), false)
            }
        };
        {
            let mut state = self.state.lock();
            let now = Instant::now();
            (state.fetching, state.tried) = (false, Some(now));
            if good {
                state.good = Some(now);
            }
        }
        self.rounds.send_replace(());
        if withdrawn {
            (self.withdrawn)();
        }
    }

    /// Fetches the keys and puts them in force; says whether one was withdrawn.
    async fn keys(&self) -> Result<bool, String> {
        let KeySource { address, keep, .. } = &self.source;
        let answer = timeout(LONGEST, self.http.get(address, MAX_SET)).await;
        let answer = answer.map_err(|_| "no answer in time")?.map_err(|cause| cause.to_string())?;
        if answer.status != 200 {
            return Err(format!("HTTP status {}", answer.status));
        }
        let text = str::from_utf8(&answer.body).map_err(|error| error.to_string())?;
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let until = now.as_secs().saturating_add(keep.as_secs());
        self.issuer.replace_keys(text, until).map_err(|error| error.to_string())
    }

    /// Whether the keys may not be believed any more.
    fn is_too_old(&self) -> bool {
        self.state.lock().good.is_none_or(|good| good.elapsed() >= self.source.keep)
    }

    /// How long until the next fetch.
    fn pause(&self) -> Duration {
        let KeySource { refresh, again, keep, .. } = self.source;
        let state = self.state.lock();
        match state.good {
            Some(good) if state.tried == Some(good) => refresh,
            // Also when they end, so that what rests on them ends too.
            Some(good) if good.elapsed() < keep => again.min(keep.saturating_sub(good.elapsed())),
            Some(_) | None => again,
        }
    }
}
