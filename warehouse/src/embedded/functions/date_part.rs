//! `date_part` and `EXTRACT` with PostgreSQL's results: seconds keep their fraction, centuries exist,
//! `date_part` yields double precision and `EXTRACT` numeric.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions::datetime;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// `date_part(part, value)`
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct DatePart {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl DatePart {
    /// The function, over the engine's.
    pub(crate) fn new() -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { inner: datetime::date_part(), signature }
    }
}

/// The engine's part that ours is computed from.
struct Source {
    part: &'static str,
    scale: f64,
    /// Years of the span that is counted, for parts longer than a year.
    span: Option<i32>,
}

fn source(part: &str) -> Option<Source> {
    let plain = |part| Some(Source { part, scale: 1.0, span: None });
    let years = |span| Some(Source { part: "year", scale: 1.0, span: Some(span) });
    match part {
        "year" | "years" => plain("year"),
        "isoyear" => plain("isoyear"),
        "quarter" => plain("quarter"),
        "month" | "months" | "mon" => plain("month"),
        "week" | "weeks" => plain("week"),
        "day" | "days" => plain("day"),
        "dow" => plain("dow"),
        "isodow" => plain("isodow"),
        "doy" => plain("doy"),
        "hour" | "hours" => plain("hour"),
        "minute" | "minutes" => plain("minute"),
        "epoch" => plain("epoch"),
        "microsecond" | "microseconds" => plain("microsecond"),
        "second" | "seconds" => Some(Source { part: "microsecond", scale: 1e-6, span: None }),
        "millisecond" | "milliseconds" => {
            Some(Source { part: "microsecond", scale: 1e-3, span: None })
        }
        "decade" | "decades" => years(10),
        "century" | "centuries" => years(100),
        "millennium" | "millenniums" | "millennia" => years(1000),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "years are small whole numbers")]
fn spans(year: f64, span: i32) -> f64 {
    let year = year as i64;
    let span = i64::from(span);
    // Decades are counted from 0, centuries and millennia from 1.
    let spans = match (span, year > 0) {
        (10, _) => year.div_euclid(10),
        (_, true) => (year + span - 1) / span,
        (_, false) => -((span - year) / span),
    };
    spans as f64
}

impl ScalarUDFImpl for DatePart {
    fn name(&self) -> &str {
        "date_part"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_, value] if value.is_temporal() => Ok(vec![DataType::Utf8, value.clone()]),
            [_, DataType::Null] => Ok(vec![DataType::Utf8, DataType::Date32]),
            _ => plan_err!("date_part takes the name of a part and a date, time or interval"),
        }
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let name = match args.args.first() {
            Some(ColumnarValue::Scalar(ScalarValue::Utf8(Some(name)))) => name.to_ascii_lowercase(),
            _ => return plan_err!("date_part takes a constant name of a part"),
        };
        let Some(source) = source(&name) else {
            return plan_err!("date_part doesn't know this part");
        };
        if let Some(first) = args.args.first_mut() {
            *first = ColumnarValue::Scalar(ScalarValue::from(source.part));
        }
        args.return_field = {
            let fields = args.arg_fields.as_slice();
            let part = ScalarValue::from(source.part);
            self.inner.return_field_from_args(datafusion::logical_expr::ReturnFieldArgs {
                arg_fields: fields,
                scalar_arguments: &[Some(&part), None],
            })?
        };
        let constant = matches!(args.args.get(1), Some(ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let found = self.inner.invoke_with_args(args)?.into_array(rows)?;
        let found = cast(&found, &DataType::Float64)?;
        let numbers = found.as_primitive::<Float64Type>();
        let result: ArrayRef = match source.span {
            Some(span) => Arc::new(numbers.unary::<_, Float64Type>(|year| spans(year, span))),
            // A division: the nearest number to 6.789 is 6789000 / 1e6, not 6789000 * 1e-6.
            None if source.scale < 1.0 => {
                let parts = source.scale.recip().round();
                Arc::new(numbers.unary::<_, Float64Type>(|value| value / parts))
            }
            None => found,
        };
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Plans `EXTRACT(part FROM value)`.
#[derive(Debug)]
pub(crate) struct Extract {
    ours: Arc<ScalarUDF>,
}

impl Extract {
    /// The planner.
    pub(crate) fn new() -> Self {
        Self { ours: Arc::new(ScalarUDF::from(DatePart::new())) }
    }
}

impl ExprPlanner for Extract {
    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let name = match args.first() {
            Some(Expr::Literal(ScalarValue::Utf8(Some(name)), _)) => name.to_ascii_lowercase(),
            _ => return Ok(PlannerResult::Original(args)),
        };
        let Some(source) = source(&name) else {
            return plan_err!("EXTRACT doesn't know this part");
        };
        // Scales as PostgreSQL's. The engine's own function stands below the cast where it can, as
        // the optimiser knows how to turn a comparison with it into a range.
        let (scale, function) = match (name.as_str(), source.span) {
            ("epoch" | "second" | "seconds", _) => (6, &self.ours),
            ("millisecond" | "milliseconds", _) => (3, &self.ours),
            (_, Some(_)) => (0, &self.ours),
            (_, None) => (0, &datetime::date_part()),
        };
        let precision = if scale == 0 { 10 } else { 20 };
        let part = Expr::Literal(
            ScalarValue::from(if scale == 0 && source.span.is_none() {
                source.part
            } else {
                name.as_str()
            }),
            None,
        );
        let args = std::iter::once(part).chain(args.into_iter().skip(1)).collect();
        let call = function.call(args);
        let numeric = DataType::Decimal128(precision, scale);
        Ok(PlannerResult::Planned(Expr::Cast(Cast::new(Box::new(call), numeric))))
    }
}
