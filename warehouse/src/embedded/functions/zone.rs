//! `AT TIME ZONE`: from an instant to a zone's local time, and back.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use tollgate_catalog::{Error, ErrorKind};

use super::text::UTC;

/// `timezone(zone, value)`
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct AtTimeZone {
    signature: Signature,
}

impl AtTimeZone {
    /// The function.
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &str {
        "timezone"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let zone = match types {
            [_, DataType::Timestamp(_, None)] => Some(UTC.into()),
            _ => None,
        };
        Ok(DataType::Timestamp(TimeUnit::Microsecond, zone))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let zone = match types {
            [_, DataType::Timestamp(_, zone)] => zone.clone(),
            // A date or an untyped literal is an instant to PostgreSQL.
            [_, DataType::Date32 | DataType::Utf8 | DataType::Null] => Some(UTC.into()),
            _ => return plan_err!("AT TIME ZONE takes a timestamp"),
        };
        Ok(vec![DataType::Utf8, DataType::Timestamp(TimeUnit::Microsecond, zone)])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [names, values] = arrays.as_slice() else {
            return internal_err!("timezone was called with other arguments");
        };
        let local = matches!(values.data_type(), DataType::Timestamp(_, None));
        let values = values.as_primitive::<TimestampMicrosecondType>();
        let mut last: Option<(String, Tz)> = None;
        let moved = names.as_string::<i32>().iter().zip(values).map(|(name, value)| {
            let (Some(name), Some(value)) = (name, value) else { return Ok(None) };
            let zone = match &last {
                Some((known, zone)) if known == name => *zone,
                Some(_) | None => {
                    let zone = named(name)?;
                    last = Some((name.to_owned(), zone));
                    zone
                }
            };
            let at = DateTime::from_timestamp_micros(value).map(|at| at.naive_utc());
            let seconds = at.and_then(|at| offset(zone, at, local)).ok_or_else(|| {
                arrow::error::ArrowError::ArithmeticOverflow("timestamp".to_owned())
            })?;
            let micros = i64::from(seconds) * 1_000_000;
            Ok(Some(if local { value - micros } else { value + micros }))
        });
        let moved: TimestampMicrosecondArray = moved.collect::<Result<_>>()?;
        let result: ArrayRef =
            if local { Arc::new(moved.with_timezone(UTC)) } else { Arc::new(moved) };
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// A zone by its IANA name. Offsets aren't taken: PostgreSQL reads their sign the other way round.
fn named(name: &str) -> Result<Tz> {
    let exact = Tz::from_str(name).ok();
    let known = exact.or_else(|| {
        chrono_tz::TZ_VARIANTS.into_iter().find(|zone| zone.name().eq_ignore_ascii_case(name))
    });
    known.ok_or_else(|| {
        let error = Error::new(ErrorKind::InvalidParameterValue, "time zone not recognized")
            .with_hint("use an IANA name such as 'Europe/Berlin'");
        DataFusionError::External(Box::new(error))
    })
}

/// Seconds east of Greenwich. A local time that occurs twice is the later, as PostgreSQL has it; one
/// that is left out is told by the offset before.
fn offset(zone: Tz, at: NaiveDateTime, local: bool) -> Option<i32> {
    if !local {
        return Some(zone.offset_from_utc_datetime(&at).fix().local_minus_utc());
    }
    let found = match zone.offset_from_local_datetime(&at) {
        MappedLocalTime::Single(found) => found,
        MappedLocalTime::Ambiguous(_, later) => later,
        MappedLocalTime::None => {
            let before = at.checked_sub_signed(TimeDelta::hours(6))?;
            zone.offset_from_local_datetime(&before).latest()?
        }
    };
    Some(found.fix().local_minus_utc())
}
