//! `TABLESAMPLE`: what is read of it, and which tables may be sampled.
//!
//! Which rows a sample takes must not rest on rows that the caller may not see: by how many of its own rows a sample
//! of a restricted table has, it would tell how many there are beside them. So a table is sampled for who
//! sees all of its rows, or not at all; and one refusal stands for all reasons.

use std::fmt;

use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr as PlanExpr, LogicalPlan, TableSource};
use datafusion_sql::sqlparser::ast::{
    Expr, TableSample, TableSampleMethod, TableSampleModifier, TableSampleSeedModifier,
    TableSampleUnit, Value,
};
use tollgate_catalog::{Error, ErrorKind, Storage, Table, TableName};
use tollgate_policy::SecuredTable;

use crate::dialect::SqlDialect;
use crate::plan::subquery;
use crate::relation::SecuredSource;

/// The most rows that a sample may be asked for.
const MOST_ROWS: u32 = 1_000_000;
/// The largest seed.
const LARGEST_SEED: u32 = 2_147_483_647;

/// How rows are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// Each by itself.
    Bernoulli,
    /// By the blocks that they are stored in.
    System,
}

/// How many.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Amount {
    /// Of a hundred: digits, and perhaps a point with digits behind.
    Percent(String),
    Rows(u32),
}

/// A sample of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    method: Method,
    amount: Amount,
    seed: Option<u32>,
}

/// A table that a statement samples.
#[derive(Debug)]
pub(crate) struct Sampled {
    pub(crate) table: TableName,
    pub(crate) sample: Sample,
}

/// As both warehouses spell it.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.method {
            Method::Bernoulli => "BERNOULLI",
            Method::System => "SYSTEM",
        };
        match &self.amount {
            Amount::Percent(percent) => write!(f, "TABLESAMPLE {method} ({percent})")?,
            // There is one way to do it, which needs no name.
            Amount::Rows(rows) => write!(f, "TABLESAMPLE ({rows} ROWS)")?,
        }
        self.seed.map_or(Ok(()), |seed| write!(f, " REPEATABLE ({seed})"))
    }
}

impl Sample {
    /// Reads one as it is written.
    pub(crate) fn read(sample: &TableSample, dialect: SqlDialect) -> Result<Self, Error> {
        let TableSample { modifier, name, quantity, seed, bucket, offset } = sample;
        let snowflake = match dialect {
            SqlDialect::PostgreSql => false,
            SqlDialect::Snowflake => true,
        };
        let refuse = |what: &str| {
            let hint = "write TABLESAMPLE BERNOULLI (10)";
            Error::not_supported(what).with_hint(hint)
        };
        if bucket.is_some() {
            return Err(refuse("BUCKET in TABLESAMPLE"));
        }
        if offset.is_some() {
            return Err(
                refuse("OFFSET after TABLESAMPLE").with_hint("write ORDER BY before OFFSET")
            );
        }
        match modifier {
            TableSampleModifier::Sample if !snowflake => {
                return Err(refuse("SAMPLE"));
            }
            TableSampleModifier::Sample | TableSampleModifier::TableSample => {}
        }
        let method = match (name, snowflake) {
            (Some(TableSampleMethod::Bernoulli), _)
            | (Some(TableSampleMethod::Row) | None, true) => Method::Bernoulli,
            (Some(TableSampleMethod::System), _) | (Some(TableSampleMethod::Block), true) => {
                Method::System
            }
            (Some(TableSampleMethod::Row | TableSampleMethod::Block) | None, false) => {
                return Err(refuse("TABLESAMPLE without BERNOULLI or SYSTEM"));
            }
        };
        let quantity = quantity.as_ref().filter(|quantity| quantity.parenthesized);
        let quantity = quantity.ok_or_else(|| refuse("TABLESAMPLE without parentheses"))?;
        let Expr::Value(value) = &quantity.value else {
            return Err(refuse("TABLESAMPLE of what is no number"));
        };
        let Value::Number(number, false) = &value.value else {
            return Err(refuse("TABLESAMPLE of what is no number"));
        };
        let amount = match quantity.unit {
            None => Amount::Percent(percent(number)?),
            Some(TableSampleUnit::Rows) if snowflake => Amount::Rows(
                whole(number, MOST_ROWS)
                    .ok_or_else(|| invalid(&format!("at most {MOST_ROWS} rows can be sampled")))?,
            ),
            Some(TableSampleUnit::Rows | TableSampleUnit::Percent) => {
                return Err(refuse("a unit in TABLESAMPLE"));
            }
        };
        let seed = match seed {
            None => None,
            Some(seed) => {
                match seed.modifier {
                    TableSampleSeedModifier::Seed if !snowflake => {
                        return Err(refuse("SEED in TABLESAMPLE").with_hint("write REPEATABLE (1)"));
                    }
                    TableSampleSeedModifier::Seed | TableSampleSeedModifier::Repeatable => {}
                }
                let Value::Number(number, false) = &seed.value.value else {
                    return Err(refuse("a seed of TABLESAMPLE that is no number"));
                };
                let seed = whole(number, LARGEST_SEED);
                Some(seed.ok_or_else(|| invalid("a seed must be a whole number up to 2147483647"))?)
            }
        };
        if matches!(amount, Amount::Rows(_)) && (method == Method::System || seed.is_some()) {
            return Err(refuse("TABLESAMPLE of a number of rows by blocks or with a seed"));
        }
        Ok(Self { method, amount, seed })
    }

    /// The numbers in its text.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = String> {
        let amount = match &self.amount {
            Amount::Percent(percent) => percent.clone(),
            Amount::Rows(rows) => rows.to_string(),
        };
        [Some(amount), self.seed.map(|seed| seed.to_string())].into_iter().flatten()
    }

    /// Whether the warehouse of a table can take it.
    pub(crate) fn confirm(&self, table: &Table) -> Result<(), Error> {
        let unsupported = |what: &str, kind: &str| {
            Err(Error::not_supported(&format!("{what} on a warehouse of kind \"{kind}\"")))
        };
        match (&table.storage, &self.amount) {
            (Storage::Postgres { .. }, Amount::Rows(_)) => {
                unsupported("TABLESAMPLE of a number of rows", "postgres")
                    .map_err(|error| error.with_hint("name a percentage"))
            }
            (Storage::Parquet(_) | Storage::Csv(_), _) => unsupported("TABLESAMPLE", "embedded"),
            (Storage::Ledger, _) => Err(Error::not_supported("TABLESAMPLE of records")),
            (Storage::Postgres { .. }, Amount::Percent(_))
            | (Storage::Snowflake(_), _)
            // Refused like whatever else may not be sampled.
            | (Storage::View(_), _) => Ok(()),
        }
    }
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidParameterValue, what)
}

fn whole(number: &str, most: u32) -> Option<u32> {
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|number| digits && *number <= most)
}

/// A number from 0 to 100, as it is written.
fn percent(number: &str) -> Result<String, Error> {
    let wrong = || {
        invalid(
            "sample percentage must be between 0 and 100, with 6 digits after the point at most",
        )
    };
    let (units, rest) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| (1..=6).contains(&text.len()) && whole(text, u32::MAX).is_some();
    let units = whole(units, 100).filter(|_| digits(units) && digits(rest)).ok_or_else(wrong)?;
    let none = rest.bytes().all(|byte| byte == b'0');
    match (units, none) {
        (_, true) => Ok(units.to_string()),
        (0..=99, false) => Ok(format!("{units}.{rest}")),
        (_, false) => Err(wrong()),
    }
}

/// Whether the caller sees all rows of a table, and no value stands or falls with the rest of its row.
pub(crate) fn is_whole(table: &SecuredTable) -> bool {
    table.table().view().is_none()
        && table.aggregation().is_none()
        && table.row_predicate().is_none()
        && table.reads().is_empty()
        && table.columns().iter().all(|visible| {
            let own = table.table().columns.get(visible.index);
            let (Some(own), Some(mask)) = (own, &visible.mask) else { return own.is_some() };
            own_only(&mask.expr, &own.name)
        })
}

/// Whether an expression reads this column and nothing else.
fn own_only(expr: &PlanExpr, column: &str) -> bool {
    let mut looks_up = false;
    let walked = expr.apply(|expr| {
        looks_up |= subquery(expr).is_some();
        Ok(TreeNodeRecursion::Continue)
    });
    let own = expr.column_refs().iter().all(|read| read.relation.is_none() && read.name == column);
    walked.is_ok() && own && !looks_up
}

/// The refusal, whatever the reason.
pub(crate) fn refused(table: &TableName) -> Error {
    Error::new(
        ErrorKind::InsufficientPrivilege,
        format!("relation \"{}.{}\" can't be sampled in this statement", table.schema, table.table),
    )
    .with_hint(
        "only tables whose rows you may see, all and as they are, can be sampled, and not beside one that answers in \
         aggregates only; use conditions or LIMIT",
    )
}

/// Refuses a plan that takes one sample several times: each would be another one.
pub(crate) fn check(plan: &LogicalPlan) -> Result<(), Error> {
    let mut taken: Vec<*const dyn TableSource> = Vec::new();
    let mut again = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(source) = scan.source.downcast_ref::<SecuredSource>()
            && source.sample().is_some_and(|sample| sample.seed.is_none())
        {
            let place = std::sync::Arc::as_ptr(&scan.source);
            again |= taken.iter().any(|other| std::ptr::addr_eq(*other, place));
            taken.push(place);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(Error::internal)?;
    if again {
        return Err(Error::not_supported("a sample without a seed that is read more than once")
            .with_hint("give it a seed: TABLESAMPLE BERNOULLI (10) REPEATABLE (1)"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::percent;

    #[test]
    fn percentages_are_numbers_up_to_a_hundred() {
        for (written, read) in [
            ("10", Some("10")),
            ("0", Some("0")),
            ("100", Some("100")),
            ("100.0", Some("100")),
            ("2.5", Some("2.5")),
            ("007", Some("7")),
            ("100.1", None),
            ("101", None),
            ("1e1", None),
            ("1.", None),
            (".5", None),
            ("1.1234567", None),
            ("", None),
        ] {
            assert_eq!(percent(written).ok().as_deref(), read, "{written}");
        }
    }
}
