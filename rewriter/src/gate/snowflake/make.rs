//! Expressions that translations are made of. Calls name PostgreSQL's functions with their schema, so
//! that they aren't taken for Snowflake's of the same name.

use datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, TimezoneInfo, UnaryOperator, Value,
};

use crate::gate::expr::{null, number};
use crate::gate::function;
use crate::operands::Typed;

/// The schema of the functions that PostgreSQL has.
pub(super) const POSTGRES: &str = "pg_catalog";

/// A call of a function of PostgreSQL's.
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let mut call = function::call(name, arguments);
    if let Expr::Function(call) = &mut call {
        call.name = crate::gate::quoted_name([POSTGRES, name]);
    }
    call
}

/// The same with parentheses around it.
pub(super) fn nested(expr: Expr) -> Expr {
    match expr {
        plain @ (Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Value(_)
        | Expr::Function(_)
        | Expr::Nested(_)) => plain,
        other => Expr::Nested(Box::new(other)),
    }
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(nested(left)), op, right: Box::new(nested(right)) }
}

/// An operation that the operands' types decide on.
pub(super) fn typed(left: Expr, of: Typed, right: Expr) -> Expr {
    binary(left, of.operator(), right)
}

pub(super) fn and(left: Expr, right: Expr) -> Expr {
    binary(left, BinaryOperator::And, right)
}

pub(super) fn or(left: Expr, right: Expr) -> Expr {
    binary(left, BinaryOperator::Or, right)
}

pub(super) fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(nested(expr)) }
}

pub(super) fn minus(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(nested(expr)) }
}

pub(super) fn is_null(expr: Expr) -> Expr {
    Expr::IsNull(Box::new(nested(expr)))
}

pub(super) fn is_not_null(expr: Expr) -> Expr {
    Expr::IsNotNull(Box::new(nested(expr)))
}

/// `CASE WHEN … THEN … ELSE … END`; without an else, NULL.
pub(super) fn case(whens: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    matched(None, whens, otherwise)
}

/// `CASE operand WHEN … THEN … ELSE … END`.
pub(super) fn matched(
    operand: Option<Expr>,
    whens: Vec<(Expr, Expr)>,
    otherwise: Option<Expr>,
) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: operand.map(Box::new),
        conditions: whens
            .into_iter()
            .map(|(condition, result)| CaseWhen { condition, result })
            .collect(),
        else_result: otherwise.map(Box::new),
    }
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// A timestamp without time zone.
pub(super) const TIMESTAMP: DataType = DataType::Timestamp(None, TimezoneInfo::None);

pub(super) fn integer(value: i64) -> Expr {
    match u64::try_from(value) {
        Ok(value) => number(&value.to_string()),
        Err(_) => minus(number(&value.unsigned_abs().to_string())),
    }
}

/// NULL if any of these is, else the value.
pub(super) fn unless_null(any: &[Expr], value: Expr) -> Expr {
    let Some(missing) = any.iter().cloned().map(is_null).reduce(or) else { return value };
    case(vec![(missing, null())], Some(value))
}

/// The whole number that a literal is.
pub(super) fn whole(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => whole(expr)?.checked_neg(),
        Expr::Nested(inner) => whole(inner),
        _ => None,
    }
}

/// The text that a literal is.
pub(super) fn literal(expr: &Expr) -> Option<&str> {
    let Expr::Value(value) = expr else { return None };
    match &value.value {
        Value::SingleQuotedString(text) => Some(text),
        _ => None,
    }
}

/// The word that stands where a function takes one, with quotes or without, in lower case.
pub(super) fn word(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(ident.value.to_ascii_lowercase()),
        other => literal(other).map(str::to_ascii_lowercase),
    }
}

/// The arguments of a plain call of a scalar function.
pub(super) fn arguments(function: &Function) -> Option<Vec<Expr>> {
    let Function {
        name: _,
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args,
        filter: None,
        null_treatment: None,
        over: None,
        within_group,
    } = function
    else {
        return None;
    };
    if !within_group.is_empty() {
        return None;
    }
    values(args)
}

/// Arguments that are expressions and nothing else.
pub(super) fn values(arguments: &FunctionArguments) -> Option<Vec<Expr>> {
    let list = match arguments {
        FunctionArguments::None => return Some(Vec::new()),
        FunctionArguments::List(list)
            if list.clauses.is_empty() && list.duplicate_treatment.is_none() =>
        {
            list
        }
        FunctionArguments::List(_) | FunctionArguments::Subquery(_) => return None,
    };
    let value = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        FunctionArg::Unnamed(
            FunctionArgExpr::QualifiedWildcard(_)
            | FunctionArgExpr::Wildcard
            | FunctionArgExpr::WildcardWithOptions(_),
        )
        | FunctionArg::Named { .. }
        | FunctionArg::ExprNamed { .. } => None,
    };
    list.args.iter().map(value).collect()
}
