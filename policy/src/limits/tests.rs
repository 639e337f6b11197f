//! Which limits and prices are for whom, and which of several counts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{Exceed, Limits, Used, size};
use crate::diff::{Class, What, diff};
use crate::testing::{circumstances, decide_on, load, principal};
use crate::{Bundle, Standing};

const ROLES: &str = "CREATE ROLE analyst; CREATE ROLE lead; CREATE ROLE temp;
GRANT ROLE analyst TO ROLE lead; GRANT ROLE analyst TO USER 'ana'; GRANT ROLE lead TO USER 'bob';
GRANT ROLE temp TO USER 'ana'; CREATE ACCESS RULE careful TO ROLE temp REQUIRE MFA;
GRANT SELECT ON crm.orders TO PUBLIC;\n";

fn limits(sql: &str, user: &str) -> Limits {
    let bundle = load(&format!("{ROLES}{sql}")).unwrap_or_else(|errors| panic!("{errors}"));
    decide_on(&bundle, user, &["crm.orders"]).unwrap().into_parts().limits
}

fn money(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn the_tightest_of_all_that_apply_counts() {
    let sql = "CREATE LIMIT all_ TO PUBLIC MAX ROWS 100 ON EXCEED TRUNCATE MAX RUNTIME '1 min';
        CREATE LIMIT analysts TO ROLE analyst MAX ROWS 100 ON EXCEED ERROR MAX BYTES SCANNED '2 GiB';
        CREATE LIMIT leads TO ROLE lead MAX ROWS 50 ON EXCEED TRUNCATE;
        CREATE LIMIT hers TO USER 'ana' MAX RUNTIME '500 ms' MAX CONCURRENT 2;";
    let names = |user| -> Vec<String> {
        limits(sql, user).bound().iter().map(|bound| bound.limit.name().to_owned()).collect()
    };
    assert_eq!(names("ana"), ["all_", "analysts", "hers"]);
    assert_eq!(names("bob"), ["all_", "analysts", "leads"]);
    assert_eq!(names("eve"), ["all_"]);
    let ana = limits(sql, "ana");
    assert_eq!(ana.rows().unwrap().most, (100, Exceed::Error));
    assert_eq!(ana.rows().unwrap().limit.name(), "analysts");
    assert_eq!(ana.bytes().unwrap().most, 2 << 30);
    assert_eq!(ana.runtime().unwrap().most, Duration::from_millis(500));
    assert_eq!(limits(sql, "bob").rows().unwrap().most, (50, Exceed::Truncate));
    assert!(limits(sql, "eve").bytes().is_none());
    assert!(limits("", "ana").is_empty());
}

/// As with what else restricts: a role that is off takes no limit along.
#[test]
fn roles_that_are_off_are_limited() {
    let sql = "CREATE LIMIT temps TO ROLE temp, analyst RATE 6 PER HOUR PER ROLE;
        CREATE PRICE low TO ROLE temp PER QUERY 1 CURRENCY 'USD';
        CREATE PRICE usual TO PUBLIC PER QUERY 3 CURRENCY 'USD';";
    let ana = limits(sql, "ana");
    assert_eq!(ana.bound()[0].roles, ["analyst", "temp"]);
    // A price isn't: it is neither for nor against.
    assert_eq!(ana.cost(0, &Used::default()), Some(money("3")));
    assert_eq!(ana.currency(), "USD");
}

#[test]
fn the_closest_price_in_force_counts_and_of_several_the_dearest() {
    let sql = "CREATE PRICE usual TO PUBLIC PER QUERY 0.0001 PER GB SCANNED 0.005
            PER MILLION ROWS RETURNED 0.10 PER CREDIT 3.00 CURRENCY 'USD';
        CREATE PRICE a TO ROLE analyst PER QUERY 2 CURRENCY 'USD' VALID UNTIL '2026-12-31';
        CREATE PRICE b TO ROLE lead PER GB SCANNED 1 CURRENCY 'USD' VALID FROM '2026-01-01' UNTIL '2026-12-31';
        CREATE PRICE hers TO USER 'ana' PER QUERY 0.5 CURRENCY 'USD' VALID FROM '2030-01-01';";
    let used = Used { bytes: 3_000_000_000, rows: 500_000, credits: money("0.5") };
    let now = circumstances().now;
    assert_eq!(limits(sql, "eve").cost(now, &used), Some(money("1.5651")));
    assert_eq!(limits(sql, "ana").cost(now, &used), Some(money("2")));
    assert_eq!(limits(sql, "bob").cost(now, &used), Some(money("3")));
    let later = now + 10 * 366 * 86_400_000_000;
    assert_eq!(limits(sql, "ana").cost(later, &used), Some(money("0.5")));
    assert_eq!(limits(sql, "bob").cost(later, &used), Some(money("1.5651")));
    let dated =
        "CREATE PRICE a TO ROLE analyst PER QUERY 2 CURRENCY 'USD' VALID UNTIL '2020-12-31';";
    assert_eq!(limits(dated, "ana").cost(now, &used), None);
    let most = Used { bytes: u64::MAX, rows: u64::MAX, credits: Decimal::MAX };
    assert!(limits(sql, "eve").cost(now, &most).is_some());
}

/// A tenant's price is closer than one for roles, and its user's own is closer still.
#[test]
fn a_tenant_has_a_price_of_its_own() {
    let sql = "CREATE PRICE usual TO PUBLIC PER QUERY 1 CURRENCY 'USD';
        CREATE PRICE a TO ROLE analyst PER QUERY 9 CURRENCY 'USD';
        CREATE PRICE contract TO TENANT 'acme', 'a', USER 'eve' PER QUERY 4 CURRENCY 'USD'
            VALID UNTIL '2029-12-31';";
    let hers = "CREATE PRICE hers TO USER 'ana' PER QUERY 3 CURRENCY 'USD';";
    let loaded = |sql: &str| load(&format!("{ROLES}{sql}")).unwrap_or_else(|all| panic!("{all}"));
    let now = circumstances().now;
    let cost = |bundle: &Bundle, user: &str, now: i64| {
        let limits = bundle.limits_of(&principal(user), &standing(bundle, user));
        limits.cost(now, &Used::default()).unwrap().to_string()
    };
    let bundle = loaded(sql);
    assert_eq!(cost(&bundle, "ana", now), "4");
    assert_eq!(cost(&bundle, "ana", now + 10 * 366 * 86_400_000_000), "9");
    // Who has several tenants pays for none.
    assert_eq!(cost(&bundle, "bob", now), "9");
    assert_eq!(cost(&bundle, "eve", now), "4");
    assert_eq!(cost(&loaded(&format!("{sql}{hers}")), "ana", now), "3");
    // The attribute is the ledger's.
    let other = std::sync::Arc::into_inner(loaded(&sql.replace("'acme'", "'42'"))).unwrap();
    assert_eq!(cost(&other, "ana", now), "9");
    assert_eq!(cost(&other.paid_by("number"), "ana", now), "4");

    let unpriced = "CREATE PRICE c TO TENANT 'acme' PER QUERY 4 CURRENCY 'USD';
        CREATE LIMIT l TO ROLE analyst BUDGET 1 PER DAY;";
    for (sql, said) in [
        (unpriced, "no price applies to role \"analyst\""),
        ("CREATE PRICE p TO TENANT acme PER QUERY 1 CURRENCY 'USD';", "a tenant"),
        ("CREATE PRICE p TO TENANT '' PER QUERY 1 CURRENCY 'USD';", "a tenant without a name"),
        ("CREATE PRICE p TO acme PER QUERY 1 CURRENCY 'USD';", "ROLE, USER, TENANT or PUBLIC"),
        ("CREATE LIMIT p TO TENANT 'acme' MAX CONCURRENT 1;", "ROLE, USER or PUBLIC"),
    ] {
        let errors = load(&format!("{ROLES}{sql}")).err().unwrap().to_string();
        assert!(errors.contains(said), "{sql}: {errors}");
    }

    // Another tenant pays by it: that isn't the same price.
    let changed = diff(&bundle, &loaded(&sql.replace("'a', USER", "'b', USER")));
    let prices = changed.iter().filter(|change| change.what == What::Price).count();
    assert_eq!(prices, 1, "{changed:?}");
    assert!(diff(&bundle, &loaded(sql)).is_empty());
}

#[test]
fn sizes_are_shown_exactly() {
    for (bytes, text) in [
        (50_000_000_000, "50 GB"),
        (3 << 30, "3 GiB"),
        (1_500, "1500 bytes"),
        (2_000, "2 kB"),
        (4096, "4 KiB"),
        (0, "0 bytes"),
    ] {
        assert_eq!(size(bytes), text);
    }
}

/// One random limit: for whom, and its parts.
#[derive(Debug, Clone)]
struct Random {
    to: usize,
    rows: Option<(u64, bool)>,
    runtime: Option<u64>,
    concurrent: Option<u32>,
    budget: Option<(u64, bool)>,
}

const WHOM: [&str; 5] = ["PUBLIC", "ROLE analyst", "ROLE lead", "USER 'ana'", "USER 'bob'"];

/// Whom of `WHOM` a user is.
fn is(user: &str, whom: usize) -> bool {
    match user {
        "ana" => [0, 1, 3].contains(&whom),
        "bob" => [0, 1, 2, 4].contains(&whom),
        _ => whom == 0,
    }
}

impl Random {
    fn sql(&self, name: usize) -> String {
        let mut sql = format!("CREATE LIMIT l{name} TO {}", WHOM[self.to]);
        if let Some((rows, error)) = self.rows {
            let exceed = if error { "ERROR" } else { "TRUNCATE" };
            sql.push_str(&format!(" MAX ROWS {rows} ON EXCEED {exceed}"));
        }
        if let Some(seconds) = self.runtime {
            sql.push_str(&format!(" MAX RUNTIME '{seconds} s'"));
        }
        if let Some(count) = self.concurrent {
            sql.push_str(&format!(" MAX CONCURRENT {count}"));
        }
        if let Some((amount, day)) = self.budget {
            sql.push_str(&format!(" BUDGET {amount} PER {}", if day { "DAY" } else { "MONTH" }));
        }
        sql.push_str(" MAX BYTES SCANNED '1 TB';\n");
        sql
    }
}

fn random() -> impl Strategy<Value = Random> {
    let few = 1..5_u64;
    (
        0..WHOM.len(),
        prop::option::of((few.clone(), any::<bool>())),
        prop::option::of(few.clone()),
        prop::option::of(1..5_u32),
        prop::option::of((few, any::<bool>())),
    )
        .prop_map(|(to, rows, runtime, concurrent, budget)| Random {
            to,
            rows,
            runtime,
            concurrent,
            budget,
        })
}

fn text(set: &[Random]) -> String {
    let limits: String = set.iter().enumerate().map(|(name, limit)| limit.sql(name)).collect();
    format!("{ROLES}CREATE PRICE p TO PUBLIC PER QUERY 1 CURRENCY 'EUR';\n{limits}")
}

fn standing(bundle: &Bundle, user: &str) -> Standing {
    bundle.standing(&principal(user), &circumstances()).unwrap()
}

/// What a user may cost, per part: the least, and what is shared for whom.
#[derive(Debug, PartialEq)]
struct May {
    rows: Option<u64>,
    runtime: Option<u64>,
    /// By whom it is shared.
    concurrent: BTreeMap<usize, u32>,
    days: BTreeMap<usize, u64>,
    months: BTreeMap<usize, u64>,
}

fn may(set: &[Random], user: &str) -> May {
    let own = || set.iter().filter(|limit| is(user, limit.to));
    let least = |part: &dyn Fn(&Random) -> Option<u64>| {
        let mut shared = BTreeMap::new();
        for limit in own() {
            if let Some(most) = part(limit) {
                let least = shared.entry(limit.to).or_insert(most);
                *least = most.min(*least);
            }
        }
        shared
    };
    let concurrent = least(&|limit| limit.concurrent.map(u64::from));
    May {
        rows: own().filter_map(|limit| limit.rows).map(|(rows, _)| rows).min(),
        runtime: own().filter_map(|limit| limit.runtime).min(),
        concurrent: concurrent.into_iter().map(|(to, n)| (to, n as u32)).collect(),
        days: least(&|limit| limit.budget.filter(|(_, day)| *day).map(|(amount, _)| amount)),
        months: least(&|limit| limit.budget.filter(|(_, day)| !*day).map(|(amount, _)| amount)),
    }
}

fn more(new: Option<u64>, old: Option<u64>) -> bool {
    old.is_some_and(|old| new.is_none_or(|new| new > old))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_limits_are_as_a_reference_says(set in prop::collection::vec(random(), 0..6)) {
        let bundle = load(&text(&set)).unwrap_or_else(|errors| panic!("{errors}"));
        for user in ["ana", "bob", "eve"] {
            let limits = bundle.limits_of(&principal(user), &standing(&bundle, user));
            let may = may(&set, user);
            prop_assert_eq!(limits.rows().map(|rows| rows.most.0), may.rows);
            prop_assert_eq!(limits.runtime().map(|time| time.most.as_secs()), may.runtime);
            let slots: usize = set.iter().filter(|l| is(user, l.to) && l.concurrent.is_some()).count();
            let bound = limits.bound().iter().filter(|bound| bound.limit.concurrent.is_some()).count();
            prop_assert_eq!(bound, slots);
            if let Some(rows) = limits.rows() {
                let same = |l: &&Random| is(user, l.to) && l.rows.is_some_and(|(n, _)| n == rows.most.0);
                let fails = set.iter().filter(same).any(|l| l.rows.is_some_and(|(_, error)| error));
                prop_assert_eq!(rows.most.1 == Exceed::Error, fails);
            }
        }
    }

    /// Whoever may cost more finds a line that says so.
    #[test]
    fn who_may_cost_more_finds_a_line(
        old in prop::collection::vec(random(), 0..4),
        new in prop::collection::vec(random(), 0..4),
    ) {
        let bundles = [&old, &new].map(|set| load(&text(set)).unwrap());
        let changes = diff(&bundles[0], &bundles[1]);
        let widens = changes.iter().any(|c| c.what == What::Limit && c.class == Class::Widens);
        for user in ["ana", "bob", "eve"] {
            let (before, after) = (may(&old, user), may(&new, user));
            let least = |of: &BTreeMap<usize, u64>| of.values().min().copied();
            let looser = more(after.rows, before.rows)
                || more(after.runtime, before.runtime)
                || more(
                    after.concurrent.values().min().map(|n| u64::from(*n)),
                    before.concurrent.values().min().map(|n| u64::from(*n)),
                )
                || more(least(&after.months), least(&before.months)
                    .filter(|month| least(&after.days).is_none_or(|day| day * 31 > *month)));
            prop_assert!(!looser || widens, "{} may cost more: {:?}", user, changes);
        }
        prop_assert!(diff(&bundles[0], &bundles[0]).is_empty());
    }
}
