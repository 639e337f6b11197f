//! The secret that keys hashed columns, and the mask functions as the engine calls them.
//!
//! Every function is total: over a value of a type that it accepts, none fails.

mod functions;
mod kernels;

use std::fmt;

use datafusion_common::ScalarValue;
use datafusion_expr::ScalarUDF;
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

/// What a mask function does, for whoever says it in a warehouse's own words.
#[derive(Clone, Copy)]
pub enum Masking<'a> {
    /// `mask_partial`: how many characters are shown at the two ends.
    Partial {
        /// At the beginning.
        prefix: usize,
        /// At the end.
        suffix: usize,
    },
    /// `mask_email`.
    Email,
    /// `mask_hash`: the key's two disguises in HMAC-SHA256 (RFC 2104), each a block long. Whoever
    /// has both can hash as the mask does, but can't tell the key.
    Hash {
        /// Before the text.
        inner: [u8; 64],
        /// Before the hash of that.
        outer: [u8; 64],
    },
    /// `mask_round`: the step.
    Round(&'a ScalarValue),
    /// `mask_bucket`: the step.
    Bucket(&'a ScalarValue),
    /// `mask_date`: the unit.
    Date(&'static str),
}

impl<'a> Masking<'a> {
    /// What a function masks, if it is a mask function.
    pub fn of(function: &'a ScalarUDF) -> Option<Self> {
        functions::masking(function)
    }
}

impl HashKey {
    fn disguised(&self, byte: u8) -> [u8; 64] {
        let mut block = [byte; 64];
        for (to, from) in block.iter_mut().zip(&self.0) {
            *to ^= from;
        }
        block
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
