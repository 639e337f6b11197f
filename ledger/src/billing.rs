//! What queries cost: receipts that name their price, rated, summed up and billed.
//!
//! Prices are statements of the policies. A receipt repeats the one that counted for its query, word by
//! word: what is billed is what was in force when the query started, whatever the policies say by now,
//! and nobody changes it without breaking the chain. So rating needs nothing but receipts, and the
//! records that correct the credits of some, and gives the same again. Money is decimal and exact; it is rounded once, to cents, in the total of an invoice.

mod correcting;
mod price;
mod proving;
mod rating;
#[cfg(test)]
mod tests;
mod usage;

pub(crate) use correcting::decimal as corrected_credits;
pub use correcting::{CORRECTIONS, Corrected, Corrections, Figure};
pub use price::Price;
pub(crate) use proving::first_with_receipt as first_correction_with_receipt;
pub(crate) use rating::rated as rated_receipt;
pub use rating::{Rated, Replay, billed_bytes, rate, replay};
pub use usage::{Applied, Invoice, InvoiceLine, Key, Usage, applied, invoices, rated, report};
