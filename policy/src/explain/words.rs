//! What an explanation says in words.

use super::{
    AggregationExplanation, Applies, ColumnExplanation, Explanation, MaskExplanation, Outcome,
    RowExplanation, RuleExplanation,
};
use crate::model::{PolicyKind, PolicyRef, Predicates};

impl PolicyRef {
    /// What it is and where it stands.
    pub fn place(&self) -> String {
        let Self { file, line, column: _, kind, name } = self;
        match kind {
            PolicyKind::Grant | PolicyKind::Deny => format!("{name} at {file}:{line}"),
            PolicyKind::PermissiveRowPolicy
            | PolicyKind::RestrictiveRowPolicy
            | PolicyKind::MaskingPolicy
            | PolicyKind::AggregationPolicy
            | PolicyKind::AccessRule
            | PolicyKind::Limit
            | PolicyKind::Price => format!("{kind} {name} at {file}:{line}"),
        }
    }
}

fn places(policies: &[PolicyRef]) -> String {
    policies.iter().map(PolicyRef::place).collect::<Vec<_>>().join(", ")
}

impl Explanation {
    /// Which rows are shown, or feed the aggregates that are.
    pub fn rows(&self) -> String {
        let rows = match (self.outcome, &self.row_condition) {
            (Outcome::Visible, None) => "all",
            (Outcome::Visible, Some(condition)) => condition,
            (Outcome::Hidden, _) => return "none: the table doesn't exist for the user".to_owned(),
            (Outcome::NoActiveRole, _) => return "none: no role is active".to_owned(),
        };
        match self.aggregation_policies.iter().any(|policy| policy.applies) {
            true => format!("in aggregates only, of {rows}"),
            false => rows.to_owned(),
        }
    }
}

impl RuleExplanation {
    /// The rule, and what of it isn't met.
    pub fn says(&self) -> String {
        let place = self.policy.place();
        match self.unmet.as_slice() {
            [] => place,
            unmet => {
                let unmet: Vec<_> = unmet.iter().map(ToString::to_string).collect();
                format!("{place}: {}", unmet.join(", "))
            }
        }
    }
}

impl RowExplanation {
    /// The policy, whether it is for the caller, and its condition.
    pub fn says(&self) -> String {
        let whom = if self.applies { "applies" } else { "is for others" };
        format!("{} {whom}: {}", self.policy.place(), self.condition)
    }
}

impl AggregationExplanation {
    /// The policy, whether it is for the caller, and what it allows.
    pub fn says(&self) -> String {
        let whom = if self.applies { "applies" } else { "is for others" };
        format!("{} {whom}: {}", self.policy.place(), self.rule)
    }
}

impl MaskExplanation {
    /// The policy, and on which rows it applies.
    pub fn says(&self) -> String {
        let place = self.policy.place();
        match &self.applies {
            Applies::Always => format!("{place} applies"),
            Applies::Never => format!("{place} doesn't apply: the user is exempt"),
            Applies::Unless(condition) => format!("{place} applies unless {condition}"),
        }
    }
}

impl ColumnExplanation {
    /// What is shown of it and why; to a view's author every column is, whoever grants.
    pub fn says(&self, by_view: bool) -> String {
        let shown = match (&self.shown_as, self.predicates) {
            (None, _) => "shown".to_owned(),
            (Some(mask), Predicates::Masked) => format!("shown as {mask}"),
            (Some(mask), Predicates::Equality) => {
                format!("shown as {mask}, to be tested for equality only")
            }
            (Some(mask), Predicates::Deny) => format!("shown as {mask}, not to be tested"),
        };
        match (self.visible, self.grants.as_slice(), self.denials.as_slice()) {
            (true, _, _) if by_view => shown,
            (true, grants, _) => format!("{shown}: {}", places(grants)),
            (false, _, denials @ [_, ..]) => format!("hidden: {}", places(denials)),
            (false, [], []) => "hidden: no grant is for the user".to_owned(),
            (false, grants, []) => format!("hidden, though granted by {}", places(grants)),
        }
    }
}
