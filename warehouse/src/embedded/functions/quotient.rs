//! The quotient of two exact numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum, Decimal128Array};
use arrow::compute::kernels::arity::{try_binary, try_unary};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, DecimalType, i256};
use arrow::error::ArrowError;
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use super::whole::out_of_range;

/// The least digits after the point of a quotient. PostgreSQL gives at least 16 significant ones; 14
/// after the point leave 24 before it within the 38 of the type.
const LEAST: i8 = 14;

/// `a / b` on exact numbers of which one at least is a decimal: rounded half away from zero to 14
/// digits after the point, or to as many as an operand has. What lies between is as long as it must
/// be: only a quotient that doesn't fit is an error.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Quotient {
    signature: Signature,
}

impl Quotient {
    /// The function.
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// The decimal that holds every value of a type.
fn decimal(of: &DataType) -> Result<(u8, i8)> {
    match of {
        DataType::Decimal128(precision, scale) if *scale >= 0 => Ok((*precision, *scale)),
        DataType::Decimal128(..) => Ok((DECIMAL128_MAX_PRECISION, 0)),
        DataType::Int8 | DataType::Int16 => Ok((5, 0)),
        DataType::Int32 => Ok((10, 0)),
        DataType::Int64 => Ok((19, 0)),
        DataType::UInt64 => Ok((20, 0)),
        _ => plan_err!("an operator on exact numbers has another operand"),
    }
}

impl ScalarUDFImpl for Quotient {
    fn name(&self) -> &str {
        "tg_divide"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = types else { return plan_err!("an operator has two operands") };
        let scale = LEAST.max(decimal(left)?.1).max(decimal(right)?.1);
        Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let exact = |of| decimal(of).map(|(digits, scale)| DataType::Decimal128(digits, scale));
        types.iter().map(exact).collect()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return internal_err!("an operator was called with other operands");
        };
        apply(left, right, divide)
    }
}

fn divide(left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
    let ((left, left_one), (right, right_one)) = (left.get(), right.get());
    let scale = |of: &DataType| match of {
        DataType::Decimal128(_, scale) => Ok(*scale),
        other => Err(ArrowError::ComputeError(format!("a quotient of {other}"))),
    };
    let (of_left, of_right) = (scale(left.data_type())?, scale(right.data_type())?);
    let result = LEAST.max(of_left).max(of_right);
    let by = Quotients::new((result - of_left + of_right).unsigned_abs());
    let (left, right) =
        (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
    let quotients: Decimal128Array = match (left_one, right_one) {
        (false, true) if right.is_valid(0) => {
            let divisor = right.value(0);
            try_unary(left, |value| by.quotient(value, divisor))?
        }
        (true, false) if left.is_valid(0) => {
            let value = left.value(0);
            try_unary(right, |divisor| by.quotient(value, divisor))?
        }
        (false, true) => Decimal128Array::new_null(left.len()),
        (true, false) => Decimal128Array::new_null(right.len()),
        (true, true) | (false, false) => {
            try_binary(left, right, |value, divisor| by.quotient(value, divisor))?
        }
    };
    Ok(Arc::new(quotients.with_precision_and_scale(DECIMAL128_MAX_PRECISION, result)?))
}

/// Quotients of unscaled values.
struct Quotients {
    /// What a dividend is multiplied with, if that is short.
    short: Option<i128>,
    long: i256,
}

impl Quotients {
    /// Dividends get that many digits: at most 76, those of two decimals.
    fn new(digits: u8) -> Self {
        let ten = i256::from_i128(10);
        Self {
            short: 10_i128.checked_pow(u32::from(digits)),
            long: (0..digits).fold(i256::ONE, |power, _| power.wrapping_mul(ten)),
        }
    }

    fn quotient(&self, value: i128, divisor: i128) -> Result<i128, ArrowError> {
        if divisor == 0 {
            return Err(ArrowError::DivideByZero);
        }
        let short = self.short.and_then(|power| value.checked_mul(power));
        let quotient = match short {
            Some(value) => rounded(value, divisor),
            None => self.wide(value, divisor),
        };
        quotient
            .filter(|value| {
                Decimal128Type::is_valid_decimal_precision(*value, DECIMAL128_MAX_PRECISION)
            })
            .ok_or_else(out_of_range)
    }

    fn wide(&self, value: i128, divisor: i128) -> Option<i128> {
        let (value, divisor) =
            (i256::from_i128(value).checked_mul(self.long)?, i256::from_i128(divisor));
        let (quotient, rest) = (value.checked_div(divisor)?, value.checked_rem(divisor)?);
        // Twice the rest is shorter than twice a divisor of 128 bits.
        let away = rest.wrapping_abs().wrapping_add(rest.wrapping_abs()) >= divisor.wrapping_abs();
        let negative = value.is_negative() != divisor.is_negative();
        let step = match (away, negative) {
            (false, _) => i256::ZERO,
            (true, false) => i256::ONE,
            (true, true) => i256::MINUS_ONE,
        };
        quotient.checked_add(step)?.to_i128()
    }
}

/// The quotient, rounded half away from zero; nothing where it doesn't fit.
fn rounded(value: i128, divisor: i128) -> Option<i128> {
    let (quotient, rest) = (value.checked_div(divisor)?, value.checked_rem(divisor)?);
    let away = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
    let step = match (away, (value < 0) != (divisor < 0)) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => -1,
    };
    quotient.checked_add(step)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use arrow::array::Decimal128Array;

    use super::*;

    fn decimals(values: &[Option<i128>], precision: u8, scale: i8) -> Decimal128Array {
        values
            .iter()
            .copied()
            .collect::<Decimal128Array>()
            .with_precision_and_scale(precision, scale)
            .unwrap()
    }

    #[test]
    fn rounds_half_away_from_zero_and_keeps_nulls() {
        let left = decimals(&[Some(1), Some(-1), Some(2), None, Some(0)], 10, 0);
        let right = decimals(&[Some(3), Some(3), Some(-3), Some(1), Some(7)], 10, 0);
        let result = divide(&left, &right).unwrap();
        assert_eq!(
            result.as_primitive::<Decimal128Type>(),
            &decimals(
                &[
                    Some(33_333_333_333_333),
                    Some(-33_333_333_333_333),
                    Some(-66_666_666_666_667),
                    None,
                    Some(0)
                ],
                38,
                14
            )
        );
    }

    #[test]
    fn only_the_quotient_must_fit() {
        // 10^21 with 16 digits after the point, halved.
        let left = decimals(&[Some(10_i128.pow(37))], 38, 16);
        let right = decimals(&[Some(2 * 10_i128.pow(16))], 38, 16);
        let result = divide(&left, &right).unwrap();
        assert_eq!(result.as_primitive::<Decimal128Type>().value(0), 5 * 10_i128.pow(36));
        let tiny = decimals(&[Some(1)], 38, 16);
        assert!(divide(&left, &tiny).is_err());
        assert!(matches!(
            divide(&left, &decimals(&[Some(0)], 38, 16)),
            Err(ArrowError::DivideByZero)
        ));
    }

    #[test]
    fn short_and_wide_agree() {
        // A linear congruential generator: every width of operands.
        let mut state = 1_u64;
        let mut next = |bits: u32| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            i128::from(state.cast_signed() >> (63 - bits))
        };
        for round in 0..20_000_u32 {
            let (value, divisor) = (next(round % 60), next(round / 7 % 60));
            let by = Quotients::new(u8::try_from(round % 18).unwrap());
            if divisor != 0 {
                let short = rounded(value * by.short.unwrap(), divisor);
                assert_eq!(short, by.wide(value, divisor), "{value} / {divisor}");
            }
        }
    }
}
