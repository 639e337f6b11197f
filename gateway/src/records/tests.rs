//! What the relations of one's own records have, and what they don't.

use std::collections::BTreeSet;

use super::fields::text;
use super::{Known, own, tables};
use datafusion::common::ScalarValue;
use tollgate_catalog::TableName;
use tollgate_rewriter::SystemSchemas;

/// What tells about hidden rows, about policies or about others is in nobody's own records.
#[test]
fn own_records_show_nothing_that_hides() {
    let hidden = [
        "secured_statement",
        "policies",
        "bundle",
        "estimated",
        "scanned",
        "cached",
        "principal",
        "tenant",
        "roles",
        "replica",
    ];
    for table in own() {
        for column in &table.columns {
            assert!(!hidden.contains(&column.name.as_str()), "{}.{}", table.name, column.name);
        }
    }
    let audit: BTreeSet<_> =
        tables().iter().flat_map(|table| table.columns.iter().map(|c| c.name.clone())).collect();
    assert!(hidden.iter().all(|name| audit.contains(*name)), "{audit:?}");
}

#[test]
fn columns_have_names_and_comments_of_their_own() {
    for table in own().iter().chain(&tables()) {
        let names: BTreeSet<_> = table.columns.iter().map(|column| &column.name).collect();
        assert_eq!(names.len(), table.columns.len(), "{}", table.name);
        assert!(table.is_record() && table.comment.is_some());
        assert!(table.columns.iter().all(|column| column.comment.is_some()));
    }
}

/// Everybody's records are base tables, that policies decide about; without a ledger there are none.
#[test]
fn only_own_records_exist_without_a_grant() {
    let (with, without) = (Known { records: true }, Known { records: false });
    for name in ["my_queries", "my_usage", "my_limits"] {
        let name = TableName::new("tollgate", name);
        assert!(with.schema(&name).is_some() && without.schema(&name).is_none(), "{name}");
    }
    for name in ["audit", "usage", "my_audit", "My_queries", "records", ""] {
        assert!(with.schema(&TableName::new("tollgate", name)).is_none(), "{name}");
    }
    assert!(with.schema(&TableName::new("pg_catalog", "pg_class")).is_some());
    assert!(with.schema(&TableName::new("public", "my_queries")).is_none());
}

/// One record that PostgreSQL's protocol couldn't send would keep the others from being read.
#[test]
fn zero_bytes_are_not_shown() {
    assert_eq!(text("a\0b\0"), ScalarValue::from("a\u{fffd}b\u{fffd}"));
}
