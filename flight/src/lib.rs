//! The Arrow Flight SQL front end.
//!
//! It turns calls into the arguments of [`tollgate_gateway`]'s road and streams of rows into frames;
//! it decides nothing. [`Flight`] answers HTTP/2 requests of one server, [`connection`] serves one
//! socket that the caller has accepted (and encrypted).
//!
//! - **Dispatch is our own** ([`service`]): each Flight SQL command by name, none by a blanket
//!   implementation. A call is authenticated before its message is read.
//! - **Nothing is kept between calls.** Bearer tokens and cookies carry the session's options ([`carried`]); prepared
//!   statements and tickets are sealed [`handle`]s with the statement, its parameters, the principal
//!   and a hash of the decision. Any replica with the same keys and users can answer any call, and
//!   close is a no-op. What is kept is only the list of streams that run, so that they can be
//!   cancelled, and asked how far they are ([`poll`]).
//! - **A handle gives no right.** At each redemption the caller is authenticated anew and the
//!   statement is decided anew, by the policies in force; where that is another decision than the
//!   one that the handle was made under, or another principal's handle, or an old or a changed one,
//!   the answer is the same error.
//! - **A query runs in DoGet**, pulled by the client: [`get`] encodes a batch when HTTP/2 asks for
//!   the next frame, and the transport's send buffer, bounded in bytes, is the only queue. Dropping
//!   the stream (a reset, a closed connection) drops the query.
//! - **Whoever calls has a bounded part of memory and of threads** ([`room`], [`received`]): requests must
//!   come to their end in time, what is sent and what is left unread is counted for each principal, and
//!   record batches of clients are checked before anything is allocated for them.
//! - **A schema is fixed once** ([`schema`]): views and dictionaries are flattened, and FlightInfo,
//!   GetSchema and the stream take it from the same function.

mod asked;
mod auth;
mod cancel;
mod carried;
mod facts;
mod frames;
mod gathered;
mod get;
mod handle;
mod info;
mod keys;
mod messages;
mod metadata;
mod options;
mod paced;
mod parameters;
mod poll;
mod received;
mod room;
mod schema;
mod server;
mod service;
mod statement;
mod status;
mod types;

pub use auth::Settings;
pub use server::{Flight, Peer, connection};
