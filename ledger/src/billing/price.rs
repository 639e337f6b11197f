//! What a query costs, as its receipt says.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What a query costs: the terms of a price, as they were when it started. An amount of 0 is not written.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Price {
    /// Its name.
    pub name: String,
    /// The currency, as ISO 4217 names it.
    pub currency: String,
    /// For each query that ran.
    #[serde(skip_serializing_if = "Decimal::is_zero")]
    pub per_query: Decimal,
    /// For 1 000 000 000 bytes that the warehouse read.
    #[serde(skip_serializing_if = "Decimal::is_zero")]
    pub per_gb_scanned: Decimal,
    /// For 1 000 000 rows that went to the client.
    #[serde(skip_serializing_if = "Decimal::is_zero")]
    pub per_million_rows: Decimal,
    /// For each credit of the warehouse.
    #[serde(skip_serializing_if = "Decimal::is_zero")]
    pub per_credit: Decimal,
}

impl Price {
    /// What was used costs, exactly: a quantity is a whole number, its unit a power of ten, and credits
    /// have nine digits. Nothing if that is beyond all bounds.
    pub fn of(&self, scanned: u64, rows: u64, credits: Decimal) -> Option<Decimal> {
        let scaled = |quantity: u64, scale: u32| {
            Decimal::try_from_i128_with_scale(i128::from(quantity), scale).ok()
        };
        let scanned = self.per_gb_scanned.checked_mul(scaled(scanned, 9)?)?;
        let rows = self.per_million_rows.checked_mul(scaled(rows, 6)?)?;
        let credits = self.per_credit.checked_mul(credits)?;
        let sum = self.per_query.checked_add(scanned)?.checked_add(rows)?;
        Some(sum.checked_add(credits)?.normalize())
    }
}
