//! Limits and prices: what is written must mean something, and a budget needs a price.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;

use super::Validator;
use crate::diagnostics::Location;
use crate::limits::{Budget, Limit, Price, Rate, Sharing};
use crate::model::{Bounds, Grantee, Name, PolicyKind, PolicyRef, Subject, Tariff};

/// The most that any number of money may be, so that no sum of them overflows.
const MOST_MONEY: u64 = 1_000_000_000_000;
/// Digits behind the point of an amount.
const SCALE: u32 = 9;

/// A budget, for whom it is, and where it stands.
pub(super) type Budgeted = (Arc<[Subject]>, Location);

impl Validator<'_> {
    pub(super) fn limit(&mut self, at: &Location, name: &Name, to: &[Grantee], bounds: &Bounds) {
        let Bounds { rows, bytes, runtime, concurrent, rate, budget } = bounds;
        let to = self.subjects(to);
        let rows = rows.as_ref().and_then(|(rows, exceed)| {
            self.count(rows, i64::MAX.unsigned_abs() - 1).map(|rows| (rows, *exceed))
        });
        let bytes = bytes.as_ref().and_then(|bytes| self.size(bytes));
        let runtime = runtime.as_ref().and_then(|runtime| self.duration(runtime));
        let concurrent = concurrent.as_ref().and_then(|count| self.count(count, 100_000));
        let concurrent = concurrent.and_then(|count| u32::try_from(count).ok());
        let rate = rate.as_ref().and_then(|(count, every, per)| {
            let roles_only = to.iter().all(|subject| matches!(subject, Subject::Role(_)));
            if *per == Sharing::Role && !roles_only {
                self.error(
                    &count.at,
                    "a rate per role is for roles only",
                    "write TO ROLE, or PER USER",
                );
            }
            let count = self.count(count, 1_000_000)?;
            let count = NonZeroU32::new(u32::try_from(count).ok()?)?;
            Some(Rate { count, every: *every, per: *per })
        });
        let budget = budget.as_ref().and_then(|(amount, per)| {
            self.budgets.push((Arc::clone(&to), amount.at.clone()));
            let money = self.money(amount)?;
            if money.is_zero() {
                self.error(&amount.at, "a budget of nothing", "write an amount above 0");
                return None;
            }
            Some(Budget { amount: money, per: *per })
        });
        let policy = PolicyRef::new(at, PolicyKind::Limit, &name.text);
        let limit = Limit { to, policy, rows, bytes, runtime, concurrent, rate, budget };
        self.limits.push(Arc::new(limit));
    }

    pub(super) fn price(
        &mut self,
        at: &Location,
        name: &Name,
        (to, tenants): (&[Grantee], &[Name]),
        tariff: &Tariff,
    ) {
        let Tariff { query, gigabyte, million_rows, credit, currency, from, until } = tariff;
        let to = self.subjects(to);
        for tenant in tenants.iter().filter(|tenant| tenant.text.is_empty()) {
            let hint = "write the value that the tenant's users have, or TO PUBLIC";
            self.error(&tenant.at, "a tenant without a name", hint);
        }
        let mut money = |amount: &Option<Name>| {
            amount.as_ref().and_then(|amount| self.money(amount)).unwrap_or_default()
        };
        let (query, gigabyte) = (money(query), money(gigabyte));
        let (million_rows, credit) = (money(million_rows), money(credit));
        let from_moment = from.as_ref().and_then(|from| self.moment(from, false));
        let until_moment = until.as_ref().and_then(|until| self.moment(until, true));
        if let (Some(from), Some(until), Some(written)) = (from_moment, until_moment, until)
            && until <= from
        {
            let message = "the price ends before it begins";
            self.error(&written.at, message, "correct one of the two dates");
        }
        let currency = currency.as_ref().and_then(|currency| self.currency(currency));
        let policy = PolicyRef::new(at, PolicyKind::Price, &name.text);
        self.prices.push(Arc::new(Price {
            to,
            tenants: tenants.iter().map(|tenant| tenant.text.clone()).collect(),
            policy,
            query,
            gigabyte,
            million_rows,
            credit,
            currency: currency.unwrap_or_default(),
            from: from_moment,
            until: until_moment,
        }));
    }

    /// Each budget needs a price for each whom it is for; at any time, as far as dates don't say
    /// otherwise.
    pub(super) fn price_budgets(&mut self) {
        for (to, at) in std::mem::take(&mut self.budgets) {
            for subject in to.iter() {
                let is_priced = self
                    .prices
                    .iter()
                    .any(|price| price.to.iter().any(|of| self.covers(of, subject)));
                if !is_priced {
                    let whom = match subject {
                        Subject::Role(role) => format!("role \"{role}\""),
                        Subject::User(user) => format!("user '{user}'"),
                        Subject::Public => "everyone".to_owned(),
                    };
                    self.error(
                        &at,
                        format!("no price applies to {whom}: a budget can't be spent"),
                        "add CREATE PRICE … TO PUBLIC …, or to those whom the budget is for",
                    );
                }
            }
        }
    }

    /// Whether whoever is `subject` is `of` too.
    fn covers(&self, of: &Subject, subject: &Subject) -> bool {
        match (of, subject) {
            (Subject::Public, _) => true,
            (Subject::Role(of), Subject::Role(role)) => {
                self.members.inherited([role].into_iter(), &BTreeSet::new()).contains(of)
            }
            (Subject::Role(of), Subject::User(user)) => {
                let direct = self.members.users.get(user).into_iter().flatten();
                self.members.inherited(direct, &BTreeSet::new()).contains(of)
            }
            (Subject::Role(of), Subject::Public) => {
                self.members.inherited([].into_iter(), &BTreeSet::new()).contains(of)
            }
            (Subject::User(of), Subject::User(user)) => of == user,
            (Subject::User(_), Subject::Role(_) | Subject::Public) => false,
        }
    }

    fn count(&mut self, written: &Name, most: u64) -> Option<u64> {
        let count = written.text.parse().ok().filter(|count| (1..=most).contains(count));
        if count.is_none() {
            self.error(
                &written.at,
                format!("{} is not a number that a limit can have", written.text),
                format!("write a whole number from 1 to {most}"),
            );
        }
        count
    }

    fn money(&mut self, written: &Name) -> Option<Decimal> {
        let money = Decimal::from_str_exact(&written.text).ok();
        let money = money.filter(|money| {
            *money <= Decimal::from(MOST_MONEY) && money.normalize().scale() <= SCALE
        });
        if money.is_none() {
            self.error(
                &written.at,
                format!("{} is not an amount of money", written.text),
                format!(
                    "write a number up to {MOST_MONEY} with {SCALE} digits behind the point at most"
                ),
            );
        }
        money.map(|money| money.normalize())
    }

    fn currency(&mut self, written: &Name) -> Option<String> {
        let letters = written.text.chars().all(|letter| letter.is_ascii_uppercase());
        if !letters || written.text.len() != 3 {
            self.error(
                &written.at,
                format!("\"{}\" is not a currency", written.text),
                "write its three letters of ISO 4217: 'USD'",
            );
            return None;
        }
        let other = self
            .prices
            .iter()
            .find(|price| !price.currency.is_empty() && price.currency != written.text);
        if let Some(other) = other {
            let (name, currency) = (other.name().to_owned(), other.currency.clone());
            self.error(
                &written.at,
                format!("price \"{name}\" is in {currency}"),
                "write all prices in one currency: a budget is spent by all of them",
            );
        }
        Some(written.text.clone())
    }

    fn size(&mut self, written: &Name) -> Option<u64> {
        let size = number_and_unit(&written.text).and_then(|(number, unit)| {
            let bytes: u64 = match unit {
                "B" => 1,
                "KB" | "kB" => 1_000,
                "MB" => 1_000_000,
                "GB" => 1_000_000_000,
                "TB" => 1_000_000_000_000,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                "TiB" => 1 << 40,
                _ => return None,
            };
            number.checked_mul(bytes)
        });
        let size = size.filter(|size| *size > 0 && i64::try_from(*size).is_ok());
        if size.is_none() {
            self.error(
                &written.at,
                format!("\"{}\" is not a size", written.text),
                "write a whole number and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB: '50 GB'",
            );
        }
        size
    }

    fn duration(&mut self, written: &Name) -> Option<Duration> {
        let milliseconds = number_and_unit(&written.text).and_then(|(number, unit)| {
            let unit = match unit {
                "ms" => 1,
                "s" => 1_000,
                "min" => 60_000,
                "h" => 3_600_000,
                _ => return None,
            };
            number.checked_mul(unit)
        });
        // A year is longer than anything runs, and fits every type of time.
        let most = 366 * 24 * 3_600_000;
        let milliseconds = milliseconds.filter(|time| (1..=most).contains(time));
        if milliseconds.is_none() {
            self.error(
                &written.at,
                format!("\"{}\" is not a duration", written.text),
                "write a whole number and ms, s, min or h: '30 s'",
            );
        }
        milliseconds.map(Duration::from_millis)
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((u64::from_str(number).ok()?, unit.trim()))
}
