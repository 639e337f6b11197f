//! What queries cost: prices that are valid for a time, receipts that are rated by them, invoices.
//!
//! Money is decimal and exact; it is rounded once, to cents, in the total of an invoice. A receipt says
//! all that its price depends on, so rating needs nothing but receipts and prices, and gives the same
//! again.

mod book;
mod rating;
#[cfg(test)]
mod tests;
mod usage;

pub use book::{Book, Payer, Price, PriceError, Valid};
pub use rating::{Rated, Replay, rate, replay};
pub use usage::{Invoice, InvoiceLine, Key, Usage, invoices, rated, report};
