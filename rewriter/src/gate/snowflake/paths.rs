//! Paths into semi-structured values: `v:a.b[0]`, `v['a']`, `GET(v, 'a')` and `GET_PATH(v, 'a.b[0]')`.
//!
//! A path becomes one operation for each of its steps, whose keys and places are constants: what a step
//! is called reaches a warehouse as a bound value, whatever stands in it.

use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr, JsonPathElem};
use tollgate_catalog::{Error, ErrorKind};

use super::functions::two;
use super::make::{literal, nested, whole};
use crate::gate::expr::{number, string};
use crate::operands::Typed;

/// The most steps of one path.
const MAX_STEPS: usize = 64;
/// The longest key, in bytes.
const MAX_KEY: usize = 1_024;

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The value of an object's key.
    Key(String),
    /// The element of an array, from 0.
    Place(u32),
}

/// `value:a.b[0]`, `value['a']`.
///
/// # Errors
/// A step that isn't a constant, or too much of them.
pub(super) fn access(value: Expr, path: &[JsonPathElem]) -> Result<Expr, Error> {
    let steps = path.iter().map(|step| match step {
        JsonPathElem::Dot { key, quoted: _ } => Ok(Step::Key(key.clone())),
        JsonPathElem::Bracket { key } => constant(key),
        // Another product's.
        JsonPathElem::ColonBracket { .. } => Err(super::unknown("a path")),
    });
    taken(value, steps.collect::<Result<_, _>>()?)
}

/// `GET(value, 'key')`, `GET(value, 0)`.
pub(super) fn get(arguments: Vec<Expr>) -> Result<Option<Expr>, Error> {
    let Some([value, step]) = two(arguments) else { return Ok(None) };
    constant(&step).and_then(|step| taken(value, vec![step])).map(Some)
}

/// `GET_PATH(value, 'a.b[0]')`.
pub(super) fn get_path(arguments: Vec<Expr>) -> Result<Option<Expr>, Error> {
    let Some([value, path]) = two(arguments) else { return Ok(None) };
    let Some(steps) = literal(&path).and_then(steps) else {
        return Err(Error::not_supported("this path into a semi-structured value")
            .with_hint("write a constant text such as 'a.b[0]' or '[\"a key\"].b'"));
    };
    taken(value, steps).map(Some)
}

/// What a step in brackets is.
fn constant(step: &Expr) -> Result<Step, Error> {
    if let Some(key) = literal(step) {
        return Ok(Step::Key(key.to_owned()));
    }
    match whole(step).map(u32::try_from) {
        Some(Ok(place)) => Ok(Step::Place(place)),
        Some(Err(_)) | None => Err(Error::not_supported("a computed step of a path")
            .with_hint("write a text in single quotes or a number from 0")),
    }
}

/// A value's value at the end of a path.
fn taken(value: Expr, steps: Vec<Step>) -> Result<Expr, Error> {
    let limit = |what: String| Error::new(ErrorKind::ProgramLimit, what).with_hint("shorten it");
    if steps.len() > MAX_STEPS {
        return Err(limit(format!("a path has more than {MAX_STEPS} steps")));
    }
    let mut made = nested(value);
    for step in steps {
        let step = match step {
            Step::Key(key) if key.len() > MAX_KEY => {
                return Err(limit(format!("a key in a path has more than {MAX_KEY} bytes")));
            }
            Step::Key(key) => string(&key),
            Step::Place(place) => number(&place.to_string()),
        };
        let (left, right) = (Box::new(made), Box::new(step));
        let op: BinaryOperator = Typed::Get.operator();
        made = Expr::BinaryOp { left, op, right };
    }
    Ok(made)
}

/// Whether a text is a path, of not too many steps.
pub(super) fn is_read(path: &str) -> bool {
    steps(path).is_some_and(|steps| steps.len() <= MAX_STEPS)
}

/// The steps that a text says: names, keys in double quotes, places and keys in brackets.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        let (step, after) = match rest.strip_prefix('[') {
            Some(inside) => {
                let (step, after) = bracketed(inside)?;
                (step, after.strip_prefix(']')?)
            }
            None => {
                let name = if steps.is_empty() { rest } else { rest.strip_prefix('.')? };
                match name.strip_prefix('"') {
                    Some(inside) => quoted(inside, '"')?,
                    None => plain(name)?,
                }
            }
        };
        steps.push(step);
        if after.is_empty() {
            return Some(steps);
        }
        rest = after;
    }
}

fn bracketed(inside: &str) -> Option<(Step, &str)> {
    if let Some(key) = inside.strip_prefix('"') {
        return quoted(key, '"');
    }
    if let Some(key) = inside.strip_prefix('\'') {
        return quoted(key, '\'');
    }
    let end = inside.find(|c: char| !c.is_ascii_digit())?;
    let (digits, after) = inside.split_at_checked(end)?;
    Some((Step::Place(digits.parse().ok()?), after))
}

/// A key up to the next quote. One that holds quotes or escapes has several readings.
fn quoted(inside: &str, quote: char) -> Option<(Step, &str)> {
    let (key, after) = inside.split_once(quote)?;
    let clear = !key.is_empty() && !key.contains('\\') && !after.starts_with(quote);
    clear.then(|| (Step::Key(key.to_owned()), after))
}

fn plain(name: &str) -> Option<(Step, &str)> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
    let end = name.find(|c: char| !letter(c)).unwrap_or(name.len());
    let (key, after) = name.split_at_checked(end)?;
    let first = key.chars().next()?;
    (first.is_ascii_alphabetic() || first == '_').then(|| (Step::Key(key.to_owned()), after))
}

#[cfg(test)]
mod tests {
    use super::Step::{self, Key, Place};
    use super::steps;

    #[test]
    fn a_path_is_read_in_one_way_or_not_at_all() {
        let key = |key: &str| Key(key.to_owned());
        for (path, expected) in [
            ("a", Some(vec![key("a")])),
            ("a.B_1[0].c$", Some(vec![key("a"), key("B_1"), Place(0), key("c$")])),
            ("[7][\"x.y\"]['z']", Some(vec![Place(7), key("x.y"), key("z")])),
            ("\"it's\".b", Some(vec![key("it's"), key("b")])),
            ("['\"']", Some(vec![key("\"")])),
            ("", None),
            (".a", None),
            ("a.", None),
            ("a..b", None),
            ("a b", None),
            ("a[-1]", None),
            ("a[1", None),
            ("a[b]", None),
            ("a[99999999999]", None),
            ("a\"b\"", None),
            ("\"a\"\"b\"", None),
            ("['a\\'b']", None),
            ("['']", None),
            ("1a", None),
            ("a:b", None),
            ("é", None),
        ] {
            let found: Option<Vec<Step>> = steps(path);
            assert_eq!(found, expected, "{path}");
        }
    }
}
