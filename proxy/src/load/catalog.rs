//! The tables of all warehouses as one catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use tollgate_catalog::{OWN_SCHEMA, Snapshot, Table, WarehouseName};
use tollgate_gateway::config::{Config, Warehouse, declare};
use tollgate_gateway::records;

use super::Errors;
use crate::place::{self, NotFound};

/// The tables of each warehouse.
pub(crate) type Found = BTreeMap<WarehouseName, Vec<Table>>;

/// Asks each warehouse which tables it has. Where one can't be asked, `known` may know.
pub(super) fn find<'a>(
    config: &Config,
    known: impl Fn(&Warehouse, &NotFound) -> Option<&'a Vec<Table>>,
    errors: &mut Errors,
) -> Option<Found> {
    let mut found = Found::new();
    let mut all = true;
    let asked = place::tables(config, &config.warehouses);
    for (warehouse, tables) in config.warehouses.iter().zip(asked) {
        let tables = tables.or_else(|error| {
            let known = known(warehouse, &error).cloned();
            known.ok_or(error)
        });
        match tables {
            Ok(tables) => {
                found.insert(warehouse.name.clone(), tables);
            }
            Err(error) => {
                error.errors.iter().for_each(|error| errors.add(error));
                all = false;
            }
        }
    }
    all.then_some(found)
}

/// The catalog of what was found, with what the configuration says about it.
pub(super) fn snapshot(
    config: &Config,
    found: &Found,
    version: u64,
    errors: &mut Errors,
) -> Option<Arc<Snapshot>> {
    let mut schemas: BTreeMap<&str, &Warehouse> = BTreeMap::new();
    let mut tables = Vec::new();
    let mut apart = true;
    for warehouse in &config.warehouses {
        let own = found.get(&warehouse.name).into_iter().flatten();
        for table in own {
            let schema = table.name.schema.as_str();
            if schema == OWN_SCHEMA {
                let message = format!("the warehouse has tables in a schema \"{OWN_SCHEMA}\"");
                let hint =
                    "the gateway's own records are called so: rename the schema, or leave it out";
                errors.add(config.error(&warehouse.key("schemas"), message, hint));
                return None;
            }
            let first = *schemas.entry(schema).or_insert(warehouse);
            if first.name != warehouse.name {
                let message = format!(
                    "schema \"{schema}\" is in warehouse \"{}\" and in warehouse \"{}\"",
                    first.name, warehouse.name
                );
                let hint = "leave it out of the \"schemas\" of one of them";
                errors.add(config.error(&warehouse.key("schemas"), message, hint));
                apart = false;
                break;
            }
            tables.push(table.clone());
        }
    }
    if !apart {
        return None;
    }
    errors.note(declare(config, &mut tables))?;
    if config.ledger.store.is_some() {
        tables.extend(records::tables());
    }
    Some(Arc::new(Snapshot::new(version, tables)))
}
