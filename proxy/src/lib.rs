//! Listeners, the PostgreSQL front end and the command line, as a library for the binary, tests and
//! fuzzing.

mod admin;
mod attribution;
pub mod cli;
mod clients;
mod corked;
pub mod demo;
mod export;
mod files;
pub mod flight;
mod ledger;
pub mod listener;
pub mod load;
mod lobby;
pub mod pg;
mod place;
mod refresh;
mod renew;
mod retention;
pub mod serve;
mod tls;
mod traces;
mod watch;
