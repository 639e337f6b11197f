//! Casts to the types that stand for catalog objects: an oid inside, a name at the edge.

use arrow::datatypes::DataType as ArrowType;
use datafusion_sql::sqlparser::ast::{
    Array, ArrayElemTypeDef, CastKind, DataType, Expr, Ident, ObjectName, ObjectNamePart,
};

use tollgate_catalog::TableName;

use super::look::folded;
use crate::gate::expr::{null, string};
use crate::gate::function::call;

/// The function from text to oid and that from oid to name.
fn functions(data_type: &DataType) -> Option<(&'static str, &'static str)> {
    let name = match data_type {
        DataType::Regclass => "regclass".to_owned(),
        DataType::Custom(name, modifiers) if modifiers.is_empty() => base(name)?,
        _ => return None,
    };
    Some(match name.as_str() {
        "regclass" => ("tg_regclass", "tg_regclass_name"),
        "regtype" => ("tg_regtype", "tg_regtype_name"),
        "regnamespace" => ("tg_regnamespace", "tg_regnamespace_name"),
        "regproc" | "regprocedure" => ("tg_regproc", "tg_regproc_name"),
        "regrole" => ("tg_regrole", "tg_regrole_name"),
        _ => return None,
    })
}

fn base(name: &ObjectName) -> Option<String> {
    let parts: Option<Vec<String>> =
        name.0.iter().map(|part| part.as_ident().map(folded)).collect();
    match parts?.as_slice() {
        [base] => Some(base.clone()),
        [schema, base] if schema == "pg_catalog" => Some(base.clone()),
        _ => None,
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_) => true,
        DataType::Custom(name, _) => {
            base(name).is_some_and(|name| ["text", "varchar", "name"].contains(&name.as_str()))
        }
        _ => false,
    }
}

fn taken(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, null())
}

/// Rewrites a chain of casts whose last but one or last is to such a type.
pub(super) fn registered(expr: &mut Expr, aliases: &[(String, TableName)]) {
    let Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, .. } =
        expr
    else {
        return;
    };
    if let Some((to_oid, _)) = functions(data_type) {
        let oid = call(to_oid, vec![taken(inner)]);
        *expr = oid;
        return;
    }
    let mut source = inner.as_mut();
    while let Expr::Nested(nested) = source {
        source = nested.as_mut();
    }
    if is_text(data_type) {
        function_name(source, aliases);
    }
    let Expr::Cast { expr: source, data_type: middle, .. } = source else { return };
    let Some((to_oid, to_name)) = functions(middle) else { return };
    let oid = call(to_oid, vec![taken(source)]);
    if is_text(data_type) {
        *expr = call(to_name, vec![oid]);
    } else {
        **inner = oid;
    }
}

/// Columns that are functions: an oid inside, a name at the edge.
const PROCS: &[&str] =
    &["typinput", "typoutput", "typreceive", "typsend", "typmodin", "typmodout", "typanalyze"];

/// Makes a column of `pg_type` that is a function its name. Whether it is one.
pub(super) fn function_name(expr: &mut Expr, aliases: &[(String, TableName)]) -> bool {
    let of_types = |alias: Option<String>| {
        aliases.iter().any(|(name, table)| {
            table.table == "pg_type" && alias.as_ref().is_none_or(|alias| alias == name)
        })
    };
    let (column, known) = match &*expr {
        Expr::Identifier(column) => (column, of_types(None)),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [alias, column] => (column, of_types(Some(folded(alias)))),
            _ => return false,
        },
        _ => return false,
    };
    let is_function = known && PROCS.contains(&folded(column).as_str());
    if is_function {
        let column = taken(expr);
        *expr = call("tg_regproc_name", vec![column]);
    }
    is_function
}

/// The value of a select list is shown: such a type shows a name.
pub(super) fn output(expr: &mut Expr) {
    match expr {
        Expr::Nested(inner) => output(inner),
        Expr::Case { conditions, else_result, .. } => {
            conditions.iter_mut().for_each(|when| output(&mut when.result));
            if let Some(result) = else_result {
                output(result);
            }
        }
        Expr::Cast { data_type, .. } if functions(data_type).is_some() => {
            let inner = taken(expr);
            *expr = cast(inner, DataType::Text);
        }
        _ => {}
    }
}

/// The values of a query that are compared: such a type is an oid.
pub(super) fn compared(expr: &mut Expr) {
    if let Expr::Cast { data_type, .. } = expr
        && functions(data_type).is_some()
    {
        let inner = taken(expr);
        *expr = cast(inner, named("oid"));
    }
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

pub(super) fn named(name: &str) -> DataType {
    let part = ObjectNamePart::Identifier(Ident::new(name));
    DataType::Custom(ObjectName(vec![part]), Vec::new())
}

/// `'{a,b}'` as an array of a known type; only the simple form.
pub(super) fn array_literal(text: &str, element: &ArrowType) -> Option<Expr> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    if inner.contains(['"', '\\', '{', '}']) {
        return None;
    }
    let elem: Vec<Expr> = inner.split(',').filter(|item| !item.is_empty()).map(string).collect();
    let array = Expr::Array(Array { elem, named: true });
    let element = match element {
        ArrowType::Null => return Some(array),
        ArrowType::UInt32 => named("oid"),
        ArrowType::Int16 => DataType::SmallInt(None),
        ArrowType::Int32 => DataType::Integer(None),
        ArrowType::Utf8 => DataType::Text,
        _ => return None,
    };
    Some(cast(array, DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), None))))
}
