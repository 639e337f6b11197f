//! Tokens that somebody else issued: JSON Web Tokens (RFC 7519), signed (RFC 7515) with a key of a
//! JSON Web Key set (RFC 7517).
//!
//! Only signatures by public keys count, with the algorithms of the key's own kind: a token can't
//! choose to be checked with less. What the token says beyond its signature is checked here, against
//! a time that the caller gives.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use parking_lot::RwLock;
use ring::digest;
use serde_json::{Map, Value};

use crate::error::{AuthError, IssuerError};
use crate::principal::{Attested, Attributes, Principal};
use crate::store::{UserStore, random};

/// The longest token, in bytes.
const LONGEST: usize = 64 << 10;

/// Whose tokens are believed, and what in them is.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// The `iss` of every token.
    pub issuer: String,
    /// What must be (among) its `aud`.
    pub audience: String,
    /// The claim that names the user.
    pub user: String,
    /// Attributes of the user, by name, and the claims that they are read from. A claim that starts
    /// with `/` is a JSON Pointer (RFC 6901).
    pub attributes: BTreeMap<String, String>,
    /// Values of `amr` (RFC 8176), each of which attests a second factor.
    pub mfa: Vec<String>,
    /// The claim that attests the purpose of the access.
    pub purpose: Option<String>,
    /// The claim that names roles of the user, beside those that policies grant to its name.
    pub roles: Option<String>,
    /// By how many seconds clocks may differ.
    pub leeway: u64,
}

/// An issuer of tokens, and its keys, which others may take the place of.
pub struct Issuer {
    settings: IssuerSettings,
    /// Of the settings: with others, other principals would come of the same tokens.
    hash: Hash,
    keys: RwLock<Keys>,
}

#[derive(Default)]
struct Keys {
    keys: Vec<Key>,
    /// When they are not believed any more, in seconds since 1970; nothing if that never is.
    until: Option<u64>,
}

impl Keys {
    /// Reads a key set. A key in it that isn't known, or is none for signatures, is passed over
    /// (RFC 7517, section 5).
    fn read(jwks: &str, until: Option<u64>) -> Result<Self, IssuerError> {
        let mut set: Map<String, Value> =
            serde_json::from_str(jwks).map_err(|_| IssuerError::Form)?;
        let Some(Value::Array(all)) = set.remove("keys") else { return Err(IssuerError::Form) };
        let known = all.into_iter().filter_map(|one| serde_json::from_value(one).ok());
        Ok(Self { keys: known.filter_map(|jwk| key(&jwk)).collect(), until })
    }
}

pub(crate) type Hash = [u8; 32];

fn hash(text: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}

struct Key {
    /// Of the key as it is written.
    hash: Hash,
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl Issuer {
    /// An issuer whose keys are in the JSON text of a key set.
    ///
    /// # Errors
    /// The text is no key set, or holds no public key that signs.
    pub fn new(settings: IssuerSettings, jwks: &str) -> Result<Self, IssuerError> {
        let issuer = Self::without_keys(settings);
        let keys = Keys::read(jwks, None)?;
        if keys.keys.is_empty() {
            return Err(IssuerError::Empty);
        }
        *issuer.keys.write() = keys;
        Ok(issuer)
    }

    /// An issuer whose keys are yet to come. Until then no token is believed.
    pub fn without_keys(settings: IssuerSettings) -> Self {
        let hash = hash(&format!("{settings:?}"));
        Self { settings, hash, keys: RwLock::default() }
    }

    /// Puts the keys of a key set in the place of those that are known, good until that time, in seconds
    /// since 1970. Says whether one was withdrawn. A set without a key that is supported withdraws all.
    ///
    /// # Errors
    /// The text is no key set; nothing changes.
    pub fn replace_keys(&self, jwks: &str, until: u64) -> Result<bool, IssuerError> {
        let keys = Keys::read(jwks, Some(until))?;
        let before = std::mem::replace(&mut *self.keys.write(), keys);
        let now = self.keys.read();
        Ok(before.keys.iter().any(|old| !now.keys.iter().any(|key| key.hash == old.hash)))
    }

    /// Forgets all keys, and says whether there were any.
    pub fn forget_keys(&self) -> bool {
        !std::mem::take(&mut *self.keys.write()).keys.is_empty()
    }

    /// Whether it may be for want of a newer key that a token isn't believed.
    pub fn lacks_key_of(&self, token: &str) -> bool {
        let Some(header) = header(token) else { return false };
        let keys = self.keys.read();
        let fits = |key: &Key| match (&key.id, header.get("kid").and_then(Value::as_str)) {
            (Some(own), Some(id)) => own == id,
            (Some(_) | None, None) | (None, Some(_)) => true,
        };
        !keys.keys.iter().any(fits)
    }

    /// Whether it has the same settings as another one.
    pub fn is_like(&self, other: &Issuer) -> bool {
        self.hash == other.hash
    }

    /// The claims of a token that this issuer signed for us and that is good now, and the key's hash.
    fn claims(&self, token: &str, now: u64) -> Option<(Claims, Hash)> {
        let header = header(token)?;
        // An extension that must be understood isn't.
        if header.contains_key("crit") {
            return None;
        }
        let algorithm: Algorithm = header.get("alg")?.as_str()?.parse().ok()?;
        let id = header.get("kid").map(|id| id.as_str()).map_or(Some(None), |id| id.map(Some))?;
        let mut validation = Validation::new(algorithm);
        // All below, with the caller's clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let keys = self.keys.read();
        if keys.until.is_some_and(|until| until <= now) {
            return None;
        }
        let fitting = keys.keys.iter().filter(|key| {
            key.algorithms.contains(&algorithm)
                && (id.is_none() || key.id.is_none() || key.id.as_deref() == id)
        });
        let (claims, key) = fitting
            .filter_map(|key| {
                let token = jsonwebtoken::decode::<Map<_, _>>(token, &key.key, &validation).ok()?;
                Some((Claims(token.claims), key.hash))
            })
            .next()?;
        claims.are_for(&self.settings, now).then_some((claims, key))
    }
}

/// The header of a token.
fn header(token: &str) -> Option<Map<String, Value>> {
    let (header, _) = token.split_once('.').filter(|_| token.len() <= LONGEST)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
}

/// A key that tokens may be signed with, if it is one.
fn key(jwk: &Jwk) -> Option<Key> {
    match jwk.common.public_key_use {
        None | Some(PublicKeyUse::Signature) => {}
        Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_)) => return None,
    }
    let of_kind = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => vec![
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            EllipticCurve::P521 | EllipticCurve::Ed25519 => return None,
        },
        AlgorithmParameters::OctetKeyPair(pair) => match pair.curve {
            EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
            EllipticCurve::P256 | EllipticCurve::P384 | EllipticCurve::P521 => return None,
        },
        // Whoever can check such a token can make one.
        AlgorithmParameters::OctetKey(_) => return None,
    };
    let algorithms = match jwk.common.key_algorithm {
        None => of_kind,
        Some(own) => of_kind.into_iter().filter(|kind| is(own, *kind)).collect(),
    };
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let (id, hash) = (jwk.common.key_id.clone(), hash(&serde_json::to_string(jwk).ok()?));
    (!algorithms.is_empty()).then_some(Key { hash, id, algorithms, key })
}

/// Whether the algorithm that a key names for itself is this one.
fn is(own: KeyAlgorithm, algorithm: Algorithm) -> bool {
    own.to_string().parse() == Ok(algorithm)
}

struct Claims(Map<String, Value>);

impl Claims {
    fn get(&self, claim: &str) -> Option<&Value> {
        match claim.strip_prefix('/') {
            None => self.0.get(claim),
            Some(path) => {
                let (first, rest) = path.split_once('/').map_or((path, ""), |(a, b)| (a, b));
                let first = self.0.get(&first.replace("~1", "/").replace("~0", "~"))?;
                if rest.is_empty() { Some(first) } else { first.pointer(&format!("/{rest}")) }
            }
        }
    }

    fn text(&self, claim: &str) -> Option<&str> {
        self.get(claim)?.as_str()
    }

    /// One text, or several.
    fn texts(&self, claim: &str) -> Vec<String> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        match self.get(claim) {
            None => Vec::new(),
            Some(Value::Array(values)) => values.iter().filter_map(text).collect(),
            Some(value) => text(value).into_iter().collect(),
        }
    }

    /// A time in seconds since 1970, rounded down; `NumericDate` may have a fraction.
    fn time(&self, claim: &str) -> Option<u64> {
        let value = self.get(claim)?;
        let fraction = value.as_f64().filter(|time| (0.0..9.0e15).contains(time));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was checked"
        )]
        value.as_u64().or_else(|| fraction.map(|time| time as u64))
    }

    fn are_for(&self, settings: &IssuerSettings, now: u64) -> bool {
        let IssuerSettings { issuer, audience, leeway, .. } = settings;
        let good_from = match self.get("nbf") {
            None => Some(0),
            Some(_) => self.time("nbf"),
        };
        self.text("iss") == Some(issuer)
            && self.texts("aud").contains(audience)
            && self.time("exp").is_some_and(|end| now < end.saturating_add(*leeway))
            && good_from.is_some_and(|from| from <= now.saturating_add(*leeway))
    }
}

impl UserStore {
    /// The principal that another issuer's token stands for at the time `now`, in seconds since
    /// 1970. It must have no entry in the user file, and has the attributes that the token says.
    ///
    /// # Errors
    /// The same one for whatever is wrong with a token, also where no issuer is believed.
    pub fn verify_issued_token(
        &self,
        token: &str,
        address: IpAddr,
        now: u64,
    ) -> Result<Principal, AuthError> {
        let issuer = self.issuer().ok_or(AuthError::Token)?;
        let (claims, key) = issuer.claims(token, now).ok_or(AuthError::Token)?;
        let settings = &issuer.settings;
        let name = claims.text(&settings.user).filter(|name| Self::is_valid_name(name));
        // Who has a password comes with it: a provider can't give out its users' names.
        let name = name.filter(|name| !self.has(name)).ok_or(AuthError::Token)?;
        let mut attributes = Attributes::new();
        for (attribute, claim) in &settings.attributes {
            let values = claims.texts(claim);
            if !values.is_empty() {
                attributes.insert(attribute.clone(), values);
            }
        }
        let attested = Attested {
            issuer: settings.issuer.clone(),
            settings: issuer.hash,
            key,
            expires: claims.time("exp").ok_or(AuthError::Token)?.saturating_add(settings.leeway),
            mfa: claims.texts("amr").iter().any(|method| settings.mfa.contains(method)),
            purpose: settings
                .purpose
                .as_ref()
                .and_then(|claim| claims.text(claim))
                .map(str::to_owned),
            roles: settings.roles.iter().flat_map(|claim| claims.texts(claim)).collect(),
        };
        let id = u64::from_be_bytes(random()?);
        Ok(Principal::new(name, Arc::new(attributes), address, id).attested(attested))
    }
}

impl Issuer {
    /// Whether a token would be believed now as it was then: the settings are the same, and the key
    /// is there.
    pub(crate) fn believes(&self, attested: &Attested) -> bool {
        let keys = self.keys.read();
        self.hash == attested.settings && keys.keys.iter().any(|key| key.hash == attested.key)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("issuer", &self.settings.issuer)
            .field("keys", &self.keys.read().keys.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
