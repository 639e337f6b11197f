//! The mask functions: names, arguments, types.
//!
//! Constant arguments are checked at load and live in the function itself, so that running it has
//! nothing left to check. They are also kept as literal arguments, for whoever prints the call.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{HashKey, Masking, kernels};
use crate::convert::is_text;

/// What a date is cut down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
}

impl Unit {
    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "year" => Self::Year,
            "quarter" => Self::Quarter,
            "month" => Self::Month,
            "week" => Self::Week,
            "day" => Self::Day,
            _ => return None,
        })
    }
}

/// A function of the library that runs per value, with its constants.
///
/// `mask_null` and `mask_redact` are not here: at load they become literals.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum MaskKind {
    Partial { prefix: usize, suffix: usize },
    Email,
    Hash(HashKey),
    Round(ScalarValue),
    Bucket(ScalarValue),
    Date(Unit),
}

impl MaskKind {
    fn name(&self) -> &'static str {
        match self {
            Self::Partial { .. } => "mask_partial",
            Self::Email => "mask_email",
            Self::Hash(_) => "mask_hash",
            Self::Round(_) => "mask_round",
            Self::Bucket(_) => "mask_bucket",
            Self::Date(_) => "mask_date",
        }
    }

    /// Whether it takes values of that type; it gives values of the same type.
    pub(crate) fn accepts(&self, data_type: &DataType) -> bool {
        match self {
            Self::Partial { .. } | Self::Email | Self::Hash(_) => is_text(data_type),
            Self::Round(step) | Self::Bucket(step) => {
                kernels::is_steppable(data_type) && &step.data_type() == data_type
            }
            Self::Date(_) => {
                matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
            }
        }
    }

    /// The call; `args` begins with the value.
    pub(crate) fn call(self, args: Vec<Expr>) -> Expr {
        let signature = Signature::any(args.len(), Volatility::Immutable);
        let udf = ScalarUDF::new_from_impl(MaskFunction { kind: self, signature });
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(udf), args))
    }
}

/// What a function masks, if it is one of these.
pub(super) fn masking(function: &ScalarUDF) -> Option<Masking<'_>> {
    let function = function.inner().downcast_ref::<MaskFunction>()?;
    Some(match &function.kind {
        MaskKind::Partial { prefix, suffix } => {
            Masking::Partial { prefix: *prefix, suffix: *suffix }
        }
        MaskKind::Email => Masking::Email,
        MaskKind::Hash(key) => {
            Masking::Hash { inner: key.disguised(0x36), outer: key.disguised(0x5c) }
        }
        MaskKind::Round(step) => Masking::Round(step),
        MaskKind::Bucket(step) => Masking::Bucket(step),
        MaskKind::Date(unit) => Masking::Date(unit.name()),
    })
}

/// A mask function as the engine sees it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct MaskFunction {
    kind: MaskKind,
    signature: Signature,
}

impl ScalarUDFImpl for MaskFunction {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args.first() {
            Some(value) if self.kind.accepts(value) => Ok(value.clone()),
            Some(_) | None => internal_err!("{} got a value of the wrong type", self.name()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = args.args.first() else {
            return internal_err!("{} got no value", self.name());
        };
        let is_scalar = matches!(value, ColumnarValue::Scalar(_));
        let values = value.to_array(if is_scalar { 1 } else { args.number_rows })?;
        let masked = match &self.kind {
            MaskKind::Partial { prefix, suffix } => kernels::map_text(&values, |text, out| {
                kernels::partial(text, *prefix, *suffix, out);
            })?,
            MaskKind::Email => kernels::map_text(&values, kernels::email)?,
            MaskKind::Hash(key) => {
                let key = key.hmac();
                kernels::map_text(&values, |text, out| kernels::hash(text, &key, out))?
            }
            MaskKind::Round(step) => kernels::step(&values, step, true)?,
            MaskKind::Bucket(step) => kernels::step(&values, step, false)?,
            MaskKind::Date(unit) => kernels::date(&values, *unit)?,
        };
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&masked, 0)?));
        }
        Ok(ColumnarValue::Array(masked))
    }
}
