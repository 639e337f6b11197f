//! The policies: their files, and the bundle that they are over a catalog.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tollgate_catalog::Snapshot;
use tollgate_gateway::audit::TablePattern;
use tollgate_gateway::config::{Config, Place};
use tollgate_policy::{Bundle, MaskSecret, SourceFile};
use tollgate_rewriter::Registry;

use super::Errors;
use super::catalog::{self, Found};

/// The policies as they are written.
pub(super) fn sources(config: &Config, errors: &mut Errors) -> Option<Vec<SourceFile>> {
    let files = folder(&config.policies).map_err(|error| {
        [config.error(
            "policies.folder",
            format!("could not read \"{}\": {error}", config.policies.display()),
            "name a folder of .sql files",
        )]
    });
    let files = errors.note(files)?;
    if files.is_empty() {
        errors.add(config.error(
            "policies.folder",
            format!("there are no .sql files in \"{}\"", config.policies.display()),
            "without policies nobody sees anything: write some, or correct the folder",
        ));
        return None;
    }
    Some(files)
}

/// The bundle that they are, over a catalog.
pub(super) fn bundle(
    config: &Config,
    sources: &[SourceFile],
    snapshot: &Arc<Snapshot>,
    registry: &Registry,
    secret: &MaskSecret,
    errors: &mut Errors,
) -> Option<Arc<Bundle>> {
    match Bundle::load(sources, snapshot, registry, secret) {
        Ok(bundle) => {
            let bundle = bundle.paid_by(&config.ledger.tenant);
            for role in config.policy_readers.iter().filter(|role| !bundle.has_role(role)) {
                errors.add(config.error(
                    "policies.readers",
                    format!("role \"{role}\" does not exist"),
                    "create it in the policies, or correct the name",
                ));
            }
            texts(config, &bundle, snapshot, errors);
            free(config, &bundle, errors);
            compute(config, &bundle, errors);
            Some(Arc::new(bundle))
        }
        Err(diagnostics) => {
            errors.add(diagnostics);
            None
        }
    }
}

/// Notes rules for texts that are for nobody or nothing: a wrong name must not mean that more is recorded.
fn texts(config: &Config, bundle: &Bundle, snapshot: &Arc<Snapshot>, errors: &mut Errors) {
    let catalog = bundle.catalog(snapshot);
    for (index, rule) in config.ledger.texts.rules.iter().enumerate() {
        let key = |part: &str| format!("ledger.texts[{index}].{part}");
        for role in rule.roles.iter().filter(|role| !bundle.has_role(role)) {
            errors.add(config.error(
                &key("roles"),
                format!("role \"{role}\" does not exist"),
                "create it in the policies, or correct the name",
            ));
        }
        for pattern in &rule.tables {
            if !catalog.tables().any(|table| pattern.is_for(&table.name)) {
                let message = match pattern {
                    TablePattern::Table(name) => format!("table \"{name}\" does not exist"),
                    TablePattern::Schema(name) => format!("schema \"{name}\" has no tables"),
                };
                errors.add(config.error(&key("tables"), message, "correct the name"));
            }
        }
    }
}

/// Notes warehouses whose credits would never be charged though a price is for them.
fn free(config: &Config, bundle: &Bundle, errors: &mut Errors) {
    let Some(price) = bundle.prices().find(|price| !price.credit.is_zero()) else { return };
    for warehouse in &config.warehouses {
        let Place::Snowflake(account) = &warehouse.place else { continue };
        if account.credits.is_none() {
            let name = price.name();
            errors.add(config.error(
                &warehouse.key("size"),
                format!("price \"{name}\" is for credits, and it isn't said what an hour costs here"),
                "say the size of the virtual warehouse: size = \"XS\"; or credits_per_hour = \"1.35\"",
            ));
        }
    }
}

/// Notes virtual warehouses for roles that there aren't: a wrong name must not mean that another one runs the queries.
fn compute(config: &Config, bundle: &Bundle, errors: &mut Errors) {
    for warehouse in &config.warehouses {
        let Place::Snowflake(account) = &warehouse.place else { continue };
        for (index, rule) in account.by_role.iter().enumerate() {
            if !bundle.has_role(&rule.role) {
                errors.add(config.error(
                    &warehouse.key(&format!("virtual_warehouses[{index}].role")),
                    format!("role \"{}\" does not exist", rule.role),
                    "create it in the policies, or correct the name",
                ));
            }
        }
    }
}

/// The catalog of what was found, with the policies of before.
pub(crate) fn again(
    config: &Config,
    found: &Found,
    sources: &[SourceFile],
    version: u64,
    (registry, secret): (&Registry, &MaskSecret),
) -> Result<(Arc<Snapshot>, Arc<Bundle>), Errors> {
    let mut errors = Errors::default();
    let Some(snapshot) = catalog::snapshot(config, found, version, &mut errors) else {
        return Err(errors);
    };
    match bundle(config, sources, &snapshot, registry, secret, &mut errors) {
        Some(bundle) if errors.0.is_empty() => Ok((snapshot, bundle)),
        Some(_) | None => Err(errors),
    }
}

/// The `.sql` files of the folder and of those in it, by path.
pub(super) fn folder(folder: &Path) -> io::Result<Vec<SourceFile>> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "sql") {
                paths.push(entry.path());
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| source(path)).collect()
}

/// One file.
pub(super) fn source(path: &Path) -> io::Result<SourceFile> {
    let text = fs::read_to_string(path)?;
    Ok(SourceFile { path: path.display().to_string(), text })
}
