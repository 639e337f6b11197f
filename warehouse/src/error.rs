//! Maps the engine's errors to public ones.
//!
//! The engine's texts hold data values and paths, so none of them is ever public: the kind comes
//! from the variant, the text is one of ours, and the engine's own error becomes the private cause.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;
use tollgate_catalog::{Error, ErrorKind};

/// What the user may know about a failure.
type Public = (ErrorKind, &'static str, Option<&'static str>);

const FAILED: Public = (ErrorKind::WarehouseFailed, "the warehouse could not run the query", None);
const DATA_FILE: Public =
    (ErrorKind::WarehouseFailed, "a data file of the warehouse could not be read", None);
const DIVISION: Public = (ErrorKind::DivisionByZero, "division by zero", None);
const CONVERSION: Public =
    (ErrorKind::InvalidText, "a value could not be converted to the requested type", None);
const RANGE: Public = (ErrorKind::NumericOutOfRange, "a value is out of range for its type", None);
const CARDINALITY: Public = (
    ErrorKind::CardinalityViolation,
    "more than one row returned by a subquery used as an expression",
    None,
);
const MEMORY: Public = (
    ErrorKind::OutOfMemory,
    "the query needs more memory than the warehouse has for it",
    Some("filter, aggregate or limit the rows earlier"),
);
const UNSUPPORTED: Public = (
    ErrorKind::NotSupported,
    "the statement uses something that the warehouse does not support",
    Some("write the statement in another way"),
);

/// The public error for an error of the engine.
pub fn public(error: DataFusionError) -> Error {
    match own(&error) {
        // An error of ours travelled through the engine: its public text is safe.
        Some(ours) => copy(ours).with_cause(error),
        None => {
            let (kind, message, hint) = classify(&error);
            let public = Error::new(kind, message).with_cause(error);
            match hint {
                Some(hint) => public.with_hint(hint),
                None => public,
            }
        }
    }
}

/// The public error for an error of the engine before anything runs: what it then can't do, or finds
/// wrong with its own plan, is the statement's form and no failure.
pub fn public_planning(error: DataFusionError) -> Error {
    if own(&error).is_some() || !of_planner(&error) {
        return public(error);
    }
    let (kind, message, hint) = UNSUPPORTED;
    let public = Error::new(kind, message).with_cause(error);
    match hint {
        Some(hint) => public.with_hint(hint),
        None => public,
    }
}

/// Whether an error is the planner's own, not one of values, files or memory.
fn of_planner(error: &DataFusionError) -> bool {
    match error {
        DataFusionError::Internal(_)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_) => true,
        DataFusionError::ArrowError(inner, _) => {
            matches!(inner.as_ref(), ArrowError::SchemaError(_) | ArrowError::NotYetImplemented(_))
        }
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            of_planner(inner)
        }
        DataFusionError::Shared(inner) => of_planner(inner),
        DataFusionError::Collection(all) => all.first().is_some_and(of_planner),
        _ => false,
    }
}

/// The public error for an error of Arrow's kernels.
pub fn public_arrow(error: ArrowError) -> Error {
    public(DataFusionError::from(error))
}

/// The public error for a data file that can't be read.
pub(crate) fn data_file(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let (kind, message, _) = DATA_FILE;
    Error::new(kind, message).with_cause(cause)
}

fn copy(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.message());
    if let Some(detail) = error.detail() {
        copy = copy.with_detail(detail);
    }
    if let Some(hint) = error.hint() {
        copy = copy.with_hint(hint);
    }
    copy
}

/// The gateway's own error inside the engine's wrappers, if that is what it is.
fn own(error: &DataFusionError) -> Option<&Error> {
    match error {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => Some(ours),
            None => inner.downcast_ref::<DataFusionError>().and_then(own),
        },
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ExternalError(inner) => {
                inner.downcast_ref::<DataFusionError>().and_then(own)
            }
            _ => None,
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => own(inner),
        DataFusionError::Shared(inner) => own(inner),
        DataFusionError::Collection(all) => all.first().and_then(own),
        _ => None,
    }
}

fn classify(error: &DataFusionError) -> Public {
    match error {
        DataFusionError::ArrowError(inner, _) => arrow(inner),
        DataFusionError::ParquetError(_) | DataFusionError::ObjectStore(_) => DATA_FILE,
        DataFusionError::ResourcesExhausted(_) => MEMORY,
        DataFusionError::NotImplemented(_) => UNSUPPORTED,
        DataFusionError::Execution(text) => execution(text),
        DataFusionError::External(inner) => external(inner.as_ref()),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            classify(inner)
        }
        DataFusionError::Shared(inner) => classify(inner),
        DataFusionError::Collection(all) => all.first().map_or(FAILED, classify),
        _ => FAILED,
    }
}

fn arrow(error: &ArrowError) -> Public {
    match error {
        ArrowError::DivideByZero => DIVISION,
        ArrowError::CastError(_) | ArrowError::ParseError(_) => CONVERSION,
        ArrowError::ArithmeticOverflow(_) => RANGE,
        ArrowError::MemoryError(_) | ArrowError::OffsetOverflowError(_) => MEMORY,
        ArrowError::ParquetError(_) | ArrowError::CsvError(_) => DATA_FILE,
        ArrowError::NotYetImplemented(_) => UNSUPPORTED,
        ArrowError::ComputeError(text) | ArrowError::InvalidArgumentError(text) => execution(text),
        ArrowError::ExternalError(inner) => external(inner.as_ref()),
        _ => FAILED,
    }
}

fn external(error: &(dyn StdError + Send + Sync + 'static)) -> Public {
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        classify(inner)
    } else if let Some(inner) = error.downcast_ref::<ArrowError>() {
        arrow(inner)
    } else if error.is::<ParquetError>() {
        DATA_FILE
    } else {
        FAILED
    }
}

/// Failures that the engine tells apart by their text only. The text decides the kind and no more.
fn execution(text: &str) -> Public {
    let text = text.to_ascii_lowercase();
    let has = |needle| text.contains(needle);
    if has("more than one row") {
        CARDINALITY
    } else if has("divide by zero") || has("division by zero") {
        DIVISION
    } else if has("overflow")
        || has("out of range")
        || has("too large to store in a decimal")
        || has("too small to store in a decimal")
    {
        RANGE
    } else if has("error parsing") || has("failed to parse") || has("could not convert") {
        CONVERSION
    } else {
        FAILED
    }
}

#[cfg(test)]
mod tests;
