//! The chain of hashes, and what its owner signs.

use std::fmt;

use ring::digest;
use serde::{Deserialize, Serialize};

use crate::keys::{PublicKey, SigningKey};
use crate::record::spelled;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What stands before the first record of a chain.
    pub fn genesis(chain: &str) -> Hash {
        Hash::over(&[b"tollgate ledger chain\n", chain.as_bytes()])
    }

    /// The hash of a record: over the hash before it and its own bytes.
    pub fn of(before: &Hash, body: &[u8]) -> Hash {
        Hash::over(&[&before.0, body])
    }

    fn over(parts: &[&[u8]]) -> Hash {
        let mut context = digest::Context::new(&digest::SHA256);
        parts.iter().for_each(|part| context.update(part));
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Hash(hash)
    }

    /// Reads 32 bytes.
    pub fn read(bytes: &[u8]) -> Option<Hash> {
        bytes.try_into().ok().map(Hash)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes of a hexadecimal text.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    pairs.collect()
}

/// What a signature is good for: one is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The chain reaches to here.
    Head,
    /// All records up to here were deleted by retention.
    Cut,
}

/// The end of a chain at some time, signed: whoever keeps one elsewhere can prove later that the
/// chain still holds all that it held then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The chain's name.
    pub chain: String,
    /// The number of the last record.
    pub seq: i64,
    /// That record's hash, in hexadecimal.
    pub hash: String,
    /// When it was signed.
    pub time: String,
    /// The Ed25519 public key, in hexadecimal.
    pub public_key: String,
    /// The Ed25519 signature of [`Checkpoint::message`], in hexadecimal.
    pub signature: String,
}

impl Checkpoint {
    /// The bytes that are signed.
    pub fn message(&self) -> Vec<u8> {
        message(Purpose::Head, &self.chain, self.seq, &self.hash, &self.time)
    }

    /// Whether it was signed with this key.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        unhex(&self.signature).is_some_and(|signature| key.verifies(&self.message(), &signature))
    }

    /// Its hash, if it is one.
    pub fn hash(&self) -> Option<Hash> {
        Hash::read(&unhex(&self.hash)?)
    }
}

/// The bytes that are signed of an end of a chain.
fn message(purpose: Purpose, chain: &str, seq: i64, hash: &str, time: &str) -> Vec<u8> {
    let purpose = match purpose {
        Purpose::Head => "head",
        Purpose::Cut => "cut",
    };
    // No part but the chain's name can hold a line break, and the number of lines after it is fixed.
    format!("tollgate ledger {purpose}\n{chain}\n{seq}\n{hash}\n{time}\n").into_bytes()
}

/// Signs an end of a chain.
pub(crate) fn sign(
    key: &SigningKey,
    purpose: Purpose,
    chain: &str,
    seq: i64,
    hash: &Hash,
    at: i64,
) -> Vec<u8> {
    key.sign(&message(purpose, chain, seq, &hash.to_string(), &spelled(at)))
}

/// Whether an end of a chain was signed with a key.
pub(crate) fn is_signed(
    key: &PublicKey,
    purpose: Purpose,
    chain: &str,
    end: (i64, &Hash, i64),
    signature: &[u8],
) -> bool {
    let (seq, hash, at) = end;
    key.verifies(&message(purpose, chain, seq, &hash.to_string(), &spelled(at)), signature)
}
