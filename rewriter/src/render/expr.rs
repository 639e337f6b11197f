//! Expressions. Everything compound stands in parentheses, so that precedence plays no part.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion_common::{Column, ScalarValue};
use datafusion_expr::expr::{Cast, InList, Like};
use datafusion_expr::{BinaryExpr, Case, Expr, ExprSchemable, Operator};
use tollgate_catalog::{Error, ErrorKind};

use super::types::{self, Kind};
use super::{Dialect, Printer, Row};

/// What an operator is in the text.
enum Meaning {
    Comparison(&'static str),
    Logic(&'static str),
    Arithmetic(&'static str),
    Whole(&'static str),
    Pattern(&'static str),
    Concat,
}

impl Printer {
    /// The text of an expression over a row.
    pub(super) fn expr(&mut self, expr: &Expr, row: Row<'_>) -> Result<String, Error> {
        stacker::maybe_grow(256 << 10, 2 << 20, || self.expr_here(expr, row))
    }

    /// The texts of several, with commas.
    pub(super) fn exprs(&mut self, exprs: &[Expr], row: Row<'_>) -> Result<String, Error> {
        let texts = exprs.iter().map(|expr| self.expr(expr, row));
        Ok(texts.collect::<Result<Vec<_>, _>>()?.join(", "))
    }

    fn expr_here(&mut self, expr: &Expr, row: Row<'_>) -> Result<String, Error> {
        match expr {
            Expr::Alias(alias) => self.expr(&alias.expr, row),
            Expr::Column(column) => of_column(column, row)?
                .ok_or_else(|| Error::internal("a column is nowhere in its row")),
            Expr::OuterReferenceColumn(_, column) => {
                let mut around = row.outer;
                while let Some(row) = around {
                    if let Some(text) = of_column(column, *row)? {
                        return Ok(text);
                    }
                    around = row.outer;
                }
                Err(Error::internal("an outer column is nowhere around"))
            }
            Expr::Literal(value, _) => self.literal(value),
            Expr::BinaryExpr(binary) => self.binary(binary, row),
            Expr::Like(like) => self.like(like, row),
            Expr::Not(inner) => Ok(format!("(NOT {})", self.expr(inner, row)?)),
            Expr::IsNotNull(inner) => self.test(inner, "IS NOT NULL", row),
            Expr::IsNull(inner) => self.test(inner, "IS NULL", row),
            Expr::IsTrue(inner) => self.test(inner, "IS TRUE", row),
            Expr::IsFalse(inner) => self.test(inner, "IS FALSE", row),
            Expr::IsUnknown(inner) => self.test(inner, "IS UNKNOWN", row),
            Expr::IsNotTrue(inner) => self.test(inner, "IS NOT TRUE", row),
            Expr::IsNotFalse(inner) => self.test(inner, "IS NOT FALSE", row),
            Expr::IsNotUnknown(inner) => self.test(inner, "IS NOT UNKNOWN", row),
            Expr::Negative(inner) => Ok(format!("(- {})", self.expr(inner, row)?)),
            Expr::Between(between) => {
                let not = if between.negated { "NOT " } else { "" };
                let value = self.operand(&between.expr, row)?;
                let low = self.operand(&between.low, row)?;
                let high = self.operand(&between.high, row)?;
                Ok(format!("({value} {not}BETWEEN {low} AND {high})"))
            }
            Expr::Case(case) => self.case(case, row),
            Expr::Cast(cast) => self.cast(cast, row),
            Expr::ScalarFunction(call) => self.call(call, expr, row),
            Expr::InList(list) => self.in_list(list, row),
            Expr::Exists(exists) => {
                let not = if exists.negated { "NOT " } else { "" };
                let query = self.query(&exists.subquery.subquery, Some(&row))?;
                Ok(format!("({not}EXISTS ({query}))"))
            }
            Expr::InSubquery(lookup) => {
                let not = if lookup.negated { "NOT " } else { "" };
                let value = self.operand(&lookup.expr, row)?;
                let query = self.query(&lookup.subquery.subquery, Some(&row))?;
                Ok(format!("({value} {not}IN ({query}))"))
            }
            Expr::SetComparison(comparison) => {
                let Meaning::Comparison(op) = meaning(self.dialect, comparison.op)? else {
                    return Err(self.dialect.unsupported("this comparison with a subquery"));
                };
                let quantifier = match comparison.quantifier {
                    datafusion_expr::expr::SetQuantifier::Any => "ANY",
                    datafusion_expr::expr::SetQuantifier::All => "ALL",
                };
                let value = self.operand(&comparison.expr, row)?;
                let query = self.query(&comparison.subquery.subquery, Some(&row))?;
                Ok(format!("({value} {op} {quantifier} ({query}))"))
            }
            Expr::ScalarSubquery(inner) => {
                Ok(format!("({})", self.query(&inner.subquery, Some(&row))?))
            }
            Expr::AggregateFunction(_) => Err(Error::internal("an aggregate outside of its node")),
            Expr::WindowFunction(_) => {
                Err(Error::internal("a window function outside of its node"))
            }
            Expr::GroupingSet(_) => Err(Error::internal("a grouping set outside of GROUP BY")),
            Expr::Placeholder(placeholder) => self.client(placeholder),
            Expr::Unnest(_) => Err(self.dialect.unsupported("this use of UNNEST")),
            #[expect(deprecated, reason = "the variant exists until upstream removes it")]
            Expr::Wildcard { .. } => Err(Error::internal("a star outside of count")),
            Expr::SimilarTo(_) => Err(self.dialect.unsupported("SIMILAR TO")),
            Expr::TryCast(_) => Err(self.dialect.unsupported("a cast that is NULL where it fails")),
            Expr::ScalarVariable(..) => Err(self.dialect.unsupported("a variable")),
            Expr::HigherOrderFunction(_) | Expr::Lambda(_) | Expr::LambdaVariable(_) => {
                Err(self.dialect.unsupported("a lambda"))
            }
        }
    }

    fn test(&mut self, inner: &Expr, test: &str, row: Row<'_>) -> Result<String, Error> {
        let text = self.expr(inner, row)?;
        match (self.dialect, test) {
            (Dialect::Postgres, _) | (Dialect::Snowflake, "IS NULL" | "IS NOT NULL") => {
                Ok(format!("({text} {test})"))
            }
            (Dialect::Snowflake, test) => self.snowflake_test(&text, test),
        }
    }

    /// An operand of a comparison: without a cast that only widens it.
    pub(super) fn operand(&mut self, expr: &Expr, row: Row<'_>) -> Result<String, Error> {
        let mut inner = expr;
        while let Expr::Cast(cast) = inner
            && types::widens(&type_of(&cast.expr, row)?, cast.field.data_type())
        {
            inner = &cast.expr;
        }
        self.expr(inner, row)
    }

    fn binary(&mut self, binary: &BinaryExpr, row: Row<'_>) -> Result<String, Error> {
        let BinaryExpr { left, op, right } = binary;
        let (op, left_text, right_text) = match meaning(self.dialect, *op)? {
            Meaning::Comparison(op) => (op, self.operand(left, row)?, self.operand(right, row)?),
            Meaning::Logic(op) => (op, self.expr(left, row)?, self.expr(right, row)?),
            Meaning::Arithmetic(symbol) if self.dialect == Dialect::Snowflake => {
                let result = type_of(&Expr::BinaryExpr(binary.clone()), row)?;
                return self.snowflake_arithmetic(left, symbol, right, &result, row);
            }
            Meaning::Arithmetic(symbol) => {
                let (left, right) = with_days(left, symbol, right);
                let (left_type, right_type) = (type_of(left, row)?, type_of(right, row)?);
                let kinds = (self.dialect.kind(&left_type)?, self.dialect.kind(&right_type)?);
                if !computes(symbol, kinds) {
                    return Err(self.dialect.unsupported(&format!(
                        "the operator {symbol} on {} and {}",
                        self.dialect.name(&left_type, false)?,
                        self.dialect.name(&right_type, false)?
                    )));
                }
                let (left, mut right) = (self.expr(left, row)?, self.expr(right, row)?);
                if kinds == (Kind::Date, Kind::Whole) {
                    right = format!("CAST({right} AS integer)");
                }
                let text = format!("({left} {symbol} {right})");
                let result = type_of(&Expr::BinaryExpr(binary.clone()), row)?;
                return self.typed(text, &result);
            }
            Meaning::Whole(symbol) => {
                let kinds = (
                    self.dialect.kind(&type_of(left, row)?)?,
                    self.dialect.kind(&type_of(right, row)?)?,
                );
                if kinds != (Kind::Whole, Kind::Whole) {
                    return Err(self
                        .dialect
                        .unsupported(&format!("the operator {symbol} on these types")));
                }
                let (left, mut right) = (self.expr(left, row)?, self.expr(right, row)?);
                if self.dialect == Dialect::Snowflake {
                    let function = match symbol {
                        "&" => "BITAND",
                        "|" => "BITOR",
                        _ => {
                            let what = format!("the operator {symbol}");
                            return Err(self.dialect.unsupported(&what));
                        }
                    };
                    let text = self.invoke(function, &format!("{left}, {right}"));
                    let result = type_of(&Expr::BinaryExpr(binary.clone()), row)?;
                    return self.typed(text, &result);
                }
                if matches!(symbol, "<<" | ">>") {
                    right = format!("CAST({right} AS integer)");
                }
                (symbol, left, right)
            }
            Meaning::Pattern(op) if self.dialect == Dialect::Snowflake => {
                return self.snowflake_like(left, op, right, row);
            }
            Meaning::Pattern(op) => (op, self.expr(left, row)?, self.pattern(right, op, row)?),
            Meaning::Concat => {
                let kinds = (
                    self.dialect.kind(&type_of(left, row)?)?,
                    self.dialect.kind(&type_of(right, row)?)?,
                );
                if kinds != (Kind::Text, Kind::Text) {
                    return Err(self.dialect.unsupported("the operator || on these types"));
                }
                ("||", self.expr(left, row)?, self.expr(right, row)?)
            }
        };
        Ok(format!("({left_text} {op} {right_text})"))
    }

    fn like(&mut self, like: &Like, row: Row<'_>) -> Result<String, Error> {
        let Like { negated, expr, pattern, escape_char, case_insensitive } = like;
        if escape_char.is_some_and(|escape| escape != '\\') {
            return Err(self.dialect.unsupported("this ESCAPE"));
        }
        let op = match (negated, case_insensitive) {
            (false, false) => "LIKE",
            (false, true) => "ILIKE",
            (true, false) => "NOT LIKE",
            (true, true) => "NOT ILIKE",
        };
        if self.dialect == Dialect::Snowflake {
            return self.snowflake_like(expr, op, pattern, row);
        }
        let value = self.expr(expr, row)?;
        Ok(format!("({value} {op} {})", self.pattern(pattern, op, row)?))
    }

    /// A pattern. PostgreSQL tries constant ones on samples of a table's values while it plans, of
    /// hidden ones too, and a pattern may fail on some values only, or take long: so a literal that
    /// could is refused, and what is no literal is kept from being a constant.
    fn pattern(&mut self, pattern: &Expr, op: &str, row: Row<'_>) -> Result<String, Error> {
        let inner = match pattern {
            Expr::ScalarFunction(call) if matches!(call.name(), "tg_like" | "tg_regex") => {
                match call.args.as_slice() {
                    [inner] => inner,
                    _ => return Err(Error::internal("a pattern of several parts")),
                }
            }
            other => other,
        };
        if let Expr::Literal(
            ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text),
            _,
        ) = inner
        {
            if let Some(text) = text {
                if op.ends_with("LIKE") {
                    check_like(text)?;
                } else {
                    check_regex(self.dialect, text)?;
                }
            }
            return self.expr(inner, row);
        }
        // As a literal it is checked, and may be looked up in an index.
        if matches!(inner, Expr::Placeholder(_)) {
            return Err(Error::internal("a pattern without a value"));
        }
        Ok(format!("(SELECT {})", self.expr(inner, row)?))
    }

    fn case(&mut self, case: &Case, row: Row<'_>) -> Result<String, Error> {
        let mut text = String::from("(CASE");
        if let Some(operand) = &case.expr {
            text.push_str(&format!(" {}", self.expr(operand, row)?));
        }
        for (when, then) in &case.when_then_expr {
            let (when, then) = (self.expr(when, row)?, self.expr(then, row)?);
            text.push_str(&format!(" WHEN {when} THEN {then}"));
        }
        if let Some(otherwise) = &case.else_expr {
            text.push_str(&format!(" ELSE {}", self.expr(otherwise, row)?));
        }
        text.push_str(" END)");
        Ok(text)
    }

    fn cast(&mut self, cast: &Cast, row: Row<'_>) -> Result<String, Error> {
        let (from, to) = (type_of(&cast.expr, row)?, cast.field.data_type());
        if self.dialect == Dialect::Snowflake
            && plain_text(cast).is_some()
            && let Some(text) = self.snowflake_text_literal(cast)?
        {
            return Ok(text);
        }
        let name = self.dialect.name(to, true)?;
        if !self.dialect.casts(&from, to)? && !self.is_field(&cast.expr, to) {
            let from = self.dialect.name(&from, false)?;
            return Err(self.dialect.unsupported(&format!("a cast from {from} to {name}")));
        }
        if let Some(text) = plain_text(cast) {
            return self.written(text, &name);
        }
        if from == *to {
            // It does nothing. Printed, it could fail: a column of a numeric may hold more than the
            // plan's type does.
            return self.expr(&cast.expr, row);
        }
        let mut text = self.expr(&cast.expr, row)?;
        if self.dialect.kind(&from)? == Kind::Document && matches!(*cast.expr, Expr::Column(_)) {
            // So that it reads as what it is, wherever the column comes from.
            text = self.typed(text, &from)?;
        }
        Ok(format!("CAST({text} AS {name})"))
    }

    fn in_list(&mut self, list: &InList, row: Row<'_>) -> Result<String, Error> {
        if list.list.is_empty() {
            // Nothing is in it, NULL neither.
            return self.boolean(list.negated);
        }
        let not = if list.negated { "NOT " } else { "" };
        let value = self.operand(&list.expr, row)?;
        let items = list.list.iter().map(|item| self.operand(item, row));
        let items = items.collect::<Result<Vec<_>, _>>()?.join(", ");
        Ok(format!("({value} {not}IN ({items}))"))
    }

    /// The text with the type that the plan gives it, whatever PostgreSQL would.
    pub(super) fn typed(&mut self, text: String, data_type: &DataType) -> Result<String, Error> {
        Ok(match self.dialect.kind(data_type)? {
            Kind::Null => text,
            _ => format!("CAST({text} AS {})", self.dialect.name(data_type, false)?),
        })
    }
}

/// The text of a literal that is cast, if it may stand in a literal of ours: PostgreSQL then reads it
/// while it parses, so that whether it is a value of the type doesn't depend on rows.
pub(super) fn plain_text(cast: &Cast) -> Option<&str> {
    let Expr::Literal(
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)),
        _,
    ) = cast.expr.as_ref()
    else {
        return None;
    };
    let kind = Dialect::Postgres.kind(cast.field.data_type());
    let scalar = !matches!(kind, Ok(Kind::Text | Kind::List) | Err(_));
    (scalar && super::literal::is_safe(text)).then_some(text)
}

/// The type of an expression in the plan.
pub(super) fn type_of(expr: &Expr, row: Row<'_>) -> Result<arrow::datatypes::DataType, Error> {
    expr.get_type(row.schema).map_err(Error::internal)
}

fn of_column(column: &Column, row: Row<'_>) -> Result<Option<String>, Error> {
    let Some(index) = row.schema.maybe_index_of_column(column) else { return Ok(None) };
    match row.columns.get(index) {
        Some(text) if !text.is_empty() => Ok(Some(text.clone())),
        _ => Err(Error::internal("a column that can't be named")),
    }
}

/// `LIKE` fails on a pattern whose last character escapes nothing, but only on values that match so far.
pub(super) fn check_like(text: &str) -> Result<(), Error> {
    let trailing = text.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if trailing % 2 == 1 {
        return Err(Error::new(
            ErrorKind::InvalidParameterValue,
            "LIKE pattern must not end with escape character",
        ));
    }
    Ok(())
}

/// With a back reference a search can take any time.
fn check_regex(dialect: Dialect, text: &str) -> Result<(), Error> {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\\' && characters.next().is_some_and(|next| ('1'..='9').contains(&next)) {
            return Err(dialect.unsupported("a back reference in a regular expression"));
        }
    }
    Ok(())
}

/// A date and a whole number of days, in place of the interval of so many seconds that the engine plans.
pub(super) fn with_days<'a>(left: &'a Expr, symbol: &str, right: &'a Expr) -> (&'a Expr, &'a Expr) {
    match (days(left), days(right)) {
        (None, Some(days)) => (left, days),
        (Some(days), None) if symbol == "+" => (right, days),
        _ => (left, right),
    }
}

/// The number of days that the engine makes an interval of. Nobody can write these casts.
fn days(expr: &Expr) -> Option<&Expr> {
    let Expr::Cast(interval) = expr else { return None };
    let Expr::Cast(duration) = interval.expr.as_ref() else { return None };
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Multiply, right }) =
        duration.expr.as_ref()
    else {
        return None;
    };
    let seconds = matches!(**right, Expr::Literal(ScalarValue::Int64(Some(86_400)), _));
    let types = (interval.field.data_type(), duration.field.data_type());
    let planned =
        (&DataType::Interval(IntervalUnit::MonthDayNano), &DataType::Duration(TimeUnit::Second));
    (seconds && types == planned).then_some(left)
}

/// Whether the warehouses compute with these kinds as the plan does.
pub(super) fn computes(symbol: &str, kinds: (Kind, Kind)) -> bool {
    match kinds {
        (Kind::Null, _) | (_, Kind::Null) => false,
        (Kind::Whole | Kind::Decimal, Kind::Whole | Kind::Decimal) => true,
        (Kind::Float, Kind::Float | Kind::Whole | Kind::Decimal)
        | (Kind::Whole | Kind::Decimal, Kind::Float) => symbol != "%",
        (Kind::Date, Kind::Date) => symbol == "-",
        (Kind::Date, Kind::Whole) => matches!(symbol, "+" | "-"),
        (Kind::Interval, Kind::Timestamp | Kind::Zoned) => symbol == "+",
        (Kind::Timestamp | Kind::Zoned, Kind::Interval) | (Kind::Interval, Kind::Interval) => {
            matches!(symbol, "+" | "-")
        }
        (Kind::Timestamp, Kind::Timestamp) | (Kind::Zoned, Kind::Zoned) => symbol == "-",
        _ => false,
    }
}

fn meaning(dialect: Dialect, op: Operator) -> Result<Meaning, Error> {
    Ok(match op {
        Operator::Eq => Meaning::Comparison("="),
        Operator::NotEq => Meaning::Comparison("<>"),
        Operator::Lt => Meaning::Comparison("<"),
        Operator::LtEq => Meaning::Comparison("<="),
        Operator::Gt => Meaning::Comparison(">"),
        Operator::GtEq => Meaning::Comparison(">="),
        Operator::IsDistinctFrom => Meaning::Comparison("IS DISTINCT FROM"),
        Operator::IsNotDistinctFrom => Meaning::Comparison("IS NOT DISTINCT FROM"),
        Operator::And => Meaning::Logic("AND"),
        Operator::Or => Meaning::Logic("OR"),
        Operator::Plus => Meaning::Arithmetic("+"),
        Operator::Minus => Meaning::Arithmetic("-"),
        Operator::Multiply => Meaning::Arithmetic("*"),
        Operator::Divide => Meaning::Arithmetic("/"),
        Operator::Modulo => Meaning::Arithmetic("%"),
        Operator::BitwiseAnd => Meaning::Whole("&"),
        Operator::BitwiseOr => Meaning::Whole("|"),
        Operator::BitwiseShiftLeft => Meaning::Whole("<<"),
        Operator::BitwiseShiftRight => Meaning::Whole(">>"),
        Operator::RegexMatch => Meaning::Pattern("~"),
        Operator::RegexIMatch => Meaning::Pattern("~*"),
        Operator::RegexNotMatch => Meaning::Pattern("!~"),
        Operator::RegexNotIMatch => Meaning::Pattern("!~*"),
        Operator::LikeMatch => Meaning::Pattern("LIKE"),
        Operator::ILikeMatch => Meaning::Pattern("ILIKE"),
        Operator::NotLikeMatch => Meaning::Pattern("NOT LIKE"),
        Operator::NotILikeMatch => Meaning::Pattern("NOT ILIKE"),
        Operator::StringConcat => Meaning::Concat,
        Operator::BitwiseXor
        | Operator::AtArrow
        | Operator::ArrowAt
        | Operator::Arrow
        | Operator::LongArrow
        | Operator::HashArrow
        | Operator::HashLongArrow
        | Operator::AtAt
        | Operator::IntegerDivide
        | Operator::HashMinus
        | Operator::AtQuestion
        | Operator::Question
        | Operator::QuestionAnd
        | Operator::QuestionPipe
        | Operator::Colon => return Err(dialect.unsupported(&format!("the operator {op}"))),
    })
}
