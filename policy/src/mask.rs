//! The secret that keys hashed columns, and the mask functions as the engine calls them.
//!
//! Every function is total: over a value of a type that it accepts, none fails.

mod functions;
mod kernels;

use std::fmt;

use ring::hmac;
use tollgate_catalog::TableName;
use zeroize::Zeroize;

pub(crate) use functions::{MaskKind, Unit};

/// The secret from which the keys of `mask_hash` are derived. It is never shown, and wiped on drop.
pub struct MaskSecret([u8; 32]);

impl MaskSecret {
    /// The secret of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key for one column under one policy: the same value hashes differently elsewhere.
    pub(crate) fn key(&self, table: &TableName, column: &str, policy: &str) -> HashKey {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        for part in ["tollgate mask_hash", &table.schema, &table.table, column, policy] {
            // Lengths keep the parts apart, whatever is in them.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        HashKey(key)
    }
}

impl Drop for MaskSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for MaskSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskSecret(..)")
    }
}

/// The key of one hashed column.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct HashKey([u8; 32]);

impl HashKey {
    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

impl Drop for HashKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(..)")
    }
}

#[cfg(test)]
mod tests;
