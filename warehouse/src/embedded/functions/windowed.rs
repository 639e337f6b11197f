//! Aggregates that collect their input, as window functions: what they make is counted.
//!
//! Over a growing frame the n-th row's result holds n values, and over a whole partition the result is
//! repeated in each row, so that some thousand rows make gigabytes that nobody accounts for.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature};
use datafusion::scalar::ScalarValue;
use tollgate_catalog::{Error, ErrorKind};

use super::bounded::MAX_BATCH;

/// The most bytes that a function reads again for the results of one partition.
const MAX_READ: usize = 32 << 30;

/// The aggregates that collect their input, and the most that they may use for a partition.
pub(super) const COLLECTING: &[(&str, Limit)] = &[
    ("array_agg", Limit::Made),
    ("median", Limit::Read),
    ("percentile_cont", Limit::Read),
    ("string_agg", Limit::Made),
];

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Limit {
    /// The bytes of results.
    Made,
    /// The bytes that were read to make each result.
    Read,
}

/// An aggregate as a window function within bounds.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Windowed {
    inner: Arc<AggregateUDF>,
    limit: Limit,
}

impl Windowed {
    /// `inner` within bounds.
    pub(crate) fn new(inner: Arc<AggregateUDF>, limit: Limit) -> Self {
        Self { inner, limit }
    }

    fn counted(&self, inner: Box<dyn Accumulator>) -> Box<dyn Accumulator> {
        let name = self.inner.name().to_owned();
        Box::new(Counted { inner, name, limit: self.limit, rows: 0, used: 0 })
    }
}

impl AggregateUDFImpl for Windowed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(fields)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(self.counted(self.inner.accumulator(args)?))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(self.counted(self.inner.create_sliding_accumulator(args)?))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn default_value(&self, of: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(of)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.supports_within_group_clause()
    }
}

/// The values of one partition.
#[derive(Debug)]
struct Counted {
    inner: Box<dyn Accumulator>,
    name: String,
    limit: Limit,
    /// Rows since the last result, which may be a result of each of them.
    rows: usize,
    used: usize,
}

impl Accumulator for Counted {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.rows += values.first().map_or(0, |values| values.len());
        self.inner.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.inner.evaluate()?;
        let (used, most) = match self.limit {
            Limit::Made => (value.size().saturating_mul(self.rows.max(1)), MAX_BATCH),
            Limit::Read => (self.inner.size(), MAX_READ),
        };
        self.used = self.used.saturating_add(used);
        self.rows = 0;
        if self.used <= most {
            return Ok(value);
        }
        let error = Error::new(
            ErrorKind::ProgramLimit,
            format!("results of window function \"{}\" are too long", self.name),
        )
        .with_hint("aggregate in a subquery with GROUP BY, or use smaller partitions");
        Err(DataFusionError::External(Box::new(error)))
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}

#[cfg(test)]
mod tests;
