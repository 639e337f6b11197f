//! `to_char` of dates and times: the pieces that PostgreSQL's pattern names, each of a field, so that no
//! format of Snowflake's plays a part.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_expr::Expr;
use tollgate_catalog::Error;

use super::bounded;
use crate::render::barrier::has_subquery;
use crate::render::expr::type_of;
use crate::render::types::Kind;
use crate::render::{Printer, Row};

const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: &[&str] =
    &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// The width to which names are filled up.
const WIDTH: usize = 9;

/// What a pattern is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// A function's number, with as many digits at least.
    Number(&'static str, usize),
    /// Hours from 1 to 12.
    Twelve,
    /// Days of the week from 1, Sunday's, to 7.
    Sunday,
    /// `AM` or `PM`.
    Half,
    /// The name of a month, or its first three letters.
    Month(Letters, bool),
    /// The same of a day of the week.
    Day(Letters, bool),
    /// A word of PostgreSQL's that isn't printed.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    Upper,
    Lower,
    Both,
}

/// PostgreSQL's words; one that begins with another stands before it.
const WORDS: &[(&str, Field)] = &[
    ("YYYY", Field::Number("YEAR", 4)),
    ("IYYY", Field::Number("YEAROFWEEKISO", 4)),
    ("Month", Field::Month(Letters::Both, false)),
    ("MONTH", Field::Month(Letters::Upper, false)),
    ("month", Field::Month(Letters::Lower, false)),
    ("Mon", Field::Month(Letters::Both, true)),
    ("MON", Field::Month(Letters::Upper, true)),
    ("mon", Field::Month(Letters::Lower, true)),
    ("Day", Field::Day(Letters::Both, false)),
    ("DAY", Field::Day(Letters::Upper, false)),
    ("day", Field::Day(Letters::Lower, false)),
    ("Dy", Field::Day(Letters::Both, true)),
    ("DY", Field::Day(Letters::Upper, true)),
    ("dy", Field::Day(Letters::Lower, true)),
    ("HH24", Field::Number("HOUR", 2)),
    ("HH12", Field::Twelve),
    ("HH", Field::Twelve),
    ("MM", Field::Number("MONTH", 2)),
    ("MI", Field::Number("MINUTE", 2)),
    ("SSSS", Field::Unknown),
    ("SS", Field::Number("SECOND", 2)),
    ("DDD", Field::Number("DAYOFYEAR", 3)),
    ("DD", Field::Number("DAY", 2)),
    ("IDDD", Field::Unknown),
    ("ID", Field::Number("DAYOFWEEKISO", 1)),
    ("IW", Field::Number("WEEKISO", 2)),
    ("D", Field::Sunday),
    ("Q", Field::Number("QUARTER", 1)),
    ("AM", Field::Half),
    ("PM", Field::Half),
];

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A field, and whether it is filled up.
    Field(Field, bool),
}

/// The pieces of a pattern, if each of its words is known.
fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut literal = String::new();
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        if character == '"' {
            let (quoted, after) = rest.get(1..)?.split_once('"')?;
            if quoted.contains('\\') {
                return None;
            }
            literal.push_str(quoted);
            rest = after;
            continue;
        }
        if character == '\\' {
            return None;
        }
        if !character.is_alphanumeric() {
            literal.push(character);
            rest = rest.get(character.len_utf8()..)?;
            continue;
        }
        let (filled, word) = match rest.strip_prefix("FM") {
            Some(word) => (false, word),
            None => (true, rest),
        };
        let (name, field) = WORDS.iter().find(|(name, _)| word.starts_with(name))?;
        if *field == Field::Unknown {
            return None;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Field(*field, filled));
        rest = word.get(name.len()..)?;
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    (!pieces.is_empty()).then_some(pieces)
}

impl Printer {
    /// `to_char(value, pattern)`.
    pub(super) fn formatted(
        &mut self,
        value: &Expr,
        pattern: &str,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let is = self.dialect.kind(&type_of(value, row)?)?;
        let pieces = pieces(pattern).filter(|_| matches!(is, Kind::Date | Kind::Timestamp));
        let Some(pieces) = pieces.filter(|_| !has_subquery(value)) else {
            return Err(self.unknown("to_char"));
        };
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let value =
            format!("CAST({} AS {})", self.expr(value, row)?, self.dialect.name(&micros, false)?);
        bounded(pieces.len() * (value.len() * 2 + 256))?;
        let mut texts = Vec::with_capacity(pieces.len());
        for piece in &pieces {
            texts.push(match piece {
                Piece::Text(text) => self.text(text)?,
                Piece::Field(field, filled) => self.field(*field, *filled, &value)?,
            });
        }
        // Of NULL it is NULL, also without a field.
        let text = self.dialect.name(&DataType::Utf8, false)?;
        Ok(format!(
            "(CASE WHEN ({value} IS NOT NULL) THEN CAST(({}) AS {text}) END)",
            texts.join(" || ")
        ))
    }

    fn field(&mut self, field: Field, filled: bool, value: &str) -> Result<String, Error> {
        match field {
            Field::Number(function, digits) => {
                let number = self.invoke(function, value);
                self.digits(&number, if filled { digits } else { 1 })
            }
            Field::Twelve => {
                let hour = self.invoke("HOUR", value);
                let (eleven, twelve) = (self.integer(11)?, self.integer(12)?);
                let hour = self.invoke("MOD", &format!("({hour} + {eleven}), {twelve}"));
                let one = self.integer(1)?;
                self.digits(&format!("({hour} + {one})"), if filled { 2 } else { 1 })
            }
            Field::Sunday => {
                let day = self.invoke("DAYOFWEEKISO", value);
                let seven = self.integer(7)?;
                let day = self.invoke("MOD", &format!("{day}, {seven}"));
                let one = self.integer(1)?;
                self.digits(&format!("({day} + {one})"), 1)
            }
            Field::Half => {
                let hour = self.invoke("HOUR", value);
                let (noon, am, pm) = (self.integer(12)?, self.text("AM")?, self.text("PM")?);
                Ok(format!("(CASE WHEN ({hour} < {noon}) THEN {am} ELSE {pm} END)"))
            }
            Field::Month(letters, short) => {
                let month = self.invoke("MONTH", value);
                self.named(&month, MONTHS, letters, short, filled)
            }
            Field::Day(letters, short) => {
                let day = self.invoke("DAYOFWEEKISO", value);
                self.named(&day, DAYS, letters, short, filled)
            }
            Field::Unknown => Err(Error::internal("a word that isn't printed")),
        }
    }

    /// A number with so many digits at least: `LPAD` alone would cut longer ones.
    fn digits(&mut self, number: &str, digits: usize) -> Result<String, Error> {
        let text = format!("CAST({number} AS {})", self.dialect.name(&DataType::Utf8, false)?);
        if digits < 2 {
            return Ok(text);
        }
        let limit = 10_i64.pow(u32::try_from(digits).map_err(Error::internal)?);
        let (limit, zero) = (self.integer(limit)?, self.text("0")?);
        let count = self.number(i64::try_from(digits).map_err(Error::internal)?);
        let padded = self.invoke("LPAD", &format!("{text}, {count}, {zero}"));
        Ok(format!("(CASE WHEN ({number} < {limit}) THEN {padded} ELSE {text} END)"))
    }

    fn named(
        &mut self,
        number: &str,
        names: &[&str],
        letters: Letters,
        short: bool,
        filled: bool,
    ) -> Result<String, Error> {
        let mut text = format!("(CASE {number}");
        for (index, name) in (1_i64..).zip(names) {
            let name = if short { name.get(..3).unwrap_or(name) } else { name };
            let name = match letters {
                Letters::Both => name.to_owned(),
                Letters::Upper => name.to_uppercase(),
                Letters::Lower => name.to_lowercase(),
            };
            let name = if filled && !short { format!("{name:<WIDTH$}") } else { name };
            let (index, name) = (self.integer(index)?, self.text(&name)?);
            text.push_str(&format!(" WHEN {index} THEN {name}"));
        }
        text.push_str(" END)");
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, Letters, Piece, pieces};

    #[test]
    fn a_pattern_is_read_as_postgresql_reads_it() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let field = |field| Piece::Field(field, true);
        let year = Field::Number("YEAR", 4);
        let month = Field::Number("MONTH", 2);
        assert_eq!(pieces("YYYY-MM"), Some(vec![field(year), text("-"), field(month)]));
        let name = Piece::Field(Field::Month(Letters::Both, false), false);
        assert_eq!(pieces("FMMonth, YYYY"), Some(vec![name, text(", "), field(year)]));
        assert_eq!(pieces("YYYY\"-Q\"Q").map(|pieces| pieces.len()), Some(3));
        assert_eq!(pieces("MMDD"), Some(vec![field(month), field(Field::Number("DAY", 2))]));
        for unknown in [
            "",
            "YYY",
            "yyyy",
            "YYYYY",
            "SSSS",
            "DDth",
            "DDTH",
            "MS",
            "TZ",
            "FXYYYY",
            "FM",
            "Yyyy",
            "\"open",
            "a\\b",
            "IDDD",
            "HH24MIX",
            "J",
            "Wé",
            "\"a\\\"b\"",
        ] {
            assert_eq!(pieces(unknown), None, "{unknown}");
        }
    }
}
