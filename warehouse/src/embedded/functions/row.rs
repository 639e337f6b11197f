//! Whole rows: as values, as texts and as JSON. The gate writes all of these calls.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use tollgate_catalog::pg_type::{self, Shape};
use tollgate_catalog::{Error, ErrorKind};

use super::bounded::{MAX_ADDED, MAX_BATCH, MAX_VALUE, too_long};
use super::plain::{Style, is_plain, written};

/// How deep rows may stand in rows and in arrays of rows: the text of each level quotes the quotes of
/// the one inside.
const MAX_DEPTH: usize = 3;

/// `tg_row('name', value, …)`: a row of a relation.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    signature: Signature,
}

impl Row {
    /// The function.
    pub(crate) fn new() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// How many rows stand in each other, arrays of rows included.
fn depth(of: &DataType) -> usize {
    let inside = match of {
        DataType::Struct(fields) if pg_type::shape(of).is_some() => {
            return 1 + fields.iter().map(|field| depth(field.data_type())).max().unwrap_or(0);
        }
        DataType::List(item) => depth(item.data_type()),
        _ => 0,
    };
    if inside > 0 { inside + 1 } else { 0 }
}

impl ScalarUDFImpl for Row {
    fn name(&self) -> &str {
        "tg_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of a row depends on its columns' names")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let names = args.scalar_arguments.iter().step_by(2);
        let values = args.arg_fields.iter().skip(1).step_by(2);
        if names.len() != values.len() || names.len() == 0 {
            return plan_err!("a row has a name for each value");
        }
        let fields = names.zip(values).map(|(name, value)| {
            let Some(name) = name.and_then(|name| name.try_as_str().flatten()) else {
                return plan_err!("a row's columns have constant names");
            };
            let field = Field::new(name, value.data_type().clone(), true);
            Ok(pg_type::shaped(field, Shape::Record))
        });
        let row = DataType::Struct(fields.collect::<Result<Vec<_>>>()?.into());
        if depth(&row) > MAX_DEPTH {
            let error = Error::new(ErrorKind::ProgramLimit, "whole rows are nested too deeply");
            return Err(external(error.with_hint("name the columns that are needed")));
        }
        Ok(Arc::new(Field::new(self.name(), row, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Struct(fields) = args.return_field.data_type() else {
            return internal_err!("a row is of another type");
        };
        let values = args.args.iter().skip(1).step_by(2);
        let constant = values.clone().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays = values.map(|value| value.to_array(rows)).collect::<Result<Vec<_>>>()?;
        finish(StructArray::try_new(fields.clone(), arrays, None)?, constant)
    }
}

/// The result of a call: of constants a constant.
fn finish(result: impl Array + 'static, constant: bool) -> Result<ColumnarValue> {
    let result: ArrayRef = Arc::new(result);
    if constant {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
    }
    Ok(ColumnarValue::Array(result))
}

/// The one argument of a call, and whether it is constant.
fn single(args: &ScalarFunctionArgs) -> Result<(ArrayRef, bool)> {
    let [value] = args.args.as_slice() else {
        return internal_err!("a function of one argument was called with several");
    };
    let constant = matches!(value, ColumnarValue::Scalar(_));
    Ok((value.to_array(if constant { 1 } else { args.number_rows })?, constant))
}

/// `row::text`
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowText {
    signature: Signature,
}

impl RowText {
    /// The function.
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

fn not_written() -> DataFusionError {
    let error = Error::not_supported("the text of a row that holds an array or an object");
    external(error.with_hint("name the columns that are needed"))
}

/// Whether a value can stand in the text of a row.
fn writes(of: &DataType) -> bool {
    match of {
        DataType::Struct(fields) if pg_type::shape(of) == Some(Shape::Record) => {
            fields.iter().all(|field| writes(field.data_type()))
        }
        other => is_plain(other),
    }
}

impl ScalarUDFImpl for RowText {
    fn name(&self) -> &str {
        "tg_row_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [row] if pg_type::shape(row) == Some(Shape::Record) => {
                if writes(row) {
                    Ok(DataType::Utf8)
                } else {
                    Err(not_written())
                }
            }
            _ => plan_err!("only a row has the text of a row"),
        }
    }

    // The error of a return type reaches the user, that of a coercion doesn't. So here and below.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (rows, constant) = single(&args)?;
        finish(row_texts(rows.as_struct())?, constant)
    }
}

/// What `record_out` prints.
fn row_texts(rows: &StructArray) -> Result<StringArray> {
    let columns = rows.columns().iter().map(|column| match column.data_type() {
        DataType::Struct(_) => row_texts(column.as_struct()),
        _ => written(column, Style::Row),
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let mut out = StringBuilder::new();
    let mut text = String::new();
    let mut batch = 0;
    for row in 0..rows.len() {
        if rows.is_null(row) {
            out.append_null();
            continue;
        }
        text.clear();
        let mut longest = 0;
        for (index, column) in columns.iter().enumerate() {
            text.push(if index == 0 { '(' } else { ',' });
            if column.is_valid(row) {
                let value = column.value(row);
                longest = longest.max(value.len());
                quote(value, &mut text);
            }
        }
        text.push(')');
        batch += text.len();
        if text.len() > MAX_VALUE.max(longest + MAX_ADDED) || batch > MAX_BATCH {
            return Err(too_long("text"));
        }
        out.append_value(&text);
    }
    Ok(out.finish())
}

/// Appends a value, in quotes where it needs them.
fn quote(value: &str, out: &mut String) {
    let special = |c: char| {
        matches!(c, '"' | '\\' | '(' | ')' | ',' | ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
    };
    if !value.is_empty() && !value.contains(special) {
        out.push_str(value);
        return;
    }
    out.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('"');
}

/// What `row_to_json` and `json_agg` make: the same values as JSON, which is written at the very end.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Json {
    of: Source,
    signature: Signature,
}

/// What JSON is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A row.
    Row,
    /// Values that were aggregated.
    List,
}

impl Json {
    /// The function.
    pub(crate) fn new(of: Source) -> Self {
        Self { of, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn shaped(&self, of: &DataType) -> Result<DataType> {
        let json = |field: &FieldRef| pg_type::shaped(field.as_ref().clone(), Shape::Json);
        match (self.of, of) {
            (Source::Row, DataType::Struct(fields))
                if pg_type::shape(of) == Some(Shape::Record) =>
            {
                Ok(DataType::Struct(fields.iter().map(json).collect::<Fields>()))
            }
            (Source::List, DataType::List(item)) => Ok(DataType::List(Arc::new(json(item)))),
            (Source::Row, _) => {
                let error = Error::not_supported("JSON of anything but a whole row");
                Err(external(error.with_hint("use json_agg, or select the value as it is")))
            }
            (Source::List, _) => plan_err!("only an aggregate becomes an array"),
        }
    }
}

impl ScalarUDFImpl for Json {
    fn name(&self) -> &str {
        match self.of {
            Source::Row => "tg_row_json",
            Source::List => "tg_list_json",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [of] => self.shaped(of),
            _ => plan_err!("JSON is made of one value"),
        }
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (values, constant) = single(&args)?;
        let shaped = self.shaped(values.data_type())?;
        let data = values.to_data().into_builder().data_type(shaped).build()?;
        let result = arrow::array::make_array(data);
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// The text of a value as `json_each_text` gives it, or `jsonb_each_text`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct JsonText {
    style: Style,
    signature: Signature,
}

impl JsonText {
    /// The function of `json`.
    pub(crate) fn of_json() -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { style: Style::Json, signature }
    }

    /// The function of `jsonb`.
    pub(crate) fn of_jsonb() -> Self {
        Self { style: Style::Jsonb, ..Self::of_json() }
    }
}

impl ScalarUDFImpl for JsonText {
    fn name(&self) -> &str {
        match self.style {
            Style::Jsonb => "tg_jsonb_text",
            Style::Row | Style::Json => "tg_json_text",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [value] if is_plain(value) => Ok(DataType::Utf8),
            _ => Err(not_written()),
        }
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (values, constant) = single(&args)?;
        finish(written(&values, self.style)?, constant)
    }
}
