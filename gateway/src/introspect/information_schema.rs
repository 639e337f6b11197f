//! The rows of `information_schema`.

use arrow::datatypes::DataType;
use tollgate_catalog::{TableName, pg_type};

use super::keys::{self, Key};
use super::layout::relations;
use super::names::{OWNER, schemas};
use super::rows::{self, Rows, row};
use super::types;
use super::view::View;

/// The relations that [`fill`] fills.
pub(super) const KNOWN: &[&str] = &[
    "schemata",
    "tables",
    "columns",
    "table_constraints",
    "key_column_usage",
    "referential_constraints",
    "constraint_column_usage",
    "character_sets",
    "enabled_roles",
    "applicable_roles",
    "table_privileges",
    "column_privileges",
    "role_table_grants",
    "role_column_grants",
    "information_schema_catalog_name",
];

/// Adds the rows of a relation; none for one that has none.
pub(super) fn fill(view: &View, name: &str, rows: &mut Rows) {
    let db = view.database.as_str();
    match name {
        "schemata" => {
            for (name, _) in schemas(view) {
                row!(rows, catalog_name: db, schema_name: name, schema_owner: OWNER.1);
            }
        }
        "tables" => tables(view, rows),
        "columns" => columns(view, rows),
        "table_constraints" => table_constraints(view, rows),
        "key_column_usage" => key_column_usage(view, rows),
        "referential_constraints" => referential_constraints(view, rows),
        "constraint_column_usage" => constraint_column_usage(view, rows),
        "character_sets" => {
            row!(rows,
                character_set_name: "UTF8",
                character_repertoire: "UCS",
                form_of_use: "UTF8",
                default_collate_catalog: db,
                default_collate_schema: "pg_catalog",
                default_collate_name: "C.UTF-8",
            );
        }
        "enabled_roles" => {
            row!(rows, role_name: view.user.as_str());
            for role in view.roles.iter().filter(|role| **role != view.user) {
                row!(rows, role_name: role.as_str());
            }
        }
        "applicable_roles" => {
            for role in view.roles.iter().filter(|role| **role != view.user) {
                row!(rows, grantee: view.user.as_str(), role_name: role.as_str(), is_grantable: "NO");
            }
        }
        "table_privileges" | "role_table_grants" => table_privileges(view, rows),
        "column_privileges" | "role_column_grants" => column_privileges(view, rows),
        "information_schema_catalog_name" => row!(rows, catalog_name: db),
        _ => {}
    }
}

fn tables(view: &View, rows: &mut Rows) {
    let db = view.database.as_str();
    let mut add = |schema: &str, name: &str, kind: &str| {
        row!(rows,
            table_catalog: db,
            table_schema: schema,
            table_name: name,
            table_type: if kind == "v" { "VIEW" } else { "BASE TABLE" },
            is_insertable_into: "NO",
            is_typed: "NO",
        );
    };
    for table in view.visible() {
        let kind = if table.table.view().is_some() { "v" } else { "r" };
        add(&table.table.name.schema, &table.table.name.table, kind);
    }
    for layout in relations() {
        add(layout.schema, layout.name, layout.kind);
    }
}

fn columns(view: &View, rows: &mut Rows) {
    for table in view.visible() {
        for (attnum, column, nullable) in table.nullable_columns() {
            let name = &table.table.name;
            add_column(view, rows, name, attnum, &column.name, &column.data_type, nullable);
        }
    }
    for layout in relations() {
        let name = TableName::new(layout.schema, layout.name);
        for (attnum, field) in (1i16..).zip(rows::schema(layout.columns).fields()) {
            let nullable = field.is_nullable();
            add_column(view, rows, &name, attnum, field.name(), field.data_type(), nullable);
        }
    }
}

fn add_column(
    view: &View,
    rows: &mut Rows,
    table: &TableName,
    attnum: i16,
    name: &str,
    data_type: &DataType,
    nullable: bool,
) {
    let pg_type = pg_type::of(data_type);
    let is_array = types::by_oid(pg_type.oid).is_some_and(|facts| facts.category() == "A");
    let data_type = if is_array { "ARRAY".to_owned() } else { types::format_type(pg_type.oid, -1) };
    // Precision, radix and scale as PostgreSQL says them of each type.
    let (precision, radix, scale) = match pg_type.name {
        "int2" => (Some(16), Some(2), Some(0)),
        "int4" => (Some(32), Some(2), Some(0)),
        "int8" => (Some(64), Some(2), Some(0)),
        "float4" => (Some(24), Some(2), None),
        "float8" => (Some(53), Some(2), None),
        "numeric" if pg_type.modifier >= 4 => {
            let bits = pg_type.modifier - 4;
            (Some((bits >> 16) & 0xffff), Some(10), Some(bits & 0x7ff))
        }
        "numeric" => (None, Some(10), None),
        _ => (None, None, None),
    };
    let datetime_precision = match pg_type.name {
        "date" => Some(0),
        "time" | "timestamp" | "timestamptz" | "interval" => Some(6),
        _ => None,
    };
    let octets = matches!(pg_type.name, "text" | "varchar" | "bpchar").then_some(1_073_741_824);
    let db = view.database.as_str();
    row!(rows,
        table_catalog: db,
        table_schema: table.schema.as_str(),
        table_name: table.table.as_str(),
        column_name: name,
        ordinal_position: i32::from(attnum),
        is_nullable: yes_no(nullable),
        data_type: data_type,
        character_octet_length: octets,
        numeric_precision: precision,
        numeric_precision_radix: radix,
        numeric_scale: scale,
        datetime_precision: datetime_precision,
        udt_catalog: db,
        udt_schema: "pg_catalog",
        udt_name: pg_type.name,
        dtd_identifier: attnum.to_string(),
        is_self_referencing: "NO",
        is_identity: "NO",
        identity_cycle: "NO",
        is_generated: "NEVER",
        is_updatable: "NO",
    );
}

fn yes_no(value: bool) -> &'static str {
    if value { "YES" } else { "NO" }
}

fn table_constraints(view: &View, rows: &mut Rows) {
    let db = view.database.as_str();
    for key in keys::all(view) {
        let name = &key.table.table.name;
        row!(rows,
            constraint_catalog: db,
            constraint_schema: name.schema.as_str(),
            constraint_name: key.name.as_str(),
            table_catalog: db,
            table_schema: name.schema.as_str(),
            table_name: name.table.as_str(),
            constraint_type: if key.references.is_some() { "FOREIGN KEY" } else { "PRIMARY KEY" },
            is_deferrable: "NO",
            initially_deferred: "NO",
            enforced: "YES",
        );
    }
}

fn key_column_usage(view: &View, rows: &mut Rows) {
    let db = view.database.as_str();
    for key in keys::all(view) {
        let name = &key.table.table.name;
        // Where a foreign key's column stands in the primary key that it references.
        let unique = key.references.as_ref().and_then(|(other, columns)| {
            keys::primary(*other).map(|primary| (primary.columns, columns))
        });
        for (index, column) in Key::names(key.table, &key.columns).into_iter().enumerate() {
            let position = unique.as_ref().and_then(|(primary, columns)| {
                let referenced = columns.get(index)?;
                primary.iter().position(|attnum| attnum == referenced)
            });
            row!(rows,
                constraint_catalog: db,
                constraint_schema: name.schema.as_str(),
                constraint_name: key.name.as_str(),
                table_catalog: db,
                table_schema: name.schema.as_str(),
                table_name: name.table.as_str(),
                column_name: column,
                ordinal_position: ordinal(index),
                position_in_unique_constraint: position.map(ordinal),
            );
        }
    }
}

fn ordinal(index: usize) -> i32 {
    i32::try_from(index.saturating_add(1)).unwrap_or(i32::MAX)
}

fn referential_constraints(view: &View, rows: &mut Rows) {
    let db = view.database.as_str();
    for key in keys::all(view) {
        let Some((other, columns)) = &key.references else { continue };
        let unique = keys::primary(*other).filter(|primary| primary.columns == *columns);
        row!(rows,
            constraint_catalog: db,
            constraint_schema: key.table.table.name.schema.as_str(),
            constraint_name: key.name.as_str(),
            unique_constraint_catalog: unique.as_ref().map(|_| db),
            unique_constraint_schema: unique.as_ref().map(|_| other.table.name.schema.as_str()),
            unique_constraint_name: unique.as_ref().map(|unique| unique.name.as_str()),
            match_option: "NONE",
            update_rule: "NO ACTION",
            delete_rule: "NO ACTION",
        );
    }
}

fn constraint_column_usage(view: &View, rows: &mut Rows) {
    let db = view.database.as_str();
    for key in keys::all(view) {
        let (table, columns) = match &key.references {
            Some((other, columns)) => (*other, columns),
            None => (key.table, &key.columns),
        };
        for column in Key::names(table, columns) {
            row!(rows,
                table_catalog: db,
                table_schema: table.table.name.schema.as_str(),
                table_name: table.table.name.table.as_str(),
                column_name: column,
                constraint_catalog: db,
                constraint_schema: key.table.table.name.schema.as_str(),
                constraint_name: key.name.as_str(),
            );
        }
    }
}

fn table_privileges(view: &View, rows: &mut Rows) {
    for table in view.visible() {
        row!(rows,
            grantor: OWNER.1,
            grantee: view.user.as_str(),
            table_catalog: view.database.as_str(),
            table_schema: table.table.name.schema.as_str(),
            table_name: table.table.name.table.as_str(),
            privilege_type: "SELECT",
            is_grantable: "NO",
            with_hierarchy: "YES",
        );
    }
}

fn column_privileges(view: &View, rows: &mut Rows) {
    for table in view.visible() {
        for (_, column) in table.columns() {
            row!(rows,
                grantor: OWNER.1,
                grantee: view.user.as_str(),
                table_catalog: view.database.as_str(),
                table_schema: table.table.name.schema.as_str(),
                table_name: table.table.name.table.as_str(),
                column_name: column.name.as_str(),
                privilege_type: "SELECT",
                is_grantable: "NO",
            );
        }
    }
}
