//! Values for the parameters of a prepared statement.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::metadata::ScalarAndMetadata;
use datafusion_common::{ParamValues, ScalarValue};
use datafusion_expr::LogicalPlan;
use tollgate_catalog::{Error, ErrorKind, Table};

use super::{Prepared, Secured};
use crate::planner_error::public;
use crate::statement::deep;

impl Prepared {
    /// Gives the parameters their values, for one execution.
    ///
    /// # Errors
    /// A wrong number of values, or a value of another type.
    pub fn bind(&self, values: Vec<ScalarValue>) -> Result<Secured, Error> {
        if values.len() != self.bound.meaning.parameters.len() {
            return Err(Error::new(
                ErrorKind::ProtocolViolation,
                format!(
                    "the statement needs {} parameters, but {} were given",
                    self.bound.meaning.parameters.len(),
                    values.len()
                ),
            ));
        }
        let typed = values.iter().zip(&self.bound.meaning.parameters);
        for (number, (value, data_type)) in typed.enumerate() {
            if value.data_type() != *data_type && !same_family(&value.data_type(), data_type) {
                return Err(Error::new(
                    ErrorKind::DatatypeMismatch,
                    format!("parameter ${} has another type than the statement says", number + 1),
                ));
            }
        }
        let open = Arc::clone(&self.plan);
        let plan = if values.is_empty() {
            Arc::clone(&open)
        } else {
            let values = values.iter().cloned().map(ScalarAndMetadata::from).collect();
            let plan = deep(self.bound.meaning.operators, || {
                LogicalPlan::clone(&open).replace_params_with_values(&ParamValues::List(values))
            });
            Arc::new(plan.map_err(public)?)
        };
        Ok(Secured { bound: Arc::clone(&self.bound), plan, open, values })
    }
}

impl Secured {
    /// The tables that it names; views know what they read.
    pub fn named(&self) -> &[Arc<Table>] {
        &self.bound.meaning.tables
    }
}

/// A decimal or a time of another precision is still one: values are never rounded to fit.
fn same_family(value: &DataType, wanted: &DataType) -> bool {
    let decimal = |of: &DataType| matches!(of, DataType::Decimal128(..) | DataType::Decimal256(..));
    match (value, wanted) {
        (DataType::Null, _) | (DataType::Time64(_), DataType::Time64(_)) => true,
        (DataType::Timestamp(_, zone), DataType::Timestamp(_, wanted)) => {
            zone.is_some() == wanted.is_some()
        }
        (DataType::List(value), DataType::List(wanted)) => {
            value.data_type() == wanted.data_type()
                || same_family(value.data_type(), wanted.data_type())
        }
        (value, wanted) => decimal(value) && decimal(wanted),
    }
}
