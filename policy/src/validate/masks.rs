//! Masking policies: bound to each column they cover, and ordered by how much they hide.

use std::sync::Arc;

use tollgate_catalog::Table;

use super::Validator;
use crate::diagnostics::Location;
use crate::model::{Except, MaskRule, MaskTarget, Name, PolicyKind, PolicyRef, Predicates, Using};
use crate::principal::asks_time;

impl Validator<'_> {
    pub(super) fn masking_policy(
        &mut self,
        at: &Location,
        name: &Name,
        target: &MaskTarget,
        using: &Using,
        (except, predicates): (Option<&Except>, Predicates),
    ) {
        let policy = Arc::new(PolicyRef::new(at, PolicyKind::MaskingPolicy, &name.text));
        let roles = except.map_or(&[][..], |except| &except.roles);
        for role in roles {
            self.role(role);
        }
        let exempt: Arc<[String]> = roles.iter().map(|role| role.text.clone()).collect();
        let when = except.and_then(|except| except.when.as_ref());
        for (table, column) in self.masked_columns(target) {
            let Some(raw) = table.columns.get(column) else { continue };
            let key = self.secret.key(&table.name, &raw.name, &name.text);
            let mask = self.binder().mask(using, &table, (column, &key));
            let condition = when.map(|when| self.binder().condition(when, &table, (column, &key)));
            let (Some((strength, expr)), false) = (mask, matches!(condition, Some(None))) else {
                continue;
            };
            let (except, policy) = (Arc::clone(&exempt), Arc::clone(&policy));
            let when = condition.flatten();
            let reads_clock = asks_time(&expr) || when.as_ref().is_some_and(asks_time);
            let rule = MaskRule { strength, expr, except, when, predicates, policy };
            let rules = self.rules(&table);
            rules.reads_clock |= reads_clock;
            if let Some(masks) = rules.masks.get_mut(column) {
                masks.push(rule);
            }
        }
    }

    fn masked_columns(&mut self, target: &MaskTarget) -> Vec<(Arc<Table>, usize)> {
        match target {
            MaskTarget::Column { name, at, column } => self
                .table(name, at)
                .and_then(|table| {
                    self.column(table, column).map(|index| (Arc::clone(table), index))
                })
                .into_iter()
                .collect(),
            MaskTarget::Tag(tag) => match self.tags.get(&tag.text) {
                Some(columns) => columns
                    .iter()
                    .filter_map(|(name, index)| {
                        Some((Arc::clone(self.snapshot.table(name)?), *index))
                    })
                    .collect(),
                None => {
                    self.error(
                        &tag.at,
                        format!("tag \"{}\" is on no column", tag.text),
                        format!(
                            "add TAG COLUMN schema.table.column AS {}, or correct the name",
                            tag.text
                        ),
                    );
                    Vec::new()
                }
            },
        }
    }

    /// Sorts the masks of each column, the weakest first. Of two that hide equally much neither is
    /// the stricter one, so they must show the same.
    pub(super) fn order_masks(&mut self) {
        for rules in self.rules.values_mut() {
            for (masks, column) in rules.masks.iter_mut().zip(&rules.table.columns) {
                masks.sort_by_key(|mask| mask.strength);
                for pair in masks.windows(2) {
                    let [one, other] = pair else { continue };
                    if one.strength == other.strength && one.expr != other.expr {
                        let at = Location {
                            file: other.policy.file.as_str().into(),
                            line: other.policy.line,
                            column: other.policy.column,
                        };
                        self.errors.push(at.error(
                            format!(
                                "masking policies \"{}\" and \"{}\" are equally strict on column \"{}\" of {}",
                                one.policy.name, other.policy.name, column.name, rules.table.name
                            ),
                            "make them identical, or let only one of them cover the column",
                        ));
                    }
                }
            }
        }
    }
}
