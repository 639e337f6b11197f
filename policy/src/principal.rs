//! The functions of a policy that tell who is calling.
//!
//! In a bundle they are placeholders. A decision replaces each by a literal; one that were left
//! over would fail when invoked, so the statement would be refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::expr::{InList, InSubquery, ScalarFunction, TryCast};
use datafusion_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Subquery, Volatility, lit,
};
use tollgate_identity::Principal;

use crate::standing::Caller;

/// What about the caller is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    Name,
    /// The only value of an attribute; NULL if there is none, or more than one.
    Attribute(String),
    /// Whether the argument is among the values of an attribute; NULL if it is missing.
    AmongAttributes(String),
    HasRole(String),
    ClientIp,
    Purpose,
    /// The time of the decision, as a value of this date or timestamp type.
    Now(DataType),
}

impl Question {
    /// The placeholder that asks this; `args` is empty but for `AmongAttributes`.
    pub(crate) fn ask(self, args: Vec<Expr>) -> Expr {
        let signature = Signature::any(args.len(), Volatility::Stable);
        let signature =
            if args.is_empty() { Signature::nullary(Volatility::Stable) } else { signature };
        let udf = ScalarUDF::new_from_impl(Placeholder { question: self, signature });
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(udf), args))
    }
}

/// Whether the expression is the placeholder of a text about the caller.
pub(crate) fn is_question(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function) if function.func.inner().is::<Placeholder>())
}

/// Whether the expression is the placeholder of the time of the decision.
pub(crate) fn is_now(expr: &Expr) -> bool {
    let Expr::ScalarFunction(function) = expr else { return false };
    let placeholder = function.func.inner().downcast_ref::<Placeholder>();
    placeholder.is_some_and(|placeholder| matches!(placeholder.question, Question::Now(_)))
}

/// Whether the time of the decision is asked for anywhere, also inside subqueries.
pub(crate) fn asks_time(expr: &Expr) -> bool {
    let found = expr.exists(|expr| {
        let inside = match expr {
            Expr::InSubquery(lookup) => {
                let mut inside = false;
                lookup.subquery.subquery.apply(|plan| {
                    plan.apply_expressions(|expr| {
                        inside |= asks_time(expr);
                        Ok(TreeNodeRecursion::Continue)
                    })
                })?;
                inside
            }
            other => is_now(other),
        };
        Ok(inside)
    });
    // What can't be looked through is taken for one that asks.
    found.unwrap_or(true)
}

/// A question about the caller as the policy language spells it; `None` if it is none.
pub(crate) fn question_text(expr: &Expr) -> Option<String> {
    let Expr::ScalarFunction(function) = expr else { return None };
    let placeholder = function.func.inner().downcast_ref::<Placeholder>()?;
    let quoted = |text: &str| text.replace('\'', "''");
    Some(match &placeholder.question {
        Question::Name => "principal_name()".to_owned(),
        Question::Attribute(name) => format!("principal_attr('{}')", quoted(name)),
        Question::AmongAttributes(name) => {
            let value = function.args.first().map(ToString::to_string).unwrap_or_default();
            format!("{value} = ANY(principal_attrs('{}'))", quoted(name))
        }
        Question::HasRole(role) => format!("has_role('{}')", quoted(role)),
        Question::ClientIp => "client_ip()".to_owned(),
        Question::Purpose => "purpose()".to_owned(),
        Question::Now(DataType::Date32) => "current_date".to_owned(),
        Question::Now(_) => "current_timestamp".to_owned(),
    })
}

/// The roles that are asked for, each with whether having it can only turn the condition true: it
/// stands below nothing but AND and OR. `None`: the expression can't be looked through.
pub(crate) fn roles_asked(expr: &Expr) -> Option<BTreeMap<String, bool>> {
    fn look(expr: &Expr, positive: bool, roles: &mut BTreeMap<String, bool>) -> Result<()> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
                look(left, positive, roles)?;
                look(right, positive, roles)
            }
            Expr::ScalarFunction(function) if is_question(expr) => {
                let placeholder = function.func.inner().downcast_ref::<Placeholder>();
                if let Some(Placeholder { question: Question::HasRole(role), .. }) = placeholder {
                    *roles.entry(role.clone()).or_insert(true) &= positive;
                }
                function.args.iter().try_for_each(|arg| look(arg, false, roles))
            }
            other => {
                if let Expr::InSubquery(lookup) = other {
                    lookup.subquery.subquery.apply(|plan| {
                        plan.apply_expressions(|expr| {
                            look(expr, false, roles)?;
                            Ok(TreeNodeRecursion::Continue)
                        })
                    })?;
                }
                other.apply_children(|expr| {
                    look(expr, false, roles)?;
                    Ok(TreeNodeRecursion::Continue)
                })?;
                Ok(())
            }
        }
    }
    let mut roles = BTreeMap::new();
    look(expr, true, &mut roles).is_ok().then_some(roles)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Placeholder {
    question: Question,
    signature: Signature,
}

impl ScalarUDFImpl for Placeholder {
    fn name(&self) -> &str {
        match &self.question {
            Question::Name => "principal_name",
            Question::Attribute(_) => "principal_attr",
            Question::AmongAttributes(_) => "principal_attrs",
            Question::HasRole(_) => "has_role",
            Question::ClientIp => "client_ip",
            Question::Purpose => "purpose",
            Question::Now(_) => "current_timestamp",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match &self.question {
            Question::Name | Question::Attribute(_) | Question::ClientIp | Question::Purpose => {
                DataType::Utf8
            }
            Question::AmongAttributes(_) | Question::HasRole(_) => DataType::Boolean,
            Question::Now(data_type) => data_type.clone(),
        })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("a question about the caller was left in a plan")
    }
}

/// Replaces every question about the caller by its answer, also inside subqueries.
pub(crate) fn answer(expr: &Expr, principal: &Principal, caller: Caller<'_>) -> Result<Expr> {
    let done = expr.clone().transform_up(|expr| match expr {
        Expr::ScalarFunction(ScalarFunction { func, mut args }) => {
            match func.inner().downcast_ref::<Placeholder>() {
                None => Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
                Some(placeholder) => Ok(Transformed::yes(answer_one(
                    &placeholder.question,
                    args.pop(),
                    principal,
                    caller,
                )?)),
            }
        }
        // An attribute that isn't a value of the type counts as missing.
        Expr::TryCast(TryCast { expr, field }) => match *expr {
            Expr::Literal(value, _) => {
                let cast = value.cast_to(field.data_type());
                let value = cast.or_else(|_| ScalarValue::try_from(field.data_type()))?;
                Ok(Transformed::yes(Expr::Literal(value, None)))
            }
            other => Ok(Transformed::no(Expr::TryCast(TryCast { expr: Box::new(other), field }))),
        },
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            let plan = Arc::unwrap_or_clone(subquery.subquery).transform_up(|plan| {
                plan.map_expressions(|expr| Ok(Transformed::yes(answer(&expr, principal, caller)?)))
            })?;
            let subquery = Subquery { subquery: Arc::new(plan.data), ..subquery };
            Ok(Transformed::yes(Expr::InSubquery(InSubquery { expr, subquery, negated })))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(done.data)
}

fn answer_one(
    question: &Question,
    arg: Option<Expr>,
    principal: &Principal,
    caller: Caller<'_>,
) -> Result<Expr> {
    let text = |value: Option<String>| Expr::Literal(ScalarValue::Utf8(value), None);
    Ok(match question {
        Question::Name => text(Some(principal.name().to_owned())),
        Question::Attribute(name) => {
            text(match principal.attributes().get(name).map(Vec::as_slice) {
                Some([only]) => Some(only.clone()),
                Some(_) | None => None,
            })
        }
        Question::AmongAttributes(name) => match (arg, principal.attributes().get(name)) {
            (None, _) => return internal_err!("a list of attributes has nothing to look for"),
            (Some(_), None) => Expr::Literal(ScalarValue::Boolean(None), None),
            (Some(_), Some(values)) if values.is_empty() => lit(false),
            (Some(arg), Some(values)) => Expr::InList(InList {
                expr: Box::new(arg),
                list: values.iter().map(|value| text(Some(value.clone()))).collect(),
                negated: false,
            }),
        },
        Question::HasRole(role) => lit(caller.standing.active.contains(role)),
        Question::ClientIp => text(Some(principal.address().to_string())),
        Question::Purpose => text(caller.standing.circumstances.purpose.clone()),
        Question::Now(data_type) => {
            // An instant stays itself in every zone; what has no zone is in UTC.
            let zone = match data_type {
                DataType::Timestamp(_, Some(_)) => Some("+00:00".into()),
                _ => None,
            };
            let now = caller.standing.circumstances.now;
            let now = ScalarValue::TimestampMicrosecond(Some(now), zone).cast_to(data_type)?;
            Expr::Literal(now, None)
        }
    })
}
