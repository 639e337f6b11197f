//! Operations that mean what their operands' types say, as the gate writes them of Snowflake's: as
//! operators that nobody can type. The planner asks for their expression where it knows the types.

use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use datafusion_common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator, ScalarUDF, lit};
use datafusion_sql::sqlparser::ast::BinaryOperator;
use tollgate_catalog::pg_type::is_document;
use tollgate_catalog::{Error, ErrorKind};

use super::documents::Document;
use super::flatten::Element;
use crate::made_up::MARK;

/// The most digits of a numeric.
const DIGITS: u8 = 38;

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
}

/// Every unit with PostgreSQL's name of it.
const UNITS: &[(Unit, &str)] = &[
    (Unit::Year, "year"),
    (Unit::Quarter, "quarter"),
    (Unit::Month, "month"),
    (Unit::Week, "week"),
    (Unit::Day, "day"),
    (Unit::Hour, "hour"),
    (Unit::Minute, "minute"),
    (Unit::Second, "second"),
    (Unit::Millisecond, "millisecond"),
    (Unit::Microsecond, "microsecond"),
];

impl Unit {
    /// PostgreSQL's name.
    pub(crate) fn name(self) -> &'static str {
        UNITS.iter().find(|(unit, _)| *unit == self).map_or("", |(_, name)| name)
    }

    /// So many months, days and microseconds.
    fn parts(self) -> (i32, i32, i64) {
        match self {
            Unit::Year => (12, 0, 0),
            Unit::Quarter => (3, 0, 0),
            Unit::Month => (1, 0, 0),
            Unit::Week => (0, 7, 0),
            Unit::Day => (0, 1, 0),
            Unit::Hour => (0, 0, 3_600_000_000),
            Unit::Minute => (0, 0, 60_000_000),
            Unit::Second => (0, 0, 1_000_000),
            Unit::Millisecond => (0, 0, 1_000),
            Unit::Microsecond => (0, 0, 1),
        }
    }

    /// Whether a date can be moved by it and stay one.
    fn is_of_dates(self) -> bool {
        let (_, _, micros) = self.parts();
        micros == 0
    }

    /// So many of it.
    fn times(self, count: i64) -> Option<ScalarValue> {
        let (months, days, micros) = self.parts();
        let short = |unit: i32| i32::try_from(count.checked_mul(i64::from(unit))?).ok();
        let (months, days) = (short(months)?, short(days)?);
        let nanos = count.checked_mul(micros)?.checked_mul(1_000)?;
        let interval = IntervalMonthDayNano::new(months, days, nanos);
        Some(ScalarValue::IntervalMonthDayNano(Some(interval)))
    }
}

/// Such an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    /// The quotient of two numbers, with six digits more than the dividend has.
    Divide,
    /// The left operand, a date or a time, moved by so many units as the right one says.
    Add(Unit),
    /// The left operand, a date or a time, cut to a unit. The right one says nothing.
    Truncate(Unit),
    /// The left operand, which is exact, rounded to so many digits as the right one says.
    Round,
    /// The left operand's value, which is semi-structured, at a key or a place.
    Get,
    /// A function of the left operand, and of the right one if it takes two.
    Document(Document),
    /// A comparison of values that are ordered alike whatever they are converted to; for equality, of
    /// which no two on the right side can equal one on the left.
    Match(Operator),
    /// The same where texts of the two sides may be ordered in different ways: of no texts.
    Plain(Operator),
    /// A column of the elements of the left operand, which is semi-structured, as a list. What else is asked for,
    /// the right one says.
    Flatten(Element),
    /// The left operand as what the right one makes of it or NULL: never an error.
    Try,
    /// The left operand, which must be a text. The right one says nothing.
    Text,
}

/// The comparisons of [`Typed::Match`], and their signs.
const MATCHES: &[(Operator, &str)] = &[
    (Operator::Eq, "="),
    (Operator::Gt, ">"),
    (Operator::GtEq, ">="),
    (Operator::Lt, "<"),
    (Operator::LtEq, "<="),
];

impl Typed {
    /// The operator that stands for it.
    pub(crate) fn operator(self) -> BinaryOperator {
        let name = match self {
            Self::Divide => "divide".to_owned(),
            Self::Add(unit) => format!("add {}", unit.name()),
            Self::Truncate(unit) => format!("truncate {}", unit.name()),
            Self::Round => "round".to_owned(),
            Self::Get => "get".to_owned(),
            Self::Document(of) => format!("document {}", of.function()),
            Self::Match(op) => format!("match {op}"),
            Self::Plain(op) => format!("plain {op}"),
            Self::Flatten(element) => format!("flatten {}", element.name()),
            Self::Try => "try".to_owned(),
            Self::Text => "text".to_owned(),
        };
        BinaryOperator::PGCustomBinaryOperator(vec![format!("{MARK}{name}")])
    }

    /// The operation that an operator stands for.
    pub(crate) fn of(op: &BinaryOperator) -> Option<Self> {
        let BinaryOperator::PGCustomBinaryOperator(path) = op else { return None };
        let [name] = path.as_slice() else { return None };
        let name = name.strip_prefix(MARK)?;
        let compared = |sign: &str| MATCHES.iter().find(|(_, of)| *of == sign).map(|(op, _)| *op);
        let unit = |name: &str| UNITS.iter().find(|(_, of)| *of == name).map(|(unit, _)| *unit);
        match name.split_once(' ') {
            None if name == "divide" => Some(Self::Divide),
            None if name == "round" => Some(Self::Round),
            None if name == "get" => Some(Self::Get),
            None if name == "try" => Some(Self::Try),
            None if name == "text" => Some(Self::Text),
            Some(("add", of)) => unit(of).map(Self::Add),
            Some(("document", of)) => Document::of(of).map(Self::Document),
            Some(("truncate", of)) => unit(of).map(Self::Truncate),
            Some(("flatten", of)) => {
                Element::ALL.into_iter().find(|element| element.name() == of).map(Self::Flatten)
            }
            Some(("match", of)) => compared(of).map(Self::Match),
            Some(("plain", of)) => compared(of).map(Self::Plain),
            _ => None,
        }
    }
}

/// The functions that they are made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) interval_times: Option<Arc<ScalarUDF>>,
    pub(super) date_trunc: Option<Arc<ScalarUDF>>,
    pub(super) round: Option<Arc<ScalarUDF>>,
    pub(super) get: Option<Arc<ScalarUDF>>,
    /// In the order of [`Document::ALL`].
    pub(super) documents: [Option<Arc<ScalarUDF>>; 7],
    pub(super) attempt: Option<Arc<ScalarUDF>>,
    /// In the order of [`Element::ALL`].
    pub(super) flatten: [Option<Arc<ScalarUDF>>; 5],
}

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn cast(expr: Expr, to: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), to))
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

pub(super) fn refused(what: &str, hint: &str) -> DataFusionError {
    DataFusionError::External(Box::new(Error::not_supported(what).with_hint(hint)))
}

pub(super) fn wrong(message: &str, hint: &str) -> DataFusionError {
    let error = Error::new(ErrorKind::DatatypeMismatch, message).with_hint(hint);
    DataFusionError::External(Box::new(error))
}

impl Parts {
    /// The expression of an operation.
    pub(super) fn plan(
        &self,
        typed: Typed,
        left: Expr,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let left_type = left.get_type(schema)?;
        match typed {
            Typed::Divide => divide(left, &left_type, right, schema),
            Typed::Add(unit) => self.add(unit, left, &left_type, right, schema),
            Typed::Truncate(unit) => self.truncate(unit, left, &left_type),
            Typed::Round => self.round(left, &left_type, right),
            Typed::Get => self.get(left, &left_type, right),
            Typed::Document(of) => {
                let place = Document::ALL.into_iter().position(|one| one == of);
                let function = place.and_then(|place| self.documents.get(place));
                of.plan(function.and_then(Option::as_ref), left, right, schema)
            }
            Typed::Match(op) => matched(left, &left_type, op, right, schema),
            Typed::Plain(_) if family(&left_type) == Some(Family::Text) => Err(refused(
                "a MATCH_CONDITION of texts over tables with collations of their own",
                "compare numbers or times",
            )),
            Typed::Plain(op) => matched(left, &left_type, op, right, schema),
            Typed::Text if left_type.is_null() || family(&left_type) == Some(Family::Text) => {
                Ok(left)
            }
            Typed::Text if is_document(&left_type) => Err(wrong(
                "TRY_CAST of a semi-structured value",
                "make it a text first: TRY_CAST(value:key::string AS …)",
            )),
            Typed::Text => Err(wrong(
                "TRY_CAST of a value that isn't a text",
                "cast it with ::, or to a text first",
            )),
            Typed::Flatten(element) => self.flatten(element, left, &left_type, right),
            Typed::Try => Ok(match &self.attempt {
                Some(attempt) => {
                    let arguments = vec![left, right];
                    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(attempt), arguments))
                }
                // As written out.
                None => right,
            }),
        }
    }

    fn add(
        &self,
        unit: Unit,
        moment: Expr,
        of: &DataType,
        count: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (moment, is_date) = moment_of(moment, of)?;
        let start = if is_date { cast(moment, TIMESTAMP) } else { moment };
        let interval = match constant(&count) {
            Some(count) => {
                let interval = unit.times(count);
                lit(interval.ok_or_else(|| refused("a time this long", "move it by less"))?)
            }
            None => {
                let Some(times) = &self.interval_times else {
                    return Err(refused("a computed count of units", "write a number"));
                };
                // A fraction is rounded.
                let count = match count.get_type(schema)? {
                    DataType::Int16 | DataType::Int32 | DataType::Int64 => count,
                    _ => cast(count, DataType::Int64),
                };
                let one = unit.times(1).map(lit);
                let one = one.ok_or_else(|| refused("this unit", "use another"))?;
                let call = ScalarFunction::new_udf(Arc::clone(times), vec![one, count]);
                Expr::ScalarFunction(call)
            }
        };
        let moved = binary(start, Operator::Plus, interval);
        Ok(if is_date && unit.is_of_dates() { cast(moved, DataType::Date32) } else { moved })
    }

    fn truncate(&self, unit: Unit, moment: Expr, of: &DataType) -> Result<Expr> {
        let (moment, is_date) = moment_of(moment, of)?;
        if is_date && !unit.is_of_dates() {
            // A date has no hours.
            return Ok(moment);
        }
        let Some(date_trunc) = &self.date_trunc else {
            return Err(refused("date_trunc", "use another function"));
        };
        let moment = if is_date { cast(moment, TIMESTAMP) } else { moment };
        let call = ScalarFunction::new_udf(Arc::clone(date_trunc), vec![lit(unit.name()), moment]);
        let cut = Expr::ScalarFunction(call);
        Ok(if is_date { cast(cut, DataType::Date32) } else { cut })
    }

    fn round(&self, number: Expr, of: &DataType, digits: Expr) -> Result<Expr> {
        if of.is_floating() {
            let hint = "Snowflake rounds it in another way: cast it to NUMBER with enough digits";
            return Err(refused("round of a float", hint));
        }
        let Some(round) = &self.round else { return Err(refused("round", "use trunc")) };
        // Of the type that the function takes: its result's type is read off the literal.
        let arguments = match constant(&digits).map(i32::try_from) {
            Some(Ok(0)) => vec![number],
            Some(Ok(digits)) => vec![number, lit(digits)],
            Some(Err(_)) | None => vec![number, digits],
        };
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(round), arguments)))
    }
}

impl Parts {
    fn get(&self, value: Expr, of: &DataType, step: Expr) -> Result<Expr> {
        if !is_document(of) {
            let hint = "paths lead into columns that are VARIANT, OBJECT or ARRAY at a Snowflake";
            return Err(wrong("a path into a value that isn't semi-structured", hint));
        }
        let Some(get) = &self.get else { return Err(refused("a path", "select the value")) };
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(get), vec![value, step])))
    }
}

impl Parts {
    fn flatten(&self, element: Element, value: Expr, of: &DataType, asked: Expr) -> Result<Expr> {
        if !is_document(of) {
            let hint = "columns that are VARIANT, OBJECT or ARRAY at a Snowflake are flattened, and \
                        paths into them";
            return Err(wrong("FLATTEN of a value that isn't semi-structured", hint));
        }
        let place = Element::ALL.into_iter().position(|one| one == element);
        let function = place.and_then(|place| self.flatten.get(place)).and_then(Option::as_ref);
        let Some(function) = function else { return Err(refused("FLATTEN", "select the value")) };
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), vec![value, asked])))
    }
}

/// A date or a timestamp, and whether it is a date. A text is read as a timestamp.
fn moment_of(moment: Expr, of: &DataType) -> Result<(Expr, bool)> {
    match of {
        DataType::Date32 => Ok((moment, true)),
        DataType::Timestamp(..) => Ok((moment, false)),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Ok((cast(moment, TIMESTAMP), false))
        }
        _ => Err(wrong("this function takes a date or a timestamp", "cast the argument to one")),
    }
}

/// The digits of an exact number: before and after the point together, and after it.
fn digits(of: &DataType) -> Option<(u8, i8)> {
    Some(match of {
        DataType::Int16 => (5, 0),
        DataType::Int32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::UInt64 => (20, 0),
        DataType::Decimal128(precision, scale) => (*precision, *scale),
        _ => return None,
    })
}

/// A quotient of exact numbers has six digits after the point more than the dividend, but no more than
/// twelve for their sake. All others are as anywhere.
fn divide(left: Expr, of: &DataType, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let by = right.get_type(schema)?;
    let (Some((precision, scale)), Some(_)) = (digits(of), digits(&by)) else {
        return Ok(binary(left, Operator::Divide, right));
    };
    let dividend = match of {
        DataType::Decimal128(..) => left,
        _ => cast(left, DataType::Decimal128(precision, scale)),
    };
    let quotient = binary(dividend, Operator::Divide, right);
    let scale = scale.saturating_add(6).min(12).max(scale);
    Ok(cast(quotient, DataType::Decimal128(DIGITS, scale)))
}

/// What values are ordered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Number,
    Moment,
    Time,
    Text,
    Boolean,
}

fn family(of: &DataType) -> Option<Family> {
    Some(match of {
        number if number.is_numeric() => Family::Number,
        DataType::Date32 | DataType::Timestamp(..) => Family::Moment,
        DataType::Time64(_) => Family::Time,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Family::Text,
        DataType::Boolean => Family::Boolean,
        _ => return None,
    })
}

fn matched(
    left: Expr,
    of: &DataType,
    op: Operator,
    right: Expr,
    schema: &DFSchema,
) -> Result<Expr> {
    let to = right.get_type(schema)?;
    let alike = family(of).is_some_and(|family| Some(family) == self::family(&to));
    // As floats several exact numbers may be one, as exact ones several floats.
    let merges = op == Operator::Eq && of.is_floating() != to.is_floating();
    if of.is_null() || to.is_null() || (alike && !merges) {
        return Ok(binary(left, op, right));
    }
    Err(wrong(
        "the two sides of a condition of ASOF JOIN have types that don't fit",
        "compare numbers, texts or times with their like, and cast keys of which one side alone is a float",
    ))
}

/// The whole number that an expression is, if it is a constant one.
fn constant(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => Some(*value),
        Expr::Literal(ScalarValue::Int32(Some(value)), _) => Some(i64::from(*value)),
        Expr::Negative(inner) => constant(inner)?.checked_neg(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Document, Element, MATCHES, Typed, UNITS};

    #[test]
    fn operators_stand_for_their_operations() {
        let units = UNITS.iter().flat_map(|(unit, _)| [Typed::Add(*unit), Typed::Truncate(*unit)]);
        let matches = MATCHES.iter().flat_map(|(op, _)| [Typed::Match(*op), Typed::Plain(*op)]);
        for typed in units
            .chain(matches)
            .chain(Element::ALL.map(Typed::Flatten))
            .chain(Document::ALL.map(Typed::Document))
            .chain([Typed::Divide, Typed::Round, Typed::Get, Typed::Try, Typed::Text])
        {
            assert_eq!(Typed::of(&typed.operator()), Some(typed));
        }
    }
}
