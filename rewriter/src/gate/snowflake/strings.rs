//! Snowflake's functions of texts that PostgreSQL has under other conditions.

use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr, TrimWhereField};

use super::functions::two;
use super::make::{binary, call, case, integer, literal, nested, or, unless_null, whole};
use crate::gate::expr::string;

/// `concat(a, b, …)` is NULL if one of them is.
pub(super) fn concat(arguments: Vec<Expr>) -> Option<Expr> {
    let join = |left, right| binary(left, BinaryOperator::StringConcat, right);
    match arguments.len() {
        0 => None,
        1 => arguments.into_iter().next().map(|only| join(only, string(""))),
        _ => arguments.into_iter().reduce(join),
    }
}

pub(super) fn contains(arguments: Vec<Expr>) -> Option<Expr> {
    let [text, part] = two(arguments)?;
    Some(nested(binary(call("strpos", vec![text, part]), BinaryOperator::Gt, integer(0))))
}

pub(super) fn ends_with(arguments: Vec<Expr>) -> Option<Expr> {
    let [text, end] = two(arguments)?;
    let known = literal(&end).and_then(|text| i64::try_from(text.chars().count()).ok());
    let length = known.map_or_else(|| call("length", vec![end.clone()]), integer);
    Some(nested(binary(call("right", vec![text, length]), BinaryOperator::Eq, end)))
}

/// `left` and `right`, which take no fewer than no characters.
pub(super) fn side(name: &str, arguments: Vec<Expr>) -> Option<Expr> {
    let [text, count] = two(arguments)?;
    Some(call(name, vec![text, not_negative(count)]))
}

/// A number, or 0 in place of one that is less.
fn not_negative(count: Expr) -> Expr {
    match whole(&count) {
        Some(value) => integer(value.max(0)),
        None => {
            let less = binary(count.clone(), BinaryOperator::Lt, integer(0));
            case(vec![(less, integer(0))], Some(count))
        }
    }
}

pub(super) fn replace(arguments: Vec<Expr>) -> Option<Expr> {
    let mut arguments = arguments;
    if arguments.len() == 2 {
        arguments.push(string(""));
    }
    (arguments.len() == 3).then(|| call("replace", arguments))
}

/// Part 0 is part 1. A computed number of a part could be 0.
pub(super) fn split_part(arguments: Vec<Expr>) -> Option<Expr> {
    let [text, separator, part] = super::functions::three(arguments)?;
    let part = match whole(&part)? {
        0 => 1,
        other => other,
    };
    Some(call("split_part", vec![text, separator, integer(part)]))
}

pub(super) fn substr(arguments: Vec<Expr>) -> Option<Expr> {
    let mut rest = arguments.into_iter();
    let (text, start, length) = (rest.next()?, rest.next()?, rest.next());
    rest.next().is_none().then(|| substring(text, start, length))
}

/// A part of a text. A start before the first character is the first one, or counts from the end; one
/// before that is outside, and nothing is there. No part has less than no characters.
pub(super) fn substring(text: Expr, start: Expr, length: Option<Expr>) -> Expr {
    let length = length.map(not_negative);
    let from = |start: Expr| {
        call("substr", [text.clone(), start].into_iter().chain(length.clone()).collect())
    };
    match whole(&start) {
        Some(first @ 1..) => return from(integer(first)),
        Some(0) => return from(integer(1)),
        Some(_) | None => {}
    }
    let size = call("length", vec![text.clone()]);
    let compare = |op, number: Expr| binary(start.clone(), op, number);
    let back = binary(
        binary(size.clone(), BinaryOperator::Plus, integer(1)),
        BinaryOperator::Plus,
        start.clone(),
    );
    let inside =
        binary(binary(size, BinaryOperator::Plus, start.clone()), BinaryOperator::GtEq, integer(0));
    let whens = vec![
        (compare(BinaryOperator::Gt, integer(0)), from(start.clone())),
        (compare(BinaryOperator::Eq, integer(0)), from(integer(1))),
        (inside, from(back)),
    ];
    let null: Vec<Expr> = [text.clone(), start].into_iter().chain(length.clone()).collect();
    unless_null(&null, case(whens, Some(string(""))))
}

/// `trim(text [, characters])`; `where` and `what` are the standard's.
pub(super) fn trim(
    side: Option<TrimWhereField>,
    what: Option<Expr>,
    text: Expr,
    characters: Vec<Expr>,
) -> Option<Expr> {
    let name = match side {
        None | Some(TrimWhereField::Both) => "btrim",
        Some(TrimWhereField::Leading) => "ltrim",
        Some(TrimWhereField::Trailing) => "rtrim",
    };
    let mut characters = characters.into_iter().chain(what);
    let arguments = [text].into_iter().chain(characters.next()).collect();
    characters.next().is_none().then(|| call(name, arguments))
}

/// Snowflake's `LIKE` has no escape of its own, PostgreSQL's has the backslash: it means itself.
pub(super) fn pattern(pattern: Expr) -> Expr {
    match literal(&pattern) {
        Some(text) => string(&text.replace('\\', "\\\\")),
        None => call("replace", vec![pattern, string("\\"), string("\\\\")]),
    }
}

/// `text LIKE ANY (patterns)`: one of them.
pub(super) fn like_any(
    text: &Expr,
    patterns: Vec<Expr>,
    like: impl Fn(Expr, Expr) -> Expr,
) -> Option<Expr> {
    patterns.into_iter().map(|pattern| like(text.clone(), pattern)).reduce(or).map(nested)
}
