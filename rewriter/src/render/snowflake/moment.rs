//! Moments: differences, zones, and what is made of seconds and of texts.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_common::config::ConfigOptions;
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{BinaryExpr, ColumnarValue, Expr, Operator, ScalarFunctionArgs};
use tollgate_catalog::Error;

use super::{constant, whole};
use crate::render::expr::{type_of, with_days};
use crate::render::types::Kind;
use crate::render::{Printer, Row};

impl Printer {
    /// `to_timestamp` of a text and a pattern, both constants, which the gateway reads, or of whole seconds.
    pub(super) fn instant_of(
        &mut self,
        call: &ScalarFunction,
        result: &DataType,
        row: Row<'_>,
    ) -> Result<String, Error> {
        if let [_, _] = call.args.as_slice() {
            let value = computed(call, result)?;
            let value =
                value.filter(|value| matches!(value, ScalarValue::TimestampMicrosecond(..)));
            return match value {
                Some(value) => self.literal(&value),
                None => Err(self.unknown("to_timestamp_micros")),
            };
        }
        let [seconds] = call.args.as_slice() else {
            return Err(self.unknown("to_timestamp_micros"));
        };
        let seconds = match seconds {
            Expr::Cast(cast) if *cast.field.data_type() == DataType::Float64 => &cast.expr,
            other => other,
        };
        if !is_whole(seconds, &type_of(seconds, row)?) {
            return Err(self.unknown("to_timestamp_micros"));
        }
        let epoch = ScalarValue::TimestampMicrosecond(Some(0), Some("+00:00".into()));
        let (seconds, epoch) = (self.expr(seconds, row)?, self.literal(&epoch)?);
        let unit = self.quoted("second")?;
        let text = self.invoke("DATEADD", &format!("{unit}, {seconds}, {epoch}"));
        self.typed(text, result)
    }

    /// `extract(epoch FROM to - from)`.
    pub(super) fn seconds_between(
        &mut self,
        part: &str,
        from: &Expr,
        to: &Expr,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let kind = |of| type_of(of, row).and_then(|of| self.dialect.kind(&of));
        let times = matches!(
            (kind(from)?, kind(to)?),
            (Kind::Timestamp, Kind::Timestamp) | (Kind::Zoned, Kind::Zoned)
        );
        if !times || !part.eq_ignore_ascii_case("epoch") {
            return Err(self.dialect.unsupported("an interval"));
        }
        let (from, to) = (self.expr(from, row)?, self.expr(to, row)?);
        let unit = self.quoted("microsecond")?;
        let micros = self.invoke("DATEDIFF", &format!("{unit}, {from}, {to}"));
        let million = self.literal(&ScalarValue::Float64(Some(1e6)))?;
        Ok(format!("(CAST({micros} AS FLOAT) / {million})"))
    }

    /// `value AT TIME ZONE zone`. What the time is somewhere is known; which moment a time is, only in UTC,
    /// which is the session's zone: elsewhere some times are two moments, or none.
    pub(super) fn in_zone(
        &mut self,
        zone: &str,
        value: &Expr,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let is = self.dialect.kind(&type_of(value, row)?)?;
        let text = self.expr(value, row)?;
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let local = self.dialect.name(&micros, false)?;
        match is {
            Kind::Zoned if zone.eq_ignore_ascii_case("utc") => {
                Ok(format!("CAST({text} AS {local})"))
            }
            Kind::Zoned if is_region(zone) => {
                let zone = self.text(zone)?;
                let moved = self.invoke("CONVERT_TIMEZONE", &format!("{zone}, {text}"));
                Ok(format!("CAST({moved} AS {local})"))
            }
            // Cast to what it is, by whoever asked.
            Kind::Timestamp if zone.eq_ignore_ascii_case("utc") => Ok(text),
            _ => Err(self.unknown("timezone")),
        }
    }
}

/// A constant date or time, moved by a constant interval or a number of days.
pub(super) fn moved(left: &Expr, symbol: &str, right: &Expr) -> Option<ScalarValue> {
    let (value, by) = with_days(left, symbol, right);
    let (value, by) = (constant(value)?, constant(by)?);
    let forward = match symbol {
        "+" => true,
        "-" => false,
        _ => return None,
    };
    match (&value, &by) {
        (ScalarValue::Date32(Some(date)), by) => {
            let days = i32::try_from(whole(by)?).ok()?;
            let date = if forward { date.checked_add(days) } else { date.checked_sub(days) };
            date.map(|date| ScalarValue::Date32(Some(date)))
        }
        (
            ScalarValue::TimestampMicrosecond(Some(_), None),
            ScalarValue::IntervalMonthDayNano(Some(_)),
        ) => if forward { value.add_checked(&by) } else { value.sub_checked(&by) }.ok(),
        _ => None,
    }
}

/// Whether a number is a whole one, whatever its type's digits.
pub(super) fn is_whole(expr: &Expr, of: &DataType) -> bool {
    if of.is_integer() || matches!(of, DataType::Decimal128(_, 0)) {
        return true;
    }
    let exact = matches!(of, DataType::Decimal128(..));
    match expr {
        Expr::Alias(alias) => exact && is_whole(&alias.expr, of),
        Expr::ScalarFunction(call) => {
            exact && matches!(call.func.name(), "floor" | "ceil") && call.args.len() == 1
        }
        _ => false,
    }
}

/// What the gateway's own function makes of constants.
fn computed(call: &ScalarFunction, result: &DataType) -> Result<Option<ScalarValue>, Error> {
    let Some(values) = call.args.iter().map(constant).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let field = |of: DataType| Arc::new(Field::new("", of, true));
    let arguments = ScalarFunctionArgs {
        arg_fields: values.iter().map(|value| field(value.data_type())).collect(),
        args: values.into_iter().map(ColumnarValue::Scalar).collect(),
        number_rows: 1,
        return_field: field(result.clone()),
        config_options: Arc::new(ConfigOptions::default()),
    };
    match call.func.invoke_with_args(arguments) {
        Ok(ColumnarValue::Scalar(value)) => Ok(Some(value)),
        Ok(ColumnarValue::Array(values)) => {
            ScalarValue::try_from_array(&values, 0).map(Some).map_err(Error::internal)
        }
        // What is wrong with it, the engine says where it runs.
        Err(_) => Ok(None),
    }
}

/// The two sides of a difference, as it stands or as an interval.
pub(super) fn difference(expr: &Expr) -> Option<(&Expr, &Expr)> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) => Some((left, right)),
        Expr::Cast(cast) if matches!(cast.field.data_type(), DataType::Interval(_)) => {
            difference(&cast.expr)
        }
        _ => None,
    }
}

/// A name as `Europe/Berlin`: those of offsets mean other things in other places.
fn is_region(zone: &str) -> bool {
    zone.contains('/')
        && zone.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'_' | b'-'))
}
