//! Client certificates: whoever holds the key of a certificate that an authority signed for a user needs
//! no password.
//!
//! TLS proves that the client holds the key; [`ClientCertificates`] come out of such a connection only.
//! Whether they are good is judged here, at each login and at each call: the chain, its times, and the
//! lists of what was revoked, as they are then.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, RootCertStore};
use subtle::Choice;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::error::{AuthError, AuthorityError};
use crate::principal::Principal;
use crate::store::UserStore;

/// Which name in a certificate names the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateName {
    /// The common name of the subject.
    CommonName,
    /// The alternative name that is an e-mail address.
    Email,
    /// The alternative name that is a DNS name.
    Dns,
    /// The alternative name that is a URI.
    Uri,
}

/// What is believed of certificates.
#[derive(Debug, Clone)]
pub struct AuthoritySettings {
    /// Which name names the user. A certificate with several of that kind names nobody.
    pub name: CertificateName,
    /// The users by name in the certificate; others are nobody. Empty: the name is the user's.
    pub users: BTreeMap<String, String>,
    /// Whether nobody gets in without a certificate, whatever else they authenticate with.
    pub required: bool,
}

/// The authorities whose certificates are believed.
pub struct ClientAuthority {
    settings: AuthoritySettings,
    chains: Arc<dyn ClientCertVerifier>,
}

/// The certificates of a client that has proven to hold the first one's key.
#[derive(Debug, Clone)]
pub struct ClientCertificates(Arc<[CertificateDer<'static>]>);

impl ClientCertificates {
    /// Those of a connection that has shaken hands, if the client showed any.
    pub fn of(connection: &rustls::ServerConnection) -> Option<Self> {
        let chain = connection.peer_certificates().filter(|chain| !chain.is_empty())?;
        (!connection.is_handshaking()).then(|| Self(chain.iter().cloned().collect()))
    }
}

/// What authenticated by certificates.
#[derive(Debug)]
pub(crate) struct Certified {
    shown: ClientCertificates,
    /// When they were judged, in seconds since 1970.
    judged: u64,
    /// When the first one ends.
    pub(crate) expires: u64,
}

/// What a connection's certificates say about who is at its other end: a user, or nothing.
#[derive(Debug)]
pub struct Judged(Option<(String, Certified)>);

impl Judged {
    /// Whether they name this user.
    pub fn names(&self, user: &str) -> bool {
        self.0.as_ref().is_some_and(|(named, _)| named == user)
    }

    /// Whether this user may use the connection: who shows a certificate of a user is that one.
    ///
    /// # Errors
    /// They name another one.
    pub fn allows(&self, user: &str) -> Result<(), AuthError> {
        match &self.0 {
            Some((named, _)) if named != user => Err(AuthError::Certificate),
            Some(_) | None => Ok(()),
        }
    }
}

/// What counts in a certificate, beside its chain.
struct Facts {
    name: Option<String>,
    expires: u64,
}

impl ClientAuthority {
    /// Authorities, and the lists of certificates that they have revoked. If there are lists, each
    /// authority of a chain needs a current one.
    ///
    /// # Errors
    /// No authority, or something that isn't a certificate or a list.
    pub fn new(
        settings: AuthoritySettings,
        authorities: Vec<CertificateDer<'static>>,
        lists: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<Self, AuthorityError> {
        if authorities.is_empty() {
            return Err(AuthorityError::None);
        }
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|_| AuthorityError::Certificate)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chains = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .with_crls(lists)
            .enforce_revocation_expiration()
            .build()
            .map_err(|_| AuthorityError::List)?;
        Ok(Self { settings, chains })
    }

    /// Whether nobody gets in without a certificate.
    pub fn is_required(&self) -> bool {
        self.settings.required
    }

    /// Whether a chain is good at a time, for TLS to ask. Whom it names isn't asked here.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        time: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.chains.verify_client_cert(leaf, others, time)?;
        let facts = facts(leaf, self.settings.name);
        facts.map(|_| verified).ok_or_else(|| CertificateError::InvalidPurpose.into())
    }

    /// When good certificates end, and whom they name, if anybody.
    fn judge(&self, shown: &ClientCertificates, now: u64) -> Option<(u64, Option<String>)> {
        let (leaf, others) = shown.0.split_first()?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now));
        self.chains.verify_client_cert(leaf, others, time).ok()?;
        let Facts { name, expires } = facts(leaf, self.settings.name)?;
        let users = &self.settings.users;
        let user = match users.is_empty() {
            true => name,
            false => name.and_then(|name| users.get(&name).cloned()),
        };
        Some((expires, user))
    }
}

/// Reads a certificate. One that isn't made for clients, in so many words, is none.
fn facts(leaf: &CertificateDer<'_>, kind: CertificateName) -> Option<Facts> {
    let (rest, leaf) = X509Certificate::from_der(leaf).ok()?;
    let purposes = leaf.extended_key_usage().ok()??;
    if !rest.is_empty() || !purposes.value.client_auth {
        return None;
    }
    let expires = u64::try_from(leaf.validity().not_after.timestamp()).ok()?;
    Some(Facts { name: name(&leaf, kind), expires })
}

/// The one name of a kind; none if there are several, or one that can't be read.
fn name(leaf: &X509Certificate<'_>, kind: CertificateName) -> Option<String> {
    let names: Vec<Option<&str>> = match kind {
        CertificateName::CommonName => {
            leaf.subject().iter_common_name().map(|name| name.as_str().ok()).collect()
        }
        CertificateName::Email | CertificateName::Dns | CertificateName::Uri => {
            let alternatives = leaf.subject_alternative_name().ok()??;
            alternatives.value.general_names.iter().filter_map(|name| is(name, kind)).collect()
        }
    };
    match names.as_slice() {
        [Some(name)] if UserStore::is_valid_name(name) => Some((*name).to_owned()),
        [] | [Some(_) | None] | [_, _, ..] => None,
    }
}

/// The alternative name if it is of that kind, or may be and can't be read.
fn is<'a>(name: &GeneralName<'a>, kind: CertificateName) -> Option<Option<&'a str>> {
    let (of, text) = match name {
        GeneralName::RFC822Name(text) => (CertificateName::Email, *text),
        GeneralName::DNSName(text) => (CertificateName::Dns, *text),
        GeneralName::URI(text) => (CertificateName::Uri, *text),
        GeneralName::Invalid(..) => return Some(None),
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::IPAddress(_)
        | GeneralName::RegisteredID(_) => return None,
    };
    (of == kind).then_some(Some(text))
}

impl UserStore {
    /// Judges what a connection has shown, at the time `now`, in seconds since 1970. It names a user of
    /// the user file, or nobody: then something else has to.
    ///
    /// # Errors
    /// The same one for certificates that aren't good, and for none where one is required.
    pub fn judge_certificates(
        &self,
        shown: Option<&ClientCertificates>,
        now: u64,
    ) -> Result<Judged, AuthError> {
        let (authority, shown) = match (self.authority(), shown) {
            (Some(authority), Some(shown)) => (authority, shown),
            (Some(authority), None) if authority.is_required() => {
                return Err(AuthError::Certificate);
            }
            (Some(_), None) | (None, Some(_) | None) => return Ok(Judged(None)),
        };
        let (expires, user) = authority.judge(shown, now).ok_or(AuthError::Certificate)?;
        let certified = Certified { shown: shown.clone(), judged: now, expires };
        Ok(Judged(user.filter(|user| self.has(user)).map(|user| (user, certified))))
    }

    /// The user whom a connection's certificates name.
    ///
    /// # Errors
    /// They name nobody.
    pub fn verify_certificates(
        &self,
        judged: Judged,
        address: IpAddr,
    ) -> Result<Principal, AuthError> {
        let (user, certified) = judged.0.ok_or(AuthError::Certificate)?;
        let principal = self.admit(&user, address, Choice::from(1));
        Ok(principal.map_err(|_| AuthError::Certificate)?.certified(certified))
    }

    /// Whether certificates that were good would have been then, by what is believed now.
    pub(crate) fn still_names(&self, certified: &Certified, user: &str) -> bool {
        let Certified { shown, judged, expires: _ } = certified;
        let now = self.authority().and_then(|authority| authority.judge(shown, *judged));
        now.is_some_and(|(_, named)| named.as_deref() == Some(user))
    }
}

impl fmt::Debug for ClientAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthority").field("settings", &self.settings).finish_non_exhaustive()
    }
}
