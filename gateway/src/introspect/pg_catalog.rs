//! The rows of `pg_catalog` that stand for the principal's tables: classes, columns, keys, comments.

use arrow::datatypes::DataType;
use tollgate_catalog::id::quote;
use tollgate_catalog::pg_type;

use super::keys;
use super::layout::relations;
use super::names::{OWNER, schemas};
use super::oid::schema_oid;
use super::rows::{self, Rows, row};
use super::view::View;
use super::{definitions, types};

/// The relations that [`fill`] fills.
pub(super) const KNOWN: &[&str] = &[
    "pg_namespace",
    "pg_class",
    "pg_attribute",
    "pg_constraint",
    "pg_index",
    "pg_description",
    "pg_tables",
    "pg_indexes",
];

/// Access methods: heap and btree.
pub(super) const HEAP: u32 = 2;
pub(super) const BTREE: u32 = 403;

/// Adds the rows of a relation; none for one that isn't of this module.
pub(super) fn fill(view: &View, name: &str, rows: &mut Rows) {
    match name {
        "pg_namespace" => namespaces(view, rows),
        "pg_class" => classes(view, rows),
        "pg_attribute" => attributes(view, rows),
        "pg_constraint" => constraints(view, rows),
        "pg_index" => indexes(view, rows),
        "pg_description" => descriptions(view, rows),
        "pg_tables" => tables(view, rows),
        "pg_indexes" => index_definitions(view, rows),
        _ => {}
    }
}

fn namespaces(view: &View, rows: &mut Rows) {
    for (name, oid) in schemas(view) {
        row!(rows, oid: oid, nspname: name, nspowner: OWNER.0);
    }
}

/// What differs between the rows of `pg_class`.
struct Class<'a> {
    oid: u32,
    name: &'a str,
    schema: &'a str,
    kind: &'a str,
    method: u32,
    columns: usize,
    indexed: bool,
    related: bool,
    acl: Option<Vec<String>>,
}

fn classes(view: &View, rows: &mut Rows) {
    let mut class = |class: Class<'_>| {
        row!(rows,
            oid: class.oid,
            relname: class.name,
            relnamespace: schema_oid(class.schema),
            relowner: OWNER.0,
            relam: class.method,
            // The number of rows is never said: it would count rows that the caller may not see.
            reltuples: -1.0f32,
            relhasindex: class.indexed,
            relpersistence: "p",
            relkind: class.kind,
            relnatts: i16::try_from(class.columns).unwrap_or(i16::MAX),
            relhastriggers: class.related,
            relispopulated: true,
            relreplident: if class.kind == "r" { "d" } else { "n" },
            relacl: class.acl,
        );
    };
    let related = keys::related(view);
    for table in view.visible() {
        let key = keys::primary(table);
        let name = &table.table.name;
        class(Class {
            oid: table.oid(),
            name: &name.table,
            schema: &name.schema,
            kind: if table.table.view().is_some() { "v" } else { "r" },
            method: if table.table.view().is_some() { 0 } else { HEAP },
            columns: table.columns.len(),
            indexed: key.is_some(),
            related: related.contains(&table.oid()),
            acl: Some(vec![may_select(&view.user)]),
        });
        if let Some(key) = key {
            class(Class {
                oid: key.index,
                name: &key.name,
                schema: &name.schema,
                kind: "i",
                method: BTREE,
                columns: key.columns.len(),
                indexed: false,
                related: false,
                acl: None,
            });
        }
    }
    for layout in relations() {
        class(Class {
            oid: layout.oid,
            name: layout.name,
            schema: layout.schema,
            kind: layout.kind,
            method: if layout.kind == "r" { HEAP } else { 0 },
            columns: layout.columns.split_whitespace().count(),
            indexed: false,
            related: false,
            acl: None,
        });
    }
}

/// What an `aclitem` says of a user who may select and nothing else.
fn may_select(user: &str) -> String {
    let plain = user.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let user = if plain { user.to_owned() } else { quote(user) };
    format!("{user}=r/{}", OWNER.1)
}

fn attributes(view: &View, rows: &mut Rows) {
    for table in view.visible() {
        for (attnum, column, nullable) in table.nullable_columns() {
            attribute(rows, table.oid(), attnum, &column.name, &column.data_type, nullable);
        }
    }
    for key in keys::primary_keys(view) {
        let columns = key.columns.iter().filter_map(|attnum| key.table.column(*attnum));
        for (attnum, column) in (1i16..).zip(columns) {
            attribute(rows, key.index, attnum, &column.name, &column.data_type, true);
        }
    }
    for layout in relations() {
        let schema = rows::schema(layout.columns);
        for (attnum, field) in (1i16..).zip(schema.fields()) {
            let nullable = field.is_nullable();
            attribute(rows, layout.oid, attnum, field.name(), field.data_type(), nullable);
        }
    }
}

fn attribute(
    rows: &mut Rows,
    relation: u32,
    attnum: i16,
    name: &str,
    data_type: &DataType,
    nullable: bool,
) {
    let pg_type = pg_type::of(data_type);
    let facts = types::by_oid(pg_type.oid);
    row!(rows,
        attrelid: relation,
        attname: name,
        atttypid: pg_type.oid,
        attstattarget: -1,
        attlen: pg_type.length,
        attnum: attnum,
        attndims: i32::from(facts.is_some_and(|facts| facts.category() == "A")),
        attcacheoff: -1,
        atttypmod: pg_type.modifier,
        attbyval: facts.is_some_and(types::Type::by_value),
        attalign: facts.map_or("i", types::Type::align),
        attstorage: facts.map_or("x", types::Type::storage),
        attnotnull: !nullable,
        attislocal: true,
        attcollation: facts.map_or(0, |facts| facts.collation),
    );
}

fn constraints(view: &View, rows: &mut Rows) {
    for key in keys::all(view) {
        let foreign = key.references.as_ref();
        let action = foreign.map_or(" ", |_| "a");
        row!(rows,
            oid: key.oid,
            conname: key.name.as_str(),
            connamespace: schema_oid(&key.table.table.name.schema),
            contype: foreign.map_or("p", |_| "f"),
            convalidated: true,
            conrelid: key.table.oid(),
            conindid: key.index,
            confrelid: foreign.map_or(0, |(other, _)| other.oid()),
            confupdtype: action,
            confdeltype: action,
            confmatchtype: foreign.map_or(" ", |_| "s"),
            conislocal: true,
            connoinherit: true,
            conkey: key.columns,
            confkey: key.references.map(|(_, columns)| columns),
        );
    }
}

fn indexes(view: &View, rows: &mut Rows) {
    for key in keys::primary_keys(view) {
        let count = key.columns.len();
        let attributes = i16::try_from(count).unwrap_or(i16::MAX);
        let of_columns = |value: fn(&types::Type) -> u32| -> Vec<u32> {
            let columns = key.columns.iter().filter_map(|attnum| key.table.column(*attnum));
            columns
                .map(|column| types::by_oid(pg_type::of(&column.data_type).oid).map_or(0, value))
                .collect()
        };
        row!(rows,
            indexrelid: key.index,
            indrelid: key.table.oid(),
            indnatts: attributes,
            indnkeyatts: attributes,
            indisunique: true,
            indisprimary: true,
            indimmediate: true,
            indisvalid: true,
            indisready: true,
            indislive: true,
            indkey: key.columns.clone(),
            indcollation: of_columns(|facts| facts.collation),
            indclass: vec![0u32; count],
            indoption: vec![0i16; count],
        );
    }
}

/// The classes that comments are on: `pg_class`.
pub(super) const PG_CLASS: u32 = 1259;

fn descriptions(view: &View, rows: &mut Rows) {
    for table in view.visible() {
        if let Some(comment) = &table.table.comment {
            row!(rows, objoid: table.oid(), classoid: PG_CLASS, objsubid: 0, description: comment.as_str());
        }
        for (attnum, column) in table.columns() {
            if let Some(comment) = &column.comment {
                row!(rows,
                    objoid: table.oid(),
                    classoid: PG_CLASS,
                    objsubid: i32::from(attnum),
                    description: comment.as_str(),
                );
            }
        }
    }
}

fn tables(view: &View, rows: &mut Rows) {
    let related = keys::related(view);
    let mut add = |schema: &str, name: &str, indexed: bool, related: bool| {
        row!(rows,
            schemaname: schema,
            tablename: name,
            tableowner: OWNER.1,
            hasindexes: indexed,
            hasrules: false,
            hastriggers: related,
            rowsecurity: false,
        );
    };
    for table in view.visible().filter(|table| table.table.view().is_none()) {
        let name = &table.table.name;
        let indexed = keys::primary(table).is_some();
        add(&name.schema, &name.table, indexed, related.contains(&table.oid()));
    }
    for layout in relations().filter(|layout| layout.kind == "r") {
        add(layout.schema, layout.name, false, false);
    }
}

fn index_definitions(view: &View, rows: &mut Rows) {
    for key in keys::primary_keys(view) {
        let name = &key.table.table.name;
        let definition = definitions::definition(&key, &name.to_string());
        row!(rows,
            schemaname: name.schema.as_str(),
            tablename: name.table.as_str(),
            indexname: key.name.as_str(),
            indexdef: definition,
        );
    }
}
