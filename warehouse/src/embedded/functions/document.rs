//! A step of a path into a semi-structured value, the elements of one, and functions of one.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use tollgate_catalog::{Error, pg_type};

/// The value at a key or at a place. The engine has no such values, so it is planned here, and never run.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Get {
    signature: Signature,
}

impl Get {
    /// The function.
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Get {
    fn name(&self) -> &str {
        "tg_get"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(pg_type::document())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [value, DataType::Utf8 | DataType::Int64] if pg_type::is_document(value) => {
                Ok(types.to_vec())
            }
            _ => plan_err!("a path leads into a semi-structured value"),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let error = Error::not_supported("a path into a semi-structured value");
        Err(DataFusionError::External(Box::new(error)))
    }
}

/// A column of the elements of a value, as a list: planned here, and never run.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flatten {
    name: &'static str,
    element: DataType,
    signature: Signature,
}

impl Flatten {
    /// The functions for all columns.
    pub(crate) fn all() -> [Self; 5] {
        [
            ("tg_flatten_index", DataType::Int64),
            ("tg_flatten_key", DataType::Utf8),
            ("tg_flatten_path", DataType::Utf8),
            ("tg_flatten_this", pg_type::document()),
            ("tg_flatten_value", pg_type::document()),
        ]
        .map(|(name, element)| {
            let signature = Signature::user_defined(Volatility::Immutable);
            Self { name, element, signature }
        })
    }
}

impl ScalarUDFImpl for Flatten {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(self.element.clone(), true))))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [value, DataType::Utf8] if pg_type::is_document(value) => Ok(types.to_vec()),
            _ => plan_err!("a semi-structured value is flattened"),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let error = Error::not_supported("FLATTEN of a semi-structured value");
        Err(DataFusionError::External(Box::new(error)))
    }
}

/// A function of a semi-structured value, or of the text of one: planned here, and never run.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Document {
    name: &'static str,
    /// What it takes first.
    of: DataType,
    /// Whether it takes another value beside.
    and_value: bool,
    result: DataType,
    signature: Signature,
}

impl Document {
    /// All of them.
    pub(crate) fn all() -> [Self; 7] {
        let value = pg_type::document;
        [
            ("tg_array_contains", value(), true, DataType::Boolean),
            ("tg_array_size", value(), false, DataType::Int64),
            ("tg_is_null_value", value(), false, DataType::Boolean),
            ("tg_object_keys", value(), false, value()),
            ("tg_parse_json", DataType::Utf8, false, value()),
            ("tg_try_parse_json", DataType::Utf8, false, value()),
            ("tg_typeof", value(), false, DataType::Utf8),
        ]
        .map(|(name, of, and_value, result)| {
            let signature = Signature::user_defined(Volatility::Immutable);
            Self { name, of, and_value, result, signature }
        })
    }
}

impl ScalarUDFImpl for Document {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [of] if *of == self.of && !self.and_value => Ok(types.to_vec()),
            [
                of,
                DataType::Utf8
                | DataType::Boolean
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64,
            ] if *of == self.of && self.and_value => Ok(types.to_vec()),
            _ => plan_err!("a function of a semi-structured value"),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let error = Error::not_supported("a function of a semi-structured value");
        Err(DataFusionError::External(Box::new(error)))
    }
}
