//! Functions of semi-structured values.

use datafusion_sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArguments, ObjectNamePart,
};
use tollgate_catalog::Error;

use super::functions::{one, two};
use super::make::{arguments, typed};
use crate::gate::expr::null;
use crate::gate::parts;
use crate::operands::{Document, Typed};

/// A function of one value.
pub(super) fn of(function: Document, arguments: Vec<Expr>) -> Option<Expr> {
    one(arguments).map(|value| typed(value, Typed::Document(function), null()))
}

/// `ARRAY_CONTAINS(value::VARIANT, array)`. Nothing else is cast to a VARIANT: here it says that the value is
/// compared as an element is.
pub(super) fn contains(arguments: Vec<Expr>) -> Result<Option<Expr>, Error> {
    let Some([value, array]) = two(arguments) else { return Ok(None) };
    let Some(value) = variant(value) else {
        return Err(Error::not_supported("ARRAY_CONTAINS of a value that isn't cast to VARIANT")
            .with_hint("write ARRAY_CONTAINS('a'::VARIANT, value:key)"));
    };
    Ok(Some(typed(array, Typed::Document(Document::ArrayContains), value)))
}

/// What is cast to a VARIANT.
fn variant(value: Expr) -> Option<Expr> {
    match value {
        Expr::Nested(inner) => variant(*inner),
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr,
            data_type: DataType::Custom(name, modifiers),
            array: false,
            format: None,
        } if modifiers.is_empty() && parts(&name).is_ok_and(|name| name == ["variant"]) => {
            Some(*expr)
        }
        Expr::Function(function) if is_variant(&function) => arguments(&function).and_then(one),
        _ => None,
    }
}

fn is_variant(function: &Function) -> bool {
    let named = match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => {
            name.quote_style.is_none() && name.value.eq_ignore_ascii_case("to_variant")
        }
        _ => false,
    };
    named && matches!(function.args, FunctionArguments::List(_))
}
