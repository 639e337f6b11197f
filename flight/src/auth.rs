//! Who calls: Basic credentials are exchanged for a bearer token, and every other call shows one; or
//! one of another issuer, a JSON Web Token; or none, on a connection with a client certificate.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use http::header::{AUTHORIZATION, USER_AGENT};
use parking_lot::RwLock;
use tokio::sync::Semaphore;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_gateway::{Gateway, Session, StartupSettings};
use tollgate_identity::{AuthError, Judged, Principal, SealKeys, TokenFacts, UserStore};
use tonic::Status;

use crate::cancel::Running;
use crate::carried::{self, Carried, In};
use crate::options::Options;
use crate::room::Rooms;
use crate::server::Peer;
use crate::status::{Answer, internal, status};

/// How many passwords are hashed at once; more wait.
const HASHING: usize = 2;

/// The longest name and password together, in base64.
const LONGEST_BASIC: usize = 4096;

/// The bounds of the front end.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a token and a prepared statement are good.
    pub token_lifetime: Duration,
    /// How long a ticket is good.
    pub ticket_lifetime: Duration,
    /// How long a client may leave a stream unread before its query ends.
    pub stall: Duration,
    /// How long a request may take to be sent to its end.
    pub receive: Duration,
    /// The most bytes of one message of a client.
    pub max_message: usize,
    /// The bytes of one stream that may wait for the client.
    pub queue: usize,
    /// The bytes of all users' requests that are under way, and of rows that they leave unread, each
    /// beside a little of everyone's own.
    pub memory: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_lifetime: Duration::from_secs(12 * 3600),
            ticket_lifetime: Duration::from_secs(3600),
            stall: Duration::from_secs(15 * 60),
            receive: Duration::from_secs(60),
            max_message: 16 << 20,
            queue: 8 << 20,
            memory: 512 << 20,
        }
    }
}

/// What all calls share.
pub(crate) struct Shared {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) users: RwLock<Arc<UserStore>>,
    pub(crate) keys: RwLock<Arc<SealKeys>>,
    pub(crate) settings: Settings,
    pub(crate) running: Arc<Running>,
    pub(crate) rooms: Rooms,
    hashing: Semaphore,
}

/// An authenticated call.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) principal: Arc<Principal>,
    pub(crate) options: Options,
    pub(crate) expires: u64,
    pub(crate) credential: Credential,
    /// Whether its connection is encrypted.
    over_tls: bool,
    application: String,
}

/// By what a call is authenticated.
#[derive(Clone)]
pub(crate) enum Credential {
    /// A token of ours, which holds the session's options.
    Token,
    /// The token of another issuer.
    Issued(Arc<str>),
    /// The certificates of the connection.
    Certificate,
}

/// Without the token, which is a live one.
impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Credential::Token => "Token",
            Credential::Issued(_) => "Issued(…)",
            Credential::Certificate => "Certificate",
        })
    }
}

/// The `authorization` header of a call.
enum Shown {
    /// There is none.
    Nothing,
    /// A token of ours.
    Token(Vec<u8>),
    /// The token of another issuer.
    Issued(Arc<str>),
    /// Options that go with other credentials.
    Options(Carried),
}

impl Shown {
    /// Reads it; `None` if it is anything else.
    fn of(keys: &SealKeys, headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(AUTHORIZATION) {
            return Some(Shown::Nothing);
        }
        let text = credentials(headers, "bearer")?;
        // Ours have no dot, those of others two.
        if text.contains('.') {
            return Some(Shown::Issued(text.into()));
        }
        let token = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(match Carried::open(keys, In::Bearer, &token) {
            Some(carried) => Shown::Options(carried),
            None => Shown::Token(token),
        })
    }

    /// The token of another issuer in it.
    fn issued(&self) -> Option<&str> {
        match self {
            Shown::Nothing | Shown::Token(_) => None,
            Shown::Issued(text) => Some(text),
            Shown::Options(carried) => Some(&carried.issued),
        }
    }
}

impl Shared {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        users: Arc<UserStore>,
        keys: Arc<SealKeys>,
        settings: Settings,
    ) -> Self {
        let running: Arc<Running> = Arc::default();
        let heard = Arc::clone(&running);
        let rooms = Rooms::new(settings.memory);
        gateway.peers().listen(move |cancel| heard.hear(cancel));
        Self {
            gateway,
            users: RwLock::new(users),
            keys: RwLock::new(keys),
            settings,
            running,
            rooms,
            hashing: Semaphore::new(HASHING),
        }
    }

    /// The keys in force.
    pub(crate) fn keys(&self) -> Arc<SealKeys> {
        Arc::clone(&self.keys.read())
    }

    /// Who calls, by the bearer token in the headers; without one, by the certificates of the
    /// connection. A connection with the certificates of a user is that user's alone.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap, peer: &Peer) -> Answer<Caller> {
        let keys = self.keys();
        let shown = Shown::of(&keys, headers);
        let issued = shown.as_ref().and_then(Shown::issued);
        self.gateway.wait_for_key(issued.unwrap_or_default()).await;
        let users = Arc::clone(&self.users.read());
        let judged = users.judge_certificates(peer.certificates.as_ref(), now());
        let judged = judged.map_err(|_| unauthenticated())?;
        let shown = shown.ok_or_else(unauthenticated)?;
        let mut caller = self.judge(&users, judged, shown, peer.address)?;
        let (name, cookies) = (caller.principal.name(), (headers, peer.over_tls));
        if let Some(options) = carried::by_cookie(&keys, cookies, name, now())? {
            caller.options = options;
        }
        caller.over_tls = peer.over_tls;
        caller.application = application(headers);
        Ok(caller)
    }

    fn judge(
        &self,
        users: &UserStore,
        judged: Judged,
        shown: Shown,
        address: IpAddr,
    ) -> Answer<Caller> {
        let refused = |_: AuthError| unauthenticated();
        let issued = |text: &str| users.verify_issued_token(text, address, now()).map_err(refused);
        let certified = |judged| users.verify_certificates(judged, address).map_err(refused);
        let caller = match shown {
            Shown::Nothing => return ending(certified(judged)?, Credential::Certificate),
            Shown::Options(carried) if carried.issued.is_empty() => {
                return carrying(certified(judged)?, Credential::Certificate, &carried);
            }
            Shown::Options(carried) => {
                let credential = Credential::Issued(carried.issued.as_str().into());
                carrying(issued(&carried.issued)?, credential, &carried)?
            }
            Shown::Issued(text) => ending(issued(&text)?, Credential::Issued(text))?,
            Shown::Token(token) => {
                let verified = users.verify_token(&self.keys(), &token, address, now());
                let (principal, facts) = verified.map_err(refused)?;
                Caller {
                    principal: Arc::new(principal),
                    options: Options::from_bytes(&facts.session).ok_or_else(unauthenticated)?,
                    expires: facts.expires,
                    credential: Credential::Token,
                    over_tls: false,
                    application: String::new(),
                }
            }
        };
        judged.allows(caller.principal.name()).map_err(refused)?;
        Ok(caller)
    }

    /// Exchanges the Basic credentials in the headers for a bearer token.
    pub(crate) async fn log_in(&self, headers: &HeaderMap, peer: &Peer) -> Answer<String> {
        let (user, password) = basic(headers).ok_or_else(|| {
            status(
                &Error::new(ErrorKind::InvalidAuthorization, "the handshake has no credentials")
                    .with_hint("send user name and password as basic authentication"),
            )
        })?;
        let (users, address) = (Arc::clone(&self.users.read()), peer.address);
        let judged = users.judge_certificates(peer.certificates.as_ref(), now());
        let judged = judged.map_err(|_| unauthenticated())?;
        let refused = |error: AuthError| {
            tracing::info!(user, %error, "authentication failed");
            let text = format!("password authentication failed for user \"{user}\"");
            status(&Error::new(ErrorKind::InvalidPassword, text).with_hint(error.hint()))
        };
        // Before the password: whose it is must not show to the owner of another certificate.
        judged.allows(&user).map_err(refused)?;
        let _one_of_few = self.hashing.acquire().await.map_err(internal)?;
        let name = user.clone();
        let hashed = tokio::task::spawn_blocking(move || {
            let principal = users.verify_password(&name, &password, address);
            (users, principal)
        });
        let (users, principal) = hashed.await.map_err(internal)?;
        let principal = principal.map_err(refused)?;
        let expires = now().saturating_add(self.settings.token_lifetime.as_secs());
        self.issue(&users, &principal, &Options::default(), expires)
    }

    /// What a caller sends from now on to have these options, as values of headers: a bearer token, if one can
    /// hold them, and a cookie.
    pub(crate) fn carry(
        &self,
        caller: &Caller,
        options: &Options,
    ) -> Answer<(Option<String>, String)> {
        let keys = self.keys();
        let carried = Carried::new(caller.principal.name(), caller.expires, options);
        let cookie = if *options == Options::default() {
            carried::clear_cookie(caller.over_tls)
        } else {
            carried::set_cookie(&carried.seal(&keys, In::Cookie)?, caller.over_tls)
        };
        let sealed = |carried: Carried| {
            let text = carried.seal(&keys, In::Bearer)?;
            Answer::Ok(format!("Bearer {text}"))
        };
        let bearer = match &caller.credential {
            Credential::Token => {
                let users = Arc::clone(&self.users.read());
                Some(self.issue(&users, &caller.principal, options, caller.expires)?)
            }
            Credential::Issued(text) => carried.around(text).map(sealed).transpose()?,
            Credential::Certificate => Some(sealed(carried)?),
        };
        Ok((bearer, cookie))
    }

    /// A token for somebody who is authenticated, with these options, as a header's value.
    fn issue(
        &self,
        users: &UserStore,
        principal: &Principal,
        options: &Options,
        expires: u64,
    ) -> Answer<String> {
        let facts = TokenFacts { expires, session: options.to_bytes() };
        let token = users.issue_token(&self.keys(), principal, &facts).map_err(internal)?;
        Ok(format!("Bearer {}", URL_SAFE_NO_PAD.encode(token)))
    }

    /// A session for one call.
    pub(crate) fn session(&self, caller: &Caller, set: &Options) -> Answer<Session> {
        let dialect = ("tollgate.dialect".to_owned(), set.dialect.name().to_owned());
        let mut options = vec![dialect];
        if !set.schema.is_empty() {
            let path = tollgate_catalog::id::quote(&set.schema);
            options.push(("search_path".to_owned(), path));
        }
        let startup = StartupSettings {
            application_name: caller.application.clone(),
            database: self.gateway.database().to_owned(),
            options,
            backend_pid: 0,
        };
        let principal = Arc::clone(&caller.principal);
        let (session, _) = Session::new(Arc::clone(&self.gateway), principal, startup)
            .map_err(|error| status(&error))?;
        // Access may have been revoked while the call came in; from here on that finds the session.
        match self.users.read().is_current(session.principal()) {
            true => Ok(session),
            false => Err(unauthenticated()),
        }
    }
}

/// A caller whose authentication ends by itself, and who has set no options.
fn ending(principal: Principal, credential: Credential) -> Answer<Caller> {
    Ok(Caller {
        expires: principal.expires().ok_or_else(unauthenticated)?,
        principal: Arc::new(principal),
        options: Options::default(),
        credential,
        over_tls: false,
        application: String::new(),
    })
}

/// The same with options, which are good for this principal only and until they end.
fn carrying(principal: Principal, credential: Credential, carried: &Carried) -> Answer<Caller> {
    let options = carried.options(principal.name(), now()).ok_or_else(unauthenticated)?;
    Ok(Caller { options, ..ending(principal, credential)? })
}

/// The time, in seconds since 1970.
pub(crate) fn now() -> u64 {
    // A clock before 1970 makes everything expired.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs())
}

fn unauthenticated() -> Status {
    status(
        &Error::new(ErrorKind::InvalidAuthorization, "the call is not authenticated")
            .with_hint("log in, or get a new token: it ends after some time"),
    )
}

/// What follows the scheme in the one `authorization` header.
fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (found, rest) = value.to_str().ok()?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let text = credentials(headers, "basic").filter(|text| text.len() <= LONGEST_BASIC)?;
    let bytes = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// What the client calls itself, in printable characters.
fn application(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(60).collect()
}
