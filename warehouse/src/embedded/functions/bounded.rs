//! Bounds on what one call of a function makes, checked on its arguments before it runs.
//!
//! A function runs in one call of a kernel, which nothing interrupts and whose memory nobody counts;
//! with constant arguments it runs while the statement is planned. So users' calls go through a
//! wrapper that foretells the length of each result, refuses what is too long, and runs the engine's
//! function over few rows at a time where the arguments are long or searching them may be slow.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};
use datafusion::scalar::ScalarValue;
use tollgate_catalog::{Error, ErrorKind};

use super::argument::Argument;
use super::pattern::{self, Patterns, Search};

/// The longest value that a function may make of shorter ones, in bytes. A batch of 8192 rows may
/// repeat a value in each, so that this is half a gigabyte at worst.
pub(super) const MAX_VALUE: usize = 64 << 10;
/// How much longer than the longest of its arguments a longer value may be, in bytes.
pub(super) const MAX_ADDED: usize = 1 << 10;
/// The most that one call may make, in bytes.
pub(super) const MAX_BATCH: usize = 128 << 20;
/// The longest text that says how values are read or written, in bytes.
const MAX_PATTERN: usize = 1 << 10;
/// About how many bytes of constants may be repeated, or steps of a search be made, in one call of
/// the engine's function.
const MAX_PIECE: u64 = 1 << 28;
/// How long all pieces of a call may take.
pub(super) const MAX_TIME: Duration = Duration::from_secs(10);

/// How long a function's result can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Growth {
    /// About as long as its arguments.
    Linear,
    /// As long as all its arguments together.
    Sum,
    /// As `concat_ws(separator, …)`.
    Separated,
    /// As `lpad(text, length, fill)`.
    Padded,
    /// As `replace(text, from, to)`.
    Replaced,
    /// As `array_replace(array, from, to)`.
    Elements,
    /// As `array_to_string(array, separator, null)`.
    Written,
    /// As `array_position(array, value, start)`.
    Placed,
    /// By a pattern, the second argument.
    Patterned,
    /// By a regular expression.
    Searched(Search),
}

/// The engine's functions that users get with bounds: the engine's name, PostgreSQL's, growth.
pub(super) const BOUNDED: &[(&str, &str, Growth)] = &[
    ("array_append", "array_append", Growth::Sum),
    ("array_concat", "array_cat", Growth::Sum),
    ("array_position", "array_position", Growth::Placed),
    ("array_prepend", "array_prepend", Growth::Sum),
    ("array_remove_all", "array_remove", Growth::Linear),
    ("array_replace_all", "array_replace", Growth::Elements),
    ("array_to_string", "array_to_string", Growth::Written),
    ("ascii", "ascii", Growth::Linear),
    ("bit_length", "bit_length", Growth::Linear),
    ("btrim", "btrim", Growth::Linear),
    ("character_length", "length", Growth::Linear),
    ("concat", "concat", Growth::Sum),
    ("concat_ws", "concat_ws", Growth::Separated),
    ("decode", "decode", Growth::Linear),
    ("encode", "encode", Growth::Linear),
    ("format", "format", Growth::Linear),
    ("initcap", "initcap", Growth::Linear),
    ("left", "left", Growth::Linear),
    ("lower", "lower", Growth::Linear),
    ("lpad", "lpad", Growth::Padded),
    ("ltrim", "ltrim", Growth::Linear),
    ("md5", "md5", Growth::Linear),
    ("octet_length", "octet_length", Growth::Linear),
    ("overlay", "overlay", Growth::Sum),
    ("regexp_count", "regexp_count", Growth::Searched(Search::Count)),
    ("regexp_instr", "regexp_instr", Growth::Searched(Search::Position)),
    ("regexp_like", "regexp_like", Growth::Searched(Search::Test)),
    ("regexp_match", "regexp_match", Growth::Searched(Search::Match)),
    ("regexp_replace", "regexp_replace", Growth::Searched(Search::Replace)),
    ("replace", "replace", Growth::Replaced),
    ("reverse", "reverse", Growth::Linear),
    ("right", "right", Growth::Linear),
    ("rpad", "rpad", Growth::Padded),
    ("rtrim", "rtrim", Growth::Linear),
    ("sha224", "sha224", Growth::Linear),
    ("sha256", "sha256", Growth::Linear),
    ("sha384", "sha384", Growth::Linear),
    ("sha512", "sha512", Growth::Linear),
    ("split_part", "split_part", Growth::Linear),
    ("starts_with", "starts_with", Growth::Linear),
    ("string_to_array", "string_to_array", Growth::Linear),
    ("strpos", "strpos", Growth::Linear),
    ("substr", "substr", Growth::Linear),
    ("to_char", "to_char", Growth::Patterned),
    ("to_date", "to_date", Growth::Patterned),
    ("to_timestamp_micros", "to_timestamp", Growth::Patterned),
    ("translate", "translate", Growth::Linear),
];

/// A function within bounds.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bounded {
    inner: Arc<ScalarUDF>,
    /// What users call it.
    name: &'static str,
    growth: Growth,
}

impl Bounded {
    /// `inner` within bounds; errors name it `name`.
    pub(crate) fn new(inner: Arc<ScalarUDF>, name: &'static str, growth: Growth) -> Self {
        Self { inner, name, growth }
    }

    /// Refuses arguments whose result would be too long.
    fn check(&self, arguments: &[Argument], rows: usize, patterns: &mut Patterns) -> Result<()> {
        if matches!(self.growth, Growth::Linear | Growth::Placed) {
            return Ok(());
        }
        let mut batch = 0;
        for row in 0..rows {
            let length = self.length(arguments, row, patterns)?;
            let longest = arguments.iter().map(|of| of.bytes(row)).max().unwrap_or(0);
            batch += length;
            if length > MAX_VALUE.max(longest.saturating_add(MAX_ADDED)) || batch > MAX_BATCH {
                return Err(too_long(self.name));
            }
        }
        Ok(())
    }

    /// The most bytes that the result of a row may have.
    fn length(&self, arguments: &[Argument], row: usize, patterns: &mut Patterns) -> Result<usize> {
        let bytes = |index: usize| arguments.get(index).map_or(0, |of| of.bytes(row));
        let sum = || (0..arguments.len()).map(bytes).fold(0, usize::saturating_add);
        let length = match self.growth {
            Growth::Linear | Growth::Placed => 0,
            Growth::Sum => sum(),
            Growth::Separated => bytes(0).saturating_mul(arguments.len()).saturating_add(sum()),
            Growth::Padded => {
                let fill = arguments.get(2).and_then(|of| of.text(row)).unwrap_or(" ");
                let width = if fill.is_ascii() { 1 } else { 4 };
                let wanted = arguments.get(1).and_then(|of| of.whole(row)).unwrap_or(0);
                let wanted = usize::try_from(wanted).unwrap_or(0);
                wanted.saturating_mul(width).saturating_add(bytes(0))
            }
            Growth::Replaced => {
                let text = |index: usize| arguments.get(index).and_then(|of| of.text(row));
                let (Some(subject), Some(from), Some(to)) = (text(0), text(1), text(2)) else {
                    return Ok(0);
                };
                let grows = to.len().saturating_sub(from.len());
                let found = if grows == 0 { 0 } else { subject.matches(from).count() };
                grows.saturating_mul(found).saturating_add(subject.len())
            }
            Growth::Elements => {
                let elements = arguments.first().map_or(0, |of| of.elements(row));
                bytes(2).saturating_mul(elements).saturating_add(bytes(0))
            }
            Growth::Written => {
                let elements = arguments.first().map_or(0, |of| of.elements(row));
                let between = bytes(1).saturating_add(bytes(2));
                between.saturating_mul(elements).saturating_add(bytes(0))
            }
            Growth::Patterned => {
                if bytes(1) > MAX_PATTERN {
                    return Err(pattern::too_long(self.name));
                }
                0
            }
            Growth::Searched(search) => patterns.length(search, self.name, arguments, row)?,
        };
        Ok(length)
    }

    /// The arguments with numbers brought into the range that the engine's function counts in.
    fn in_range(
        &self,
        mut args: Vec<ColumnarValue>,
        arguments: &[Argument],
        rows: usize,
    ) -> Result<Vec<ColumnarValue>> {
        let (index, least) = match self.growth {
            Growth::Padded => (1, 0),
            Growth::Placed => (2, 1),
            _ => return Ok(args),
        };
        let (Some(number), Some(slot)) = (arguments.get(index), args.get_mut(index)) else {
            return Ok(args);
        };
        if slot.data_type() != DataType::Int64 || rows == 0 {
            return Ok(args);
        }
        let most = |row: usize| match (self.growth, arguments.first()) {
            (Growth::Placed, Some(array)) => {
                i64::try_from(array.length(row)).unwrap_or(i64::MAX).saturating_add(1)
            }
            _ => i64::MAX,
        };
        let numbers = (0..rows).map(|row| match (number.whole(row), self.growth) {
            (Some(number), _) => Ok(Some(number.max(least).min(most(row)))),
            (None, Growth::Placed) => {
                let error = Error::new(
                    ErrorKind::InvalidParameterValue,
                    "initial position must not be null",
                );
                Err(DataFusionError::External(Box::new(error)))
            }
            (None, _) => Ok(None),
        });
        let numbers = numbers.collect::<Result<Int64Array>>()?;
        let constant = arguments.iter().all(Argument::is_constant)
            || (number.is_constant() && self.growth == Growth::Padded);
        *slot = if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&numbers, 0)?)
        } else {
            ColumnarValue::Array(Arc::new(numbers))
        };
        Ok(args)
    }

    /// How much work a row is, in bytes that are repeated or steps of a search.
    fn weight(&self, arguments: &[Argument], row: usize) -> u64 {
        let repeated = arguments.iter().filter(|of| of.is_constant()).map(|of| of.bytes(row));
        let repeated = repeated.fold(0, usize::saturating_add) as u64;
        let searched = match (self.growth, arguments.first()) {
            // A search that fails may read all that is left, at each place.
            (Growth::Searched(search), Some(subject)) if search.repeats() => {
                (subject.bytes(row) as u64).saturating_pow(2)
            }
            _ => 0,
        };
        repeated.saturating_add(searched)
    }

    /// Rows that are worked on together.
    fn pieces(&self, arguments: &[Argument], rows: usize) -> Vec<Range<usize>> {
        let mut pieces = Vec::new();
        let (mut start, mut work) = (0, 0_u64);
        for row in 0..rows {
            let weight = self.weight(arguments, row);
            if work > 0 && work.saturating_add(weight) > MAX_PIECE {
                pieces.push(start..row);
                (start, work) = (row, 0);
            }
            work = work.saturating_add(weight);
        }
        pieces.push(start..rows);
        pieces
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    // Others would turn into the engine's own functions and operators, which have no bounds.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match self.growth {
            Growth::Linear => self.inner.simplify(args, info),
            _ => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.inner.preserves_lex_ordering(inputs)
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.inner.placement(args)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let begun = Instant::now();
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { args.number_rows.min(1) } else { args.number_rows };
        let arguments = args.args.iter().map(Argument::new).collect::<Result<Vec<_>>>()?;
        let mut patterns = Patterns::new(begun + MAX_TIME);
        self.check(&arguments, rows, &mut patterns)?;
        args.args = self.in_range(args.args, &arguments, rows)?;
        let pieces = self.pieces(&arguments, rows);
        if constant || pieces.len() <= 1 {
            return self.inner.invoke_with_args(args);
        }
        let mut results: Vec<ArrayRef> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            if begun.elapsed() > MAX_TIME {
                return Err(too_slow(self.name));
            }
            let of_piece = args.args.iter().map(|arg| match arg {
                ColumnarValue::Array(array) => {
                    ColumnarValue::Array(array.slice(piece.start, piece.len()))
                }
                ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.clone()),
            });
            let result = self.inner.invoke_with_args(ScalarFunctionArgs {
                args: of_piece.collect(),
                arg_fields: args.arg_fields.clone(),
                number_rows: piece.len(),
                return_field: Arc::clone(&args.return_field),
                config_options: Arc::clone(&args.config_options),
            })?;
            results.push(result.into_array(piece.len())?);
        }
        let results: Vec<_> = results.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&results)?))
    }
}

/// The error of a result that would be too long.
pub(super) fn too_long(name: &str) -> DataFusionError {
    let error =
        Error::new(ErrorKind::ProgramLimit, format!("result of function \"{name}\" is too long"));
    let hint = format!(
        "a function makes values of up to {} kB, and of up to {} MB for some thousand rows",
        MAX_VALUE >> 10,
        MAX_BATCH >> 20
    );
    DataFusionError::External(Box::new(error.with_hint(hint)))
}

/// The error of a search that takes too long.
pub(super) fn too_slow(name: &str) -> DataFusionError {
    let error = Error::new(ErrorKind::ProgramLimit, format!("function \"{name}\" takes too long"))
        .with_hint("search shorter texts, or by a simpler pattern");
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests;
