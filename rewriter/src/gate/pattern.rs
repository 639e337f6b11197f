//! Patterns in the forms that the planner gets right.

use datafusion_sql::sqlparser::ast::{DataType, Expr, Value};
use tollgate_catalog::{Error, ErrorKind};

fn literal(pattern: &Expr) -> Option<&str> {
    let Expr::Value(value) = pattern else { return None };
    match &value.value {
        Value::SingleQuotedString(text) => Some(text),
        _ => None,
    }
}

/// `LIKE 'a/_%' ESCAPE '/'` with the default escape, the backslash.
pub(super) fn unescape(escape: &Value, pattern: &mut Expr) -> Result<(), Error> {
    let Value::SingleQuotedString(escape) = escape else {
        return Err(Error::not_supported("this ESCAPE"));
    };
    if escape == "\\" {
        return Ok(());
    }
    let mut characters = escape.chars();
    let (escape, None) = (characters.next(), characters.next()) else {
        return Err(Error::new(ErrorKind::InvalidParameterValue, "invalid escape string")
            .with_hint("escape string must be empty or one character"));
    };
    let Some(text) = literal(pattern) else {
        return Err(Error::not_supported("ESCAPE with a computed pattern"));
    };
    let mut out = String::with_capacity(text.len() + 4);
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if Some(character) == escape {
            let Some(next) = rest.next() else {
                return Err(Error::new(
                    ErrorKind::InvalidParameterValue,
                    "LIKE pattern must not end with escape character",
                ));
            };
            if matches!(next, '%' | '_' | '\\') {
                out.push('\\');
            }
            out.push(next);
        } else {
            if character == '\\' {
                out.push('\\');
            }
            out.push(character);
        }
    }
    *pattern = super::expr::string(&out);
    Ok(())
}

/// A SIMILAR TO pattern as an anchored regular expression.
pub(super) fn similar_to_regex(pattern: &Expr) -> Result<String, Error> {
    let Some(text) = literal(pattern) else {
        return Err(Error::not_supported("SIMILAR TO with a computed pattern")
            .with_hint("use LIKE or the operator ~"));
    };
    let mut out = String::from("^(?:");
    let mut bracket = false;
    for character in text.chars() {
        match character {
            '\\' => return Err(Error::not_supported("an escape in SIMILAR TO")),
            '[' => {
                bracket = true;
                out.push('[');
            }
            ']' => {
                bracket = false;
                out.push(']');
            }
            '%' if !bracket => out.push_str(".*"),
            '_' if !bracket => out.push('.'),
            '.' | '^' | '$' if !bracket => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    out.push_str(")$");
    Ok(out)
}

/// `interval '1 day 03:04:05'` with its time in words, as the planner reads it.
pub(super) fn spell_out_time(value: &mut Expr) {
    let Some(text) = literal(value) else { return };
    if !text.contains(':') {
        return;
    }
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| {
            let (sign, time) = match word.strip_prefix('-') {
                Some(time) => ("-", time),
                None => ("", word),
            };
            let mut parts = time.split(':');
            match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (Some(hours), Some(minutes), seconds, None) => {
                    let seconds = seconds.unwrap_or("0");
                    format!("{sign}{hours} hours {sign}{minutes} minutes {sign}{seconds} seconds")
                }
                _ => word.to_owned(),
            }
        })
        .collect();
    *value = super::expr::string(&words.join(" "));
}

/// A timestamp literal without seconds, `2025-01-01 10:30+01`, with them, as the engine reads it.
pub(super) fn pad_time(data_type: &DataType, value: &mut Value) {
    if !matches!(data_type, DataType::Timestamp(..)) {
        return;
    }
    let Value::SingleQuotedString(text) = value else { return };
    let Some((day, time)) = text.split_once([' ', 'T']) else { return };
    let (minutes, rest) = match time.split_at_checked(5) {
        Some(parts) => parts,
        None => return,
    };
    let short = minutes.bytes().enumerate().all(|(at, byte)| match at {
        2 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    if short && (rest.is_empty() || rest.starts_with(['+', '-', 'Z'])) {
        *text = format!("{day} {minutes}:00{rest}");
    }
}
