//! The verifier: what the server keeps instead of a password.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ring::{digest, hmac, pbkdf2};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use crate::error::VerifierError;

/// PostgreSQL's default, and the least that RFC 7677 allows.
pub const DEFAULT_ITERATIONS: u32 = 4096;

const MAX_ITERATIONS: u32 = 10_000_000;
const MAX_PASSWORD: usize = 1024;
const MAX_TEXT: usize = 512;
const PREFIX: &str = "SCRAM-SHA-256$";

pub(crate) type Key = Zeroizing<[u8; 32]>;

/// A SCRAM-SHA-256 verifier, in PostgreSQL's textual form:
/// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
#[derive(Clone)]
pub struct Verifier {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    stored_key: Key,
    server_key: Key,
}

impl Verifier {
    /// Derives a verifier. Slow by design: call it off the threads that serve connections.
    pub fn from_password(
        password: &str,
        iterations: u32,
        salt: &[u8],
    ) -> Result<Self, VerifierError> {
        let iterations = checked_iterations(iterations)?;
        let salt = checked_salt(salt.to_vec())?;
        check_password(password)?;
        let salted = salted_password(password, iterations, &salt);
        Ok(Verifier {
            iterations,
            salt,
            stored_key: sha256(&*hmac_sha256(&*salted, b"Client Key")),
            server_key: hmac_sha256(&*salted, b"Server Key"),
        })
    }

    /// A verifier that no password fits; 64 bytes of keys.
    pub(crate) fn mock(iterations: NonZeroU32, salt: Vec<u8>, keys: &[u8]) -> Self {
        let (stored, server) = keys.split_at_checked(32).unwrap_or_default();
        Verifier { iterations, salt, stored_key: key(stored), server_key: key(server) }
    }

    pub(crate) fn iterations(&self) -> NonZeroU32 {
        self.iterations
    }

    pub(crate) fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Does this password belong to the verifier? The other place where PBKDF2 runs.
    pub(crate) fn check_password(&self, password: &str) -> Result<Choice, VerifierError> {
        check_password(password)?;
        let salted = salted_password(password, self.iterations, &self.salt);
        let stored = sha256(&*hmac_sha256(&*salted, b"Client Key"));
        Ok(stored.ct_eq(&*self.stored_key))
    }

    /// Does the proof show that the client knows the client key?
    pub(crate) fn check_proof(&self, auth_message: &[u8], proof: &[u8; 32]) -> Choice {
        let mut client_key = hmac_sha256(&*self.stored_key, auth_message);
        client_key.iter_mut().zip(proof).for_each(|(key, proof)| *key ^= proof);
        sha256(&*client_key).ct_eq(&*self.stored_key)
    }

    /// By which the client sees that the server knows the verifier.
    pub(crate) fn server_signature(&self, auth_message: &[u8]) -> Key {
        hmac_sha256(&*self.server_key, auth_message)
    }
}

impl FromStr for Verifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Self, VerifierError> {
        let form = VerifierError::Form;
        if text.len() > MAX_TEXT {
            return Err(form);
        }
        let (costs, keys) =
            text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('$')).ok_or(form)?;
        let (iterations, salt) = costs.split_once(':').ok_or(form)?;
        let (stored, server) = keys.split_once(':').ok_or(form)?;
        if !iterations.bytes().all(|b| b.is_ascii_digit()) {
            return Err(form);
        }
        Ok(Verifier {
            iterations: checked_iterations(iterations.parse().map_err(|_| form)?)?,
            salt: checked_salt(BASE64.decode(salt).map_err(|_| form)?)?,
            stored_key: decode_key(stored).ok_or(form)?,
            server_key: decode_key(server).ok_or(form)?,
        })
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&*self.salt, &*self.stored_key, &*self.server_key].map(|bytes| BASE64.encode(bytes));
        write!(f, "{PREFIX}{}:{salt}${stored}:{server}", self.iterations)
    }
}

impl fmt::Debug for Verifier {
    /// Without the keys: the server key suffices to play the server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// HMAC-SHA-256, the only MAC of the exchange.
pub(crate) fn hmac_sha256(secret: &[u8], data: &[u8]) -> Key {
    key(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), data).as_ref())
}

/// 32 bytes of base64, or nothing.
pub(crate) fn decode_key(text: &str) -> Option<Key> {
    let mut bytes = BASE64.decode(text).ok()?;
    let decoded = (bytes.len() == 32).then(|| key(&bytes));
    bytes.zeroize();
    decoded
}

fn sha256(data: &[u8]) -> Key {
    key(digest::digest(&digest::SHA256, data).as_ref())
}

fn key(bytes: &[u8]) -> Key {
    let mut key = Zeroizing::new([0; 32]);
    key.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    key
}

fn salted_password(password: &str, iterations: NonZeroU32, salt: &[u8]) -> Key {
    let prepared = prepare(password);
    let mut salted = Zeroizing::new([0; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, prepared.as_bytes(), &mut *salted);
    salted
}

/// SASLprep; a password that it prohibits, or makes empty, is used as it is. libpq and PostgreSQL
/// do so, and both ends must agree.
fn prepare(password: &str) -> Zeroizing<String> {
    let prepared =
        stringprep::saslprep(password).map(|prepared| Zeroizing::new(prepared.into_owned()));
    match prepared {
        Ok(prepared) if !prepared.is_empty() => prepared,
        Ok(_) | Err(_) => Zeroizing::new(password.to_owned()),
    }
}

fn check_password(password: &str) -> Result<(), VerifierError> {
    if (1..=MAX_PASSWORD).contains(&password.len()) { Ok(()) } else { Err(VerifierError::Password) }
}

fn checked_iterations(iterations: u32) -> Result<NonZeroU32, VerifierError> {
    NonZeroU32::new(iterations)
        .filter(|n| (DEFAULT_ITERATIONS..=MAX_ITERATIONS).contains(&n.get()))
        .ok_or(VerifierError::Iterations)
}

fn checked_salt(salt: Vec<u8>) -> Result<Vec<u8>, VerifierError> {
    if (8..=64).contains(&salt.len()) { Ok(salt) } else { Err(VerifierError::Salt) }
}
