//! Which roles a caller holds, and which of them are active in the circumstances of a statement.
//!
//! Access rules switch roles off. What permits (grants, permissive policies, exemptions from masks)
//! counts for active roles only; what restricts (denials, restrictive policies) counts for all roles
//! that the caller holds: a role that is switched off must not take its restrictions along.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use tollgate_identity::Principal;

use crate::bundle::Members;
use crate::model::{PolicyRef, Subject};

/// What surrounds a statement. The caller of this room has the clock, and knows how its client
/// authenticated; nothing here may come from a setting, a comment or another text of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circumstances {
    /// Now, in microseconds since 1970 in UTC.
    pub now: i64,
    /// Whether the authentication proved a second factor.
    pub mfa: bool,
    /// The purpose that the authentication attests, if any.
    pub purpose: Option<String>,
}

/// The caller's roles in the circumstances of one statement. Only a bundle makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub(crate) active: BTreeSet<String>,
    pub(crate) held: BTreeSet<String>,
    pub(crate) circumstances: Circumstances,
}

impl Standing {
    /// The roles that count for what permits.
    pub fn active(&self) -> &BTreeSet<String> {
        &self.active
    }

    /// The roles that count for what restricts: also those that an access rule switched off.
    pub fn held(&self) -> &BTreeSet<String> {
        &self.held
    }

    /// Whether another one is the same at another time of day.
    pub fn differs_in_time_only(&self, other: &Self) -> bool {
        let Self { active, held, circumstances: Circumstances { now: _, mfa, purpose } } = self;
        active == &other.active
            && held == &other.held
            && mfa == &other.circumstances.mfa
            && purpose == &other.circumstances.purpose
    }
}

/// The access rules leave the caller no role: it may do nothing, nor stay connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoActiveRole;

/// The caller, as far as rules look at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) user: &'a str,
    pub(crate) standing: &'a Standing,
}

impl Caller<'_> {
    /// Whether something that permits is for this caller.
    pub(crate) fn may_use(&self, subjects: &[Subject]) -> bool {
        names(subjects, self.user, &self.standing.active)
    }

    /// Whether something that restricts is for this caller.
    pub(crate) fn is_bound_by(&self, subjects: &[Subject]) -> bool {
        names(subjects, self.user, &self.standing.held)
    }
}

/// Whether one of `subjects` is this caller or one of these roles.
pub(crate) fn names(subjects: &[Subject], caller: &str, roles: &BTreeSet<String>) -> bool {
    subjects.iter().any(|subject| match subject {
        Subject::Role(role) => roles.contains(role),
        Subject::User(user) => caller == user,
        Subject::Public => true,
    })
}

/// A range of addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// `10.0.0.0/8`, or one address.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| "is not an address range")?;
        if address.to_canonical() != address {
            return Err("is an IPv4 address in the form of IPv6");
        }
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) => match bits.parse::<u8>() {
                Ok(number) if number <= width && number.to_string() == bits => number,
                Ok(_) | Err(_) => return Err("is not an address range"),
            },
        };
        let network = Self { address, bits };
        if network.prefix(address) != Some(number(address)) {
            return Err("has bits behind its prefix");
        }
        Ok(network)
    }

    /// An address of the same family with all bits behind the prefix cleared.
    fn prefix(&self, address: IpAddr) -> Option<u128> {
        let width = match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) => 32,
            (IpAddr::V6(_), IpAddr::V6(_)) => 128,
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        };
        let behind = u32::from(self.bits.abs_diff(width));
        let kept = number(address).checked_shr(behind).unwrap_or(0);
        Some(kept.checked_shl(behind).unwrap_or(0))
    }

    /// Whether every address of the other range is in this one.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.bits <= other.bits && self.holds(other.address)
    }

    fn holds(&self, address: IpAddr) -> bool {
        self.prefix(address.to_canonical()) == Some(number(self.address))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// An access rule: those whom it is for must meet all that it demands.
#[derive(Debug)]
pub(crate) struct AccessRule {
    pub(crate) to: Arc<[Subject]>,
    pub(crate) networks: Option<Vec<Network>>,
    pub(crate) mfa: bool,
    /// The first moment, in microseconds since 1970 in UTC.
    pub(crate) from: Option<i64>,
    /// The first moment that is too late.
    pub(crate) until: Option<i64>,
    pub(crate) purposes: Option<Vec<String>>,
    pub(crate) policy: PolicyRef,
}

/// A part of an access rule, by the clause that demands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// `FROM`: an address.
    Address,
    /// `REQUIRE MFA`.
    Mfa,
    /// `VALID FROM`.
    ValidFrom,
    /// `VALID UNTIL`.
    ValidUntil,
    /// `PURPOSE IN`.
    Purpose,
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "FROM",
            Self::Mfa => "REQUIRE MFA",
            Self::ValidFrom => "VALID FROM",
            Self::ValidUntil => "VALID UNTIL",
            Self::Purpose => "PURPOSE IN",
        })
    }
}

impl AccessRule {
    /// What it demands that isn't met.
    pub(crate) fn unmet(
        &self,
        principal: &Principal,
        circumstances: &Circumstances,
    ) -> Vec<Demand> {
        let Self { to: _, networks, mfa, from, until, purposes, policy: _ } = self;
        let Circumstances { now, mfa: proven, purpose } = circumstances;
        let address = networks.as_ref().is_none_or(|networks| {
            networks.iter().any(|network| network.holds(principal.address()))
        });
        let named = purposes.as_ref().is_none_or(|purposes| {
            purpose.as_ref().is_some_and(|purpose| purposes.contains(purpose))
        });
        let demands = [
            (Demand::Address, address),
            (Demand::Mfa, !mfa || *proven),
            (Demand::ValidFrom, from.is_none_or(|from| from <= *now)),
            (Demand::ValidUntil, until.is_none_or(|until| *now < until)),
            (Demand::Purpose, named),
        ];
        demands.into_iter().filter(|(_, met)| !met).map(|(demand, _)| demand).collect()
    }

    pub(crate) fn is_met(&self, principal: &Principal, circumstances: &Circumstances) -> bool {
        self.unmet(principal, circumstances).is_empty()
    }
}

/// The roles of a principal. A rule that isn't met switches its roles off, and with them what only
/// they inherit; one for a user or for PUBLIC switches everything off.
pub(crate) fn standing(
    members: &Members,
    rules: &[AccessRule],
    principal: &Principal,
    circumstances: &Circumstances,
) -> Result<Standing, NoActiveRole> {
    let mut off = BTreeSet::new();
    for rule in rules.iter().filter(|rule| !rule.is_met(principal, circumstances)) {
        for subject in rule.to.iter() {
            match subject {
                Subject::Role(role) => {
                    off.insert(role.as_str());
                }
                Subject::User(user) if user == principal.name() => return Err(NoActiveRole),
                Subject::User(_) => {}
                Subject::Public => return Err(NoActiveRole),
            }
        }
    }
    let held = members.closure(principal, &BTreeSet::new());
    let active = members.closure(principal, &off);
    if active.is_empty() && !held.is_empty() {
        return Err(NoActiveRole);
    }
    Ok(Standing { active, held, circumstances: circumstances.clone() })
}

#[cfg(test)]
mod tests;
