//! Functions: the engine's name, Snowflake's, and the types that it wants of the arguments.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_expr::Expr;
use datafusion_expr::expr::ScalarFunction;
use tollgate_catalog::{Error, pg_type};

use super::moment::difference;
use super::{bounded, constant, whole};
use crate::operands::Document;
use crate::render::barrier::has_subquery;
use crate::render::expr::type_of;
use crate::render::types::Kind;
use crate::render::{Printer, Row};

/// The functions whose calls are spelled as calls and have the same values; letters as in `function`.
const CALLS: &[(&str, &str, &str)] = &[
    ("abs", "ABS", "."),
    ("acos", "ACOS", "f"),
    ("ascii", "UNICODE", "t"),
    ("asin", "ASIN", "f"),
    ("atan", "ATAN", "f"),
    ("atan2", "ATAN2", "f"),
    ("bit_length", "BIT_LENGTH", "t"),
    ("cbrt", "CBRT", "f"),
    ("ceil", "CEIL", "."),
    ("character_length", "LENGTH", "t"),
    ("cos", "COS", "f"),
    ("cot", "COT", "f"),
    ("current_date", "CURRENT_DATE", "."),
    ("degrees", "DEGREES", "f"),
    ("exp", "EXP", "f"),
    ("floor", "FLOOR", "."),
    ("ln", "LN", "f"),
    ("lower", "LOWER", "t"),
    ("md5", "MD5", "t"),
    ("now", "CURRENT_TIMESTAMP", "."),
    ("octet_length", "OCTET_LENGTH", "t"),
    ("pi", "PI", "."),
    ("power", "POWER", "f"),
    ("radians", "RADIANS", "f"),
    ("reverse", "REVERSE", "t"),
    ("signum", "SIGN", "."),
    ("sin", "SIN", "f"),
    ("sqrt", "SQRT", "f"),
    ("starts_with", "STARTSWITH", "t"),
    ("tan", "TAN", "f"),
    ("translate", "TRANSLATE", "t"),
    ("upper", "UPPER", "t"),
];

impl Printer {
    /// A call of a scalar function; `whole_expr` is the expression that it is.
    pub(in crate::render) fn snowflake_call(
        &mut self,
        call: &ScalarFunction,
        whole_expr: &Expr,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let name = call.func.name();
        let args = call.args.as_slice();
        let result = type_of(whole_expr, row)?;
        if name == "power" && self.dialect.kind(&result)? != Kind::Float {
            return Err(self.unknown(name));
        }
        if let Some((_, function, types)) = CALLS.iter().find(|(engine, ..)| *engine == name) {
            let args = self.arguments(args, types, row)?;
            let text = self.invoke(function, &args);
            return self.typed(text, &result);
        }
        let text = match (name, args) {
            ("tg_plus", [left, right]) => {
                return self.snowflake_arithmetic(left, "+", right, &result, row);
            }
            ("tg_divide", [left, right]) => {
                return self.snowflake_arithmetic(left, "/", right, &result, row);
            }
            ("tg_minus", [left, right]) => {
                return self.snowflake_arithmetic(left, "-", right, &result, row);
            }
            ("tg_times", [left, right]) => {
                return self.snowflake_arithmetic(left, "*", right, &result, row);
            }
            ("tg_join", [left, right]) => {
                let mut texts = Vec::new();
                for part in [left, right] {
                    if self.dialect.kind(&type_of(part, row)?)? != Kind::Text {
                        return Err(self.dialect.unsupported("the operator || on these types"));
                    }
                    texts.push(self.expr(part, row)?);
                }
                format!("({})", texts.join(" || "))
            }
            ("tg_int2" | "tg_int4" | "tg_int8" | "tg_text", [value]) => {
                let from = type_of(value, row)?;
                if !self.dialect.casts(&from, &result)? {
                    let (from, to) =
                        (self.dialect.name(&from, false)?, self.dialect.name(&result, true)?);
                    return Err(self.dialect.unsupported(&format!("a cast from {from} to {to}")));
                }
                self.expr(value, row)?
            }
            ("tg_get", [value, step]) => self.path(value, step, row)?,
            ("tg_array_contains", [list, value]) => {
                let list = self.document(list, row)?;
                // Snowflake takes arrays only: of what isn't one this is NULL.
                let list = self.invoke("AS_ARRAY", &list);
                let value = self.expr(value, row)?;
                let value = self.typed(value, &pg_type::document())?;
                self.invoke(Document::ArrayContains.word(), &format!("{value}, {list}"))
            }
            (name, [value]) if let Some(of) = Document::of(name) => {
                let value = match of.reads_text() {
                    true => self.expr(value, row)?,
                    false => self.document(value, row)?,
                };
                self.invoke(of.word(), &value)
            }
            ("tg_try", [value, _]) => return self.tried(value, &result, row),
            ("coalesce", [_, ..]) => self.plain("COALESCE", args, row)?,
            // PostgreSQL leaves NULL out of account.
            ("greatest", [_, ..]) => self.plain("GREATEST_IGNORE_NULLS", args, row)?,
            ("least", [_, ..]) => self.plain("LEAST_IGNORE_NULLS", args, row)?,
            ("nullif", [_, _]) => self.plain("NULLIF", args, row)?,
            ("concat", [_, ..]) => self.concat(args, row)?,
            ("btrim" | "ltrim" | "rtrim", [text, rest @ ..]) if rest.len() < 2 => {
                let mut text = self.arguments(std::slice::from_ref(text), "t", row)?;
                let rest = match rest {
                    [] => String::new(),
                    rest => format!(", {}", self.arguments(rest, "t", row)?),
                };
                for (side, function) in [("rtrim", "LTRIM"), ("ltrim", "RTRIM")] {
                    if name != side {
                        text = self.invoke(function, &format!("{text}{rest}"));
                    }
                }
                text
            }
            ("left", [text, count]) => self.counted("LEFT", text, &[(count, 0)], "", row)?,
            ("right", [text, count]) => self.counted("RIGHT", text, &[(count, 0)], "", row)?,
            ("substr", [text, start]) => self.counted("SUBSTR", text, &[(start, 1)], "", row)?,
            ("substr", [text, start, length]) => {
                self.counted("SUBSTR", text, &[(start, 1), (length, 0)], "", row)?
            }
            ("lpad" | "rpad", [text, count, rest @ ..]) if rest.len() < 2 => {
                let fill = match rest.first().map(constant) {
                    None => " ".to_owned(),
                    Some(fill) => self.some_text(name, fill)?,
                };
                let fill = format!(", {}", self.text(&fill)?);
                let function = if name == "lpad" { "LPAD" } else { "RPAD" };
                self.counted(function, text, &[(count, 0)], &fill, row)?
            }
            ("strpos", [text, part]) => {
                let part = self.arguments(std::slice::from_ref(part), "t", row)?;
                let text = self.arguments(std::slice::from_ref(text), "t", row)?;
                self.invoke("CHARINDEX", &format!("{part}, {text}"))
            }
            ("replace", [_, part, _]) => {
                self.some_text(name, constant(part))?;
                let args = self.arguments(args, "t", row)?;
                self.invoke("REPLACE", &args)
            }
            ("split_part", [text, part, index]) => {
                let part = self.some_text(name, constant(part))?;
                let part = self.text(&part)?;
                let text = self.arguments(std::slice::from_ref(text), "t", row)?;
                let index = self.count(name, index, 1)?;
                self.invoke("SPLIT_PART", &format!("{text}, {part}, {index}"))
            }
            ("log10" | "log", [number]) => {
                let number = self.arguments(std::slice::from_ref(number), "f", row)?;
                let ten = self.literal(&ScalarValue::Float64(Some(10.0)))?;
                self.invoke("LOG", &format!("{ten}, {number}"))
            }
            ("round" | "trunc", [number, rest @ ..]) if rest.len() < 2 => {
                let is = self.dialect.kind(&type_of(number, row)?)?;
                // PostgreSQL rounds floats to the even neighbour.
                let exact = matches!(is, Kind::Whole | Kind::Decimal);
                let cut = name == "trunc" && is == Kind::Float && rest.is_empty();
                if !exact && !cut {
                    return Err(self.unknown(name));
                }
                let mut text = self.expr(number, row)?;
                if let [digits] = rest {
                    let digits = self.count(name, digits, 0)?;
                    text = format!("{text}, {digits}");
                }
                self.invoke(if name == "round" { "ROUND" } else { "TRUNC" }, &text)
            }
            ("date_trunc", [unit, value]) => {
                let unit = self.some_text(name, constant(unit))?;
                let unit = self.unit(&unit)?;
                let is = self.dialect.kind(&type_of(value, row)?)?;
                if !matches!(is, Kind::Date | Kind::Timestamp | Kind::Zoned) {
                    return Err(self.unknown(name));
                }
                let value = self.expr(value, row)?;
                self.invoke("DATE_TRUNC", &format!("{unit}, {value}"))
            }
            ("date_part", [part, value]) => {
                let part = self.some_text(name, constant(part))?;
                if let Some((left, right)) = difference(value) {
                    self.seconds_between(&part, right, left, row)?
                } else {
                    self.part(&part.to_ascii_lowercase(), value, row)?
                }
            }
            ("to_char", [value, pattern]) => {
                let pattern = self.some_text(name, constant(pattern))?;
                self.formatted(value, &pattern, row)?
            }
            ("to_timestamp", [_, ..]) => return self.instant_of(call, &result, row),
            ("timezone", [zone, value]) => {
                let zone = self.some_text(name, constant(zone))?;
                self.in_zone(&zone, value, row)?
            }
            ("array_has", [list, value]) => return self.one_of(list, value, row),
            _ => return Err(self.unknown(name)),
        };
        self.typed(text, &result)
    }

    fn plain(&mut self, function: &str, args: &[Expr], row: Row<'_>) -> Result<String, Error> {
        let args = self.exprs(args, row)?;
        Ok(self.invoke(function, &args))
    }

    /// A cast that is NULL where it would fail.
    fn tried(&mut self, value: &Expr, to: &DataType, row: Row<'_>) -> Result<String, Error> {
        let from = type_of(value, row)?;
        let (of, is) = (self.dialect.kind(&from)?, self.dialect.kind(to)?);
        let known =
            matches!(is, Kind::Bool | Kind::Decimal | Kind::Float | Kind::Date | Kind::Timestamp);
        let name = self.dialect.name(to, true)?;
        if of == Kind::Null {
            return Ok(format!("CAST(NULL AS {name})"));
        }
        if of != Kind::Text || !known {
            let from = self.dialect.name(&from, false)?;
            let what = format!("TRY_CAST from {from} to {name}");
            return Err(self.dialect.unsupported(&what).with_hint("it takes texts: cast with ::"));
        }
        let text = self.expr(value, row)?;
        self.printed.functions.insert("TRY_CAST".to_owned());
        Ok(format!("TRY_CAST({text} AS {name})"))
    }

    /// A semi-structured value, as one wherever it comes from.
    fn document(&mut self, value: &Expr, row: Row<'_>) -> Result<String, Error> {
        let text = self.expr(value, row)?;
        match value {
            Expr::ScalarFunction(_) => Ok(text),
            _ => self.typed(text, &pg_type::document()),
        }
    }

    /// The end of a path. Keys are bound, so whatever they say, they are keys.
    fn path(&mut self, mut value: &Expr, last: &Expr, row: Row<'_>) -> Result<String, Error> {
        let mut steps = vec![last];
        while let Expr::ScalarFunction(call) = value
            && let ("tg_get", [inner, step]) = (call.name(), call.args.as_slice())
        {
            steps.push(step);
            value = inner;
        }
        let mut text = self.expr(value, row)?;
        for step in steps.into_iter().rev() {
            let step = match constant(step) {
                Some(ScalarValue::Utf8(Some(key))) => self.text(&key)?,
                Some(place) => match whole(&place) {
                    Some(place @ 0..) => self.number(place),
                    Some(_) | None => return Err(self.unknown("tg_get")),
                },
                None => return Err(self.unknown("tg_get")),
            };
            text = self.invoke("GET", &format!("{text}, {step}"));
        }
        Ok(text)
    }

    /// Texts one after the other; NULL is none.
    fn concat(&mut self, args: &[Expr], row: Row<'_>) -> Result<String, Error> {
        let mut texts = Vec::with_capacity(args.len());
        for arg in args {
            if self.dialect.kind(&type_of(arg, row)?)? != Kind::Text {
                return Err(self.unknown("concat"));
            }
            let (text, nothing) = (self.expr(arg, row)?, self.text("")?);
            texts.push(self.invoke("COALESCE", &format!("{text}, {nothing}")));
        }
        Ok(format!("({})", texts.join(" || ")))
    }

    /// A text with numbers that are constants and not too small: what others mean, differs.
    fn counted(
        &mut self,
        function: &str,
        text: &Expr,
        counts: &[(&Expr, i64)],
        rest: &str,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let mut args = self.arguments(std::slice::from_ref(text), "t", row)?;
        for (count, least) in counts {
            let count = self.count(&function.to_ascii_lowercase(), count, *least)?;
            args.push_str(&format!(", {count}"));
        }
        Ok(self.invoke(function, &format!("{args}{rest}")))
    }

    fn count(&mut self, name: &str, count: &Expr, least: i64) -> Result<String, Error> {
        let most = i64::from(i32::MAX);
        match constant(count).as_ref().and_then(whole) {
            Some(count) if (least..=most).contains(&count) => Ok(self.number(count)),
            Some(_) | None => Err(self.unknown(name)),
        }
    }

    /// A constant text that isn't empty.
    pub(super) fn some_text(&self, name: &str, text: Option<ScalarValue>) -> Result<String, Error> {
        match text {
            Some(
                ScalarValue::Utf8(Some(text))
                | ScalarValue::LargeUtf8(Some(text))
                | ScalarValue::Utf8View(Some(text)),
            ) if !text.is_empty() => Ok(text),
            Some(_) | None => Err(self.unknown(name)),
        }
    }

    /// A field of a date or a time.
    fn part(&mut self, part: &str, value: &Expr, row: Row<'_>) -> Result<String, Error> {
        let is = self.dialect.kind(&type_of(value, row)?)?;
        let mut text = self.expr(value, row)?;
        let date = matches!(is, Kind::Date | Kind::Timestamp | Kind::Zoned);
        let time = matches!(is, Kind::Time | Kind::Timestamp | Kind::Zoned);
        let function = match part {
            "year" if date => "YEAR",
            "quarter" if date => "QUARTER",
            "month" if date => "MONTH",
            "week" if date => "WEEKISO",
            "day" if date => "DAY",
            "doy" if date => "DAYOFYEAR",
            "dow" | "isodow" if date => "DAYOFWEEKISO",
            "isoyear" if date => "YEAROFWEEKISO",
            "hour" if time => "HOUR",
            "minute" if time => "MINUTE",
            "second" if time => {
                if has_subquery(value) {
                    return Err(self.unknown("date_part"));
                }
                bounded(text.len() * 2)?;
                let unit = self.quoted("nanosecond")?;
                let nanos = self.invoke("DATE_PART", &format!("{unit}, {text}"));
                let seconds = self.invoke("SECOND", &text);
                let billion = self.literal(&ScalarValue::Float64(Some(1e9)))?;
                return Ok(format!(
                    "(CAST({seconds} AS FLOAT) + (CAST({nanos} AS FLOAT) / {billion}))"
                ));
            }
            "epoch" if date => {
                if is == Kind::Date {
                    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
                    text = format!("CAST({text} AS {})", self.dialect.name(&timestamp, false)?);
                }
                let unit = self.quoted("epoch_microsecond")?;
                let micros = self.invoke("DATE_PART", &format!("{unit}, {text}"));
                let million = self.literal(&ScalarValue::Float64(Some(1e6)))?;
                return Ok(format!("(CAST({micros} AS FLOAT) / {million})"));
            }
            _ => return Err(self.unknown("date_part")),
        };
        let field = self.invoke(function, &text);
        if part != "dow" {
            return Ok(field);
        }
        let seven = self.integer(7)?;
        Ok(self.invoke("MOD", &format!("{field}, {seven}")))
    }

    /// `value = ANY (list)` of a list that is known.
    fn one_of(&mut self, list: &Expr, value: &Expr, row: Row<'_>) -> Result<String, Error> {
        let items: Vec<Expr> = match list {
            Expr::Literal(ScalarValue::List(list), _) if !list.values().is_empty() => {
                let rows = ScalarValue::convert_array_to_scalar_vec(list.as_ref());
                let rows = rows.map_err(Error::internal)?;
                let items = rows.into_iter().flatten().flatten();
                items.map(|item| Expr::Literal(item, None)).collect()
            }
            Expr::ScalarFunction(call) if call.name() == "make_array" => call.args.clone(),
            _ => return Err(self.dialect.unsupported("an array")),
        };
        if items.is_empty() {
            return self.boolean(false);
        }
        let value = self.operand(value, row)?;
        let items = self.exprs(&items, row)?;
        Ok(format!("({value} IN ({items}))"))
    }
}
