//! Catalog and policies in force, and the circumstances in which they are asked.

use std::sync::Arc;
use std::time::SystemTime;

use tollgate_catalog::{Error, ErrorKind, Snapshot};
use tollgate_identity::Principal;
use tollgate_policy::{Bundle, Circumstances, NoActiveRole, Standing};
use tollgate_warehouse::warehouses::Warehouses;

/// Catalog, policies and warehouses that belong together; replaced as one.
#[derive(Clone)]
pub struct State {
    /// The catalog.
    pub snapshot: Arc<Snapshot>,
    /// The policies.
    pub bundle: Arc<Bundle>,
    /// Where the tables of the catalog are.
    pub warehouses: Arc<Warehouses>,
}

impl State {
    /// The catalog with the views that the policies declare.
    pub(crate) fn with_views(self) -> Self {
        Self { snapshot: self.bundle.catalog(&self.snapshot), ..self }
    }

    /// The roles that a principal has now.
    ///
    /// # Errors
    /// 28000 if the access rules leave it none.
    pub(crate) fn standing(
        &self,
        principal: &Principal,
        circumstances: &Circumstances,
    ) -> Result<Standing, Error> {
        self.bundle.standing(principal, circumstances).map_err(|NoActiveRole| no_active_role())
    }
}

/// What surrounds a principal's statement now. A password attests neither a second factor nor a
/// purpose; a token may.
///
/// # Errors
/// The clock shows no time that rules could be held against, or the authentication has ended.
pub(crate) fn circumstances(principal: &Principal) -> Result<Circumstances, Error> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since_1970.map_err(Error::internal)?.as_micros();
    let now = i64::try_from(micros).map_err(Error::internal)?;
    let seconds = u64::try_from(now / 1_000_000).map_err(Error::internal)?;
    if principal.expires().is_some_and(|end| end <= seconds) {
        return Err(Error::new(ErrorKind::InvalidAuthorization, "the authentication has ended")
            .with_hint("connect again, with a new token or certificate"));
    }
    Ok(Circumstances { now, mfa: principal.mfa(), purpose: principal.purpose().map(str::to_owned) })
}

/// The same for every rule, so that it tells about none.
pub(crate) fn no_active_role() -> Error {
    Error::new(ErrorKind::InvalidAuthorization, "access is not permitted for this connection")
        .with_hint("ask the operator from where, when and how you may connect")
}
