//! Sealed messages: what a gateway gives away and must know again, unread and unchanged.
//!
//! A message is encrypted and authenticated (AES-256-GCM) under a key of its own, derived with
//! HMAC-SHA256 from one of the shared keys, the purpose and a random salt: no nonce can repeat,
//! however many messages a key seals. A message sealed for one purpose doesn't open for another.
//!
//! Layout: version (1 byte), key id (4), salt (24), ciphertext with its tag (16 bytes longer).

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::{digest, hmac};

use crate::error::SealKeyError;
use crate::store::random;

const VERSION: u8 = 1;
const ID: usize = 4;
const SALT: usize = 24;
const HEADER: usize = 1 + ID + SALT;

/// More keys than a rotation needs are a mistake.
const MAX_KEYS: usize = 8;

/// The keys that replicas of a gateway share. The first one seals, all of them open.
pub struct SealKeys {
    first: SealKey,
    others: Vec<SealKey>,
}

struct SealKey {
    id: [u8; ID],
    secret: hmac::Key,
}

impl SealKey {
    fn new(bytes: &[u8; 32]) -> Self {
        let mut id = [0; ID];
        let hash = digest::digest(&digest::SHA256, bytes);
        id.iter_mut().zip(hash.as_ref()).for_each(|(id, hash)| *id = *hash);
        Self { id, secret: hmac::Key::new(hmac::HMAC_SHA256, bytes) }
    }

    /// The key of one message.
    fn derive(&self, purpose: &str, header: &[u8]) -> Option<LessSafeKey> {
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(header);
        context.update(purpose.as_bytes());
        UnboundKey::new(&AES_256_GCM, context.sign().as_ref()).ok().map(LessSafeKey::new)
    }
}

impl SealKeys {
    /// One random key: what it seals, no other process opens.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn random() -> Result<Self, SealKeyError> {
        let bytes = random::<32>().map_err(|_| SealKeyError::NoRandomness)?;
        Ok(Self { first: SealKey::new(&bytes), others: Vec::new() })
    }

    /// Reads a key file: a key a line, 64 hexadecimal digits; empty lines and lines that start with
    /// `#` are skipped.
    ///
    /// # Errors
    /// A line that isn't a key, no key, or more than a rotation needs.
    pub fn parse(text: &str) -> Result<Self, SealKeyError> {
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bytes = key_bytes(line).ok_or(SealKeyError::NotAKey(number))?;
            keys.push(SealKey::new(&bytes));
        }
        if keys.len() > MAX_KEYS {
            return Err(SealKeyError::TooMany);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(SealKeyError::None)?;
        Ok(Self { first, others: keys.collect() })
    }

    /// Seals a message for a purpose.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn seal(&self, purpose: &str, message: &[u8]) -> Result<Vec<u8>, SealKeyError> {
        self.seal_for(&format!("handle/{purpose}"), message)
    }

    /// Opens a message that was sealed for this purpose; nothing if it is anything else.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        self.open_for(&format!("handle/{purpose}"), sealed)
    }

    pub(crate) fn seal_for(&self, purpose: &str, message: &[u8]) -> Result<Vec<u8>, SealKeyError> {
        let salt = random::<SALT>().map_err(|_| SealKeyError::NoRandomness)?;
        let mut sealed = Vec::with_capacity(HEADER + message.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.first.id);
        sealed.extend_from_slice(&salt);
        let key = self.first.derive(purpose, &sealed).ok_or(SealKeyError::NoRandomness)?;
        let mut text = message.to_vec();
        // The key is used once, so its nonce may be any.
        key.seal_in_place_append_tag(nonce(), Aad::from(&sealed), &mut text)
            .map_err(|_| SealKeyError::NoRandomness)?;
        sealed.append(&mut text);
        Ok(sealed)
    }

    pub(crate) fn open_for(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (header, text) = sealed.split_at_checked(HEADER)?;
        let (version, id) = header.get(..1 + ID)?.split_first()?;
        if *version != VERSION {
            return None;
        }
        let keys = std::iter::once(&self.first).chain(&self.others);
        let key = keys.into_iter().find(|key| key.id == id)?;
        let mut text = text.to_vec();
        let key = key.derive(purpose, header)?;
        let length = key.open_in_place(nonce(), Aad::from(header), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn key_bytes(line: &str) -> Option<[u8; 32]> {
    let digits = line.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKeys").field("keys", &(1 + self.others.len())).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "tests"
    )]

    use super::SealKeys;

    const OLD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const NEW: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

    #[test]
    fn only_the_unchanged_message_opens_and_only_for_its_purpose() {
        let keys = SealKeys::random().unwrap();
        let sealed = keys.seal("a", b"what it says").unwrap();
        assert_eq!(keys.open("a", &sealed).unwrap(), b"what it says");
        assert!(keys.open("b", &sealed).is_none());
        assert!(SealKeys::random().unwrap().open("a", &sealed).is_none());
        assert_ne!(keys.seal("a", b"what it says").unwrap(), sealed);
        for length in 0..sealed.len() {
            assert!(keys.open("a", &sealed[..length]).is_none());
            let mut changed = sealed.clone();
            changed[length] ^= 1;
            assert!(keys.open("a", &changed).is_none());
        }
    }

    #[test]
    fn keys_rotate() {
        let old = SealKeys::parse(OLD).unwrap();
        let both = SealKeys::parse(&format!("# the new one seals\n{NEW}\n\n{OLD}\n")).unwrap();
        let new = SealKeys::parse(NEW).unwrap();
        let sealed = old.seal("a", b"x").unwrap();
        assert!(both.open("a", &sealed).is_some());
        assert!(new.open("a", &sealed).is_none());
        let sealed = both.seal("a", b"x").unwrap();
        assert!(new.open("a", &sealed).is_some());
        assert!(old.open("a", &sealed).is_none());
    }

    #[test]
    fn key_files_are_judged() {
        for (text, message) in [
            ("", "there is no key"),
            ("00", "line 1 is not a key of 32 bytes in hexadecimal"),
            (&format!("{OLD}\nx{}", &NEW[1..]), "line 2 is not a key of 32 bytes in hexadecimal"),
            (&format!("{OLD}\n").repeat(9), "there are more than 8 keys"),
        ] {
            assert_eq!(SealKeys::parse(text).unwrap_err().to_string(), message);
        }
    }
}
