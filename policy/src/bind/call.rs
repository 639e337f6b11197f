//! Calls: questions about the caller, the mask library, total functions; and CASE.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::type_coercion::functions::fields_with_udf;
use datafusion_expr::{Case, Expr, ExprSchemable, Operator, Volatility, binary_expr};
use datafusion_sql::sqlparser::ast::{
    CaseWhen, Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments,
};
use tollgate_catalog::id::fold;
use tollgate_catalog::pg_type;

use super::leaf::convert_to;
use super::{Binder, Bound, Place, Scope};
use crate::convert::{display, fit};
use crate::diagnostics::Location;
use crate::mask::{HashKey, MaskKind, Unit};
use crate::model::Strength;
use crate::principal::Question;

const TOTAL: &str = "only functions of the allow-list that can't fail on any value may be used";

/// The name and the arguments of a plain call; `None` for one with anything more to it.
fn plain_call(function: &Function) -> Option<(String, Vec<&SqlExpr>)> {
    let Function {
        name,
        uses_odbc_syntax,
        parameters,
        args,
        filter,
        null_treatment,
        over,
        within_group,
    } = function;
    let plain = !uses_odbc_syntax
        && matches!(parameters, FunctionArguments::None)
        && filter.is_none()
        && null_treatment.is_none()
        && over.is_none()
        && within_group.is_empty();
    let args = match args {
        FunctionArguments::None => Vec::new(),
        FunctionArguments::Subquery(_) => return None,
        FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) => {
            if duplicate_treatment.is_some() || !clauses.is_empty() {
                return None;
            }
            args.iter()
                .map(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                    FunctionArg::Unnamed(
                        FunctionArgExpr::QualifiedWildcard(_)
                        | FunctionArgExpr::Wildcard
                        | FunctionArgExpr::WildcardWithOptions(_),
                    )
                    | FunctionArg::Named { .. }
                    | FunctionArg::ExprNamed { .. } => None,
                })
                .collect::<Option<Vec<_>>>()?
        }
    };
    match name.0.as_slice() {
        [part] if plain => {
            let name = part.as_ident()?;
            Some((fold(&name.value, name.quote_style.is_some()), args))
        }
        _ => None,
    }
}

impl Binder<'_> {
    pub(super) fn call(
        &mut self,
        function: &Function,
        scope: &Scope<'_>,
        place: &Place,
    ) -> Option<Bound> {
        let at = place.at.clone();
        let Some((name, args)) = plain_call(function) else {
            return self.unsupported(&at, &format!("\"{function}\""));
        };
        let text = |question: Question| {
            let expr = question.ask(Vec::new());
            Some(Bound {
                expr,
                data_type: DataType::Utf8,
                strength: Strength::Redact,
                at: at.clone(),
            })
        };
        match (name.as_str(), args.as_slice()) {
            ("principal_name", []) => return text(Question::Name),
            ("client_ip", []) => return text(Question::ClientIp),
            ("purpose", []) => return text(Question::Purpose),
            ("principal_attr", [attribute]) => {
                return text(Question::Attribute(self.text_literal(attribute, &name, &at)?));
            }
            ("has_role", [role]) => {
                let role = self.text_literal(role, &name, &at)?;
                if !self.roles.contains_key(&role) {
                    return self.fail(
                        &at,
                        format!("role \"{role}\" does not exist"),
                        format!("add CREATE ROLE {role}, or correct the name"),
                    );
                }
                let expr = Question::HasRole(role).ask(Vec::new());
                let data_type = DataType::Boolean;
                return Some(Bound { expr, data_type, strength: Strength::Redact, at });
            }
            ("principal_attrs", [_]) => {
                return self.fail(
                    &at,
                    "principal_attrs(name) is a list and can't stand here",
                    "use column = ANY(principal_attrs('name'))",
                );
            }
            ("current_timestamp" | "current_date", []) => {
                let data_type = if name == "current_date" {
                    DataType::Date32
                } else {
                    DataType::Timestamp(TimeUnit::Microsecond, None)
                };
                let expr = Question::Now(data_type.clone()).ask(Vec::new());
                return Some(Bound { expr, data_type, strength: Strength::Redact, at });
            }
            (
                "current_timestamp" | "now" | "current_date" | "current_time" | "localtimestamp"
                | "localtime",
                _,
            ) => {
                return self.fail(
                    &at,
                    format!("this use of {name} is not supported in policies"),
                    "use current_timestamp or current_date, both are in UTC",
                );
            }
            (
                "principal_name" | "client_ip" | "purpose" | "principal_attr" | "has_role"
                | "principal_attrs",
                _,
            ) => {
                return self.fail(
                    &at,
                    format!("wrong number of arguments for {name}"),
                    "principal_name(), principal_attr('name'), principal_attrs('name'), has_role('role'), client_ip(), purpose()",
                );
            }
            _ => {}
        }
        let bound: Vec<_> = args.iter().map(|arg| self.bind(arg, scope, place)).collect();
        let bound = bound.into_iter().collect::<Option<Vec<_>>>()?;
        if name.starts_with("mask_") || name == "date_trunc" {
            return match scope.mask {
                Some((_, key)) => self.mask_call(&name, bound, key, at),
                None => self.fail(
                    &at,
                    format!("{name} can be used in masking policies only"),
                    "row policies read raw values",
                ),
            };
        }
        self.total_function(&name, bound, scope, at)
    }

    fn text_literal(&mut self, sql: &SqlExpr, name: &str, at: &Location) -> Option<String> {
        match sql {
            SqlExpr::Value(value) => value.value.clone().into_string(),
            _ => None,
        }
        .or_else(|| {
            self.fail(
                at,
                format!("the argument of {name} must be a text literal"),
                format!("write {name}('name')"),
            )
        })
    }

    /// The attribute of `principal_attrs('…')` as the right side of `= ANY`.
    pub(super) fn attributes(&mut self, sql: &SqlExpr, at: &Location) -> Option<String> {
        let call = match sql {
            SqlExpr::Nested(inner) => return self.attributes(inner, at),
            SqlExpr::Function(function) => plain_call(function),
            _ => None,
        };
        match call.as_ref().map(|(name, args)| (name.as_str(), args.as_slice())) {
            Some(("principal_attrs", [attribute])) => {
                self.text_literal(attribute, "principal_attrs", at)
            }
            Some(_) | None => self.fail(
                at,
                "this use of ANY is not supported in policies",
                "only \"= ANY(principal_attrs('name'))\" is",
            ),
        }
    }

    /// A function of the mask library. `date_trunc` is `mask_date` in PostgreSQL's order.
    fn mask_call(
        &mut self,
        name: &str,
        args: Vec<Bound>,
        key: &HashKey,
        at: Location,
    ) -> Option<Bound> {
        let mut args = args.into_iter();
        let (first, second, third) = (args.next(), args.next(), args.next());
        let (value, second) = if name == "date_trunc" { (second, first) } else { (first, second) };
        let (Some(value), true) = (value, args.next().is_none()) else {
            return self.wrong_mask(name, &at);
        };
        let data_type = value.data_type.clone();
        let constant = |strength, literal: ScalarValue, data_type| {
            Some(Bound { expr: Expr::Literal(literal, None), data_type, strength, at: at.clone() })
        };
        let count = |bound: &Option<Bound>| match bound.as_ref().and_then(Bound::literal) {
            Some(ScalarValue::Int64(Some(count))) => usize::try_from(*count).ok(),
            Some(_) | None => None,
        };
        let (kind, strength) = match (name, &second, &third) {
            ("mask_null", None, None) => {
                return constant(Strength::Null, ScalarValue::Null, DataType::Null);
            }
            ("mask_redact", None, None) => {
                return if crate::convert::is_text(&data_type) {
                    constant(Strength::Redact, ScalarValue::from("REDACTED"), DataType::Utf8)
                } else {
                    constant(Strength::Null, ScalarValue::Null, DataType::Null)
                };
            }
            ("mask_email", None, None) => (MaskKind::Email, Strength::Partial),
            ("mask_hash", None, None) => (MaskKind::Hash(key.clone()), Strength::Hash),
            ("mask_partial", Some(_), None) => match count(&second) {
                Some(prefix) => (MaskKind::Partial { prefix, suffix: 0 }, Strength::Partial),
                None => return self.wrong_mask(name, &at),
            },
            ("mask_partial", Some(_), Some(_)) => match (count(&second), count(&third)) {
                (Some(prefix), Some(suffix)) => {
                    (MaskKind::Partial { prefix, suffix }, Strength::Partial)
                }
                _ => return self.wrong_mask(name, &at),
            },
            ("mask_date" | "date_trunc", Some(unit), None) => match unit.literal() {
                Some(ScalarValue::Utf8(Some(unit))) => match Unit::parse(unit) {
                    Some(unit) => (MaskKind::Date(unit), Strength::Generalise),
                    None => return self.wrong_mask(name, &at),
                },
                Some(_) | None => return self.wrong_mask(name, &at),
            },
            ("mask_round" | "mask_bucket", Some(step), None) => {
                let step = step.literal().and_then(|step| fit(step, &data_type));
                let zero = ScalarValue::new_zero(&data_type).ok();
                match (step, zero) {
                    (Some(step), Some(zero)) if step > zero => {
                        let round = name == "mask_round";
                        let kind =
                            if round { MaskKind::Round(step) } else { MaskKind::Bucket(step) };
                        (kind, Strength::Generalise)
                    }
                    _ => return self.wrong_mask(name, &at),
                }
            }
            _ => return self.wrong_mask(name, &at),
        };
        if !kind.accepts(&data_type) {
            return self.fail(
                &at,
                format!("{name} doesn't take values of type {}", display(&data_type)),
                "use mask_null(value), or a mask for the column's type",
            );
        }
        let args = [Some(value), second, third].into_iter().flatten().map(|arg| arg.expr).collect();
        Some(Bound { expr: kind.call(args), data_type, strength, at })
    }

    fn wrong_mask<T>(&mut self, name: &str, at: &Location) -> Option<T> {
        let usage = match name {
            "mask_partial" => {
                "mask_partial(value, n) or mask_partial(value, n, suffix), with literal counts"
            }
            "mask_round" => {
                "mask_round(value, step), with a literal step above zero of the column's type"
            }
            "mask_bucket" => {
                "mask_bucket(value, width), with a literal width above zero of the column's type"
            }
            "mask_date" => "mask_date(value, 'year'), or 'quarter', 'month', 'week', 'day'",
            "date_trunc" => "date_trunc('year', value), or 'quarter', 'month', 'week', 'day'",
            "mask_null" | "mask_redact" | "mask_email" | "mask_hash" => {
                return self.fail(
                    at,
                    format!("wrong arguments for {name}"),
                    format!("write {name}(value)"),
                );
            }
            _ => {
                return self.fail(
                    at,
                    format!("function \"{name}\" does not exist"),
                    "masks are mask_null, mask_redact, mask_partial, mask_email, mask_hash, mask_round, mask_date, mask_bucket",
                );
            }
        };
        self.fail(at, format!("wrong arguments for {name}"), format!("write {usage}"))
    }

    fn total_function(
        &mut self,
        name: &str,
        args: Vec<Bound>,
        scope: &Scope<'_>,
        at: Location,
    ) -> Option<Bound> {
        let udf = self.functions.scalar(name);
        let Some(udf) = udf.filter(|udf| udf.signature().volatility != Volatility::Volatile) else {
            return self.fail(
                &at,
                format!("function \"{name}\" does not exist for policies"),
                TOTAL,
            );
        };
        let fields: Vec<_> =
            args.iter().map(|arg| Arc::new(Field::new("", arg.data_type.clone(), true))).collect();
        let types: Vec<_> = args.iter().map(|arg| display(&arg.data_type)).collect();
        let mismatch = format!("function \"{name}\" doesn't take ({})", types.join(", "));
        let Ok(wanted) = fields_with_udf(&fields, udf.as_ref()) else {
            return self.fail(&at, mismatch, "give it values of the types that it takes");
        };
        // Of a semi-structured value nobody here knows how its warehouse compares it.
        if args.iter().any(|arg| pg_type::is_document(&arg.data_type)) {
            return self.fail(&at, mismatch, "test such a value for NULL, or mask it by NULL");
        }
        // What the engine would convert by itself must not fail either.
        let args: Option<Vec<_>> = args
            .into_iter()
            .zip(&wanted)
            .map(|(arg, wanted)| convert_to(arg, wanted.data_type()))
            .collect();
        let Some(args) = args else {
            return self.fail(
                &at,
                mismatch,
                "converting a value to the type that it takes could fail",
            );
        };
        let expr = Expr::ScalarFunction(ScalarFunction::new_udf(udf, args));
        match expr.get_type(&scope.schema) {
            Ok(data_type) => Some(Bound { expr, data_type, strength: Strength::Generalise, at }),
            Err(_) => self.fail(&at, mismatch, "give it values of the types that it takes"),
        }
    }

    /// CASE: as strong a mask as its weakest branch.
    pub(super) fn case(
        &mut self,
        operand: Option<&SqlExpr>,
        conditions: &[CaseWhen],
        else_result: Option<&SqlExpr>,
        scope: &Scope<'_>,
        place: &Place,
    ) -> Option<Bound> {
        let at = place.at.clone();
        let operand = match operand {
            None => None,
            Some(operand) => Some(self.bind(operand, scope, place)?),
        };
        let mut whens = Vec::new();
        let mut results = Vec::new();
        for CaseWhen { condition, result } in conditions {
            // `CASE a WHEN b` is `CASE WHEN a = b`.
            whens.push(match &operand {
                None => self.operand(condition, scope, place),
                Some(operand) => self
                    .bind(condition, scope, place)
                    .and_then(|condition| self.meet(operand.clone(), condition))
                    .map(|(left, right)| Box::new(binary_expr(left, Operator::Eq, right))),
            });
            results.push(self.bind(result, scope, place));
        }
        let has_else = else_result.is_some();
        if let Some(result) = else_result {
            results.push(self.bind(result, scope, place));
        }
        let whens = whens.into_iter().collect::<Option<Vec<_>>>()?;
        let results = results.into_iter().collect::<Option<Vec<_>>>()?;
        let strength = results.iter().map(|result| result.strength).min()?;
        let typed = |result: &&Bound| result.data_type != DataType::Null;
        let data_type = results
            .iter()
            .filter(typed)
            .find(|result| result.literal().is_none())
            .or_else(|| results.iter().find(typed))
            .map_or(DataType::Null, |result| result.data_type.clone());
        let mut exprs = Vec::new();
        for result in results {
            let (place, from) = (result.at.clone(), display(&result.data_type));
            match convert_to(result, &data_type) {
                Some(expr) => exprs.push(Box::new(expr)),
                None => {
                    return self.fail(
                        &place,
                        format!("CASE gives {} and {from}", display(&data_type)),
                        "all results of a CASE have one type",
                    );
                }
            }
        }
        let else_expr = if has_else { exprs.pop() } else { None };
        let when_then_expr = whens.into_iter().zip(exprs).collect();
        let expr = Expr::Case(Case { expr: None, when_then_expr, else_expr });
        Some(Bound { expr, data_type, strength, at })
    }
}
