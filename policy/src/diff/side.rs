//! One of two bundles, as the comparison asks it.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_catalog::{Table, TableName};

use super::Place;
use crate::bundle::Bundle;
use crate::limits::{Limit, Price};
use crate::model::{
    Access, AggregationRule, Grantee, MaskRule, RowKind, RowRule, Statement, Subject, TableRules,
};
use crate::standing::AccessRule;

/// Whether roles count that an access rule may switch off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// All: what restricts holds for them even when they are off.
    Held,
    /// Only those that are on whatever the circumstances.
    SurelyActive,
}

pub(super) struct Side<'a> {
    bundle: &'a Bundle,
    by_name: BTreeMap<&'a TableName, &'a TableRules>,
    /// The roles that access rules are about.
    switched: BTreeSet<&'a str>,
}

/// The columns of a table or view in order, those that only the old bundle knows last.
pub(super) fn column_names(old: &Side<'_>, new: &Side<'_>, table: &TableName) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for side in [new, old] {
        for column in side.rules(table).into_iter().flat_map(|rules| &rules.table.columns) {
            if !names.contains(&column.name) {
                names.push(column.name.clone());
            }
        }
    }
    names
}

/// Whether one of the subjects is in the set.
pub(super) fn meets(subjects: &[Subject], set: &BTreeSet<Subject>) -> bool {
    subjects.iter().any(|subject| set.contains(subject))
}

impl<'a> Side<'a> {
    pub(super) fn new(bundle: &'a Bundle) -> Self {
        let rules = bundle.all_rules();
        let subjects = rules.access_rules.iter().flat_map(|rule| rule.to.iter());
        let switched = subjects.filter_map(|subject| match subject {
            Subject::Role(role) => Some(role.as_str()),
            Subject::User(_) | Subject::Public => None,
        });
        Self { bundle, by_name: rules.tables.iter().collect(), switched: switched.collect() }
    }

    pub(super) fn bundle(&self) -> &'a Bundle {
        self.bundle
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &'a TableName> {
        self.by_name.keys().copied()
    }

    pub(super) fn views(&self) -> &'a [std::sync::Arc<Table>] {
        &self.bundle.all_rules().views
    }

    pub(super) fn access_rules(&self) -> &'a [AccessRule] {
        &self.bundle.all_rules().access_rules
    }

    pub(super) fn limits(&self) -> &'a [std::sync::Arc<Limit>] {
        &self.bundle.all_rules().limits
    }

    pub(super) fn prices(&self) -> &'a [std::sync::Arc<Price>] {
        &self.bundle.all_rules().prices
    }

    /// Whether a role is off in some circumstances.
    pub(super) fn switches(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Role(role) if self.switched.contains(role.as_str()))
    }

    pub(super) fn switches_any(&self) -> bool {
        !self.switched.is_empty()
    }

    pub(super) fn rules(&self, table: &TableName) -> Option<&'a TableRules> {
        self.by_name.get(table).copied()
    }

    /// The grants and denials on a column, or on any.
    fn accesses(
        &self,
        table: &TableName,
        column: Option<&str>,
        of: impl Fn(&'a TableRules) -> &'a [Access],
    ) -> Vec<&'a Access> {
        let Some(rules) = self.rules(table) else { return Vec::new() };
        let index = match column {
            None => None,
            Some(column) => match rules.table.column_index(column) {
                Some(index) => Some(index),
                None => return Vec::new(),
            },
        };
        let covers = |access: &&Access| match (&access.columns, index) {
            (Some(columns), Some(index)) => columns.contains(&index),
            (Some(columns), None) => !columns.is_empty(),
            (None, _) => true,
        };
        of(rules).iter().filter(covers).collect()
    }

    pub(super) fn grants(&self, table: &TableName, column: Option<&str>) -> Vec<&'a Access> {
        self.accesses(table, column, |rules| &rules.grants)
    }

    pub(super) fn denials(&self, table: &TableName, column: &str) -> Vec<&'a Access> {
        self.accesses(table, Some(column), |rules| &rules.denials)
    }

    pub(super) fn is_granted(&self, table: &TableName, column: Option<&str>) -> bool {
        !self.grants(table, column).is_empty()
    }

    pub(super) fn rows(
        &self,
        table: &TableName,
        kind: RowKind,
    ) -> impl Iterator<Item = &'a RowRule> {
        let rules = self.rules(table).into_iter().flat_map(|rules| &rules.rows);
        rules.filter(move |rule| rule.kind == kind)
    }

    pub(super) fn aggregations(&self, table: &TableName) -> &'a [AggregationRule] {
        self.rules(table).map_or(&[], |rules| rules.aggregations.as_slice())
    }

    /// The masks of a column, the weakest first.
    pub(super) fn masks(&self, table: &TableName, column: &str) -> &'a [MaskRule] {
        let rules = self.rules(table);
        let masks = rules.and_then(|rules| rules.masks.get(rules.table.column_index(column)?));
        masks.map_or(&[], Vec::as_slice)
    }

    /// The roles that were granted to a subject itself.
    pub(super) fn direct(&self, subject: &Subject) -> BTreeSet<&'a str> {
        let members = &self.bundle.all_rules().members;
        let roles = match subject {
            Subject::Role(role) => members.roles.get(role),
            Subject::User(user) => members.users.get(user),
            Subject::Public => Some(&members.public),
        };
        roles.into_iter().flatten().map(String::as_str).collect()
    }

    /// All to whom roles may have been granted.
    pub(super) fn subjects(&self) -> BTreeSet<Subject> {
        let members = &self.bundle.all_rules().members;
        let roles = members.roles.keys().cloned().map(Subject::Role);
        let users = members.users.keys().cloned().map(Subject::User);
        roles.chain(users).chain([Subject::Public]).collect()
    }

    /// The subject itself and all roles that it inherits.
    pub(super) fn reach(&self, from: &Subject, count: Count) -> BTreeSet<Subject> {
        let mut found = BTreeSet::from([from.clone()]);
        let mut pending: Vec<&str> = self.direct(from).into_iter().collect();
        while let Some(role) = pending.pop() {
            let subject = Subject::Role(role.to_owned());
            if count == Count::SurelyActive && self.switches(&subject) {
                continue;
            }
            pending.extend(match found.contains(&subject) {
                true => BTreeSet::new(),
                false => self.direct(&subject),
            });
            found.insert(subject);
        }
        found
    }

    /// Everything that a caller has who has this: what everyone has, too.
    pub(super) fn with_everyone(&self, who: &Subject, count: Count) -> BTreeSet<Subject> {
        let mut all = self.reach(who, count);
        all.extend(self.reach(&Subject::Public, count));
        all
    }

    /// Where a role was granted to a subject.
    pub(super) fn place_of_membership(&self, subject: &Subject, role: &str) -> Vec<Place> {
        let is_it = |grantee: &Grantee| match (grantee, subject) {
            (Grantee::Role(name), Subject::Role(role)) => name.text == *role,
            (Grantee::User(name), Subject::User(user)) => name == user,
            (Grantee::Public, Subject::Public) => true,
            (Grantee::Role(_) | Grantee::User(_) | Grantee::Public, _) => false,
        };
        let found = self.bundle.statements().iter().filter(|located| match &located.statement {
            Statement::GrantRole { role: granted, to } => {
                granted.text == role && to.iter().any(is_it)
            }
            Statement::CreateRole { .. }
            | Statement::Access { .. }
            | Statement::Tag { .. }
            | Statement::RowPolicy { .. }
            | Statement::Mask { .. }
            | Statement::Aggregation { .. }
            | Statement::AccessRule { .. }
            | Statement::View { .. }
            | Statement::Limit { .. }
            | Statement::Price { .. }
            | Statement::Test(_) => false,
        });
        found.map(|located| Place::at(&located.at, format!("GRANT ROLE {role}"))).collect()
    }
}
