//! How many statements may start in a time, for each user, role or tenant.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{HashMapStateStore, ShrinkableKeyedStateStore};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use tollgate_catalog::Error;
use tollgate_identity::Principal;
use tollgate_policy::Limits;
use tollgate_policy::limits::{Bound, Every, Rate, Sharing};
use tollgate_warehouse::limits;

/// Users, roles or tenants that one rate counts for; those who were silent go first.
const KEYS: usize = 16 * 1024;
/// From so many rates on, those that nobody has taken anything of are forgotten: of those that policies no
/// longer have, no others are.
const RATES: usize = 1024;
/// The attribute that says whose tenants a principal's are.
const TENANT: &str = "tenant_id";

/// What is taken of one rate by each key; it can be looked at without taking anything.
#[derive(Clone, Default)]
struct Taken(Arc<HashMapStateStore<String>>);

impl StateStore for Taken {
    type Key = String;

    fn measure_and_replace<T, F, E>(&self, key: &String, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, f)
    }
}

impl ShrinkableKeyedStateStore<String> for Taken {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn len(&self) -> usize {
        ShrinkableKeyedStateStore::len(self.0.as_ref())
    }

    fn is_empty(&self) -> bool {
        ShrinkableKeyedStateStore::is_empty(self.0.as_ref())
    }
}

/// One rate.
struct Keyed {
    limiter: RateLimiter<String, Taken, DefaultClock>,
    taken: Taken,
    /// Since when the limiter counts.
    start: <DefaultClock as Clock>::Instant,
}

impl Keyed {
    fn new(quota: Quota, clock: &DefaultClock) -> Self {
        let (taken, start) = (Taken::default(), clock.now());
        Self { limiter: RateLimiter::new(quota, taken.clone(), clock.clone()), taken, start }
    }

    /// How long it takes until nothing of it is taken by a key.
    fn busy(&self, key: &String, clock: &DefaultClock) -> Duration {
        // The state is the moment at which all is free; an error leaves it as it is.
        let look = |state: Option<Nanos>| Err::<((), Nanos), Option<Nanos>>(state);
        let free = self.taken.measure_and_replace(key, look).err().flatten();
        let now = clock.now().duration_since(self.start);
        free.map_or(Duration::ZERO, |free| Duration::from(free).saturating_sub(now))
    }
}

/// All rates, by the limit's name: a reload of the same limit goes on counting.
#[derive(Default)]
pub(super) struct Rates {
    known: Mutex<Known>,
    clock: DefaultClock,
}

#[derive(Default)]
struct Known {
    rates: HashMap<(String, Rate), Arc<Keyed>>,
    /// How many were left the last time that some were forgotten.
    left: usize,
}

impl Known {
    /// Forgets what nobody has taken anything of, at most each time that they have doubled.
    fn forget(&mut self) {
        if self.rates.len() < RATES.max(self.left.saturating_mul(2)) {
            return;
        }
        self.rates.retain(|_, keyed| {
            keyed.limiter.retain_recent();
            // One that is being used is asked by somebody else, too.
            !keyed.limiter.is_empty() || Arc::strong_count(keyed) > 1
        });
        self.left = self.rates.len();
    }
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
            let keyed = self.keyed(bound.limit.name(), rate);
            let limiter = &keyed.limiter;
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

    /// How many of a rate are taken for a principal, and how long until none is. Of several that it
    /// has a part in the one that is taken most.
    pub(super) fn taken(
        &self,
        principal: &Principal,
        bound: &Bound,
        rate: Rate,
    ) -> (u32, Duration) {
        let keyed = self.keyed(bound.limit.name(), rate);
        let keys = keys(principal, bound, rate.per);
        let busy = keys.iter().map(|key| keyed.busy(key, &self.clock)).max().unwrap_or_default();
        let each = rate.every.length().as_nanos() / u128::from(rate.count.get());
        let taken = busy.as_nanos().div_ceil(each.max(1));
        (u32::try_from(taken).unwrap_or(u32::MAX).min(rate.count.get()), busy)
    }

    fn keyed(&self, name: &str, rate: Rate) -> Arc<Keyed> {
        let mut known = self.known.lock();
        let key = (name.to_owned(), rate);
        if let Some(limiter) = known.rates.get(&key) {
            return Arc::clone(limiter);
        }
        known.forget();
        let quota = match rate.every {
            Every::Second => Quota::per_second(rate.count),
            Every::Minute => Quota::per_minute(rate.count),
            Every::Hour => Quota::per_hour(rate.count),
        };
        let keyed = Arc::new(Keyed::new(quota, &self.clock));
        known.rates.insert(key, Arc::clone(&keyed));
        keyed
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::num::NonZeroU32;

    use tollgate_policy::limits::{Every, Rate, Sharing};

    use super::{RATES, Rates};

    #[test]
    fn what_is_taken_of_a_rate_is_not_forgotten() {
        let rates = Rates::default();
        let count = NonZeroU32::new(1).unwrap();
        let rate = Rate { count, every: Every::Hour, per: Sharing::User };
        let take =
            |name: &str| rates.keyed(name, rate).limiter.check_key(&"ana".to_owned()).is_ok();
        for number in 0..RATES + 10 {
            assert!(take(&format!("used {number}")));
            rates.keyed(&format!("idle {number}"), rate);
        }
        for number in 0..RATES + 10 {
            assert!(!take(&format!("used {number}")), "{number}");
        }
        // Those that nobody took anything of make room.
        let known = rates.known.lock().rates.len();
        assert!(known < 2 * RATES + 10, "{known}");
    }
}
