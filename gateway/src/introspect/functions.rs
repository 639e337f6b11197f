//! The functions that clients call over the system relations.
//!
//! Statements are planned with [`signatures`], which have no principal and refuse to run; before a
//! plan runs, [`bind`] puts in the [`functions`] of the principal's own view.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};
use datafusion::scalar::ScalarValue;
use tollgate_catalog::Error;

use super::evaluate::FUNCTIONS;
use super::rows::{self, Cell};
use super::view::View;

/// A value that a function got.
#[derive(Debug, Clone)]
pub(super) struct Arg(ScalarValue);

impl From<ScalarValue> for Arg {
    fn from(value: ScalarValue) -> Self {
        Self(value)
    }
}

impl Arg {
    /// A number, if it is of a type of numbers.
    pub(super) fn number(&self) -> Option<i64> {
        match &self.0 {
            ScalarValue::Int8(value) => value.map(i64::from),
            ScalarValue::Int16(value) => value.map(i64::from),
            ScalarValue::Int32(value) => value.map(i64::from),
            ScalarValue::Int64(value) => *value,
            ScalarValue::UInt8(value) => value.map(i64::from),
            ScalarValue::UInt16(value) => value.map(i64::from),
            ScalarValue::UInt32(value) => value.map(i64::from),
            ScalarValue::UInt64(value) => value.and_then(|value| i64::try_from(value).ok()),
            _ => None,
        }
    }

    /// Text, if it is of a type of text.
    pub(super) fn text(&self) -> Option<&str> {
        self.0.try_as_str().flatten()
    }

    /// An oid, given as a number or, being an untyped literal, as digits.
    pub(super) fn oid(&self) -> Option<u32> {
        match self.number() {
            Some(number) => u32::try_from(number).ok(),
            None => self.text()?.trim().parse().ok(),
        }
    }

    /// True, if it is.
    pub(super) fn is_true(&self) -> bool {
        matches!(self.0, ScalarValue::Boolean(Some(true)))
    }

    /// The number of elements, if it is a list.
    pub(super) fn list_len(&self) -> Option<usize> {
        match &self.0 {
            ScalarValue::List(list) if !list.is_null_at_zero() => Some(list.value(0).len()),
            _ => None,
        }
    }

    /// The value in a message.
    pub(super) fn display(&self) -> String {
        self.0.to_string()
    }
}

/// NULL of a list of one list.
trait IsNullAtZero {
    fn is_null_at_zero(&self) -> bool;
}

impl<T: arrow::array::Array> IsNullAtZero for T {
    fn is_null_at_zero(&self) -> bool {
        self.is_empty() || self.is_null(0)
    }
}

/// An error for the user.
pub(super) fn fail(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What a function is.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    /// The fewest and the most arguments.
    pub(super) arguments: (usize, usize),
    pub(super) returns: Returns,
    /// Volatile, if it does something: then it runs where the statement says, and nowhere else.
    pub(super) volatility: Volatility,
    pub(super) evaluate: fn(&View, &[Arg]) -> Result<Cell>,
}

/// What a function returns.
#[derive(Debug, Clone, Copy)]
pub(super) enum Returns {
    Bool,
    Int4,
    Int8,
    Oid,
    Text,
    Int4s,
    Texts,
    Timestamp,
}

impl Returns {
    fn data_type(self) -> DataType {
        match self {
            Returns::Bool => DataType::Boolean,
            Returns::Int4 => DataType::Int32,
            Returns::Int8 => DataType::Int64,
            Returns::Oid => DataType::UInt32,
            Returns::Text => DataType::Utf8,
            Returns::Int4s => rows::list_of(DataType::Int32),
            Returns::Texts => rows::list_of(DataType::Utf8),
            Returns::Timestamp => rows::timestamptz(),
        }
    }
}

#[derive(Debug)]
struct Function {
    spec: &'static Spec,
    signature: Signature,
    view: Option<Arc<View>>,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
            && self.view.as_ref().map(Arc::as_ptr) == other.view.as_ref().map(Arc::as_ptr)
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
        self.view.as_ref().map(Arc::as_ptr).hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.spec.returns.data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(view) = &self.view else {
            return Err(fail(Error::internal(format!("{} ran without a view", self.spec.name))));
        };
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let count = if scalar { 1 } else { args.number_rows };
        let mut cells = Vec::with_capacity(count);
        for row in 0..count {
            let values = args.args.iter().map(|arg| match arg {
                ColumnarValue::Scalar(value) => Ok(Arg::from(value.clone())),
                ColumnarValue::Array(array) => {
                    ScalarValue::try_from_array(array, row).map(Arg::from)
                }
            });
            cells.push((self.spec.evaluate)(view, &values.collect::<Result<Vec<_>>>()?)?);
        }
        let array = rows::array(&self.spec.returns.data_type(), &cells);
        if scalar {
            return ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(array))
    }
}

fn make(view: Option<&Arc<View>>) -> Vec<Arc<ScalarUDF>> {
    let function = |spec: &'static Spec| {
        let (fewest, most) = spec.arguments;
        let arities = (fewest..=most).map(|count| match count {
            0 => TypeSignature::Nullary,
            count => TypeSignature::Any(count),
        });
        let signature = Signature::one_of(arities.collect(), spec.volatility);
        Arc::new(ScalarUDF::new_from_impl(Function { spec, signature, view: view.cloned() }))
    };
    let expand = super::expand::Expand::new();
    FUNCTIONS.iter().map(function).chain([Arc::new(ScalarUDF::new_from_impl(expand))]).collect()
}

/// The functions, answering from a view.
pub fn functions(view: &Arc<View>) -> Vec<Arc<ScalarUDF>> {
    make(Some(view))
}

/// The functions for planning; they fail if they run.
pub fn signatures() -> Vec<Arc<ScalarUDF>> {
    make(None)
}

/// The plan with every function of [`signatures`] replaced by that of the view.
pub fn bind(plan: LogicalPlan, view: &Arc<View>) -> Result<LogicalPlan> {
    let bound: HashMap<String, Arc<ScalarUDF>> =
        functions(view).into_iter().map(|udf| (udf.name().to_owned(), udf)).collect();
    let replace = |expr: Expr| {
        let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else {
            return Ok(Transformed::no(expr));
        };
        match bound.get(func.name()).filter(|_| func.inner().as_ref().is::<Function>()) {
            Some(func) => {
                let func = Arc::clone(func);
                Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
            }
            None => Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
        }
    };
    plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| expr.transform_up(&replace))
    })
    .map(|transformed| transformed.data)
}
