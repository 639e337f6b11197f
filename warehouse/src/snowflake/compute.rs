//! Virtual warehouses: what runs statements at the service, each with sessions and a clock of its own.
//!
//! Which one runs a statement, the active roles of its caller say. A session begins with its virtual
//! warehouse and is never sent to another one: so neither a cancel nor a retry nor a new login leaves a
//! session behind whose next statement would run elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use tollgate_rewriter::Secured;

use super::Options;
use super::pool::Pool;
use super::service::Service;
use crate::Connections;
use crate::credits::{Clock, Terms};

/// Which virtual warehouse runs the statements of a role's members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByRole {
    /// The role.
    pub role: String,
    /// The virtual warehouse.
    pub warehouse: String,
    /// What it costs; nothing: it isn't charged.
    pub credits: Option<Terms>,
}

/// Which of these roles, in their order, is the first that a caller has: by it the virtual warehouse is chosen.
pub fn chosen<'a>(
    rules: impl IntoIterator<Item = &'a str>,
    active: &BTreeSet<String>,
) -> Option<usize> {
    rules.into_iter().position(|role| active.contains(role))
}

/// Whether two names are one virtual warehouse's: without quotes, capitals don't matter.
pub fn same_warehouse(one: &str, other: &str) -> bool {
    real(one) == real(other)
}

/// Whether the service's name of a virtual warehouse is that of the one that was asked for. Its own name is the real
/// one, with quotes or without.
pub(super) fn is_called(asked: &str, given: &str) -> bool {
    let quoted = given.starts_with('"') && given.len() > 1;
    real(asked) == if quoted { real(given) } else { given.to_owned() }
}

fn real(name: &str) -> String {
    let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    quoted.map_or_else(|| name.to_uppercase(), |name| name.replace("\"\"", "\""))
}

/// A virtual warehouse.
pub(super) struct Compute {
    pub(super) pool: Arc<Pool>,
    /// Counts credits, where they are charged.
    pub(super) clock: Option<Arc<Clock>>,
}

impl Compute {
    fn new(service: &Arc<Service>, name: Option<&str>, credits: Option<&Terms>) -> Arc<Self> {
        let pool = Pool::new(Arc::clone(service), name.map(Arc::from));
        let clock = credits.cloned().map(|terms| Arc::new(Clock::new(terms)));
        Arc::new(Self { pool: Arc::new(pool), clock })
    }

    /// Its name; the user's own has none.
    pub(super) fn name(&self) -> Option<&str> {
        self.pool.warehouse.as_deref()
    }

    fn is(&self, name: &str) -> bool {
        self.name().is_some_and(|own| same_warehouse(own, name))
    }
}

/// The virtual warehouses of one account.
pub(super) struct Computes {
    service: Arc<Service>,
    default: Arc<Compute>,
    /// In the order in which they are asked. Rules for one virtual warehouse share it.
    by_role: Vec<(String, Arc<Compute>)>,
}

impl Computes {
    pub(super) fn new(service: Service) -> Self {
        let service = Arc::new(service);
        let Options { warehouse, credits, by_role: rules, .. } = &service.options;
        let default = Compute::new(&service, warehouse.as_deref(), credits.as_ref());
        let mut by_role: Vec<(String, Arc<Compute>)> = Vec::new();
        for ByRole { role, warehouse, credits } in rules {
            let open = by_role.iter().map(|(_, open)| open).chain([&default]);
            let open = open.into_iter().find(|open| open.is(warehouse)).map(Arc::clone);
            let new = || Compute::new(&service, Some(warehouse), credits.as_ref());
            by_role.push((role.clone(), open.unwrap_or_else(new)));
        }
        Self { service, default, by_role }
    }

    pub(super) fn options(&self) -> &Options {
        &self.service.options
    }

    /// What runs the gateway's own statements, and those that no rule is for.
    pub(super) fn default(&self) -> &Compute {
        &self.default
    }

    /// What runs a statement.
    pub(super) fn of(&self, secured: &Secured) -> &Compute {
        let rules = self.by_role.iter().map(|(role, _)| role.as_str());
        let chosen = chosen(rules, secured.roles()).and_then(|index| self.by_role.get(index));
        chosen.map_or(&self.default, |(_, compute)| compute)
    }

    /// Each of them once.
    fn all(&self) -> impl Iterator<Item = &Arc<Compute>> {
        let mut seen: Vec<&Arc<Compute>> = Vec::new();
        for compute in [&self.default].into_iter().chain(self.by_role.iter().map(|(_, own)| own)) {
            if !seen.iter().any(|other| Arc::ptr_eq(other, compute)) {
                seen.push(compute);
            }
        }
        seen.into_iter()
    }

    /// Whether any is charged in credits.
    pub(super) fn charge(&self) -> bool {
        self.all().any(|compute| compute.clock.is_some())
    }

    /// How many sessions there are.
    pub(super) fn connections(&self) -> Connections {
        let sum = Connections { idle: 0, used: 0 };
        self.all().fold(sum, |sum, compute| {
            let Connections { idle, used } = compute.pool.connections();
            Connections { idle: sum.idle + idle, used: sum.used + used }
        })
    }

    /// Ends the sessions that wait for statements.
    pub(super) async fn close(&self) {
        for compute in self.all() {
            compute.pool.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{chosen, is_called, same_warehouse as same};

    #[test]
    fn the_first_role_that_fits_chooses() {
        let active = ["analyst", "loader"].map(str::to_owned).into();
        assert_eq!(chosen(["admin", "loader", "analyst"], &active), Some(1));
        assert_eq!(chosen(["admin"], &active), None);
        assert_eq!(chosen([], &active), None);
    }

    #[test]
    fn names_without_quotes_are_capitals() {
        assert!(
            same("wh_s", "WH_S") && same("\"WH_S\"", "wh_s") && same("\"a\"\"b\"", "\"a\"\"b\"")
        );
        assert!(!same("\"wh_s\"", "WH_S"));
        for (asked, given) in [("wh_s", "WH_S"), ("\"Wh s\"", "Wh s"), ("\"Wh s\"", "\"Wh s\"")] {
            assert!(is_called(asked, given), "{asked} {given}");
        }
        for (asked, given) in
            [("wh_s", "wh_s"), ("wh_s", "WH_L"), ("\"Wh s\"", "WH S"), ("wh_s", "")]
        {
            assert!(!is_called(asked, given), "{asked} {given}");
        }
    }
}
