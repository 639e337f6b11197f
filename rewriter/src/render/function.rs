//! Functions: the engine's name, PostgreSQL's, and the types that PostgreSQL wants of the arguments.

use arrow::datatypes::DataType;
use datafusion_expr::Expr;
use datafusion_expr::expr::ScalarFunction;
use tollgate_catalog::Error;

use super::expr::type_of;
use super::types::Kind;
use super::{Dialect, Printer, Row};
use crate::functions;

/// The functions whose calls are spelled as calls. A letter for each argument: `t` text, `i`
/// integer, `f` double precision, `n` numeric, `.` as it is; the last one stands for all that follow.
const CALLS: &[(&str, &str, &str)] = &[
    ("abs", "abs", "."),
    ("acos", "acos", "f"),
    ("age", "age", "."),
    ("array_append", "array_append", "."),
    ("array_concat", "array_cat", "."),
    ("array_dims", "array_dims", "."),
    ("array_length", "array_length", ".i"),
    ("array_ndims", "array_ndims", "."),
    ("array_position", "array_position", "..i"),
    ("array_prepend", "array_prepend", "."),
    ("array_remove_all", "array_remove", "."),
    ("array_replace_all", "array_replace", "."),
    ("array_to_string", "array_to_string", ".t"),
    ("ascii", "ascii", "t"),
    ("asin", "asin", "f"),
    ("atan", "atan", "f"),
    ("atan2", "atan2", "f"),
    ("bit_length", "bit_length", "t"),
    ("btrim", "btrim", "t"),
    ("cardinality", "cardinality", "."),
    ("cbrt", "cbrt", "f"),
    ("ceil", "ceil", "."),
    ("character_length", "length", "t"),
    ("chr", "chr", "i"),
    ("concat", "concat", "."),
    ("concat_ws", "concat_ws", "."),
    ("cos", "cos", "f"),
    ("cot", "cot", "f"),
    ("date_bin", "date_bin", "."),
    ("date_part", "date_part", "t."),
    ("date_trunc", "date_trunc", "t."),
    ("decode", "decode", "t"),
    ("degrees", "degrees", "f"),
    ("encode", "encode", ".t"),
    ("exp", "exp", "f"),
    ("floor", "floor", "."),
    ("gcd", "gcd", "."),
    ("initcap", "initcap", "t"),
    ("lcm", "lcm", "."),
    ("left", "left", "ti"),
    ("ln", "ln", "f"),
    ("log10", "log10", "f"),
    ("lower", "lower", "t"),
    ("lpad", "lpad", "tit"),
    ("ltrim", "ltrim", "t"),
    ("make_date", "make_date", "i"),
    ("md5", "md5", "t"),
    ("now", "now", "."),
    ("octet_length", "octet_length", "."),
    ("pi", "pi", "."),
    ("radians", "radians", "f"),
    ("random", "random", "."),
    ("regexp_count", "regexp_count", "ttit"),
    ("regexp_like", "regexp_like", "t"),
    ("regexp_match", "regexp_match", "t"),
    ("regexp_replace", "regexp_replace", "t"),
    ("replace", "replace", "t"),
    ("reverse", "reverse", "t"),
    ("right", "right", "ti"),
    ("rpad", "rpad", "tit"),
    ("rtrim", "rtrim", "t"),
    ("signum", "sign", "."),
    ("sin", "sin", "f"),
    ("split_part", "split_part", "tti"),
    ("sqrt", "sqrt", "f"),
    ("starts_with", "starts_with", "t"),
    ("string_to_array", "string_to_array", "t"),
    ("strpos", "strpos", "t"),
    ("substr", "substr", "tii"),
    ("tan", "tan", "f"),
    ("tg_array_lower", "array_lower", ".i"),
    ("tg_array_upper", "array_upper", ".i"),
    ("timezone", "timezone", "t."),
    ("to_char", "to_char", ".t"),
    ("to_date", "to_date", "t"),
    ("to_hex", "to_hex", "."),
    ("translate", "translate", "t"),
    ("upper", "upper", "t"),
];

impl Printer {
    /// A call of a scalar function; `whole` is the expression that it is.
    pub(super) fn call(
        &mut self,
        call: &ScalarFunction,
        whole: &Expr,
        row: Row<'_>,
    ) -> Result<String, Error> {
        if let Some(mask) = tollgate_policy::Masking::of(&call.func) {
            return self.mask(&mask, &call.args, row);
        }
        if self.dialect == Dialect::Snowflake {
            return self.snowflake_call(call, whole, row);
        }
        let name = call.func.name();
        let args = call.args.as_slice();
        let result = type_of(whole, row)?;
        let known = CALLS.iter().find(|(engine, ..)| *engine == name);
        let text = match (name, args) {
            (_, args) if known.is_some() => {
                let Some((_, function, types)) = known else { return Err(self.unknown(name)) };
                let args = self.arguments(args, types, row)?;
                self.invoke(function, &args)
            }
            ("tg_plus", [left, right]) => return self.operation(left, "+", right, row),
            ("tg_divide", [left, right]) => self.quotient(left, right, &result, row)?,
            ("tg_minus", [left, right]) => return self.operation(left, "-", right, row),
            ("tg_times", [left, right]) => return self.operation(left, "*", right, row),
            ("tg_join", [left, right]) => return self.operation(left, "||", right, row),
            ("tg_interval_times", [interval, number]) => {
                let (interval, number) = (self.expr(interval, row)?, self.expr(number, row)?);
                return Ok(format!("({interval} * CAST({number} AS double precision))"));
            }
            ("tg_int2" | "tg_int4" | "tg_int8" | "tg_text" | "tg_bytes", [value]) => {
                self.expr(value, row)?
            }
            ("tg_like" | "tg_regex", [pattern]) => return self.expr(pattern, row),
            ("tg_try", [_, made]) => return self.expr(made, row),
            ("coalesce" | "greatest" | "least" | "nullif", [_, ..]) => {
                let args = self.exprs(args, row)?;
                let word = match name {
                    "coalesce" => "COALESCE",
                    "greatest" => "GREATEST",
                    "least" => "LEAST",
                    _ => "NULLIF",
                };
                self.printed.words.insert(word);
                format!("{word}({args})")
            }
            ("current_date", []) => "CURRENT_DATE".to_owned(),
            ("current_time", []) => "LOCALTIME".to_owned(),
            ("factorial", [number]) => {
                let number = self.expr(number, row)?;
                self.invoke("factorial", &format!("CAST({number} AS bigint)"))
            }
            ("format", [pattern, values @ ..]) => {
                let mut all = self.arguments(std::slice::from_ref(pattern), "t", row)?;
                for value in values {
                    all.push_str(&format!(", {}", self.expr(value, row)?));
                }
                self.invoke("format", &all)
            }
            ("log", [number]) => {
                let number = self.arguments(std::slice::from_ref(number), "f", row)?;
                self.invoke("log", &number)
            }
            ("log", [_, _]) => {
                let args = self.arguments(args, "n", row)?;
                self.invoke("log", &args)
            }
            ("power", [base, exponent]) => {
                let dialect = self.dialect;
                let decimals =
                    [base, exponent].into_iter().map(|part| dialect.kind(&type_of(part, row)?));
                let decimals = decimals.collect::<Result<Vec<_>, _>>()?;
                let exact = decimals.iter().all(|kind| *kind == Kind::Decimal);
                let args = self.arguments(args, if exact { "n" } else { "f" }, row)?;
                self.invoke("power", &args)
            }
            ("round" | "trunc", [number]) => {
                let number = self.expr(number, row)?;
                self.invoke(name, &number)
            }
            // PostgreSQL rounds to digits what is numeric only.
            ("round" | "trunc", [_, _]) => {
                let args = self.arguments(args, "ni", row)?;
                self.invoke(name, &args)
            }
            ("overlay", [text, part, start, rest @ ..]) if rest.len() < 2 => {
                let text = self.arguments(std::slice::from_ref(text), "t", row)?;
                let part = self.arguments(std::slice::from_ref(part), "t", row)?;
                let start = self.arguments(std::slice::from_ref(start), "i", row)?;
                let length = match rest {
                    [] => String::new(),
                    rest => format!(" FOR {}", self.arguments(rest, "i", row)?),
                };
                format!("OVERLAY({text} PLACING {part} FROM {start}{length})")
            }
            ("regexp_instr", args) if args.len() <= 4 => {
                let args = self.arguments(args, "ttii", row)?;
                self.invoke("regexp_instr", &args)
            }
            ("sha224" | "sha256" | "sha384" | "sha512", [value]) => {
                let bytes = self.utf8(value, row)?;
                self.invoke(name, &bytes)
            }
            ("to_timestamp" | "to_timestamp_micros", [number]) => {
                let number = self.arguments(std::slice::from_ref(number), "f", row)?;
                self.invoke("to_timestamp", &number)
            }
            ("to_timestamp" | "to_timestamp_micros", [_, _]) => {
                let args = self.arguments(args, "t", row)?;
                self.invoke("to_timestamp", &args)
            }
            ("array_has", [array, value]) => {
                let (array, value) = (self.expr(array, row)?, self.expr(value, row)?);
                return Ok(format!("({value} = ANY ({array}))"));
            }
            ("make_array", values) => format!("ARRAY[{}]", self.exprs(values, row)?),
            ("array_element", [array, index]) => {
                let (array, index) = (self.expr(array, row)?, self.expr(index, row)?);
                format!("({array})[CAST({index} AS integer)]")
            }
            ("generate_series" | "tg_date_series", args) => {
                let args = self.exprs(args, row)?;
                let alias = self.name();
                self.printed.table_functions.insert("generate_series".to_owned());
                let text = format!(
                    "ARRAY(SELECT \"{alias}\".\"c0\" FROM \
                     \"pg_catalog\".\"generate_series\"({args}) AS \"{alias}\" (\"c0\"))"
                );
                self.printed.aliases.insert(alias);
                text
            }
            _ => return Err(self.unknown(name)),
        };
        self.typed(text, &result)
    }

    fn operation(
        &mut self,
        left: &Expr,
        op: &str,
        right: &Expr,
        row: Row<'_>,
    ) -> Result<String, Error> {
        Ok(format!("({} {op} {})", self.expr(left, row)?, self.expr(right, row)?))
    }

    /// A quotient of decimals, whose digits after the point PostgreSQL chooses by the values: at least as
    /// many as the dividend has.
    fn quotient(
        &mut self,
        left: &Expr,
        right: &Expr,
        result: &DataType,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let DataType::Decimal128(_, scale) = result else {
            return Err(Error::internal("a quotient of other numbers"));
        };
        let (left, right) = (self.expr(left, row)?, self.expr(right, row)?);
        let scale = self.integer(i64::from(*scale))?;
        let left =
            self.invoke("round", &format!("CAST({left} AS numeric), CAST({scale} AS integer)"));
        Ok(format!("({left} / {right})"))
    }

    /// A call of one of the warehouse's own functions, whatever stands in schemas. (Snowflake's come
    /// before all others of their name.)
    pub(super) fn invoke(&mut self, function: &str, args: &str) -> String {
        self.printed.functions.insert(function.to_owned());
        match self.dialect {
            Dialect::Postgres => format!("\"pg_catalog\".\"{function}\"({args})"),
            Dialect::Snowflake => format!("{function}({args})"),
        }
    }

    /// Arguments with the types that the letters say.
    pub(super) fn arguments(
        &mut self,
        args: &[Expr],
        types: &str,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let mut texts = Vec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            let letter = types.as_bytes().get(index).or(types.as_bytes().last());
            let wanted = match letter {
                Some(b't') => DataType::Utf8,
                Some(b'i') => DataType::Int32,
                Some(b'f') => DataType::Float64,
                Some(b'n') => DataType::Decimal128(38, 10),
                _ => {
                    texts.push(self.expr(arg, row)?);
                    continue;
                }
            };
            let is = type_of(arg, row)?;
            let text = self.expr(arg, row)?;
            if self.dialect.kind(&is)? == Kind::Text && wanted != DataType::Utf8 {
                return Err(self.dialect.unsupported("a text as a number of a function"));
            }
            texts.push(if self.dialect.kind(&is)? == Kind::Text {
                text
            } else {
                self.typed(text, &wanted)?
            });
        }
        Ok(texts.join(", "))
    }

    /// A text as its bytes in UTF-8, or bytes.
    pub(super) fn utf8(&mut self, value: &Expr, row: Row<'_>) -> Result<String, Error> {
        let is = self.dialect.kind(&type_of(value, row)?)?;
        let text = self.expr(value, row)?;
        match is {
            Kind::Bytes => Ok(text),
            Kind::Text if self.dialect == Dialect::Snowflake => {
                let encoding = self.quoted("UTF-8")?;
                Ok(self.invoke("TO_BINARY", &format!("{text}, {encoding}")))
            }
            Kind::Text => {
                let encoding = self.text("UTF8")?;
                Ok(self.invoke("convert_to", &format!("{text}, CAST({encoding} AS name)")))
            }
            _ => Err(self.dialect.unsupported("a hash of what is neither text nor bytes")),
        }
    }

    /// The refusal of a function, by the name that users know.
    pub(super) fn unknown(&self, engine: &str) -> Error {
        unknown(self.dialect, engine)
    }
}

/// The error of a function, by the engine's name, that a warehouse doesn't have or not so.
pub(super) fn unknown(dialect: Dialect, engine: &str) -> Error {
    dialect.unsupported(&match functions::user_name(engine) {
        Some(name) => format!("this use of the function \"{name}\""),
        None => "a function of the gateway's own".to_owned(),
    })
}
