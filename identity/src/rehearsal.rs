//! Principals that nobody authenticated as: an operator tries out what a user would see.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::error::AuthError;
use crate::principal::{Attributes, Principal, Rehearsed};
use crate::store::random;

/// The capability to make principals without a proof. It is for the operator's command line alone:
/// the house rules hold that nothing but `proxy/src/cli` names this type, so no front end has a value
/// of it. What it makes is marked for life, and a gateway that serves clients refuses it.
///
/// It can't be written down, copied or had by default:
///
/// ```compile_fail,E0423
/// let forged = tollgate_identity::Rehearsal(());
/// ```
/// ```compile_fail,E0277
/// let forged: tollgate_identity::Rehearsal = Default::default();
/// ```
/// ```compile_fail,E0277
/// fn copy(rehearsal: &tollgate_identity::Rehearsal) -> tollgate_identity::Rehearsal {
///     Clone::clone(rehearsal)
/// }
/// ```
///
/// and the mark can't be taken off:
///
/// ```compile_fail,E0616
/// fn unmark(principal: &mut tollgate_identity::Principal) {
///     principal.rehearsed = None;
/// }
/// ```
/// ```
/// use std::{collections::BTreeMap, net::IpAddr};
/// let rehearsal = tollgate_identity::Rehearsal::at_the_command_line();
/// let address = IpAddr::from([127, 0, 0, 1]);
/// let ana = rehearsal.principal("ana", BTreeMap::new(), None, address).unwrap();
/// assert!(ana.is_rehearsed());
/// ```
pub struct Rehearsal(());

impl Rehearsal {
    /// For a command that an operator runs, who may read configuration, policies and data anyway.
    pub fn at_the_command_line() -> Self {
        Self(())
    }

    /// Somebody of that name, who need not exist. `roles` are granted instead of those that the
    /// policies grant to the name; `None`: those.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn principal(
        &self,
        name: &str,
        attributes: Attributes,
        roles: Option<BTreeSet<String>>,
        address: IpAddr,
    ) -> Result<Principal, AuthError> {
        let id = u64::from_be_bytes(random()?);
        let principal = Principal::new(name, Arc::new(attributes), address, id);
        Ok(principal.rehearsed(Rehearsed { roles }))
    }
}
