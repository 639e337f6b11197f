//! The leaves of an expression, and how types meet: columns, literals, casts, comparisons.

use arrow::datatypes::DataType;
use datafusion_common::{Column, DFSchema, ScalarValue};
use datafusion_expr::{Expr, TryCast, cast};
use datafusion_sql::sqlparser::ast::{Expr as SqlExpr, Ident, Value};
use tollgate_catalog::id::fold;

use super::{Binder, Bound, Place, Scope};
use crate::convert::{comparable, display, fit, is_text, is_total_cast};
use crate::diagnostics::Location;
use crate::model::Strength;
use crate::principal::{Question, is_now, is_question};

impl Binder<'_> {
    pub(super) fn column(
        &mut self,
        name: &Ident,
        scope: &Scope<'_>,
        at: Location,
    ) -> Option<Bound> {
        let folded = fold(&name.value, name.quote_style.is_some());
        let masked = scope.mask.filter(|_| folded == "value").map(|(index, _)| index);
        let table = scope.table;
        let Some(column) = masked
            .or_else(|| table.column_index(&folded))
            .and_then(|index| table.columns.get(index))
        else {
            let names: Vec<_> = table.columns.iter().map(|c| c.name.as_str()).collect();
            return self.fail(
                &at,
                format!("column \"{folded}\" of {} does not exist", table.name),
                format!("its columns are {}", names.join(", ")),
            );
        };
        Some(Bound {
            expr: Expr::Column(Column::new(scope.qualifier.clone(), &column.name)),
            data_type: column.data_type.clone(),
            strength: Strength::None,
            at,
        })
    }

    pub(super) fn qualified_column(
        &mut self,
        parts: &[Ident],
        scope: &Scope<'_>,
        at: Location,
    ) -> Option<Bound> {
        let folded: Vec<_> =
            parts.iter().map(|part| fold(&part.value, part.quote_style.is_some())).collect();
        let folded: Vec<_> = folded.iter().map(String::as_str).collect();
        let name = &scope.table.name;
        let known = match (folded.as_slice(), &scope.alias) {
            ([table, _], Some(alias)) => table == alias,
            ([table, _], None) => *table == name.table,
            ([schema, table, _], None) => *schema == name.schema && *table == name.table,
            _ => false,
        };
        match parts.last() {
            // `t.value` is a column called so, not the masked one.
            Some(column) if known => {
                let plain = Scope { mask: None, alias: None, schema: DFSchema::empty(), qualifier: scope.qualifier.clone(), table: scope.table };
                self.column(column, &plain, at)
            }
            Some(_) | None => self.fail(
                &at,
                format!("\"{}\" is not a column of {name}", folded.join(".")),
                "an expression sees the columns of its own table only, a subquery those of the table in its FROM",
            ),
        }
    }

    pub(super) fn literal(&mut self, value: &Value, at: Location) -> Option<Bound> {
        let (value, strength) = match value {
            Value::Number(digits, false) => return self.number(digits, at),
            Value::SingleQuotedString(text) => {
                (ScalarValue::Utf8(Some(text.clone())), Strength::Redact)
            }
            Value::Boolean(value) => (ScalarValue::Boolean(Some(*value)), Strength::Redact),
            Value::Null => (ScalarValue::Null, Strength::Null),
            Value::Number(_, true)
            | Value::DollarQuotedString(_)
            | Value::TripleSingleQuotedString(_)
            | Value::TripleDoubleQuotedString(_)
            | Value::EscapedStringLiteral(_)
            | Value::UnicodeStringLiteral(_)
            | Value::SingleQuotedByteStringLiteral(_)
            | Value::DoubleQuotedByteStringLiteral(_)
            | Value::TripleSingleQuotedByteStringLiteral(_)
            | Value::TripleDoubleQuotedByteStringLiteral(_)
            | Value::SingleQuotedRawStringLiteral(_)
            | Value::DoubleQuotedRawStringLiteral(_)
            | Value::TripleSingleQuotedRawStringLiteral(_)
            | Value::TripleDoubleQuotedRawStringLiteral(_)
            | Value::NationalStringLiteral(_)
            | Value::QuoteDelimitedStringLiteral(_)
            | Value::NationalQuoteDelimitedStringLiteral(_)
            | Value::HexStringLiteral(_)
            | Value::DoubleQuotedString(_)
            | Value::Placeholder(_) => {
                return self.fail(
                    &at,
                    format!("the literal \"{value}\" is not supported in policies"),
                    "write text as '…', numbers in decimals, TRUE, FALSE or NULL",
                );
            }
        };
        let data_type = value.data_type();
        Some(Bound { expr: Expr::Literal(value, None), data_type, strength, at })
    }

    pub(super) fn number(&mut self, digits: &str, at: Location) -> Option<Bound> {
        let value = match (digits.parse::<i64>(), digits.parse::<f64>()) {
            (Ok(whole), _) => ScalarValue::Int64(Some(whole)),
            (Err(_), Ok(float)) if float.is_finite() => ScalarValue::Float64(Some(float)),
            (Err(_), _) => {
                return self.fail(
                    &at,
                    format!("the number \"{digits}\" is out of range"),
                    "use a smaller one",
                );
            }
        };
        let data_type = value.data_type();
        Some(Bound { expr: Expr::Literal(value, None), data_type, strength: Strength::Redact, at })
    }

    pub(super) fn cast(
        &mut self,
        bound: Bound,
        to: Option<DataType>,
        written: &str,
    ) -> Option<Bound> {
        let Some(to) = to else {
            return self.fail(
                &bound.at,
                format!("casts to \"{written}\" are not supported in policies"),
                "cast to text, boolean, smallint, integer, bigint, real, double precision, date or timestamp",
            );
        };
        let (strength, at) = (bound.strength, bound.at.clone());
        let expr = match bound.literal() {
            Some(value) => match fit(value, &to) {
                Some(value) => Expr::Literal(value, None),
                None => {
                    return self.fail(
                        &at,
                        format!("\"{value}\" is not a value of type {}", display(&to)),
                        "correct the literal or the type",
                    );
                }
            },
            // Decided once per statement, and NULL where it fails: nothing is left to fail on a row.
            None if is_question(&bound.expr) => {
                Expr::TryCast(TryCast::new(Box::new(bound.expr), to.clone()))
            }
            None if is_total_cast(&bound.data_type, &to) => cast(bound.expr, to.clone()),
            None => {
                return self.fail(
                    &at,
                    format!("a cast from {} to {} can fail on a value", display(&bound.data_type), display(&to)),
                    "an error for one value would tell about rows that are hidden; compare with a literal of the column's type instead",
                );
            }
        };
        Some(Bound { expr, data_type: to, strength, at })
    }

    /// Both sides, so that comparing them can't fail.
    pub(super) fn meet(&mut self, left: Bound, right: Bound) -> Option<(Expr, Expr)> {
        if right.literal().is_none()
            && let Some(value) = left.literal()
            && let Some(fitting) = fit(value, &right.data_type)
        {
            return Some((Expr::Literal(fitting, None), right.expr));
        }
        let left = if is_now(&left.expr) { at_time(left, &right.data_type) } else { left };
        let right = self.meet_right(&left, right)?;
        Some((left.expr, right))
    }

    /// The right side, so that comparing it with the left can't fail.
    pub(super) fn meet_right(&mut self, left: &Bound, right: Bound) -> Option<Expr> {
        if let Some(value) = right.literal() {
            if let Some(fitting) = fit(value, &left.data_type) {
                return Some(Expr::Literal(fitting, None));
            }
            if is_text(&right.data_type) && !is_text(&left.data_type) {
                return self.fail(
                    &right.at,
                    format!("\"{value}\" is not a value of type {}", display(&left.data_type)),
                    "correct the literal",
                );
            }
        }
        let right = if is_now(&right.expr) { at_time(right, &left.data_type) } else { right };
        if comparable(&left.data_type, &right.data_type) {
            return Some(right.expr);
        }
        let hint = if is_question(&left.expr) || is_question(&right.expr) {
            "cast the attribute, as in CAST(principal_attr('name') AS bigint): one that isn't such a value counts as missing"
        } else {
            "compare values of one type"
        };
        self.fail(
            &right.at,
            format!(
                "{} can't be compared with {}",
                display(&left.data_type),
                display(&right.data_type)
            ),
            hint,
        )
    }

    pub(super) fn boolean(&mut self, bound: Bound) -> Option<Expr> {
        match bound.data_type {
            DataType::Boolean => Some(bound.expr),
            DataType::Null => Some(Expr::Literal(ScalarValue::Boolean(None), None)),
            other => self.fail(
                &bound.at,
                format!("expected a condition, found a value of type {}", display(&other)),
                "a condition is true or false: compare the value with something",
            ),
        }
    }

    pub(super) fn operand(
        &mut self,
        sql: &SqlExpr,
        scope: &Scope<'_>,
        place: &Place,
    ) -> Option<Box<Expr>> {
        let bound = self.bind(sql, scope, place)?;
        self.boolean(bound).map(Box::new)
    }

    pub(super) fn text(&mut self, bound: Bound) -> Option<Expr> {
        if is_text(&bound.data_type) || bound.data_type == DataType::Null {
            return Some(bound.expr);
        }
        self.fail(
            &bound.at,
            format!("expected text, found {}", display(&bound.data_type)),
            "cast it to text if that is meant",
        )
    }
}

/// The time of the decision as a value of the type that it is compared with, if that has times.
fn at_time(now: Bound, data_type: &DataType) -> Bound {
    match data_type {
        DataType::Timestamp(..) | DataType::Date32 => {
            let expr = Question::Now(data_type.clone()).ask(Vec::new());
            Bound { expr, data_type: data_type.clone(), ..now }
        }
        _ => now,
    }
}

/// The value in another type, if no value can fail on the way; text only if it is text already.
pub(super) fn convert_to(bound: Bound, to: &DataType) -> Option<Expr> {
    if let Some(value) = bound.literal() {
        return fit(value, to).map(|value| Expr::Literal(value, None));
    }
    if &bound.data_type == to {
        return Some(bound.expr);
    }
    let implicit = is_text(&bound.data_type) || !is_text(to);
    (implicit && is_total_cast(&bound.data_type, to)).then(|| cast(bound.expr, to.clone()))
}
