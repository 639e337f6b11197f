//! What a client carries of its session: the options that it has set, sealed for its principal.
//!
//! They come in a cookie, for clients that keep cookies, and in a bearer token, for those that take the one of an
//! answer. The token of who has logged in with a password is ours and holds the options itself; for a
//! token of another issuer there is one that holds that token as well, and for a certificate one that holds
//! nothing else. None of them proves who anybody is: the credentials are judged at each call, and
//! options of another principal, old ones and changed ones are refused.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::COOKIE;
use prost::Message;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_identity::SealKeys;
use tonic::Status;

use crate::options::Options;
use crate::status::{Answer, internal, status};

/// The name of the cookie.
const NAME: &str = "tollgate-session";

/// The longest token of an issuer that is repeated in a token of ours: some clients read no more than 8 KiB of
/// headers.
const LONGEST: usize = 4096;

/// In what it is carried.
#[derive(Debug, Clone, Copy)]
pub(crate) enum In {
    /// The cookie.
    Cookie,
    /// A bearer token beside, or around, the credentials of another issuer.
    Bearer,
}

impl In {
    fn purpose(self) -> &'static str {
        match self {
            In::Cookie => "session-cookie",
            In::Bearer => "session-bearer",
        }
    }
}

/// What is sealed.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct Carried {
    /// Who has set the options.
    #[prost(string, tag = "1")]
    pub(crate) principal: String,
    /// When the authentication ended under which they were set, in seconds since 1970.
    #[prost(uint64, tag = "2")]
    pub(crate) expires: u64,
    /// The options.
    #[prost(bytes = "vec", tag = "3")]
    options: Vec<u8>,
    /// The token of another issuer; empty in a cookie, and where a certificate authenticates.
    #[prost(string, tag = "4")]
    pub(crate) issued: String,
}

/// Without the token, which is a live one.
impl fmt::Debug for Carried {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { principal, expires, options: _, issued: _ } = self;
        let mut out = out.debug_struct("Carried");
        out.field("principal", principal).field("expires", expires).finish_non_exhaustive()
    }
}

impl Carried {
    /// Options of a principal.
    pub(crate) fn new(principal: &str, expires: u64, options: &Options) -> Self {
        let (principal, options) = (principal.to_owned(), options.to_bytes());
        Self { principal, expires, options, issued: String::new() }
    }

    /// With the token of another issuer, unless that is too long to be sent back.
    pub(crate) fn around(self, issued: &str) -> Option<Self> {
        (issued.len() <= LONGEST).then(|| Self { issued: issued.to_owned(), ..self })
    }

    /// As text for a header.
    pub(crate) fn seal(&self, keys: &SealKeys, place: In) -> Answer<String> {
        let sealed = keys.seal(place.purpose(), &self.encode_to_vec()).map_err(internal)?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// From a header; `None` if it is anything else.
    pub(crate) fn open(keys: &SealKeys, place: In, sealed: &[u8]) -> Option<Self> {
        Self::decode(keys.open(place.purpose(), sealed)?.as_slice()).ok()
    }

    /// The options, for a principal at a time.
    pub(crate) fn options(&self, principal: &str, now: u64) -> Option<Options> {
        let good = self.principal == principal && now < self.expires;
        good.then(|| Options::from_bytes(&self.options)).flatten()
    }
}

/// The options in the cookie of a call, if it has one. What is refused is taken away: a client that keeps it
/// couldn't do anything else.
pub(crate) fn by_cookie(
    keys: &SealKeys,
    (headers, over_tls): (&HeaderMap, bool),
    principal: &str,
    now: u64,
) -> Answer<Option<Options>> {
    let mut cookies = cookies(headers);
    let Some(cookie) = cookies.next() else { return Ok(None) };
    let options = URL_SAFE_NO_PAD
        .decode(cookie)
        .ok()
        .filter(|_| cookies.next().is_none())
        .and_then(|sealed| Carried::open(keys, In::Cookie, &sealed))
        .and_then(|carried| carried.options(principal, now));
    options.map(Some).ok_or_else(|| refused(over_tls))
}

/// Whether a call has the cookie.
pub(crate) fn has_cookie(headers: &HeaderMap) -> bool {
    cookies(headers).next().is_some()
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';'));
    pairs.filter_map(|pair| match pair.trim().split_once('=') {
        Some((name, value)) if name == NAME => Some(value.trim_matches('"')),
        Some(_) | None => None,
    })
}

/// What sets the cookie, for as long as the client is there. When it ends is sealed in it, so that a client is
/// told, not left without its options.
pub(crate) fn set_cookie(value: &str, over_tls: bool) -> String {
    let secure = if over_tls { "; Secure" } else { "" };
    format!("{NAME}={value}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// What takes it away.
pub(crate) fn clear_cookie(over_tls: bool) -> String {
    format!("{}; Max-Age=0", set_cookie("", over_tls))
}

/// The one answer to options that aren't good for a call.
fn refused(over_tls: bool) -> Status {
    let mut status = status(
        &Error::new(ErrorKind::InvalidAuthorization, "the session is not valid")
            .with_hint("set the options again, without the cookie of another session"),
    );
    if let Ok(cleared) = clear_cookie(over_tls).parse() {
        status.metadata_mut().insert("set-cookie", cleared);
    }
    status
}
