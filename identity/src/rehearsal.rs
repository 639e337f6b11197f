//! Principals that nobody authenticated as: an operator tries out what a user would see.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::error::AuthError;
use crate::principal::{Attributes, Principal, Rehearsed};
use crate::store::random;

/// Whom a rehearsal makes a principal of.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The name; need not be a user's.
    pub name: String,
    /// All of the attributes.
    pub attributes: Attributes,
    /// The roles that are granted instead of those that the policies grant to the name; `None`: those.
    pub roles: Option<BTreeSet<String>>,
    /// Where the client would connect from.
    pub address: IpAddr,
    /// Whether a second factor would be proven.
    pub mfa: bool,
    /// The purpose that would be attested.
    pub purpose: Option<String>,
}

impl Asker {
    /// Somebody at this address with nothing but a name.
    pub fn new(name: &str, address: IpAddr) -> Self {
        Self {
            name: name.to_owned(),
            attributes: Attributes::new(),
            roles: None,
            address,
            mfa: false,
            purpose: None,
        }
    }
}

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
/// use tollgate_identity::{Asker, Rehearsal};
/// let rehearsal = Rehearsal::at_the_command_line();
/// let mut asker = Asker::new("ana", [127, 0, 0, 1].into());
/// asker.mfa = true;
/// asker.purpose = Some("research".to_owned());
/// let ana = rehearsal.principal(asker).unwrap();
/// assert!(ana.is_rehearsed() && ana.mfa());
/// assert_eq!(ana.purpose(), Some("research"));
/// ```
pub struct Rehearsal(());

impl Rehearsal {
    /// For a command that an operator runs, who may read configuration, policies and data anyway.
    pub fn at_the_command_line() -> Self {
        Self(())
    }

    /// The principal that this would be after an authentication, which there was none of.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn principal(&self, asker: Asker) -> Result<Principal, AuthError> {
        let Asker { name, attributes, roles, address, mfa, purpose } = asker;
        let id = u64::from_be_bytes(random()?);
        let principal = Principal::new(&name, Arc::new(attributes), address, id);
        Ok(principal.rehearsed(Rehearsed { roles, mfa, purpose }))
    }
}
