//! Oids that are derived from names, so that restarts and replicas agree on them.
//!
//! An oid depends on nothing but the name and the kind of object: never on the principal, on what
//! is hidden from him, or on the order of discovery. Two names can therefore share an oid; with
//! 10,000 tables that has a chance of about one in forty. [`collisions`] finds them when a snapshot
//! is loaded. A collision confuses a client's joins over its own view; it shows nobody anything.

use tollgate_catalog::{Snapshot, TableName};

use super::keys;

/// PostgreSQL gives oids below this to its own objects.
const FIRST: u64 = 16384;

/// The oid of a table: at least 16384, below 2^31.
pub fn table_oid(name: &TableName) -> u32 {
    derive("relation", &[&name.schema, &name.table])
}

/// The oid of a schema.
pub(super) fn schema_oid(name: &str) -> u32 {
    match name {
        "pg_catalog" => 11,
        "public" => 2200,
        "information_schema" => 13000,
        other => derive("schema", &[other]),
    }
}

/// The oid of a role.
pub(super) fn role_oid(name: &str) -> u32 {
    derive("role", &[name])
}

/// The oid of a database.
pub(super) fn database_oid(name: &str) -> u32 {
    derive("database", &[name])
}

/// The oid of a constraint on a table.
pub(super) fn constraint_oid(table: &TableName, constraint: &str) -> u32 {
    derive("constraint", &[&table.schema, &table.table, constraint])
}

/// The oid of an index; indexes share `pg_class` with tables.
pub(super) fn index_oid(schema: &str, index: &str) -> u32 {
    derive("index", &[schema, index])
}

/// The pairs of relations of a snapshot (tables, and the indexes of their primary keys) that share
/// an oid, for the operator's log.
pub fn collisions(snapshot: &Snapshot) -> Vec<(TableName, TableName)> {
    let mut seen = std::collections::BTreeMap::<u32, TableName>::new();
    let mut found = Vec::new();
    let relations = snapshot.tables().flat_map(|table| {
        let index = (!table.primary_key.is_empty()).then(|| keys::index(&table.name));
        let index = index.map(|(name, oid)| (oid, TableName::new(&table.name.schema, name)));
        std::iter::once((table_oid(&table.name), table.name.clone())).chain(index)
    });
    for (oid, name) in relations {
        match seen.get(&oid) {
            Some(other) => found.push((other.clone(), name)),
            None => {
                seen.insert(oid, name);
            }
        }
    }
    found
}

/// FNV-1a over kind and parts, then a finaliser, because FNV's high bits mix badly.
fn derive(kind: &str, parts: &[&str]) -> u32 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut eat = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    kind.bytes().for_each(&mut eat);
    for part in parts {
        // No UTF-8 text contains this byte, so ("a", "bc") and ("ab", "c") differ.
        eat(0xff);
        part.bytes().for_each(&mut eat);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    let oid = FIRST + hash % ((1 << 31) - FIRST);
    u32::try_from(oid).unwrap_or(u32::MAX)
}
