//! A text that was printed and proven once, for all values of a client's parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_expr::LogicalPlan;
use datafusion_expr::expr::Placeholder;
use tollgate_catalog::Error;

use super::types::Kind;
use super::{Dialect, Parameter, Printer, Rendering, print};
use crate::secured::OutputColumn;

/// The longest text that is kept, in bytes.
const MAX_KEPT: usize = 32 << 10;

/// A text for PostgreSQL with places for values.
#[derive(Debug)]
pub(crate) struct Template {
    text: Arc<str>,
    parameters: Vec<Parameter>,
    /// Which of them is which of the client's, both from 0.
    places: Vec<(usize, usize)>,
}

/// The places of a client's values: by its number, from 0, that of the text, from 1.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<usize, usize>);

impl Template {
    /// Prints a plan whose parameters have no values yet; nothing if its text would be another one for
    /// other values.
    pub(crate) fn of(plan: &LogicalPlan, output: &[OutputColumn]) -> Option<Self> {
        let (rendering, places) =
            print(Dialect::Postgres, plan, output, Some(Places::default())).ok()?;
        let Rendering { text, parameters } = rendering;
        let places = places.unwrap_or_default().0.into_iter();
        let places = places.map(|(client, number)| Some((number.checked_sub(1)?, client)));
        let places = places.collect::<Option<Vec<_>>>()?;
        Some(Self { text, parameters, places })
    }

    /// Whether it may be kept.
    pub(crate) fn is_short(&self) -> bool {
        self.text.len() <= MAX_KEPT
    }

    /// The text with these values; nothing if one of them has another form.
    pub(crate) fn filled(&self, values: &[ScalarValue]) -> Option<Rendering> {
        let mut parameters = self.parameters.clone();
        for (place, client) in &self.places {
            let (slot, value) = (parameters.get_mut(*place)?, values.get(*client)?);
            let Parameter::Written { text, data_type } = slot else { return None };
            if !value.is_null() {
                *text = Some(words(value, data_type)?);
            }
        }
        Some(Rendering { text: Arc::clone(&self.text), parameters })
    }
}

/// A value as a literal of this type is written.
fn words(value: &ScalarValue, data_type: &DataType) -> Option<String> {
    let text = match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => (!text.contains('\0')).then(|| text.clone()),
        value => Dialect::Postgres.words(value).ok(),
    };
    text.filter(|_| is_of(&value.data_type(), data_type))
}

/// Whether values of a type are as they would be after a cast to another one, which isn't printed: a
/// number with other digits is rounded by it.
fn is_of(value: &DataType, data_type: &DataType) -> bool {
    let fine = |unit: &TimeUnit| matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond);
    let text =
        |of: &DataType| matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match (value, data_type) {
        (DataType::Timestamp(_, zone), DataType::Timestamp(unit, wanted)) => {
            zone.is_some() == wanted.is_some() && fine(unit)
        }
        (DataType::Time64(_), DataType::Time64(_)) => true,
        (value, data_type) => value == data_type || (text(value) && text(data_type)),
    }
}

impl Printer {
    /// A client's parameter, whose value comes when the text is filled.
    pub(super) fn client(&mut self, placeholder: &Placeholder) -> Result<String, Error> {
        let without = || Error::internal("a parameter without a value");
        let number = placeholder.id.strip_prefix('$').and_then(|id| id.parse::<usize>().ok());
        let client = number.and_then(|number| number.checked_sub(1)).ok_or_else(without)?;
        let data_type = placeholder.field.as_ref().ok_or_else(without)?.data_type();
        let known = self.places.as_ref().ok_or_else(without)?.0.get(&client).copied();
        let unsigned = data_type.is_unsigned_integer();
        match self.dialect.kind(data_type)? {
            Kind::Bool
            | Kind::Whole
            | Kind::Float
            | Kind::Decimal
            | Kind::Text
            | Kind::Date
            | Kind::Time
            | Kind::Timestamp
            | Kind::Zoned
                if !unsigned => {}
            _ => return Err(without()),
        }
        let number = match known {
            Some(number) => number,
            None => {
                let later = Parameter::Written { text: None, data_type: data_type.clone() };
                self.parameter(later)?;
                self.parameters.len()
            }
        };
        if let Some(places) = &mut self.places {
            places.0.insert(client, number);
        }
        let name = self.dialect.name(data_type, false)?;
        Ok(format!("CAST({} AS {name})", self.placeholder(number)))
    }
}
