//! Sums with the columns that FOCUS 1.2 demands of every data set
//! (<https://focus.finops.org/focus-specification/v1-2/>), and two more for who used it.

use std::io::{self, Write};

use chrono::{Datelike, Days, NaiveDate};
use tollgate_ledger::billing::{Key, Usage};

use super::table;

/// What a line is made by.
pub(super) const KEYS: [Key; 4] = [Key::Day, Key::Tenant, Key::User, Key::Price];

/// The names, sorted as the specification does, then those of our own.
const COLUMNS: [&str; 28] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "SubAccountId",
    "x_BytesScanned",
    "x_Credits",
    "x_Price",
    "x_RowsReturned",
];

/// A line per sum; what has no price is no charge, and left out.
pub(super) fn csv(sums: &[Usage], out: &mut dyn Write) -> io::Result<()> {
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(sums.iter().filter_map(row));
    table::csv(&rows, out)
}

fn row(sum: &Usage) -> Option<Vec<String>> {
    let [day, tenant, user, price] = sum.keys.as_slice() else { return None };
    if price.is_empty() {
        return None;
    }
    let day: NaiveDate = day.parse().ok()?;
    let month = day.with_day(1)?;
    let next = match month.month() {
        12 => NaiveDate::from_ymd_opt(month.year() + 1, 1, 1)?,
        number => NaiveDate::from_ymd_opt(month.year(), number + 1, 1)?,
    };
    let time = |day: NaiveDate| format!("{day}T00:00:00Z");
    let cost = sum.amount.to_string();
    let queries = sum.queries.to_string();
    let account = if tenant.is_empty() { "nobody" } else { tenant };
    Some(vec![
        cost.clone(),
        account.to_owned(),
        account.to_owned(),
        sum.currency.clone(),
        time(next),
        time(month),
        "Usage".to_owned(),
        String::new(),
        format!("queries of {user} at price {price}"),
        time(day.checked_add_days(Days::new(1))?),
        time(day),
        queries.clone(),
        "Queries".to_owned(),
        cost.clone(),
        cost.clone(),
        "Tollgate".to_owned(),
        cost,
        queries,
        "Queries".to_owned(),
        "Tollgate".to_owned(),
        "Tollgate".to_owned(),
        "Databases".to_owned(),
        "Tollgate".to_owned(),
        user.clone(),
        sum.scanned.to_string(),
        sum.credits.to_string(),
        price.clone(),
        sum.rows.to_string(),
    ])
}
