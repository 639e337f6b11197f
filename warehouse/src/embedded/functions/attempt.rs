//! A cast that gives NULL where it would fail.

use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// A value, and what is made of it without ever failing: that is the result. A warehouse that has such casts
/// is asked for its own, of the value.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    signature: Signature,
}

impl Attempt {
    /// The function.
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Attempt {
    fn name(&self) -> &str {
        "tg_try"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [_, made] => Ok(made.clone()),
            _ => plan_err!("a value and what is made of it are needed"),
        }
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_, _] => Ok(types.to_vec()),
            _ => plan_err!("a value and what is made of it are needed"),
        }
    }

    fn simplify(&self, mut args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match args.pop() {
            Some(made) if args.len() == 1 => Ok(ExprSimplifyResult::Simplified(made)),
            made => {
                args.extend(made);
                Ok(ExprSimplifyResult::Original(args))
            }
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match <[ColumnarValue; 2]>::try_from(args.args) {
            Ok([_, made]) => Ok(made),
            Err(_) => plan_err!("a value and what is made of it are needed"),
        }
    }
}
