//! Why somebody sees what they see of a table: each statement that has a say, with its place.
//!
//! For operators and for those who write policies: it names what is hidden from the caller, so it
//! must not be shown to the caller.

mod words;

use std::sync::Arc;

use serde::Serialize;
use tollgate_catalog::Table;
use tollgate_identity::Principal;

use crate::bundle::Bundle;
use crate::decide::{SecuredTable, read_by_author, secure};
use crate::display::sql_text;
use crate::limits::CostExplanation;
use crate::model::{MaskRule, PolicyRef, Predicates, RowKind, Strength, TableRules};
use crate::standing::{Caller, Circumstances, Demand, NoActiveRole, Standing};

/// What decides over one table for one caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The caller.
    pub user: String,
    /// The hash of the bundle.
    pub bundle: String,
    /// The table.
    pub table: String,
    /// What comes of it.
    pub outcome: Outcome,
    /// The caller's roles, whether they are active or not.
    pub held_roles: Vec<String>,
    /// Those that are active.
    pub active_roles: Vec<String>,
    /// The access rules that are for the caller or a role that it holds.
    pub access_rules: Vec<RuleExplanation>,
    /// Every column of the table, in order.
    pub columns: Vec<ColumnExplanation>,
    /// Every row policy of the table, in the order in which they were read.
    pub row_policies: Vec<RowExplanation>,
    /// The condition that comes of them, with the answers about the caller put in; `None`: all rows.
    pub row_condition: Option<String>,
    /// Every aggregation policy of the table, in the order in which they were read.
    pub aggregation_policies: Vec<AggregationExplanation>,
}

/// What the caller sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Some columns.
    Visible,
    /// Nothing: for the caller there is no such table.
    Hidden,
    /// Nothing at all, as no role is active.
    NoActiveRole,
}

/// An access rule and whether it is met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleExplanation {
    /// The rule.
    pub policy: PolicyRef,
    /// Whether the caller meets all that it demands.
    pub met: bool,
    /// What of it isn't.
    pub unmet: Vec<Demand>,
}

/// What decides over a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnExplanation {
    /// Its name.
    pub name: String,
    /// Whether the caller sees it.
    pub visible: bool,
    /// The grants that are for the caller.
    pub grants: Vec<PolicyRef>,
    /// The denials that are for the caller.
    pub denials: Vec<PolicyRef>,
    /// All of its masks, the weakest first: on each row the last one that applies is shown.
    pub masks: Vec<MaskExplanation>,
    /// What stands for its values; `None` if they are shown as they are, or not at all.
    pub shown_as: Option<String>,
    /// What a statement may do with it.
    pub predicates: Predicates,
}

/// What a mask does for the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MaskExplanation {
    /// The policy.
    pub policy: PolicyRef,
    /// How much it hides.
    pub strength: Strength,
    /// On which rows it applies.
    pub applies: Applies,
}

/// On which rows a mask applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Applies {
    /// On all.
    Always,
    /// On none: the caller is exempt.
    Never,
    /// On those for which this condition isn't true.
    Unless(String),
}

/// What a row policy does for the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowExplanation {
    /// The policy, whose kind says whether it permits or restricts.
    pub policy: PolicyRef,
    /// Whether it is for the caller.
    pub applies: bool,
    /// Its condition, with questions about the caller as they stand in the policy.
    pub condition: String,
}

/// What an aggregation policy does for the caller: of several that apply each must allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AggregationExplanation {
    /// The policy.
    pub policy: PolicyRef,
    /// Whether it is for the caller.
    pub applies: bool,
    /// What it allows, as it is written.
    pub rule: String,
}

/// A caller's roles, and what switches them off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallerExplanation {
    /// The caller's roles, whether they are active or not.
    pub held_roles: Vec<String>,
    /// Those that are active; `None`: of some none, so that the caller can't even connect.
    pub active_roles: Option<Vec<String>>,
    /// The access rules that are for the caller or a role that it holds.
    pub access_rules: Vec<RuleExplanation>,
    /// The limits and prices that are for the caller.
    pub costs: Vec<CostExplanation>,
}

/// Says which roles a principal has.
pub fn explain_caller(
    bundle: &Bundle,
    principal: &Principal,
    circumstances: &Circumstances,
) -> CallerExplanation {
    let held = bundle.roles_of(principal);
    let standing = bundle.standing(principal, circumstances).ok();
    let limits = standing.as_ref().map(|standing| bundle.limits_of(principal, standing));
    CallerExplanation {
        costs: limits.map(|limits| limits.explained()).unwrap_or_default(),
        active_roles: standing.map(|standing| standing.active().iter().cloned().collect()),
        access_rules: bundle.access_rules(principal, circumstances, &held),
        held_roles: held.into_iter().collect(),
    }
}

/// Whose rights count for the columns of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// The caller's: a statement names the table.
    Caller,
    /// The author's of a view that reads it: every column is there, with the caller's rows and masks.
    Author,
}

/// Says why a principal sees what it sees of a table, from the very rules that decide.
pub fn explain(
    bundle: &Bundle,
    principal: &Principal,
    circumstances: &Circumstances,
    table: &Arc<Table>,
    rights: Rights,
) -> Explanation {
    let caller = explain_caller(bundle, principal, circumstances);
    let mut explanation = Explanation {
        user: principal.name().to_owned(),
        bundle: bundle.hash().to_owned(),
        table: table.name.to_string(),
        outcome: Outcome::Hidden,
        held_roles: caller.held_roles,
        active_roles: caller.active_roles.unwrap_or_default(),
        access_rules: caller.access_rules,
        columns: Vec::new(),
        row_policies: Vec::new(),
        row_condition: None,
        aggregation_policies: Vec::new(),
    };
    let standing = match bundle.standing(principal, circumstances) {
        Ok(standing) => standing,
        Err(NoActiveRole) => {
            explanation.outcome = Outcome::NoActiveRole;
            return explanation;
        }
    };
    if rights == Rights::Author && !bundle.has_rules(table) {
        // Nothing is said about it: all of it feeds the view.
        explanation.outcome = Outcome::Visible;
    }
    if let Some(rules) = bundle.rules(table) {
        let caller = Caller { user: principal.name(), standing: &standing };
        let secured = match rights {
            Rights::Caller => secure(bundle, table, principal, caller),
            Rights::Author => read_by_author(bundle, rules, table, principal, caller),
        };
        if secured.is_some() {
            explanation.outcome = Outcome::Visible;
        }
        explanation.columns = columns(rules, secured.as_ref(), caller);
        explanation.row_policies = row_policies(rules, caller);
        explanation.aggregation_policies = aggregation_policies(rules, caller);
        let condition = secured.as_ref().and_then(SecuredTable::row_predicate);
        explanation.row_condition = condition.map(sql_text);
    }
    explanation
}

fn columns(
    rules: &TableRules,
    secured: Option<&SecuredTable>,
    caller: Caller<'_>,
) -> Vec<ColumnExplanation> {
    let covers = |columns: &Option<Vec<usize>>, index: usize| {
        columns.as_ref().is_none_or(|columns| columns.contains(&index))
    };
    let explained = rules.table.columns.iter().zip(&rules.masks).enumerate();
    let explained = explained.map(|(index, (column, masks))| {
        let grants = rules.grants.iter().filter(|access| caller.may_use(&access.to));
        let denials = rules.denials.iter().filter(|access| caller.is_bound_by(&access.to));
        let shown = secured
            .and_then(|secured| secured.columns().iter().find(|visible| visible.index == index));
        let mask = shown.and_then(|visible| visible.mask.as_ref());
        ColumnExplanation {
            name: column.name.clone(),
            visible: shown.is_some(),
            grants: grants
                .filter(|access| covers(&access.columns, index))
                .map(|access| access.policy.as_ref().clone())
                .collect(),
            denials: denials
                .filter(|access| covers(&access.columns, index))
                .map(|access| access.policy.as_ref().clone())
                .collect(),
            masks: masks.iter().map(|rule| mask_of(rule, caller.standing)).collect(),
            shown_as: mask.map(|mask| sql_text(&mask.expr)),
            predicates: mask.map_or(Predicates::Masked, |mask| mask.predicates),
        }
    });
    explained.collect()
}

fn mask_of(rule: &MaskRule, standing: &Standing) -> MaskExplanation {
    let exempt = rule.except.iter().any(|role| standing.active.contains(role));
    let applies = match (exempt, &rule.when) {
        (false, _) => Applies::Always,
        (true, None) => Applies::Never,
        (true, Some(when)) => Applies::Unless(sql_text(when)),
    };
    MaskExplanation { policy: rule.policy.as_ref().clone(), strength: rule.strength, applies }
}

fn row_policies(rules: &TableRules, caller: Caller<'_>) -> Vec<RowExplanation> {
    let explained = rules.rows.iter().map(|rule| RowExplanation {
        policy: rule.policy.as_ref().clone(),
        applies: match rule.kind {
            RowKind::Permissive => caller.may_use(&rule.to),
            RowKind::Restrictive => caller.is_bound_by(&rule.to),
        },
        condition: sql_text(&rule.predicate),
    });
    explained.collect()
}

fn aggregation_policies(rules: &TableRules, caller: Caller<'_>) -> Vec<AggregationExplanation> {
    let explained = rules.aggregations.iter().map(|rule| AggregationExplanation {
        policy: rule.policy.as_ref().clone(),
        applies: caller.is_bound_by(&rule.to),
        rule: rule.says.clone(),
    });
    explained.collect()
}

#[cfg(test)]
mod tests;
