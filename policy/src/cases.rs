//! The tests that stand beside the policies, as data for whoever runs them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

/// One `TEST POLICY` statement: who asks what, and what must come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyTest {
    /// The file, as its path was given.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The user who asks; need not exist.
    pub user: String,
    /// The roles that the user is granted, instead of those that the bundle grants; `None`: those.
    pub roles: Option<Vec<String>>,
    /// The user's attributes, all of them.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Where the user would connect from; `None`: from this machine.
    pub address: Option<IpAddr>,
    /// Whether a second factor would be proven.
    pub mfa: bool,
    /// The purpose that would be attested.
    pub purpose: Option<String>,
    /// The query.
    pub sql: String,
    /// What must come of it.
    pub expect: Expectation,
}

/// What must come of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// It is refused before the first row, to somebody who may connect.
    Denied,
    /// Access rules leave the user no role, so that everything is refused.
    NoAccess,
    /// Exactly these rows in any order, each value as a client reads it as text; `None` is NULL.
    Rows(Vec<Vec<Option<String>>>),
}
