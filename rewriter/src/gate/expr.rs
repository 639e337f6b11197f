//! The gate over expressions.

use datafusion_sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, CeilFloorKind, Expr, Ident, Subscript, UnaryOperator,
    Value, WindowFrameBound, WindowSpec,
};
use datafusion_sql::sqlparser::tokenizer::Span;
use tollgate_catalog::{Error, ErrorKind};

use super::{Gate, fold, parts, refuse_if};

impl Gate<'_> {
    /// Walks an expression. The left spine is walked in a loop: `a OR b OR c …` is as deep as it is
    /// long.
    pub(super) fn expr(&mut self, expr: &mut Expr) -> Result<(), Error> {
        self.deeper(|gate| {
            let mut cursor = expr;
            loop {
                repair_distinct(cursor);
                match cursor {
                    Expr::BinaryOp { left, op, right } => {
                        gate.operator(op)?;
                        gate.expr(right)?;
                        cursor = left;
                    }
                    other => return gate.leaf(other),
                }
            }
        })
    }

    fn leaf(&mut self, expr: &mut Expr) -> Result<(), Error> {
        match expr {
            // Handled by `expr`.
            Expr::BinaryOp { .. } => self.expr(expr),
            Expr::Identifier(ident) => {
                let keyword = ident.quote_style.is_none().then(|| ident.value.to_ascii_lowercase());
                if let Some(replaced) = keyword.and_then(|name| self.session_constant(&name)) {
                    *expr = replaced;
                    return Ok(());
                }
                fold(ident);
                Ok(())
            }
            Expr::CompoundIdentifier(idents) => {
                idents.iter_mut().for_each(fold);
                Ok(())
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                self.expr(root)?;
                for access in access_chain {
                    match access {
                        AccessExpr::Dot(_) => {
                            return Err(Error::not_supported("the fields of a composite value"));
                        }
                        AccessExpr::Subscript(Subscript::Index { index }) => self.expr(index)?,
                        AccessExpr::Subscript(Subscript::Slice {
                            lower_bound,
                            upper_bound,
                            stride,
                        }) => {
                            refuse_if(stride.is_some(), "a stride")?;
                            for bound in [lower_bound, upper_bound].into_iter().flatten() {
                                self.expr(bound)?;
                            }
                        }
                    }
                }
                Ok(())
            }
            Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::Nested(inner) => self.expr(inner),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.expr(left)?;
                self.expr(right)
            }
            Expr::InList { expr: subject, list, negated }
                if matches!(subject.as_ref(), Expr::Tuple(_)) =>
            {
                let mut expanded = rows_in_list(subject, list)?;
                if *negated {
                    expanded = Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expanded) };
                }
                self.expr(&mut expanded)?;
                *expr = expanded;
                Ok(())
            }
            Expr::InList { expr: subject, list, negated } if !list.iter().all(is_constant) => {
                let mut expanded = values_in_list(subject, list);
                if *negated {
                    expanded = Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expanded) };
                }
                self.expr(&mut expanded)?;
                *expr = expanded;
                Ok(())
            }
            Expr::InList { expr, list, negated: _ } => {
                self.expr(expr)?;
                list.iter_mut().try_for_each(|item| self.expr(item))
            }
            Expr::InSubquery { expr, subquery, negated: _ } => {
                self.expr(expr)?;
                self.query(subquery)
            }
            Expr::Between { expr, negated: _, low, high } => {
                self.expr(expr)?;
                self.expr(low)?;
                self.expr(high)
            }
            Expr::Like { negated: _, any, expr, pattern, escape_char }
            | Expr::ILike { negated: _, any, expr, pattern, escape_char } => {
                refuse_if(*any, "LIKE ANY")?;
                if let Some(escape) = escape_char.take() {
                    super::pattern::unescape(&escape.value, pattern)?;
                }
                self.expr(expr)?;
                self.expr(pattern)
            }
            Expr::SimilarTo { negated, expr: subject, pattern, escape_char } => {
                refuse_if(escape_char.is_some(), "SIMILAR TO … ESCAPE")?;
                self.expr(subject)?;
                let op = if *negated {
                    BinaryOperator::PGRegexNotMatch
                } else {
                    BinaryOperator::PGRegexMatch
                };
                let regex = super::pattern::similar_to_regex(pattern)?;
                let left = Box::new(std::mem::replace(subject.as_mut(), null()));
                *expr = Expr::BinaryOp { left, op, right: Box::new(string(&regex)) };
                Ok(())
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ }
            | Expr::AllOp { left, compare_op, right } => {
                self.operator(compare_op)?;
                self.expr(left)?;
                if let Some(array) = array_text(right) {
                    **right = array;
                }
                self.expr(right)
            }
            Expr::UnaryOp { op, expr } => {
                match op {
                    UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not => {}
                    UnaryOperator::AtDashAt
                    | UnaryOperator::BangNot
                    | UnaryOperator::BitwiseNot
                    | UnaryOperator::DoubleAt
                    | UnaryOperator::Hash
                    | UnaryOperator::PGAbs
                    | UnaryOperator::PGCubeRoot
                    | UnaryOperator::PGPostfixFactorial
                    | UnaryOperator::PGPrefixFactorial
                    | UnaryOperator::PGSquareRoot
                    | UnaryOperator::QuestionDash
                    | UnaryOperator::QuestionPipe => {
                        return Err(Error::not_supported(&format!("the operator {op}")));
                    }
                }
                self.expr(expr)
            }
            Expr::Cast { kind, expr: inner, data_type, array, format } => {
                refuse_if(*array, "CAST AS … ARRAY")?;
                refuse_if(format.is_some(), "CAST … FORMAT")?;
                match kind {
                    CastKind::Cast | CastKind::DoubleColon => {}
                    CastKind::TryCast | CastKind::SafeCast => {
                        return Err(Error::not_supported("TRY_CAST"));
                    }
                }
                if let Some(call) = self.registered_cast(inner, data_type)? {
                    *expr = call;
                    return Ok(());
                }
                if let Expr::Value(value) = inner.as_mut() {
                    super::pattern::pad_time(data_type, &mut value.value);
                }
                super::types::normalise(data_type)?;
                self.expr(inner)
            }
            Expr::Extract { field: _, syntax: _, expr } => self.expr(expr),
            Expr::Ceil { expr, field } | Expr::Floor { expr, field } => {
                match field {
                    CeilFloorKind::DateTimeField(
                        datafusion_sql::sqlparser::ast::DateTimeField::NoDateTime,
                    ) => {}
                    CeilFloorKind::DateTimeField(_) | CeilFloorKind::Scale(_) => {
                        return Err(Error::not_supported("CEIL or FLOOR with a field or scale"));
                    }
                }
                self.expr(expr)
            }
            Expr::Position { expr, r#in } => {
                self.expr(expr)?;
                self.expr(r#in)
            }
            Expr::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                self.expr(expr)?;
                for part in [substring_from, substring_for].into_iter().flatten() {
                    self.expr(part)?;
                }
                Ok(())
            }
            Expr::Trim { trim_where: _, trim_what, expr, trim_characters } => {
                refuse_if(trim_characters.is_some(), "TRIM with a list of characters")?;
                if let Some(what) = trim_what {
                    self.expr(what)?;
                }
                self.expr(expr)
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                self.expr(expr)?;
                self.expr(overlay_what)?;
                self.expr(overlay_from)?;
                overlay_for.as_deref_mut().map_or(Ok(()), |length| self.expr(length))
            }
            Expr::Collate { expr: inner, collation } => {
                let name = parts(collation)?;
                match name.last().map(String::as_str) {
                    Some("default" | "C" | "POSIX" | "ucs_basic") => {}
                    Some(_) | None => return Err(Error::not_supported("COLLATE")),
                }
                self.expr(inner)?;
                let taken = std::mem::replace(inner.as_mut(), null());
                *expr = taken;
                Ok(())
            }
            Expr::Value(value) => {
                match &value.value {
                    Value::Number(..)
                    | Value::SingleQuotedString(_)
                    | Value::EscapedStringLiteral(_)
                    | Value::Boolean(_)
                    | Value::Null
                    | Value::Placeholder(_) => {}
                    Value::DollarQuotedString(text) => {
                        value.value = Value::SingleQuotedString(text.value.clone());
                        return Ok(());
                    }
                    Value::UnicodeStringLiteral(text) => {
                        value.value = Value::SingleQuotedString(text.clone());
                        return Ok(());
                    }
                    Value::TripleSingleQuotedString(_)
                    | Value::TripleDoubleQuotedString(_)
                    | Value::SingleQuotedByteStringLiteral(_)
                    | Value::DoubleQuotedByteStringLiteral(_)
                    | Value::TripleSingleQuotedByteStringLiteral(_)
                    | Value::TripleDoubleQuotedByteStringLiteral(_)
                    | Value::SingleQuotedRawStringLiteral(_)
                    | Value::DoubleQuotedRawStringLiteral(_)
                    | Value::TripleSingleQuotedRawStringLiteral(_)
                    | Value::TripleDoubleQuotedRawStringLiteral(_)
                    | Value::NationalStringLiteral(_)
                    | Value::QuoteDelimitedStringLiteral(_)
                    | Value::NationalQuoteDelimitedStringLiteral(_)
                    | Value::HexStringLiteral(_)
                    | Value::DoubleQuotedString(_) => {
                        return Err(Error::not_supported("a literal of this kind"));
                    }
                }
                if let Value::EscapedStringLiteral(text) = &value.value {
                    value.value = Value::SingleQuotedString(text.clone());
                }
                Ok(())
            }
            Expr::TypedString(typed) => {
                refuse_if(typed.uses_odbc_syntax, "an ODBC escape")?;
                super::pattern::pad_time(&typed.data_type, &mut typed.value.value);
                super::types::normalise(&mut typed.data_type)
            }
            Expr::Interval(interval) => {
                super::pattern::spell_out_time(&mut interval.value);
                self.expr(&mut interval.value)
            }
            Expr::Function(_) => self.function(expr),
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                if let Some(operand) = operand {
                    self.expr(operand)?;
                }
                for when in conditions {
                    self.expr(&mut when.condition)?;
                    self.expr(&mut when.result)?;
                }
                else_result.as_deref_mut().map_or(Ok(()), |result| self.expr(result))
            }
            Expr::Exists { subquery, negated } if self.in_select_list => {
                let negated = *negated;
                self.query(subquery)?;
                let taken = std::mem::replace(subquery.as_mut(), super::build::empty());
                *expr = super::build::counted(taken, negated);
                Ok(())
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => {
                self.query(subquery)
            }
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                sets.iter_mut().flatten().try_for_each(|key| self.expr(key))
            }
            Expr::Array(array) => array.elem.iter_mut().try_for_each(|item| self.expr(item)),
            Expr::Tuple(_) => Err(Error::not_supported("a row value")),
            Expr::AtTimeZone { .. } => Err(Error::not_supported("AT TIME ZONE")),
            Expr::JsonAccess { .. } => Err(Error::not_supported("a path into JSON")),
            Expr::IsNormalized { .. } => Err(Error::not_supported("IS NORMALIZED")),
            Expr::InUnnest { .. } => Err(Error::not_supported("IN UNNEST")),
            Expr::RLike { .. } => Err(Error::not_supported("RLIKE")),
            Expr::Convert { .. } => Err(Error::not_supported("CONVERT")),
            Expr::Prefixed { .. } => Err(Error::not_supported("a prefixed literal")),
            Expr::Struct { .. } => Err(Error::not_supported("STRUCT")),
            Expr::Named { .. } => Err(Error::not_supported("a named expression")),
            Expr::Dictionary(_) => Err(Error::not_supported("a dictionary literal")),
            Expr::Map(_) => Err(Error::not_supported("a map literal")),
            Expr::MatchAgainst { .. } => Err(Error::not_supported("MATCH AGAINST")),
            Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => {
                Err(Error::new(ErrorKind::Syntax, "syntax error at or near \"*\""))
            }
            Expr::OuterJoin(_) => Err(Error::not_supported("the outer join operator (+)")),
            Expr::Prior(_) => Err(Error::not_supported("PRIOR")),
            Expr::Lambda(_) => Err(Error::not_supported("a lambda")),
            Expr::MemberOf(_) => Err(Error::not_supported("MEMBER OF")),
        }
    }

    pub(super) fn window(&mut self, spec: &mut WindowSpec) -> Result<(), Error> {
        if let Some(name) = &mut spec.window_name {
            fold(name);
        }
        spec.partition_by.iter_mut().try_for_each(|key| self.expr(key))?;
        self.order_keys(&mut spec.order_by)?;
        if let Some(frame) = &mut spec.window_frame {
            for bound in std::iter::once(&mut frame.start_bound).chain(&mut frame.end_bound) {
                match bound {
                    WindowFrameBound::Preceding(Some(offset))
                    | WindowFrameBound::Following(Some(offset)) => self.expr(offset)?,
                    WindowFrameBound::CurrentRow
                    | WindowFrameBound::Preceding(None)
                    | WindowFrameBound::Following(None) => {}
                }
            }
        }
        Ok(())
    }
}

/// The parser reads `a IS DISTINCT FROM b AND c` as `a IS DISTINCT FROM (b AND c)`; puts it right.
fn repair_distinct(expr: &mut Expr) {
    let (left, right, negated) = match expr {
        Expr::IsDistinctFrom(left, right) => (left, right, false),
        Expr::IsNotDistinctFrom(left, right) => (left, right, true),
        _ => return,
    };
    if !matches!(
        right.as_ref(),
        Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. }
    ) {
        return;
    }
    let mut tree = std::mem::replace(right.as_mut(), null());
    let subject = std::mem::replace(left.as_mut(), null());
    let mut spine = &mut tree;
    while let Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, .. } = spine {
        spine = left.as_mut();
    }
    let operand = std::mem::replace(spine, null());
    *spine = if negated {
        Expr::IsNotDistinctFrom(Box::new(subject), Box::new(operand))
    } else {
        Expr::IsDistinctFrom(Box::new(subject), Box::new(operand))
    };
    *expr = tree;
}

/// `'{a,b}'`, an array in PostgreSQL's text form, as an array of text; only the simple form.
fn array_text(expr: &Expr) -> Option<Expr> {
    let Expr::Value(value) = expr else { return None };
    let Value::SingleQuotedString(text) = &value.value else { return None };
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    if inner.contains(['"', '\\', '{', '}']) {
        return None;
    }
    let elem = inner.split(',').filter(|item| !item.is_empty()).map(string).collect();
    Some(Expr::Array(datafusion_sql::sqlparser::ast::Array { elem, named: true }))
}

/// Whether an expression is a literal, a parameter, or a cast or sign of one.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_constant(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_constant(expr),
        _ => false,
    }
}

/// `a IN (x, y)` as `a = x OR a = y`. The engine takes a list of expressions for a constant one if
/// they are constant on no rows, as some CASE are, and then compares with wrong values.
fn values_in_list(subject: &Expr, list: &[Expr]) -> Expr {
    let equal = |item: &Expr| Expr::BinaryOp {
        left: Box::new(Expr::Nested(Box::new(subject.clone()))),
        op: BinaryOperator::Eq,
        right: Box::new(Expr::Nested(Box::new(item.clone()))),
    };
    let any = list.iter().map(equal).reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::Or,
        right: Box::new(right),
    });
    Expr::Nested(Box::new(any.unwrap_or_else(null)))
}

/// `(a, b) IN ((1, 2), …)` as `(a = 1 AND b = 2) OR …`, which has the same NULLs.
fn rows_in_list(subject: &Expr, list: &[Expr]) -> Result<Expr, Error> {
    let refused = || Error::not_supported("a row value in this IN list");
    let Expr::Tuple(columns) = subject else { return Err(refused()) };
    let binary = |left: Expr, op: BinaryOperator, right: Expr| Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    };
    let mut any: Option<Expr> = None;
    for item in list {
        let Expr::Tuple(values) = item else { return Err(refused()) };
        if values.len() != columns.len() {
            return Err(Error::new(
                ErrorKind::Syntax,
                "unequal number of entries in row expressions",
            ));
        }
        let mut all: Option<Expr> = None;
        for (column, value) in columns.iter().zip(values) {
            let equal = binary(column.clone(), BinaryOperator::Eq, value.clone());
            all = Some(match all {
                Some(left) => binary(left, BinaryOperator::And, equal),
                None => equal,
            });
        }
        let all = Expr::Nested(Box::new(all.ok_or_else(refused)?));
        any = Some(match any {
            Some(left) => binary(left, BinaryOperator::Or, all),
            None => all,
        });
    }
    Ok(Expr::Nested(Box::new(any.ok_or_else(refused)?)))
}

/// A number literal.
pub(super) fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).with_span(Span::empty()))
}

/// A text literal.
pub(super) fn string(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_owned()).with_span(Span::empty()))
}

/// NULL.
pub(super) fn null() -> Expr {
    Expr::Value(Value::Null.with_span(Span::empty()))
}

/// A quoted identifier.
pub(super) fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}
