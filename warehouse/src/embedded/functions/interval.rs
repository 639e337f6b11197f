//! Intervals: multiplied, as ages, and as steps of a series.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, IntervalMonthDayNanoArray, ListBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{
    DataType, Field, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use tollgate_catalog::{Error, ErrorKind};

use super::text::UTC;

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
/// The most rows that a series may make: they are made in memory.
const MAX_SERIES: usize = 1_000_000;

/// Which of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// `interval * number`
    Times,
    /// `age(later, earlier)`
    Age,
    /// `generate_series(first, last, step)`, as a list
    Series,
}

/// A function of intervals.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Intervals {
    kind: Kind,
    signature: Signature,
}

impl Intervals {
    /// The function.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

fn moment(zone: Option<Arc<str>>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone)
}

impl ScalarUDFImpl for Intervals {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Times => "tg_interval_times",
            Kind::Age => "age",
            Kind::Series => "tg_date_series",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match (self.kind, types.first()) {
            (Kind::Times | Kind::Age, _) => INTERVAL,
            (Kind::Series, Some(DataType::Timestamp(_, None))) => list(None),
            (Kind::Series, _) => list(Some(UTC.into())),
        })
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let temporal = |of: &DataType| {
            matches!(
                of,
                DataType::Timestamp(..) | DataType::Date32 | DataType::Utf8 | DataType::Null
            )
        };
        match (self.kind, types) {
            (Kind::Times, [DataType::Interval(_), _]) => Ok(vec![INTERVAL, DataType::Float64]),
            (Kind::Age, [left, right]) if temporal(left) && temporal(right) => {
                Ok(vec![moment(None), moment(None)])
            }
            (Kind::Series, [first, last, DataType::Interval(_) | DataType::Utf8])
                if temporal(first) && temporal(last) =>
            {
                let plain =
                    [first, last].iter().all(|of| matches!(of, DataType::Timestamp(_, None)));
                let zone = if plain { None } else { Some(UTC.into()) };
                Ok(vec![moment(zone.clone()), moment(zone), INTERVAL])
            }
            _ => plan_err!("a function of times has other arguments"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let result: ArrayRef = match (self.kind, arrays.as_slice()) {
            (Kind::Times, [intervals, numbers]) => {
                let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
                let pairs = intervals.iter().zip(numbers.as_primitive::<Float64Type>());
                let products = pairs.map(|pair| match pair {
                    (Some(interval), Some(number)) => times(interval, number).map(Some),
                    (None, _) | (_, None) => Ok(None),
                });
                Arc::new(products.collect::<Result<IntervalMonthDayNanoArray>>()?)
            }
            (Kind::Age, [later, earlier]) => {
                let later = later.as_primitive::<TimestampMicrosecondType>();
                let pairs = later.iter().zip(earlier.as_primitive::<TimestampMicrosecondType>());
                let ages = pairs.map(|pair| match pair {
                    (Some(later), Some(earlier)) => {
                        age(later, earlier).map(Some).ok_or_else(out_of_range)
                    }
                    (None, _) | (_, None) => Ok(None),
                });
                Arc::new(ages.collect::<Result<IntervalMonthDayNanoArray>>()?)
            }
            (Kind::Series, [first, last, step]) => series(first, last, step)?,
            _ => return internal_err!("{} was called with other arguments", self.name()),
        };
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn list(zone: Option<Arc<str>>) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(moment(zone), true)))
}

fn out_of_range() -> DataFusionError {
    arrow::error::ArrowError::ArithmeticOverflow("interval".to_owned()).into()
}

/// What is left of months becomes days of a month of 30, what is left of days becomes time.
#[expect(clippy::cast_possible_truncation, reason = "each value is within the bounds")]
fn times(interval: IntervalMonthDayNano, number: f64) -> Result<IntervalMonthDayNano> {
    let months = f64::from(interval.months) * number;
    let days = f64::from(interval.days) * number + months.fract() * 30.0;
    // The engine's nanoseconds are PostgreSQL's microseconds.
    let days = if (days - days.round()).abs() < 1e-9 { days.round() } else { days };
    let micros = (interval.nanoseconds / 1000) as f64 * number + days.fract() * 86_400e6;
    let whole = |value: f64| {
        (value.abs() <= f64::from(i32::MAX))
            .then_some(value.trunc() as i32)
            .ok_or_else(out_of_range)
    };
    let nanoseconds = micros.round() * 1000.0;
    if nanoseconds.is_nan() || nanoseconds.abs() > 9.2e18 {
        return Err(out_of_range());
    }
    Ok(IntervalMonthDayNano::new(whole(months)?, whole(days)?, nanoseconds as i64))
}

fn days_in(year: i32, month: u32) -> Option<i64> {
    let first = NaiveDate::from_ymd_opt(year, month, 1)?;
    Some((first.checked_add_months(Months::new(1))? - first).num_days())
}

/// The difference in years, months, days and time, as a calendar counts them.
fn age(later: i64, earlier: i64) -> Option<IntervalMonthDayNano> {
    let at = |micros| DateTime::from_timestamp_micros(micros).map(|at| at.naive_utc());
    let (one, two) = (at(later)?, at(earlier)?);
    let of_day = |at: NaiveDateTime| {
        i64::from(at.num_seconds_from_midnight()) * 1_000_000 + i64::from(at.nanosecond() / 1000)
    };
    let sign = if later < earlier { -1 } else { 1 };
    let mut micros = (of_day(one) - of_day(two)) * sign;
    let mut days = (i64::from(one.day()) - i64::from(two.day())) * sign;
    let months = |at: NaiveDateTime| i64::from(at.year()) * 12 + i64::from(at.month());
    let mut months = (months(one) - months(two)) * sign;
    if micros < 0 {
        micros += 86_400_000_000;
        days -= 1;
    }
    while days < 0 {
        let from = if sign < 0 { one } else { two };
        days += days_in(from.year(), from.month())?;
        months -= 1;
    }
    let small = |value: i64| i32::try_from(value * sign).ok();
    Some(IntervalMonthDayNano::new(
        small(months)?,
        small(days)?,
        (micros * sign).checked_mul(1000)?,
    ))
}

fn step(at: NaiveDateTime, by: IntervalMonthDayNano) -> Option<NaiveDateTime> {
    let months = Months::new(by.months.unsigned_abs());
    let days = Days::new(u64::from(by.days.unsigned_abs()));
    let at =
        if by.months < 0 { at.checked_sub_months(months)? } else { at.checked_add_months(months)? };
    let at = if by.days < 0 { at.checked_sub_days(days)? } else { at.checked_add_days(days)? };
    at.checked_add_signed(TimeDelta::nanoseconds(by.nanoseconds))
}

fn series(first: &ArrayRef, last: &ArrayRef, steps: &ArrayRef) -> Result<ArrayRef> {
    let zone = match first.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let values = TimestampMicrosecondBuilder::new().with_data_type(moment(zone.clone()));
    let mut lists = ListBuilder::new(values).with_field(Field::new_list_field(moment(zone), true));
    let first = first.as_primitive::<TimestampMicrosecondType>();
    let last = last.as_primitive::<TimestampMicrosecondType>();
    let steps = steps.as_primitive::<IntervalMonthDayNanoType>();
    let mut count = 0;
    for ((first, last), by) in first.iter().zip(last).zip(steps) {
        let (Some(first), Some(last), Some(by)) = (first, last, by) else {
            lists.append(false);
            continue;
        };
        let length = i128::from(by.months) * 30 * 86_400_000_000_000
            + i128::from(by.days) * 86_400_000_000_000
            + i128::from(by.nanoseconds);
        if length == 0 {
            let error = Error::new(ErrorKind::InvalidParameterValue, "step size cannot equal zero");
            return Err(DataFusionError::External(Box::new(error)));
        }
        let mut at = DateTime::from_timestamp_micros(first).map(|at| at.naive_utc());
        while let Some(now) = at {
            let micros = now.and_utc().timestamp_micros();
            if (length > 0 && micros > last) || (length < 0 && micros < last) {
                break;
            }
            count += 1;
            if count > MAX_SERIES {
                let error = Error::new(
                    ErrorKind::ProgramLimit,
                    format!("generate_series makes more than {MAX_SERIES} rows"),
                );
                return Err(DataFusionError::External(Box::new(error)));
            }
            lists.values().append_value(micros);
            at = step(now, by);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}
