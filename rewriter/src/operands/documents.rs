//! Snowflake's functions of semi-structured values, as a plan has them.

use std::sync::Arc;

use datafusion_common::{DFSchema, Result};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{Cast, Expr, ExprSchemable, ScalarUDF};

use arrow::datatypes::DataType;
use tollgate_catalog::pg_type::is_document;

use super::typed::{refused, wrong};

/// Such a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Document {
    /// Whether a value is an element of an array. What is no array has none, and is NULL.
    ArrayContains,
    /// How many elements an array has; of all else NULL.
    ArraySize,
    /// Whether a value is JSON's null.
    IsNullValue,
    /// The keys of an object, as an array.
    ObjectKeys,
    /// The value that a text says.
    ParseJson,
    /// The same, or NULL of a text that says none.
    TryParseJson,
    /// The name of a value's type.
    TypeOf,
}

/// Every one with the name of the engine's function and with Snowflake's.
const DOCUMENTS: [(Document, &str, &str); 7] = [
    (Document::ArrayContains, "tg_array_contains", "ARRAY_CONTAINS"),
    (Document::ArraySize, "tg_array_size", "ARRAY_SIZE"),
    (Document::IsNullValue, "tg_is_null_value", "IS_NULL_VALUE"),
    (Document::ObjectKeys, "tg_object_keys", "OBJECT_KEYS"),
    (Document::ParseJson, "tg_parse_json", "PARSE_JSON"),
    (Document::TryParseJson, "tg_try_parse_json", "TRY_PARSE_JSON"),
    (Document::TypeOf, "tg_typeof", "TYPEOF"),
];

impl Document {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::ArrayContains,
        Self::ArraySize,
        Self::IsNullValue,
        Self::ObjectKeys,
        Self::ParseJson,
        Self::TryParseJson,
        Self::TypeOf,
    ];

    fn names(self) -> (&'static str, &'static str) {
        let known = DOCUMENTS.iter().find(|(of, ..)| *of == self);
        known.map_or(("", ""), |(_, engine, snowflake)| (engine, snowflake))
    }

    /// The engine's function.
    pub(crate) fn function(self) -> &'static str {
        self.names().0
    }

    /// Snowflake's name.
    pub(crate) fn word(self) -> &'static str {
        self.names().1
    }

    /// The one that a function of the engine is.
    pub(crate) fn of(function: &str) -> Option<Self> {
        DOCUMENTS.iter().find(|(_, engine, _)| *engine == function).map(|(of, ..)| *of)
    }

    /// Whether it reads a text, where others take a semi-structured value.
    pub(crate) fn reads_text(self) -> bool {
        match self {
            Self::ParseJson | Self::TryParseJson => true,
            Self::ArrayContains
            | Self::ArraySize
            | Self::IsNullValue
            | Self::ObjectKeys
            | Self::TypeOf => false,
        }
    }

    /// Whether its result is a semi-structured value.
    pub(crate) fn makes_document(self) -> bool {
        match self {
            Self::ObjectKeys | Self::ParseJson | Self::TryParseJson => true,
            Self::ArrayContains | Self::ArraySize | Self::IsNullValue | Self::TypeOf => false,
        }
    }

    /// The call of it: of a value, and of another that is looked for, or of nothing.
    pub(super) fn plan(
        self,
        function: Option<&Arc<ScalarUDF>>,
        value: Expr,
        other: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let word = self.word();
        let Some(function) = function else { return Err(refused(word, "select the value")) };
        let of = value.get_type(schema)?;
        let arguments = if self.reads_text() {
            vec![text_of(value, &of).ok_or_else(|| {
                wrong(&format!("{word} of a value that isn't a text"), "it reads texts alone")
            })?]
        } else if !is_document(&of) {
            let hint = "it takes columns that are VARIANT, OBJECT or ARRAY at a Snowflake, and paths into them";
            return Err(wrong(&format!("{word} of a value that isn't semi-structured"), hint));
        } else if self == Self::ArrayContains {
            vec![value, wanted(other, schema)?]
        } else {
            vec![value]
        };
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), arguments)))
    }
}

/// A text. What has no type yet is one.
fn text_of(value: Expr, of: &DataType) -> Option<Expr> {
    match of {
        DataType::Utf8 => Some(value),
        DataType::Null | DataType::LargeUtf8 | DataType::Utf8View => {
            Some(Expr::Cast(Cast::new(Box::new(value), DataType::Utf8)))
        }
        _ => None,
    }
}

/// What is looked for in an array: it compares as nothing else than what it is.
fn wanted(value: Expr, schema: &DFSchema) -> Result<Expr> {
    let of = value.get_type(schema)?;
    match of {
        DataType::Boolean | DataType::Int16 | DataType::Int32 | DataType::Int64 => Ok(value),
        _ => text_of(value, &of).ok_or_else(|| {
            wrong(
                "ARRAY_CONTAINS of a value of this type",
                "look for a text, a whole number or a truth value",
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::Document;

    #[test]
    fn functions_have_names() {
        for of in Document::ALL {
            assert_eq!(Document::of(of.function()), Some(of));
            assert!(!of.word().is_empty());
        }
    }
}
