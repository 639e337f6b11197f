//! What can be told from an expression's shape alone: where it begins, what its operator means.

use datafusion_expr::Operator;
use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr as SqlExpr, Ident, ObjectNamePart};
use datafusion_sql::sqlparser::tokenizer::Location as Start;

/// Where the first name or literal of an expression stands. The parser's own spans are found by
/// recursion over the whole expression; this is a loop, and only for showing a place.
pub(super) fn start_of(mut sql: &SqlExpr) -> Option<Start> {
    let of_name = |name: &Ident| Some(name.span.start);
    loop {
        sql = match sql {
            SqlExpr::BinaryOp { left, .. }
            | SqlExpr::AnyOp { left, .. }
            | SqlExpr::IsDistinctFrom(left, _) => left,
            SqlExpr::IsNull(expr)
            | SqlExpr::IsNotNull(expr)
            | SqlExpr::InList { expr, .. }
            | SqlExpr::InSubquery { expr, .. }
            | SqlExpr::Between { expr, .. }
            | SqlExpr::Like { expr, .. }
            | SqlExpr::ILike { expr, .. } => expr,
            SqlExpr::Identifier(name) => break of_name(name),
            SqlExpr::CompoundIdentifier(parts) => break parts.first().and_then(of_name),
            SqlExpr::Value(value) => break Some(value.span.start),
            SqlExpr::Function(function) => {
                break function.name.0.first().and_then(ObjectNamePart::as_ident).and_then(of_name);
            }
            SqlExpr::Case { case_token, .. } => break Some(case_token.0.span.start),
            _ => break None,
        };
    }
    .filter(|start| start.line > 0)
}

/// What a binary operator means in a policy.
pub(super) enum Meaning {
    Logic(Operator),
    Comparison(Operator),
    Concat,
    Arithmetic,
    Refused,
}

pub(super) fn meaning(op: &BinaryOperator) -> Meaning {
    match op {
        BinaryOperator::And => Meaning::Logic(Operator::And),
        BinaryOperator::Or => Meaning::Logic(Operator::Or),
        BinaryOperator::Eq => Meaning::Comparison(Operator::Eq),
        BinaryOperator::NotEq => Meaning::Comparison(Operator::NotEq),
        BinaryOperator::Lt => Meaning::Comparison(Operator::Lt),
        BinaryOperator::LtEq => Meaning::Comparison(Operator::LtEq),
        BinaryOperator::Gt => Meaning::Comparison(Operator::Gt),
        BinaryOperator::GtEq => Meaning::Comparison(Operator::GtEq),
        BinaryOperator::StringConcat => Meaning::Concat,
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo
        | BinaryOperator::PGExp
        | BinaryOperator::DuckIntegerDivide
        | BinaryOperator::MyIntegerDivide => Meaning::Arithmetic,
        BinaryOperator::Spaceship
        | BinaryOperator::Xor
        | BinaryOperator::BitwiseOr
        | BinaryOperator::BitwiseAnd
        | BinaryOperator::BitwiseXor
        | BinaryOperator::Match
        | BinaryOperator::Regexp
        | BinaryOperator::Custom(_)
        | BinaryOperator::PGBitwiseXor
        | BinaryOperator::PGBitwiseShiftLeft
        | BinaryOperator::PGBitwiseShiftRight
        | BinaryOperator::PGOverlap
        | BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGRegexNotMatch
        | BinaryOperator::PGRegexNotIMatch
        | BinaryOperator::PGLikeMatch
        | BinaryOperator::PGILikeMatch
        | BinaryOperator::PGNotLikeMatch
        | BinaryOperator::PGNotILikeMatch
        | BinaryOperator::PGStartsWith
        | BinaryOperator::Arrow
        | BinaryOperator::LongArrow
        | BinaryOperator::HashArrow
        | BinaryOperator::HashLongArrow
        | BinaryOperator::AtAt
        | BinaryOperator::AtArrow
        | BinaryOperator::ArrowAt
        | BinaryOperator::HashMinus
        | BinaryOperator::AtQuestion
        | BinaryOperator::Question
        | BinaryOperator::QuestionAnd
        | BinaryOperator::QuestionPipe
        | BinaryOperator::PGCustomBinaryOperator(_)
        | BinaryOperator::Overlaps
        | BinaryOperator::DoubleHash
        | BinaryOperator::LtDashGt
        | BinaryOperator::AndLt
        | BinaryOperator::AndGt
        | BinaryOperator::LtLtPipe
        | BinaryOperator::PipeGtGt
        | BinaryOperator::AndLtPipe
        | BinaryOperator::PipeAndGt
        | BinaryOperator::LtCaret
        | BinaryOperator::GtCaret
        | BinaryOperator::QuestionHash
        | BinaryOperator::QuestionDash
        | BinaryOperator::QuestionDashPipe
        | BinaryOperator::QuestionDoublePipe
        | BinaryOperator::At
        | BinaryOperator::TildeEq
        | BinaryOperator::Assignment => Meaning::Refused,
    }
}
