//! From names to oids and back: the search path, `regclass`, schemas, types and functions.

use tollgate_catalog::TableName;
use tollgate_catalog::id::{fold, quote_if_needed};

use super::keys;
use super::layout::relations;
use super::oid::schema_oid;
use super::types::PROCS;
use super::view::View;

/// The owner of every object: an account that nobody can be.
pub(super) const OWNER: (u32, &str) = (10, "tollgate");

/// The existing schemas of the search path, in order; with `implicit` also `pg_catalog`, first.
pub(super) fn search_path(view: &View, implicit: bool) -> Vec<String> {
    let known = schemas(view);
    let mut path: Vec<String> = Vec::new();
    let wanted = view.setting("search_path").unwrap_or("\"$user\", public");
    for part in wanted.split(',') {
        let part = part.trim();
        let part = match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => fold(part.trim_matches('\''), part.starts_with('\'')),
        };
        let schema = if part == "$user" { view.user.clone() } else { part };
        if known.iter().any(|(name, _)| *name == schema) && !path.contains(&schema) {
            path.push(schema);
        }
    }
    if implicit && !path.iter().any(|schema| schema == "pg_catalog") {
        path.insert(0, "pg_catalog".to_owned());
    }
    path
}

/// All schemas of the view with their oids: the system's, `public`, and those of visible tables.
pub(super) fn schemas(view: &View) -> Vec<(String, u32)> {
    let mut names = view.user_schemas();
    names.extend(["pg_catalog", "information_schema", "public"]);
    names.into_iter().map(|name| (name.to_owned(), schema_oid(name))).collect()
}

/// The schema with an oid.
pub(super) fn schema_name(view: &View, oid: u32) -> Option<String> {
    schemas(view).into_iter().find(|(_, schema)| *schema == oid).map(|(name, _)| name)
}

/// The relation or index with an oid.
pub(super) fn relation_name(view: &View, oid: u32) -> Option<TableName> {
    if let Some(layout) = relations().find(|layout| layout.oid == oid) {
        return Some(TableName::new(layout.schema, layout.name));
    }
    if let Some(table) = view.by_oid(oid) {
        return Some(table.table.name.clone());
    }
    keys::by_index(view, oid).map(|key| TableName::new(&key.table.table.name.schema, key.name))
}

fn relation_oid(view: &View, name: &TableName) -> Option<u32> {
    relations()
        .find(|layout| layout.schema == name.schema && layout.name == name.table)
        .map(|layout| layout.oid)
        .or_else(|| keys::relation_oid(view, name))
}

/// Whether the unqualified name of a relation means the one with this oid; `None` if there is none.
pub(super) fn relation_is_visible(view: &View, oid: u32) -> Option<bool> {
    let name = relation_name(view, oid)?;
    let first = search_path(view, true)
        .into_iter()
        .find_map(|schema| relation_oid(view, &TableName::new(schema, &name.table)));
    Some(first == Some(oid))
}

/// The parts of a possibly qualified, possibly quoted name, folded; `None` if it isn't one.
pub(super) fn parts(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut chars = text.trim().chars().peekable();
    loop {
        let mut part = String::new();
        let quoted = chars.next_if_eq(&'"').is_some();
        while let Some(next) = chars.next_if(|c| quoted || (*c != '.' && *c != '"')) {
            if next == '"' && chars.next_if_eq(&'"').is_none() {
                break;
            }
            part.push(next);
        }
        if part.is_empty() {
            return None;
        }
        parts.push(fold(part.trim(), quoted));
        match chars.next() {
            None => return Some(parts),
            Some('.') => {}
            Some(_) => return None,
        }
    }
}

/// The oid of the relation that a text names, as `regclass` reads it: digits are an oid already.
pub fn regclass(view: &View, text: &str) -> Option<u32> {
    if let Ok(oid) = text.trim().parse() {
        return Some(oid);
    }
    match parts(text)?.as_slice() {
        [table] => search_path(view, true)
            .into_iter()
            .find_map(|schema| relation_oid(view, &TableName::new(schema, table))),
        [schema, table] => relation_oid(view, &TableName::new(schema, table)),
        [database, schema, table] if *database == view.database => {
            relation_oid(view, &TableName::new(schema, table))
        }
        _ => None,
    }
}

/// The text of an oid as `regclass` writes it: qualified only if need be, digits if unknown.
pub fn regclass_name(view: &View, oid: u32) -> String {
    match relation_name(view, oid) {
        None if oid == 0 => "-".to_owned(),
        None => oid.to_string(),
        Some(name) if relation_is_visible(view, oid) == Some(true) => quote_if_needed(&name.table),
        Some(name) => name.to_string(),
    }
}

/// The oid of a schema by its name.
pub(super) fn regnamespace(view: &View, text: &str) -> Option<u32> {
    if let Ok(oid) = text.trim().parse() {
        return Some(oid);
    }
    let [name] = parts(text)?.try_into().ok()?;
    schemas(view).into_iter().find(|(schema, _)| *schema == name).map(|(_, oid)| oid)
}

/// The oid of a function by its name.
pub(super) fn regproc(text: &str) -> Option<u32> {
    if let Ok(oid) = text.trim().parse() {
        return Some(oid);
    }
    let name = text.trim().to_ascii_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    PROCS.iter().find(|(_, proc, _, _)| *proc == name).map(|(oid, _, _, _)| *oid)
}
