//! `format(pattern, …)`

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use tollgate_catalog::{Error, ErrorKind, id};

use super::bounded::{MAX_BATCH, MAX_VALUE, too_long};

/// The widest field.
const MAX_WIDTH: usize = 10_000;
/// The longest text that is made, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// `format(pattern, values…)` with `%s`, `%I`, `%L`, `%%`, positions and widths.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Format {
    signature: Signature,
}

impl Format {
    /// The function.
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Format {
    fn name(&self) -> &str {
        "format"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.is_empty() || types.iter().any(DataType::is_nested) {
            return plan_err!("format takes a text and plain values");
        }
        Ok(vec![DataType::Utf8; types.len()])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let texts: Vec<&StringArray> = arrays.iter().map(|array| array.as_string()).collect();
        let Some((patterns, values)) = texts.split_first() else {
            return internal_err!("format was called without a pattern");
        };
        let mut out = Vec::with_capacity(patterns.len());
        let mut batch = 0;
        for (row, pattern) in patterns.iter().enumerate() {
            let value = |index: usize| -> Option<Option<&str>> {
                let values = values.get(index)?;
                Some(values.is_valid(row).then(|| values.value(row)))
            };
            let text = pattern.map(|pattern| write(pattern, value)).transpose()?;
            batch += text.as_ref().map_or(0, String::len);
            if batch > MAX_BATCH {
                return Err(too_long("format"));
            }
            out.push(text);
        }
        let result: ArrayRef = Arc::new(StringArray::from(out));
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn wrong(message: &'static str) -> DataFusionError {
    DataFusionError::External(Box::new(Error::new(ErrorKind::InvalidParameterValue, message)))
}

fn write<'v>(pattern: &str, value: impl Fn(usize) -> Option<Option<&'v str>>) -> Result<String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut next = 0;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let number = |text: &str| {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, rest) = text.split_at(digits);
            (digits.parse::<usize>().ok(), rest.to_owned())
        };
        let (first, tail) = number(after);
        let (position, tail) = match (first, tail.strip_prefix('$')) {
            (Some(position), Some(tail)) => (Some(position), tail.to_owned()),
            _ => (None, after.to_owned()),
        };
        let (left, tail) = match tail.strip_prefix('-') {
            Some(tail) => (true, tail.to_owned()),
            None => (false, tail),
        };
        let (width, tail) = number(&tail);
        let width = width.unwrap_or(0);
        if width > MAX_WIDTH {
            return Err(wrong("a field of format is too wide"));
        }
        let index = match position {
            Some(0) => {
                return Err(wrong(
                    "format specifies argument 0, but arguments are numbered from 1",
                ));
            }
            Some(position) => position - 1,
            None => next,
        };
        next = index + 1;
        let argument = value(index).ok_or_else(|| wrong("too few arguments for format()"))?;
        let text = match (tail.chars().next(), argument) {
            (Some('s'), argument) => argument.unwrap_or_default().to_owned(),
            (Some('I'), Some(argument)) => id::quote_if_needed(argument).to_string(),
            (Some('I'), None) => {
                return Err(wrong("null values cannot be formatted as an SQL identifier"));
            }
            (Some('L'), Some(argument)) => format!("'{}'", argument.replace('\'', "''")),
            (Some('L'), None) => "NULL".to_owned(),
            _ => return Err(wrong("unrecognized format() type specifier")),
        };
        let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
        let (before, after) = if left { ("", blanks.as_str()) } else { (blanks.as_str(), "") };
        if out.len() + width + text.len() > MAX_BYTES {
            return Err(wrong("the text that format makes is too long"));
        }
        out.push_str(before);
        out.push_str(&text);
        out.push_str(after);
        if out.len() > MAX_VALUE {
            return Err(too_long("format"));
        }
        // What was read is a suffix of the pattern.
        let kept = tail.len() - 1;
        rest = rest.get(rest.len() - kept..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(out)
}
