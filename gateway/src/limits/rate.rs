//! How many statements may start in a time, for each user, role or tenant.

use std::collections::HashMap;
use std::sync::Arc;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use tollgate_catalog::Error;
use tollgate_identity::Principal;
use tollgate_policy::Limits;
use tollgate_policy::limits::{Bound, Every, Rate, Sharing};
use tollgate_warehouse::limits;

/// Users, roles or tenants that one rate counts for; those who were silent go first.
const KEYS: usize = 16 * 1024;
/// Rates that are remembered; of those that policies no longer have, too.
const RATES: usize = 1024;
/// The attribute that says whose tenants a principal's are.
const TENANT: &str = "tenant_id";

type Keyed = RateLimiter<String, HashMapStateStore<String>, DefaultClock>;

/// All rates, by the limit's name: a reload of the same limit goes on counting.
#[derive(Default)]
pub(super) struct Rates {
    known: Mutex<HashMap<(String, Rate), Arc<Keyed>>>,
    clock: DefaultClock,
}

impl Rates {
    /// Takes one from each rate that is for a principal, its own first: whoever is too fast takes
    /// nothing from others.
    ///
    /// # Errors
    /// One of them is used up.
    pub(super) fn take(&self, principal: &Principal, of: &Limits) -> Result<(), Error> {
        let bound = of.bound().iter();
        let mut rates: Vec<(&Bound, Rate)> =
            bound.filter_map(|bound| Some((bound, bound.limit.rate?))).collect();
        rates.sort_by_key(|(_, rate)| rate.per);
        for (bound, rate) in rates {
            let limiter = self.limiter(bound.limit.name(), rate);
            for key in keys(principal, bound, rate.per) {
                if limiter.len() >= KEYS {
                    limiter.retain_recent();
                }
                // Too many who aren't silent: whoever comes then waits a whole time.
                if limiter.len() > KEYS {
                    return Err(limits::rate(&bound.limit, rate, rate.every.length()));
                }
                limiter.check_key(&key).map_err(|until| {
                    limits::rate(&bound.limit, rate, until.wait_time_from(self.clock.now()))
                })?;
            }
        }
        Ok(())
    }

    fn limiter(&self, name: &str, rate: Rate) -> Arc<Keyed> {
        let mut known = self.known.lock();
        let key = (name.to_owned(), rate);
        if let Some(limiter) = known.get(&key) {
            return Arc::clone(limiter);
        }
        if known.len() >= RATES {
            known.clear();
        }
        let quota = match rate.every {
            Every::Second => Quota::per_second(rate.count),
            Every::Minute => Quota::per_minute(rate.count),
            Every::Hour => Quota::per_hour(rate.count),
        };
        let limiter = Arc::new(RateLimiter::hashmap(quota));
        known.insert(key, Arc::clone(&limiter));
        limiter
    }
}

/// Whose parts of a rate a statement takes.
fn keys(principal: &Principal, bound: &Bound, per: Sharing) -> Vec<String> {
    match per {
        Sharing::User => vec![principal.name().to_owned()],
        Sharing::Role => bound.roles.clone(),
        // Who has no tenant shares with all who have none.
        Sharing::Tenant => {
            let tenants = principal.attributes().get(TENANT).map(Vec::as_slice);
            vec![tenants.unwrap_or_default().join("\0")]
        }
    }
}
