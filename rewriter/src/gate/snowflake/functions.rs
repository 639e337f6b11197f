//! Snowflake's functions: all that exist in its dialect, and what each is here.
//!
//! A function that isn't in the table doesn't exist. What has another meaning in PostgreSQL under the
//! same name, for some arguments, is translated for the others only.

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Value, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowType,
};
use tollgate_catalog::Error;

use super::make::{
    arguments, binary, call, case, integer, is_not_null, is_null, literal, matched, minus, nested,
    or, typed, unless_null, values, whole,
};
use super::{casts, dates, documents, paths, strings};
use crate::gate::expr::string;
use crate::operands::{Document, Typed};

/// What a function of Snowflake's is.
#[derive(Clone, Copy)]
enum Form {
    /// The function of PostgreSQL's with this name.
    Same(&'static str),
    /// An expression of the arguments; nothing if it isn't one of these.
    Made(fn(Vec<Expr>) -> Option<Expr>),
    /// The same, where the call has more to it than arguments.
    Call(fn(Function) -> Option<Expr>),
    /// An expression of the arguments, or an error that says what is wrong with them.
    Checked(fn(Vec<Expr>) -> Result<Option<Expr>, Error>),
}

use Form::{Call, Checked, Made, Same};

/// Snowflake's functions by their names in lower case.
const FUNCTIONS: &[(&str, Form)] = &[
    // Conditions.
    ("coalesce", Same("coalesce")),
    ("decode", Made(decode)),
    ("div0", Made(|a| div0(a, false))),
    ("div0null", Made(|a| div0(a, true))),
    ("equal_null", Made(equal_null)),
    ("greatest", Made(|a| of_all("greatest", a))),
    ("greatest_ignore_nulls", Same("greatest")),
    ("iff", Made(iff)),
    ("ifnull", Made(|a| pair("coalesce", a))),
    ("least", Made(|a| of_all("least", a))),
    ("least_ignore_nulls", Same("least")),
    ("nullif", Same("nullif")),
    ("nullifzero", Made(|a| one(a).map(|x| call("nullif", vec![x, integer(0)])))),
    ("nvl", Made(|a| pair("coalesce", a))),
    ("nvl2", Made(nvl2)),
    ("zeroifnull", Made(|a| one(a).map(|x| call("coalesce", vec![x, integer(0)])))),
    // Numbers.
    ("abs", Same("abs")),
    ("acos", Same("acos")),
    ("asin", Same("asin")),
    ("atan", Same("atan")),
    ("atan2", Same("atan2")),
    ("cbrt", Same("cbrt")),
    ("cos", Same("cos")),
    ("cot", Same("cot")),
    ("degrees", Same("degrees")),
    ("exp", Same("exp")),
    ("factorial", Same("factorial")),
    ("ln", Same("ln")),
    ("log", Made(|a| pair("log", a))),
    ("mod", Same("mod")),
    ("pi", Same("pi")),
    ("pow", Same("power")),
    ("power", Same("power")),
    ("radians", Same("radians")),
    ("round", Made(round)),
    ("sign", Same("sign")),
    ("sin", Same("sin")),
    ("sqrt", Same("sqrt")),
    ("tan", Same("tan")),
    ("trunc", Made(dates::trunc)),
    ("truncate", Made(dates::trunc)),
    // Texts.
    ("ascii", Same("ascii")),
    ("bit_length", Same("bit_length")),
    ("char", Same("chr")),
    ("charindex", Made(|a| two(a).map(|[part, text]| call("strpos", vec![text, part])))),
    ("chr", Same("chr")),
    ("concat", Made(strings::concat)),
    ("concat_ws", Made(|a| of_all("concat_ws", a))),
    ("contains", Made(strings::contains)),
    ("endswith", Made(strings::ends_with)),
    ("left", Made(|a| strings::side("left", a))),
    ("len", Same("length")),
    ("length", Same("length")),
    ("lower", Same("lower")),
    ("lpad", Made(|a| three(a).map(|of| call("lpad", of.into())))),
    ("ltrim", Same("ltrim")),
    ("md5", Same("md5")),
    ("md5_hex", Same("md5")),
    ("octet_length", Same("octet_length")),
    ("position", Made(|a| two(a).map(|[part, text]| call("strpos", vec![text, part])))),
    ("replace", Made(strings::replace)),
    ("reverse", Same("reverse")),
    ("right", Made(|a| strings::side("right", a))),
    ("rpad", Made(|a| three(a).map(|of| call("rpad", of.into())))),
    ("rtrim", Same("rtrim")),
    ("split_part", Made(strings::split_part)),
    ("startswith", Same("starts_with")),
    ("substr", Made(strings::substr)),
    ("substring", Made(strings::substr)),
    ("translate", Same("translate")),
    ("upper", Same("upper")),
    // Dates and times.
    ("current_date", Same("current_date")),
    ("current_timestamp", Made(|a| none(a).map(|()| call("now", Vec::new())))),
    ("date_from_parts", Same("make_date")),
    ("date_part", Made(dates::date_part)),
    ("date_trunc", Made(dates::date_trunc)),
    ("dateadd", Made(dates::add)),
    ("datediff", Made(dates::difference)),
    ("datefromparts", Same("make_date")),
    ("day", Made(|a| dates::field("day", a))),
    ("dayname", Made(dates::day_name)),
    ("dayofmonth", Made(|a| dates::field("day", a))),
    ("dayofweek", Made(|a| dates::field("dayofweek", a))),
    ("dayofweekiso", Made(|a| dates::field("dayofweekiso", a))),
    ("dayofyear", Made(|a| dates::field("dayofyear", a))),
    ("getdate", Made(|a| none(a).map(|()| call("now", Vec::new())))),
    ("hour", Made(|a| dates::field("hour", a))),
    ("last_day", Made(dates::last_day)),
    ("localtimestamp", Made(|a| none(a).map(|()| call("now", Vec::new())))),
    ("minute", Made(|a| dates::field("minute", a))),
    ("month", Made(|a| dates::field("month", a))),
    ("monthname", Made(dates::month_name)),
    ("quarter", Made(|a| dates::field("quarter", a))),
    ("second", Made(|a| dates::field("second", a))),
    ("timeadd", Made(dates::add)),
    ("timediff", Made(dates::difference)),
    ("timestampadd", Made(dates::add)),
    ("timestampdiff", Made(dates::difference)),
    ("week", Made(|a| dates::field("week", a))),
    ("weekiso", Made(|a| dates::field("week", a))),
    ("weekofyear", Made(|a| dates::field("week", a))),
    ("year", Made(|a| dates::field("year", a))),
    ("yearofweekiso", Made(|a| dates::field("yearofweekiso", a))),
    // Conversions.
    ("date", Made(casts::to_date)),
    ("to_boolean", Made(casts::to_boolean)),
    ("to_char", Made(casts::to_char)),
    ("to_date", Made(casts::to_date)),
    ("to_decimal", Made(casts::to_number)),
    ("to_double", Made(casts::to_double)),
    ("to_number", Made(casts::to_number)),
    ("to_numeric", Made(casts::to_number)),
    ("to_time", Made(casts::to_time)),
    ("to_timestamp", Made(casts::to_timestamp)),
    ("to_timestamp_ntz", Made(casts::to_timestamp)),
    ("to_varchar", Made(casts::to_char)),
    ("try_to_boolean", Made(casts::try_to_boolean)),
    ("try_to_date", Made(casts::try_to_date)),
    ("try_to_decimal", Made(casts::try_to_number)),
    ("try_to_double", Made(casts::try_to_double)),
    ("try_to_number", Made(casts::try_to_number)),
    ("try_to_numeric", Made(casts::try_to_number)),
    ("try_to_timestamp", Made(casts::try_to_timestamp)),
    ("try_to_timestamp_ntz", Made(casts::try_to_timestamp)),
    // Semi-structured values.
    ("array_contains", Checked(documents::contains)),
    ("array_size", Made(|a| documents::of(Document::ArraySize, a))),
    ("get", Checked(paths::get)),
    ("get_path", Checked(paths::get_path)),
    ("is_null_value", Made(|a| documents::of(Document::IsNullValue, a))),
    ("object_keys", Made(|a| documents::of(Document::ObjectKeys, a))),
    ("parse_json", Made(|a| documents::of(Document::ParseJson, a))),
    ("try_parse_json", Made(|a| documents::of(Document::TryParseJson, a))),
    ("typeof", Made(|a| documents::of(Document::TypeOf, a))),
    // The session.
    ("current_database", Same("current_database")),
    ("current_schema", Same("current_schema")),
    ("current_user", Same("current_user")),
    // Aggregates.
    ("any_value", Same("any_value")),
    ("avg", Same("avg")),
    ("booland_agg", Same("bool_and")),
    ("boolor_agg", Same("bool_or")),
    ("corr", Same("corr")),
    ("count", Same("count")),
    ("count_if", Call(count_if)),
    ("covar_pop", Same("covar_pop")),
    ("covar_samp", Same("covar_samp")),
    ("grouping", Same("grouping")),
    ("listagg", Call(listagg)),
    ("max", Same("max")),
    ("min", Same("min")),
    ("percentile_cont", Same("percentile_cont")),
    ("regr_avgx", Same("regr_avgx")),
    ("regr_avgy", Same("regr_avgy")),
    ("regr_count", Same("regr_count")),
    ("regr_intercept", Same("regr_intercept")),
    ("regr_r2", Same("regr_r2")),
    ("regr_slope", Same("regr_slope")),
    ("regr_sxx", Same("regr_sxx")),
    ("regr_sxy", Same("regr_sxy")),
    ("regr_syy", Same("regr_syy")),
    ("stddev", Same("stddev_samp")),
    ("stddev_pop", Same("stddev_pop")),
    ("stddev_samp", Same("stddev_samp")),
    ("string_agg", Call(listagg)),
    ("sum", Same("sum")),
    ("var_pop", Same("var_pop")),
    ("var_samp", Same("var_samp")),
    ("variance", Same("var_samp")),
    ("variance_pop", Same("var_pop")),
    ("variance_samp", Same("var_samp")),
    // Windows.
    ("cume_dist", Same("cume_dist")),
    ("dense_rank", Same("dense_rank")),
    ("first_value", Call(|f| over_all("first_value", f))),
    ("lag", Same("lag")),
    ("last_value", Call(|f| over_all("last_value", f))),
    ("lead", Same("lead")),
    ("nth_value", Call(|f| over_all("nth_value", f))),
    ("ntile", Same("ntile")),
    ("percent_rank", Same("percent_rank")),
    ("rank", Same("rank")),
    ("row_number", Same("row_number")),
];

/// What a call is here. Its name has one part, in lower case.
///
/// # Errors
/// A function that isn't known, or not with these arguments.
pub(super) fn translate(name: &str, function: &mut Function) -> Result<Option<Expr>, Error> {
    let Some((_, form)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
        return Err(crate::gate::function::undefined(name));
    };
    let made = match form {
        Same(of) => {
            function.name = crate::gate::quoted_name([super::make::POSTGRES, *of]);
            return Ok(None);
        }
        Made(of) => arguments(function).and_then(*of),
        Call(of) => of(function.clone()),
        Checked(of) => match arguments(function) {
            Some(arguments) => of(arguments)?,
            None => None,
        },
    };
    made.map(Some).ok_or_else(|| {
        Error::not_supported(&format!("this form of the function \"{name}\""))
            .with_hint("the documentation says which forms of Snowflake's functions are known")
    })
}

pub(super) fn none(arguments: Vec<Expr>) -> Option<()> {
    arguments.is_empty().then_some(())
}

pub(super) fn one(arguments: Vec<Expr>) -> Option<Expr> {
    <[Expr; 1]>::try_from(arguments).ok().map(|[only]| only)
}

pub(super) fn two(arguments: Vec<Expr>) -> Option<[Expr; 2]> {
    arguments.try_into().ok()
}

pub(super) fn three(arguments: Vec<Expr>) -> Option<[Expr; 3]> {
    arguments.try_into().ok()
}

fn pair(name: &str, arguments: Vec<Expr>) -> Option<Expr> {
    two(arguments).map(|both| call(name, both.into()))
}

fn iff(arguments: Vec<Expr>) -> Option<Expr> {
    three(arguments)
        .map(|[condition, then, otherwise]| case(vec![(condition, then)], Some(otherwise)))
}

fn nvl2(arguments: Vec<Expr>) -> Option<Expr> {
    three(arguments)
        .map(|[value, then, otherwise]| case(vec![(is_not_null(value), then)], Some(otherwise)))
}

fn equal_null(arguments: Vec<Expr>) -> Option<Expr> {
    two(arguments).map(|[left, right]| {
        nested(Expr::IsNotDistinctFrom(Box::new(nested(left)), Box::new(nested(right))))
    })
}

/// NULL is found among the values that are looked for, where NULL is one of them.
fn decode(arguments: Vec<Expr>) -> Option<Expr> {
    let mut rest = arguments.into_iter();
    let value = rest.next()?;
    let (mut whens, mut otherwise) = (Vec::new(), None);
    while let Some(search) = rest.next() {
        match rest.next() {
            Some(result) => whens.push((search, result)),
            None => otherwise = Some(search),
        }
    }
    if whens.is_empty() {
        return None;
    }
    if whens.iter().all(|(search, _)| is_known(search)) {
        return Some(matched(Some(value), whens, otherwise));
    }
    let same = |search: Expr| {
        Expr::IsNotDistinctFrom(Box::new(nested(value.clone())), Box::new(nested(search)))
    };
    let whens = whens.into_iter().map(|(search, result)| (same(search), result)).collect();
    Some(case(whens, otherwise))
}

/// Whether an expression is a literal that isn't NULL.
fn is_known(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => !matches!(value.value, Value::Null | Value::Placeholder(_)),
        Expr::TypedString(_) => true,
        other => whole(other).is_some(),
    }
}

fn div0(arguments: Vec<Expr>, null_too: bool) -> Option<Expr> {
    let [dividend, divisor] = two(arguments)?;
    let mut zero = binary(divisor.clone(), BinaryOperator::Eq, integer(0));
    if null_too {
        zero = or(zero, is_null(divisor.clone()));
    }
    // Nothing divided is nothing, by whatever.
    let zero = super::make::and(zero, is_not_null(dividend.clone()));
    Some(case(vec![(zero, integer(0))], Some(binary(dividend, BinaryOperator::Divide, divisor))))
}

/// A function that is NULL if an argument is, where PostgreSQL's leaves NULL out of account.
fn of_all(name: &str, arguments: Vec<Expr>) -> Option<Expr> {
    (!arguments.is_empty()).then(|| unless_null(&arguments.clone(), call(name, arguments)))
}

fn round(arguments: Vec<Expr>) -> Option<Expr> {
    let mut rest = arguments.into_iter();
    let number = rest.next()?;
    let digits = rest.next().unwrap_or_else(|| integer(0));
    rest.next().is_none().then(|| typed(number, Typed::Round, digits))
}

/// `count_if(condition)` counts rows that fulfil it.
fn count_if(mut function: Function) -> Option<Expr> {
    let condition = one(values(&function.args)?)?;
    if function.filter.is_some() || !function.within_group.is_empty() {
        return None;
    }
    function.filter = Some(Box::new(condition));
    if let FunctionArguments::List(list) = &mut function.args {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
    }
    function.name = crate::gate::quoted_name([super::make::POSTGRES, "count"]);
    Some(Expr::Function(function))
}

/// `listagg(value, separator) WITHIN GROUP (ORDER BY …)`: of no value it is empty, not NULL.
fn listagg(mut function: Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &mut function.args else { return None };
    if !list.clauses.is_empty() || function.filter.is_some() {
        return None;
    }
    match list.args.len() {
        1 => list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(string("")))),
        2 => {}
        _ => return None,
    }
    let separator = list.args.last().and_then(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => literal(expr),
        _ => None,
    });
    separator?;
    let keys = std::mem::take(&mut function.within_group);
    if !keys.is_empty() {
        list.clauses.push(FunctionArgumentClause::OrderBy(keys));
    }
    function.name = crate::gate::quoted_name([super::make::POSTGRES, "string_agg"]);
    Some(call("coalesce", vec![Expr::Function(function), string("")]))
}

/// These look at the whole window if nothing is said of its frame.
fn over_all(name: &str, mut function: Function) -> Option<Expr> {
    match &mut function.over {
        Some(WindowType::WindowSpec(spec)) if spec.window_name.is_none() => {
            if spec.window_frame.is_none() {
                spec.window_frame = Some(WindowFrame {
                    units: WindowFrameUnits::Rows,
                    start_bound: WindowFrameBound::Preceding(None),
                    end_bound: Some(WindowFrameBound::Following(None)),
                });
            }
        }
        Some(WindowType::WindowSpec(_) | WindowType::NamedWindow(_)) | None => return None,
    }
    function.name = crate::gate::quoted_name([super::make::POSTGRES, name]);
    Some(Expr::Function(function))
}

/// The opposite number of a literal, of anything else its negation.
pub(super) fn negated(expr: Expr) -> Expr {
    match whole(&expr).and_then(i64::checked_neg) {
        Some(value) => integer(value),
        None => minus(expr),
    }
}

#[cfg(test)]
mod tests {
    use super::FUNCTIONS;

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
    }
}
