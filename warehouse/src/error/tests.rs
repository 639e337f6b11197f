//! Tests of the module beside.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;
use tollgate_catalog::{Error, ErrorKind};

use super::{public, public_planning};

const SECRET: &str = "4111-1111";

fn arrow(error: ArrowError) -> DataFusionError {
    DataFusionError::ArrowError(Box::new(error), None)
}

fn secret(prefix: &str) -> String {
    format!("{prefix} '{SECRET}' in /data/orders.parquet")
}

fn cases() -> Vec<(DataFusionError, ErrorKind)> {
    use ErrorKind as K;
    vec![
        (arrow(ArrowError::DivideByZero), K::DivisionByZero),
        (arrow(ArrowError::CastError(secret("Cannot cast string"))), K::InvalidText),
        (arrow(ArrowError::ParseError(secret("Error parsing timestamp from"))), K::InvalidText),
        (arrow(ArrowError::ArithmeticOverflow(secret("Overflow"))), K::NumericOutOfRange),
        (arrow(ArrowError::ComputeError(secret("Regex"))), K::WarehouseFailed),
        (arrow(ArrowError::ParquetError(secret("Invalid page"))), K::WarehouseFailed),
        (DataFusionError::ResourcesExhausted(secret("Failed to allocate")), K::OutOfMemory),
        (DataFusionError::NotImplemented(secret("Unsupported")), K::NotSupported),
        (
            DataFusionError::Execution(secret("Scalar subquery returned more than one row")),
            K::CardinalityViolation,
        ),
        (DataFusionError::Execution(secret("Something failed with")), K::WarehouseFailed),
        (DataFusionError::Internal(secret("bug")), K::WarehouseFailed),
        (DataFusionError::Plan(secret("plan")), K::WarehouseFailed),
        (
            DataFusionError::ParquetError(Box::new(ParquetError::General(secret("EOF")))),
            K::WarehouseFailed,
        ),
        (DataFusionError::External(Box::new(arrow(ArrowError::DivideByZero))), K::DivisionByZero),
        (
            arrow(ArrowError::ExternalError(Box::new(DataFusionError::Execution(secret(
                "more than one row",
            ))))),
            K::CardinalityViolation,
        ),
        (
            DataFusionError::Shared(Arc::new(arrow(ArrowError::CastError(secret("Cannot"))))),
            K::InvalidText,
        ),
        (
            DataFusionError::Context(secret("at"), Box::new(arrow(ArrowError::DivideByZero))),
            K::DivisionByZero,
        ),
        (DataFusionError::Collection(vec![arrow(ArrowError::DivideByZero)]), K::DivisionByZero),
    ]
}

#[test]
fn kinds_come_from_variants() {
    for (error, kind) in cases() {
        let text = error.to_string();
        assert_eq!(public(error).kind(), kind, "{text}");
    }
}

#[test]
fn public_texts_hold_no_value_and_no_path() {
    for (error, _) in cases() {
        let public = public(error);
        let shown = format!("{public} {:?} {:?}", public.detail(), public.hint());
        assert!(!shown.contains(SECRET) && !shown.contains("/data"), "{shown}");
        assert!(public.cause().is_some());
    }
}

#[test]
fn a_damaged_file_is_named_as_such() {
    let error = DataFusionError::ParquetError(Box::new(ParquetError::General(secret("EOF"))));
    assert_eq!(public(error).message(), "a data file of the warehouse could not be read");
}

#[test]
fn our_own_errors_keep_their_text() {
    let ours =
        Error::new(ErrorKind::UndefinedTable, "relation \"t\" does not exist").with_hint("h");
    let wrapped = DataFusionError::Context(
        secret("ctx"),
        Box::new(DataFusionError::External(Box::new(ours))),
    );
    let public = public(wrapped);
    assert_eq!(public.kind(), ErrorKind::UndefinedTable);
    assert_eq!(public.message(), "relation \"t\" does not exist");
    assert_eq!(public.hint(), Some("h"));
}

#[test]
fn what_cannot_be_planned_is_not_supported() {
    let planners = [
        DataFusionError::Internal(secret("bug")),
        DataFusionError::Plan(secret("plan")),
        DataFusionError::Context(
            secret("SanityCheckPlan"),
            Box::new(DataFusionError::Plan(secret("order"))),
        ),
        arrow(ArrowError::SchemaError(secret("nullability"))),
    ];
    for error in planners {
        let public = public_planning(error);
        assert_eq!(public.kind(), ErrorKind::NotSupported);
        assert!(public.hint().is_some());
        assert!(!public.message().contains(SECRET));
    }
    // Values, files and memory fail alike, whenever they do.
    for (error, kind) in [
        (arrow(ArrowError::DivideByZero), ErrorKind::DivisionByZero),
        (DataFusionError::ResourcesExhausted(secret("memory")), ErrorKind::OutOfMemory),
        (DataFusionError::Execution(secret("Something failed")), ErrorKind::WarehouseFailed),
    ] {
        assert_eq!(public_planning(error).kind(), kind);
    }
}
