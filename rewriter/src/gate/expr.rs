//! The gate over expressions.

use datafusion_sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, Expr, Ident, Subscript,
    UnaryOperator, Value, WindowFrameBound, WindowSpec,
};
use datafusion_sql::sqlparser::tokenizer::Span;
use tollgate_catalog::{Error, ErrorKind};

use super::budget::NODE;
use super::list::is_constant;
use super::{Gate, fold, parts, refuse_if};

impl Gate<'_> {
    /// Walks an expression. The left spine is walked in a loop: `a OR b OR c …` is as deep as it is
    /// long.
    pub(super) fn expr(&mut self, expr: &mut Expr) -> Result<(), Error> {
        let arithmetic = self.arithmetic;
        let walked = self.deeper(|gate| gate.spine(expr));
        self.arithmetic = arithmetic;
        walked
    }

    fn spine(&mut self, expr: &mut Expr) -> Result<(), Error> {
        let mut cursor = expr;
        loop {
            repair_distinct(cursor);
            self.translate(cursor)?;
            match cursor {
                Expr::BinaryOp { left, op: BinaryOperator::PGExp, right } => {
                    let [base, exponent] =
                        [left, right].map(|part| std::mem::replace(part.as_mut(), null()));
                    *cursor = super::function::call("power", vec![base, exponent]);
                }
                Expr::BinaryOp { left, op, right } => {
                    self.operator(op)?;
                    self.node(NODE)?;
                    self.compute(op)?;
                    self.copied(copies(op, right), |gate| gate.expr(right))?;
                    match copies(op, left) {
                        1 => cursor = left,
                        more => return self.copied(more, |gate| gate.expr(left)),
                    }
                }
                other => return self.leaf(other),
            }
        }
    }

    fn leaf(&mut self, expr: &mut Expr) -> Result<(), Error> {
        self.node(match expr {
            // Counted as what it means.
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => 0,
            Expr::Value(_) | Expr::TypedString(_) | Expr::Nested(_) => 1,
            _ => NODE,
        })?;
        if self.row_within(expr)? {
            return Ok(());
        }
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
                if let Some(column) = self.column(&ident.value)? {
                    *expr = column;
                }
                Ok(())
            }
            Expr::CompoundIdentifier(idents) => {
                idents.iter_mut().for_each(fold);
                if let Some(computed) = self.qualified_column(idents)? {
                    *expr = computed;
                }
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
                if matches!(subject.as_ref(), Expr::Tuple(_)) || !list.iter().all(is_constant) =>
            {
                let negated = *negated;
                *expr = self.compared(subject, list, negated)?;
                Ok(())
            }
            Expr::InList { expr, list, negated: _ } => {
                // The engine may write a short list out, and each of its comparisons as a range.
                self.copied(if list.len() <= 3 { 6 } else { 1 }, |gate| gate.expr(expr))?;
                list.iter_mut().try_for_each(|item| self.expr(item))
            }
            Expr::InSubquery { expr, subquery, negated: _ } => {
                self.expr(expr)?;
                self.values_of(subquery, "subquery has too few columns")
            }
            Expr::Between { expr, negated: _, low, high } => {
                // The engine makes two comparisons of it.
                self.copied(2, |gate| gate.expr(expr))?;
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
                self.copied(ALTERNATIVES, |gate| gate.expr(subject))?;
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
                // Over a query, the engine writes it as a CASE of several EXISTS.
                let copies = if matches!(right.as_ref(), Expr::Subquery(_)) { 3 } else { 1 };
                self.copied(copies, |gate| gate.expr(left))?;
                if let Some(array) = array_text(right) {
                    **right = array;
                }
                self.copied(copies, |gate| gate.expr(right))
            }
            Expr::UnaryOp { op, expr: inner } => {
                match op {
                    UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not => {}
                    UnaryOperator::PGAbs
                    | UnaryOperator::PGCubeRoot
                    | UnaryOperator::PGSquareRoot => {
                        let function = match op {
                            UnaryOperator::PGAbs => "abs",
                            UnaryOperator::PGCubeRoot => "cbrt",
                            _ => "sqrt",
                        };
                        self.expr(inner)?;
                        let inner = std::mem::replace(inner.as_mut(), null());
                        *expr = super::function::call(function, vec![inner]);
                        return Ok(());
                    }
                    UnaryOperator::AtDashAt
                    | UnaryOperator::BangNot
                    | UnaryOperator::BitwiseNot
                    | UnaryOperator::DoubleAt
                    | UnaryOperator::Hash
                    | UnaryOperator::PGPostfixFactorial
                    | UnaryOperator::PGPrefixFactorial
                    | UnaryOperator::QuestionDash
                    | UnaryOperator::QuestionPipe => {
                        return Err(Error::not_supported(&format!("the operator {op}")));
                    }
                }
                self.expr(inner)
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
                let copies = condition_copies(conditions);
                for when in conditions {
                    self.copied(copies, |gate| gate.expr(&mut when.condition))?;
                    self.expr(&mut when.result)?;
                }
                else_result.as_deref_mut().map_or(Ok(()), |result| self.expr(result))
            }
            Expr::Exists { subquery, negated } if self.in_select_list => {
                let negated = *negated;
                // Its select list and its order will be gone before the planner looks for names.
                let outer = std::mem::replace(&mut self.unplanned, true);
                let walked = self.query(subquery);
                self.unplanned = outer;
                walked?;
                let taken = std::mem::replace(subquery.as_mut(), super::build::empty());
                *expr = super::build::counted(taken, negated);
                Ok(())
            }
            Expr::Exists { subquery, negated: _ } => self.query(subquery).map(drop),
            Expr::Subquery(subquery) => {
                self.values_of(subquery, "subquery must return only one column")
            }
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                sets.iter_mut().flatten().try_for_each(|key| self.expr(key))
            }
            Expr::Array(array) => array.elem.iter_mut().try_for_each(|item| self.expr(item)),
            Expr::Tuple(_) => Err(Error::not_supported("a row value")),
            Expr::AtTimeZone { timestamp, time_zone } => {
                self.expr(timestamp)?;
                self.expr(time_zone)?;
                let [zone, value] =
                    [time_zone, timestamp].map(|part| std::mem::replace(part.as_mut(), null()));
                *expr = super::function::call("timezone", vec![zone, value]);
                Ok(())
            }
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

/// How often the engine writes the subject of a pattern, at most: once for each alternative.
const ALTERNATIVES: u64 = 4;

/// How often the engine writes an operand: a comparison with a function may become a range.
fn copies(op: &BinaryOperator, operand: &Expr) -> u64 {
    match op {
        BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGRegexNotMatch
        | BinaryOperator::PGRegexNotIMatch => ALTERNATIVES,
        BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::Lt
        | BinaryOperator::LtEq
        | BinaryOperator::Gt
        | BinaryOperator::GtEq => match operand {
            Expr::Function(_) | Expr::Extract { .. } | Expr::Floor { .. } | Expr::Nested(_) => 2,
            _ => 1,
        },
        _ => 1,
    }
}

/// How often the engine writes a condition of a CASE: one of few branches, or whose values are
/// literals, becomes a tree of AND, OR and NOT if its values are boolean.
fn condition_copies(conditions: &[CaseWhen]) -> u64 {
    let literal = |when: &CaseWhen| {
        matches!(&when.result, Expr::Value(value)
        if matches!(value.value, Value::Boolean(_) | Value::Null))
    };
    match conditions.len() {
        few @ 0..=2 => u64::try_from(few).unwrap_or(2) + 1,
        many if conditions.iter().all(literal) => u64::try_from(many).unwrap_or(u64::MAX),
        _ => 1,
    }
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
