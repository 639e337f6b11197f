//! The planner's errors as public ones.
//!
//! The planner knows secured relations only, so its texts can't name what is hidden, and it has seen
//! no data. They are still never passed on: users read PostgreSQL's texts, or ours.

use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, SchemaError};
use tollgate_catalog::{Error, ErrorKind, pg_type};

/// The public form of a planner's error.
pub(crate) fn public(error: DataFusionError) -> Error {
    let root = error.find_root();
    let public = match root {
        DataFusionError::SchemaError(schema, _) => schema_error(schema),
        DataFusionError::Plan(text) => plan_error(text),
        DataFusionError::SQL(..) => Error::new(ErrorKind::Syntax, "syntax error"),
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => {
                let mut copy = Error::new(ours.kind(), ours.message());
                if let Some(hint) = ours.hint() {
                    copy = copy.with_hint(hint);
                }
                copy
            }
            None => refused(),
        },
        _ => refused(),
    };
    public.with_cause(error)
}

fn refused() -> Error {
    Error::new(ErrorKind::NotSupported, "the statement can't be planned")
        .with_hint("write it in a simpler form")
}

fn schema_error(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, .. } => match &field.relation {
            Some(relation) => {
                Error::undefined_column(&format!("{}.{}", relation.table(), field.name))
            }
            None => Error::undefined_column(&field.name),
        },
        SchemaError::AmbiguousReference { field } => Error::new(
            ErrorKind::AmbiguousColumn,
            format!("column reference \"{}\" is ambiguous", field.name),
        ),
        SchemaError::DuplicateQualifiedField { qualifier, .. } => Error::new(
            ErrorKind::DuplicateAlias,
            format!("table name \"{}\" specified more than once", qualifier.table()),
        )
        .with_hint("give one of them another alias"),
        SchemaError::DuplicateUnqualifiedField { name } => Error::new(
            ErrorKind::AmbiguousColumn,
            format!("column \"{name}\" is in the result more than once"),
        )
        .with_hint("give one of them another alias"),
    }
}

/// Names the errors that users meet; of all others they learn no more than that. The texts that are
/// looked for are the planner's, those that are written are PostgreSQL's.
fn plan_error(text: &str) -> Error {
    let grouping = ["must be in GROUP BY", "must appear in the GROUP BY"];
    if grouping.iter().any(|part| text.contains(part)) {
        return ungrouped(text);
    }
    missing_function(text)
        .or_else(|| missing_operator(text))
        .or_else(|| shapes(text))
        .unwrap_or_else(refused)
}

fn ungrouped(text: &str) -> Error {
    let column = text.split_once("column \"").and_then(|(_, rest)| rest.split_once('"'));
    let plain = |name: &&str| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    let what = match column.map(|(name, _)| name).filter(plain) {
        Some(name) => {
            let mut parts = name.rsplit('.');
            match (parts.next(), parts.next()) {
                (Some(column), Some(table)) => format!("column \"{table}.{column}\""),
                _ => format!("column \"{name}\""),
            }
        }
        None => "an expression".to_owned(),
    };
    Error::new(
        ErrorKind::Grouping,
        format!("{what} must appear in the GROUP BY clause or be used in an aggregate function"),
    )
}

/// A call whose arguments the function doesn't take.
fn missing_function(text: &str) -> Option<Error> {
    let quoted = |before: &str| text.split_once(before)?.1.split_once('\'').map(|(name, _)| name);
    let (name, types) = match quoted("argument types '").or_else(|| quoted("No function matches '"))
    {
        Some(call) => {
            let (name, types) = call.strip_suffix(')')?.split_once('(')?;
            (name, Some(types))
        }
        None => {
            let call =
                ["Function '", "function '", "call to '"].iter().find_map(|part| quoted(part));
            let given =
                ["(DataType: ", "coercion from ", "but received "].iter().find_map(|part| {
                    let rest = text.split_once(part)?.1;
                    let end = rest
                        .find(" to the signature")
                        .or_else(|| closing(rest))
                        .unwrap_or(rest.len());
                    rest.get(..end)
                });
            (call?, given)
        }
    };
    let types = types.and_then(type_names).map(|types| types.join(", "));
    let message = match (crate::functions::user_name(name)?, types) {
        (name, Some(types)) => format!("function {name}({types}) does not exist"),
        (name, None) => format!("function {name} does not exist for arguments of these types"),
    };
    Some(Error::new(ErrorKind::UndefinedFunction, message).with_hint(
        "no function matches the given name and argument types; you might need to add explicit type casts",
    ))
}

/// Operands that an operator doesn't take.
fn missing_operator(text: &str) -> Option<Error> {
    let (_, rest) =
        ["operation ", "arithmetic expression "].iter().find_map(|part| text.split_once(part))?;
    let rest = rest.split(" to valid types").next()?;
    let rest = rest.split_once(": ").map_or(rest, |(rest, _)| rest);
    let (left, rest) = rest.split_at_checked(outside(rest, ' ').next()?)?;
    let (op, right) = rest.split_at_checked(outside(rest, ' ').next_back()?)?;
    let [left] = <[String; 1]>::try_from(type_names(left)?).ok()?;
    let [right] = <[String; 1]>::try_from(type_names(right)?).ok()?;
    let op = match op.trim() {
        "!=" => "<>",
        logical @ ("AND" | "OR") => {
            let wrong = if left == "boolean" { right } else { left };
            let message = format!("argument of {logical} must be type boolean, not type {wrong}");
            return Some(Error::new(ErrorKind::DatatypeMismatch, message));
        }
        other => other,
    };
    let message = format!("operator does not exist: {left} {op} {right}");
    Some(Error::new(ErrorKind::UndefinedFunction, message).with_hint(
        "no operator matches the given name and argument types; you might need to add explicit type casts",
    ))
}

/// Queries whose columns don't fit together, and the like.
fn shapes(text: &str) -> Option<Error> {
    let found = |parts: &[&str]| parts.iter().all(|part| text.contains(part));
    let (kind, message) = if found(&["query", "same number of columns"])
        || found(&["number of columns", "UNION"])
        || found(&["UNION", "different number of columns"])
    {
        (ErrorKind::Syntax, "each query of a set operation must have the same number of columns")
    } else if found(&["should only return one column"]) || found(&["more than one column"]) {
        (ErrorKind::Syntax, "subquery must return only one column")
    } else if found(&["coerce"]) || found(&["type mismatch"]) || found(&["Incompatible"]) {
        (ErrorKind::DatatypeMismatch, "the types of the statement's values don't fit together")
    } else {
        return None;
    };
    Some(Error::new(kind, message))
}

/// PostgreSQL's names of the engine's types in a list, or nothing if one isn't a type.
fn type_names(list: &str) -> Option<Vec<String>> {
    let list = list.trim().trim_matches(['[', ']']);
    let mut names = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        let end = outside(rest, ',').next().unwrap_or(rest.len());
        let (one, more) = rest.split_at_checked(end)?;
        let data_type: DataType = one.trim().parse().ok()?;
        names.push(pg_type::format_type(pg_type::of(&data_type)));
        rest = more.strip_prefix(',').unwrap_or(more);
    }
    Some(names)
}

/// Where a character stands outside of all parentheses.
fn outside(text: &str, wanted: char) -> impl DoubleEndedIterator<Item = usize> {
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && c == wanted => found.push(at),
            _ => {}
        }
    }
    found.into_iter()
}

/// Where the parenthesis closes that opened before the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| match c {
        '(' => {
            depth += 1;
            None
        }
        ')' if depth == 0 => Some(at),
        ')' => {
            depth -= 1;
            None
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;
