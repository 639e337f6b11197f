//! What copies of an expression weigh, before they are made.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, JsonPathElem, Query, Value, ValueWithSpan, Visit, Visitor,
};
use tollgate_catalog::{Error, ErrorKind};

use super::super::budget::NODE;

/// The most that is looked at: more can't be copied even once.
const MOST: u64 = 250_000;
/// The deepest item of a select list that can be named beside it.
const DEEPEST: usize = 64;
/// The most arguments of a call, and the most patterns of LIKE ANY.
const MAX_ARGUMENTS: usize = 100;
/// The bytes of a literal that weigh 1.
const BYTES: usize = 16;
/// The most copies that a translation makes of one operand, whatever its arguments are.
const COPIES: u64 = 8;

/// How much there is of an expression.
#[derive(Debug, Default)]
pub(super) struct Weight {
    size: u64,
    depth: usize,
    deepest: usize,
}

impl Weight {
    pub(super) fn of(node: &impl Visit) -> Self {
        let mut weight = Self::default();
        // It breaks off where it is too much already.
        let _ = node.visit(&mut weight);
        weight
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn is_deep(&self) -> bool {
        self.deepest > DEEPEST
    }

    fn add(&mut self, size: u64) -> ControlFlow<()> {
        self.size = self.size.saturating_add(size);
        match self.size > MOST {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

impl Visitor for Weight {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.add(10 * NODE)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => self.add(1),
            // The visitor doesn't see the names in it.
            Expr::JsonAccess { path, .. } => {
                let steps = path.path.iter().map(|step| match step {
                    JsonPathElem::Dot { key, .. } => NODE.saturating_add(weight_of(key)),
                    JsonPathElem::Bracket { .. } | JsonPathElem::ColonBracket { .. } => NODE,
                });
                self.add(steps.fold(NODE, u64::saturating_add))
            }
            _ => self.add(NODE),
        }
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        match &value.value {
            Value::SingleQuotedString(text) => self.add(weight_of(text)),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn weight_of(text: &str) -> u64 {
    u64::try_from(text.len() / BYTES).unwrap_or(u64::MAX)
}

fn too_many(what: &str) -> Error {
    Error::new(ErrorKind::ProgramLimit, format!("{what} of more than {MAX_ARGUMENTS}"))
        .with_hint("split it")
}

/// What the copies of a node's operands weigh that its translation may make.
///
/// # Errors
/// 54000: a list is too long for a chain of operators.
pub(super) fn bound_copies(expr: &Expr) -> Result<u64, Error> {
    let copied = |operands: &mut dyn Iterator<Item = &Expr>, count: usize| {
        let heaviest = operands.map(|operand| Weight::of(operand).size()).max().unwrap_or(0);
        let copies = u64::try_from(count).unwrap_or(u64::MAX).max(COPIES);
        // What is light is charged where it is walked.
        if heaviest > 1 { heaviest.saturating_mul(copies) } else { 0 }
    };
    match expr {
        Expr::Function(Function { args: FunctionArguments::List(list), .. }) => {
            let count = list.args.len();
            if count > MAX_ARGUMENTS {
                return Err(too_many("a list of arguments"));
            }
            let weights = list.args.iter().map(|argument| Weight::of(argument).size());
            let heaviest = weights.max().unwrap_or(0);
            let copies = u64::try_from(count).unwrap_or(u64::MAX).max(COPIES);
            Ok(if heaviest > 1 { heaviest.saturating_mul(copies) } else { 0 })
        }
        Expr::Like { any: true, expr: text, pattern, .. }
        | Expr::ILike { any: true, expr: text, pattern, .. } => {
            let count = match pattern.as_ref() {
                Expr::Tuple(patterns) => patterns.len(),
                _ => 1,
            };
            if count > MAX_ARGUMENTS {
                return Err(too_many("a list of patterns"));
            }
            Ok(copied(&mut std::iter::once(text.as_ref()), count))
        }
        Expr::Cast { expr: value, .. } => Ok(copied(&mut std::iter::once(value.as_ref()), 1)),
        Expr::Extract { expr: value, .. }
        | Expr::Substring { expr: value, .. }
        | Expr::Trim { expr: value, .. } => Ok(copied(&mut std::iter::once(value.as_ref()), 1)),
        // Translated without a copy, or not at all.
        _ => Ok(0),
    }
}
