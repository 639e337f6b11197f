//! Statements → rules per table, checked against a catalog snapshot; every error is collected.

mod access;
mod aggregates;
mod limits;
mod masks;
mod roles;
mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tollgate_catalog::{Snapshot, Table, TableName};

use crate::bind::Binder;
use crate::bundle::{FunctionSource, Members};
use crate::cases::PolicyTest;
use crate::diagnostics::{Diagnostic, Location};
use crate::limits::{Limit, Price};
use crate::mask::MaskSecret;
use crate::model::{
    Glob, Grantee, Located, Name, PolicyKind, PolicyRef, RowKind, RowRule, Statement, Subject,
    TableRules, Target, Using,
};
use crate::principal::asks_time;
use crate::standing::AccessRule;

/// Checks all statements. The result is meaningful only if no diagnostic was added.
pub(crate) fn validate(
    statements: &[Located],
    snapshot: &Snapshot,
    functions: &dyn FunctionSource,
    secret: &MaskSecret,
    diagnostics: &mut Vec<Diagnostic>,
) -> Rules {
    let members = roles::members(statements, diagnostics);
    let views = views::declare(statements, snapshot, functions, diagnostics);
    let snapshot = &snapshot.with(views.iter().map(Arc::clone));
    let mut schemas: HashMap<&str, Vec<&Arc<Table>>> = HashMap::new();
    for table in snapshot.tables() {
        schemas.entry(&table.name.schema).or_default().push(table);
    }
    let mut validator = Validator {
        snapshot,
        functions,
        secret,
        schemas,
        members: &members,
        names: HashMap::new(),
        tags: BTreeMap::new(),
        rules: HashMap::new(),
        access_rules: Vec::new(),
        limits: Vec::new(),
        prices: Vec::new(),
        budgets: Vec::new(),
        joined: Vec::new(),
        tests: Vec::new(),
        errors: diagnostics,
    };
    // Tags first: a policy may stand before the tags that it is about.
    for located in statements {
        if let Statement::Tag { pattern, at, tag } = &located.statement {
            validator.tag(pattern, at, tag);
        }
    }
    for located in statements {
        validator.statement(located);
    }
    validator.order_masks();
    validator.guard_joins();
    validator.price_budgets();
    let Validator { rules: tables, access_rules, limits, prices, tests, .. } = validator;
    Rules { members, views, tables, access_rules, limits, prices, tests }
}

/// All that a bundle says, bound to a catalog.
pub(crate) struct Rules {
    pub(crate) members: Members,
    pub(crate) views: Vec<Arc<Table>>,
    pub(crate) tables: HashMap<TableName, TableRules>,
    pub(crate) access_rules: Vec<AccessRule>,
    pub(crate) limits: Vec<Arc<Limit>>,
    pub(crate) prices: Vec<Arc<Price>>,
    pub(crate) tests: Vec<PolicyTest>,
}

struct Validator<'a> {
    snapshot: &'a Snapshot,
    functions: &'a dyn FunctionSource,
    secret: &'a MaskSecret,
    schemas: HashMap<&'a str, Vec<&'a Arc<Table>>>,
    members: &'a Members,
    /// Where each policy name was first used.
    names: HashMap<String, Location>,
    /// The columns that carry each tag.
    tags: BTreeMap<String, BTreeSet<(TableName, usize)>>,
    rules: HashMap<TableName, TableRules>,
    access_rules: Vec<AccessRule>,
    limits: Vec<Arc<Limit>>,
    prices: Vec<Arc<Price>>,
    /// The budgets, each of which needs a price.
    budgets: Vec<limits::Budgeted>,
    /// The tables that others may be joined to, which must not be guarded themselves.
    joined: Vec<aggregates::Joined>,
    tests: Vec<PolicyTest>,
    errors: &'a mut Vec<Diagnostic>,
}

impl<'a> Validator<'a> {
    fn error(&mut self, at: &Location, message: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(at.error(message, hint));
    }

    fn statement(&mut self, located: &Located) {
        match &located.statement {
            // Done before.
            Statement::CreateRole { .. }
            | Statement::GrantRole { .. }
            | Statement::View { .. }
            | Statement::Tag { .. } => {}
            Statement::Access { deny, privileges, target, to } => {
                self.access(&located.at, *deny, privileges, target, to);
            }
            Statement::RowPolicy { name, kind, target, to, using } => {
                self.unique(name);
                self.row_policy(&located.at, name, *kind, target, to, using);
            }
            Statement::Mask { name, target, using, except, predicates } => {
                self.unique(name);
                let except = except.as_ref();
                self.masking_policy(&located.at, name, target, using, (except, *predicates));
            }
            Statement::Aggregation { name, table, at, to, rule } => {
                self.unique(name);
                self.aggregation_policy(&located.at, name, (table, at), to, rule);
            }
            Statement::AccessRule { name, to, demands } => {
                self.unique(name);
                self.access_rule(&located.at, name, to, demands);
            }
            Statement::Limit { name, to, bounds } => {
                self.unique(name);
                self.limit(&located.at, name, to, bounds);
            }
            Statement::Price { name, to, tenants, tariff } => {
                self.unique(name);
                self.price(&located.at, name, (to, tenants), tariff);
            }
            Statement::Test(case) => self.test(&located.at, case),
        }
    }

    fn unique(&mut self, name: &Name) {
        match self.names.get(&name.text) {
            None => {
                self.names.insert(name.text.clone(), name.at.clone());
            }
            Some(first) => {
                let place = format!("{}:{}:{}", first.file, first.line, first.column);
                self.error(
                    &name.at,
                    format!("policy \"{}\" exists already", name.text),
                    format!("choose another name; the first one is at {place}"),
                );
            }
        }
    }

    /// The rules of a table, to be added to.
    fn rules(&mut self, table: &Arc<Table>) -> &mut TableRules {
        self.rules.entry(table.name.clone()).or_insert_with(|| TableRules::new(Arc::clone(table)))
    }

    fn table(&mut self, name: &TableName, at: &Location) -> Option<&'a Arc<Table>> {
        let table = self.snapshot.table(name);
        if table.is_none() {
            let siblings = self.schemas.get(name.schema.as_str());
            let hint = match siblings {
                None => format!("the catalog has no schema \"{}\"", name.schema),
                Some(siblings) => {
                    let names: Vec<_> =
                        siblings.iter().take(20).map(|table| table.name.table.as_str()).collect();
                    format!("tables of \"{}\" are {}", name.schema, names.join(", "))
                }
            };
            self.error(at, format!("table {name} does not exist"), hint);
        }
        table
    }

    fn targets(&mut self, target: &Target) -> Vec<&'a Arc<Table>> {
        match target {
            Target::Table { name, at } => self.table(name, at).into_iter().collect(),
            Target::Schema(schema) => {
                let tables = self.schemas.get(schema.text.as_str()).cloned().unwrap_or_default();
                if tables.is_empty() {
                    self.error(
                        &schema.at,
                        format!("schema \"{}\" has no tables", schema.text),
                        "correct the name, or remove the statement: it covers nothing",
                    );
                }
                tables
            }
            Target::WithColumn(column) => {
                let tables: Vec<_> = self
                    .snapshot
                    .tables()
                    .filter(|table| table.column_index(&column.text).is_some())
                    .collect();
                if tables.is_empty() {
                    self.error(
                        &column.at,
                        format!("no table has a column \"{}\"", column.text),
                        "correct the name, or remove the policy: it covers nothing",
                    );
                }
                tables
            }
        }
    }

    fn column(&mut self, table: &Table, column: &Name) -> Option<usize> {
        let index = table.column_index(&column.text);
        if index.is_none() {
            let names: Vec<_> = table.columns.iter().map(|c| c.name.as_str()).collect();
            self.error(
                &column.at,
                format!("column \"{}\" of {} does not exist", column.text, table.name),
                format!("its columns are {}", names.join(", ")),
            );
        }
        index
    }

    fn subjects(&mut self, grantees: &[Grantee]) -> Arc<[Subject]> {
        grantees
            .iter()
            .map(|grantee| match grantee {
                Grantee::Role(role) => {
                    self.role(role);
                    Subject::Role(role.text.clone())
                }
                Grantee::User(user) => Subject::User(user.clone()),
                Grantee::Public => Subject::Public,
            })
            .collect()
    }

    fn role(&mut self, role: &Name) {
        if !self.members.roles.contains_key(&role.text) {
            self.errors.push(roles::unknown(role));
        }
    }

    fn binder(&mut self) -> Binder<'_> {
        Binder {
            snapshot: self.snapshot,
            functions: self.functions,
            roles: &self.members.roles,
            errors: self.errors,
        }
    }

    fn tag(&mut self, pattern: &[Glob; 3], at: &Location, tag: &Name) {
        let [schema, name, column] = pattern;
        let candidates: Vec<&Arc<Table>> = match (schema.literal(), name.literal()) {
            (Some(schema), Some(name)) => {
                self.snapshot.table(&TableName::new(schema, name)).into_iter().collect()
            }
            _ => self
                .snapshot
                .tables()
                .filter(|table| {
                    schema.matches(&table.name.schema) && name.matches(&table.name.table)
                })
                .collect(),
        };
        let tagged = self.tags.entry(tag.text.clone()).or_default();
        let mut matched = false;
        for table in candidates {
            for (index, candidate) in table.columns.iter().enumerate() {
                if column.matches(&candidate.name) {
                    matched = true;
                    tagged.insert((table.name.clone(), index));
                }
            }
        }
        if !matched {
            self.error(
                at,
                format!("no column matches \"{schema}.{name}.{column}\""),
                "correct the pattern: a tag that is on nothing protects nothing",
            );
        }
    }

    fn row_policy(
        &mut self,
        at: &Location,
        name: &Name,
        kind: RowKind,
        target: &Target,
        to: &[Grantee],
        using: &Using,
    ) {
        let policy_kind = match kind {
            RowKind::Permissive => PolicyKind::PermissiveRowPolicy,
            RowKind::Restrictive => PolicyKind::RestrictiveRowPolicy,
        };
        let policy = Arc::new(PolicyRef::new(at, policy_kind, &name.text));
        let to = self.subjects(to);
        for table in self.targets(target) {
            if let Some(predicate) = self.binder().predicate(using, table) {
                let (to, policy) = (Arc::clone(&to), Arc::clone(&policy));
                let rules = self.rules(table);
                rules.reads_clock |= asks_time(&predicate);
                rules.rows.push(RowRule { kind, to, predicate, policy });
            }
        }
    }
}

#[cfg(test)]
mod tests;
