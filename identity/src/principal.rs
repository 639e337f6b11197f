//! The principal: who authenticated, from where, with which attributes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ring::digest;

use crate::certificate::Certified;
use crate::issuer::Hash;

/// What the user file says about a user: name → values.
pub type Attributes = BTreeMap<String, Vec<String>>;

/// Somebody who authenticated. Policies decide for principals only.
///
/// Not `Clone`: one authentication, one principal. Share it as an `Arc`.
pub struct Principal {
    name: String,
    attributes: Arc<Attributes>,
    address: IpAddr,
    id: u64,
    rehearsed: Option<Rehearsed>,
    attested: Option<Attested>,
    certified: Option<Certified>,
}

/// What another issuer's token says about an authentication.
#[derive(Debug)]
pub(crate) struct Attested {
    pub(crate) issuer: String,
    /// Hashes of the issuer's settings, and of the key that signed.
    pub(crate) settings: Hash,
    pub(crate) key: Hash,
    /// When it ends, in seconds since 1970.
    pub(crate) expires: u64,
    pub(crate) mfa: bool,
    pub(crate) purpose: Option<String>,
    pub(crate) roles: BTreeSet<String>,
}

/// What sets a principal that nobody authenticated as apart from one that somebody did.
pub(crate) struct Rehearsed {
    /// The roles it was granted, instead of those that the policies grant to its name.
    pub(crate) roles: Option<BTreeSet<String>>,
    pub(crate) mfa: bool,
    pub(crate) purpose: Option<String>,
}

impl Principal {
    /// For `UserStore` and `Rehearsal` alone.
    pub(crate) fn new(name: &str, attributes: Arc<Attributes>, address: IpAddr, id: u64) -> Self {
        // On a dual-stack socket an IPv4 client shows as ::ffff:a.b.c.d; policies compare with a.b.c.d.
        let address = address.to_canonical();
        Principal {
            name: name.to_owned(),
            attributes,
            address,
            id,
            rehearsed: None,
            attested: None,
            certified: None,
        }
    }

    /// For `Rehearsal` alone.
    pub(crate) fn rehearsed(self, rehearsed: Rehearsed) -> Self {
        Principal { rehearsed: Some(rehearsed), ..self }
    }

    /// For `UserStore::verify_issued_token` alone.
    pub(crate) fn attested(self, attested: Attested) -> Self {
        Principal { attested: Some(attested), ..self }
    }

    /// For `UserStore::verify_certificates` alone.
    pub(crate) fn certified(self, certified: Certified) -> Self {
        Principal { certified: Some(certified), ..self }
    }

    /// The certificates that it authenticated with, if it did.
    pub(crate) fn certificates(&self) -> Option<&Certified> {
        self.certified.as_ref()
    }

    /// What the token says that it authenticated with, if it was one.
    pub(crate) fn attests(&self) -> Option<&Attested> {
        self.attested.as_ref()
    }

    /// When the authentication ends, in seconds since 1970; nothing if it doesn't by itself.
    pub fn expires(&self) -> Option<u64> {
        let token = self.attested.as_ref().map(|attested| attested.expires);
        token.or(self.certified.as_ref().map(|certified| certified.expires))
    }

    /// Whether the authentication proved a second factor, or is rehearsed as if it had.
    pub fn mfa(&self) -> bool {
        self.attested.as_ref().is_some_and(|attested| attested.mfa)
            || self.rehearsed.as_ref().is_some_and(|rehearsed| rehearsed.mfa)
    }

    /// The purpose that the authentication attests, or is rehearsed with.
    pub fn purpose(&self) -> Option<&str> {
        let attested = self.attested.as_ref().and_then(|attested| attested.purpose.as_deref());
        attested.or_else(|| self.rehearsed.as_ref()?.purpose.as_deref())
    }

    /// The roles that its token names. Which of them there are, the policies say.
    pub fn claimed_roles(&self) -> impl Iterator<Item = &String> {
        self.attested.iter().flat_map(|attested| &attested.roles)
    }

    /// Whether nobody authenticated: an operator tries out what this user would see.
    pub fn is_rehearsed(&self) -> bool {
        self.rehearsed.is_some()
    }

    /// The roles that a rehearsal grants instead of those that the policies grant to this name.
    pub fn rehearsed_roles(&self) -> Option<&BTreeSet<String>> {
        self.rehearsed.as_ref()?.roles.as_ref()
    }

    /// The user name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The user's attributes.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Where the client connected from; IPv4 addresses mapped into IPv6 are shown as IPv4.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// A random number that tells this authentication from every other one.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// SHA-256 over all that a decision may depend on: name, attributes, address, what its
    /// token attests, and whether and as what it is rehearsed.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Fingerprint(digest::Context::new(&digest::SHA256));
        hash.text(&self.name);
        hash.count(self.attributes.len());
        for (name, values) in self.attributes.iter() {
            hash.text(name);
            hash.count(values.len());
            values.iter().for_each(|value| hash.text(value));
        }
        // The textual form of an address is unique per address.
        hash.text(&self.address.to_string());
        // When it ends isn't a part of who it is: a renewed token is the same principal's.
        if let Some(Attested { issuer, settings: _, key: _, expires: _, mfa, purpose, roles }) =
            &self.attested
        {
            hash.text("attested");
            hash.text(issuer);
            hash.count(usize::from(*mfa));
            hash.count(purpose.iter().len());
            purpose.iter().for_each(|purpose| hash.text(purpose));
            hash.count(roles.len());
            roles.iter().for_each(|role| hash.text(role));
        }
        if let Some(Rehearsed { roles, mfa, purpose }) = &self.rehearsed {
            hash.text("rehearsed");
            hash.count(usize::from(*mfa));
            hash.count(purpose.iter().len());
            purpose.iter().for_each(|purpose| hash.text(purpose));
            if let Some(roles) = roles {
                hash.count(roles.len());
                roles.iter().for_each(|role| hash.text(role));
            }
        }
        let mut out = [0; 32];
        out.copy_from_slice(hash.0.finish().as_ref());
        out
    }
}

/// Every part goes in with its length, so that no two principals share their bytes.
struct Fingerprint(digest::Context);

impl Fingerprint {
    fn count(&mut self, count: usize) {
        self.0.update(&(count as u64).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }
}

impl fmt::Debug for Principal {
    /// Without the attributes: they are personal data, and debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("name", &self.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
