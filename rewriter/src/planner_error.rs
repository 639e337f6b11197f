//! The planner's errors as public ones.
//!
//! The planner knows secured relations only, so its texts can't name what is hidden, and it has seen
//! no data. They are still rewritten: no Rust names, no lists of columns.

use datafusion_common::{DataFusionError, SchemaError};
use tollgate_catalog::{Error, ErrorKind};

/// The public form of a planner's error.
pub(crate) fn public(error: DataFusionError) -> Error {
    let root = error.find_root();
    let public = match root {
        DataFusionError::SchemaError(schema, _) => schema_error(schema),
        DataFusionError::Plan(text) => plan_error(text),
        DataFusionError::NotImplemented(text) => {
            Error::new(ErrorKind::NotSupported, format!("not supported: {}", first_line(text)))
        }
        DataFusionError::SQL(parser, _) => Error::new(
            ErrorKind::Syntax,
            format!("syntax error: {}", first_line(&parser.to_string())),
        ),
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

fn plan_error(text: &str) -> Error {
    let text = first_line(text);
    let kind = if text.contains("GROUP BY") || text.contains("in the select list") {
        ErrorKind::Grouping
    } else if text.contains("nvalid function") {
        ErrorKind::UndefinedFunction
    } else if text.contains("coerc") || text.contains("type") {
        ErrorKind::DatatypeMismatch
    } else {
        ErrorKind::Syntax
    };
    Error::new(kind, format!("the statement can't be planned: {text}"))
}

/// The first sentence, lower case at its start, without the engine's prefixes.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or("").trim();
    let line = line.strip_prefix("Error during planning: ").unwrap_or(line);
    let end = line.find(". ").unwrap_or(line.len());
    let line = line.get(..end).unwrap_or(line).trim_end_matches('.');
    let mut chars = line.chars();
    chars.next().into_iter().flat_map(char::to_lowercase).chain(chars).collect()
}
