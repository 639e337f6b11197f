//! A step of a path into a semi-structured value.

use arrow::datatypes::DataType;
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
