//! Numbers by PostgreSQL's `to_char` patterns.

use datafusion::common::{Result, not_impl_err};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    /// `9` and `0` before the point.
    Digit {
        zero: bool,
    },
    /// `9` and `0` after it.
    Fraction,
    Point,
    Group,
    Sign(Sign),
    Ordinal {
        upper: bool,
    },
    Text(char),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// `S`: plus or minus.
    Both,
    /// `MI`: minus or a blank.
    Minus,
    /// `PR`: angle brackets.
    Brackets,
}

/// A pattern, ready for use.
#[derive(Debug)]
pub(crate) struct NumberPattern {
    items: Vec<Item>,
    fill: bool,
    digits: usize,
    fraction: usize,
    /// Digits after the point that are kept even if they are trailing zeros.
    kept: usize,
    sign: Option<(Sign, bool)>,
}

impl NumberPattern {
    /// Reads a pattern. Roman, scientific and shifted numbers aren't supported.
    pub(crate) fn new(pattern: &str) -> Result<Self> {
        let mut made =
            Self { items: Vec::new(), fill: true, digits: 0, fraction: 0, kept: 0, sign: None };
        let mut point = false;
        let mut zero = false;
        let mut rest = pattern;
        while let Some(next) = rest.chars().next() {
            let mut taken = next.len_utf8();
            let pair = rest.get(..2).unwrap_or_default().to_ascii_uppercase();
            match (pair.as_str(), next.to_ascii_uppercase()) {
                ("FM", _) => {
                    made.fill = false;
                    taken = 2;
                }
                ("TH", _) => {
                    made.items.push(Item::Ordinal { upper: next == 'T' });
                    taken = 2;
                }
                ("MI", _) => {
                    made.put_sign(Sign::Minus);
                    taken = 2;
                }
                ("PR", _) => {
                    made.put_sign(Sign::Brackets);
                    taken = 2;
                }
                ("RN" | "EE" | "PL" | "SG", _) | (_, 'V') => {
                    return not_impl_err!("a part of a to_char pattern for numbers");
                }
                (_, 'S') => made.put_sign(Sign::Both),
                (_, '9' | '0') if point => {
                    made.items.push(Item::Fraction);
                    made.fraction += 1;
                    if next == '0' {
                        made.kept = made.fraction;
                    }
                }
                (_, '9' | '0') => {
                    zero |= next == '0';
                    made.items.push(Item::Digit { zero });
                    made.digits += 1;
                }
                (_, '.' | 'D') => {
                    point = true;
                    made.items.push(Item::Point);
                }
                (_, ',' | 'G') => made.items.push(Item::Group),
                (_, 'L') => made.items.push(Item::Text(' ')),
                (_, '"') => {
                    let quoted = rest.get(1..).unwrap_or_default();
                    let text = quoted.split('"').next().unwrap_or_default();
                    made.items.extend(text.chars().map(Item::Text));
                    taken = (text.len() + 2).min(rest.len());
                }
                _ => made.items.push(Item::Text(next)),
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(made)
    }

    fn put_sign(&mut self, sign: Sign) {
        self.sign.get_or_insert((sign, self.digits > 0));
        self.items.push(Item::Sign(sign));
    }

    /// The digits after the point that values are rounded to.
    pub(crate) fn scale(&self) -> usize {
        self.fraction
    }

    /// Writes a number that is rounded to `scale` digits: `whole` without leading zeros, empty for 0.
    pub(crate) fn write(&self, negative: bool, whole: &str, fraction: &str) -> String {
        let nothing = whole.is_empty() && fraction.bytes().all(|digit| digit == b'0');
        let negative = negative && !nothing;
        let overflow = whole.len().max(usize::from(self.digits == 0)) > self.digits;
        let shown = if self.fill || overflow {
            fraction
        } else {
            let significant = fraction.trim_end_matches('0').len();
            fraction.get(..significant.max(self.kept)).unwrap_or(fraction)
        };
        // A lone zero before the point shows only where something must.
        let point = self.items.contains(&Item::Point);
        let whole = match whole {
            "" if !point || (!self.fill && shown.is_empty()) => "0",
            other => other,
        };
        let blanks = self.digits.saturating_sub(whole.len());
        let mut whole = whole.chars();
        let mut after = shown.chars();
        let mut out = String::new();
        let mut started = false;
        let mut position = 0;
        for item in &self.items {
            match item {
                Item::Digit { zero } => {
                    let digit = if overflow {
                        Some('#')
                    } else if position >= blanks {
                        whole.next()
                    } else {
                        zero.then_some('0')
                    };
                    position += 1;
                    match digit {
                        Some(digit) => {
                            self.start(&mut out, &mut started, negative);
                            out.push(digit);
                        }
                        None if self.fill => out.push(' '),
                        None => {}
                    }
                }
                Item::Fraction => match after.next() {
                    Some(_) if overflow => out.push('#'),
                    Some(digit) => out.push(digit),
                    None => {}
                },
                Item::Point => {
                    self.start(&mut out, &mut started, negative);
                    out.push('.');
                }
                Item::Group if started => out.push(','),
                Item::Group if self.fill => out.push(' '),
                Item::Group => {}
                Item::Sign(sign) => {
                    if self.sign != Some((*sign, false)) || *sign == Sign::Brackets {
                        self.sign_after(*sign, negative, &mut out);
                    }
                }
                Item::Ordinal { upper } => {
                    if !negative && !overflow && !point {
                        out.push_str(ordinal(&out, *upper));
                    }
                }
                Item::Text(text) => out.push(*text),
            }
        }
        out
    }

    /// What stands right before the first digit.
    fn start(&self, out: &mut String, started: &mut bool, negative: bool) {
        if std::mem::replace(started, true) {
            return;
        }
        let sign = match self.sign {
            Some((Sign::Both, false)) => Some(if negative { '-' } else { '+' }),
            Some((Sign::Both, true)) | Some((Sign::Minus, true)) => None,
            Some((Sign::Brackets, _)) if negative => Some('<'),
            Some((Sign::Minus, false)) | None if negative => Some('-'),
            Some(_) | None => self.fill.then_some(' '),
        };
        out.extend(sign);
    }

    fn sign_after(&self, sign: Sign, negative: bool, out: &mut String) {
        let sign = match (sign, negative) {
            (Sign::Both, true) | (Sign::Minus, true) => Some('-'),
            (Sign::Both, false) => Some('+'),
            (Sign::Brackets, true) => Some('>'),
            (Sign::Minus | Sign::Brackets, false) => self.fill.then_some(' '),
        };
        out.extend(sign);
    }
}

/// `st`, `nd`, `rd` or `th` after a number.
pub(crate) fn ordinal(number: &str, upper: bool) -> &'static str {
    let mut last = number.bytes().rev();
    let (ones, tens) = (last.next(), last.next());
    let lower = match (tens, ones) {
        (Some(b'1'), _) => "th",
        (_, Some(b'1')) => "st",
        (_, Some(b'2')) => "nd",
        (_, Some(b'3')) => "rd",
        _ => "th",
    };
    match (upper, lower) {
        (false, lower) => lower,
        (true, "st") => "ST",
        (true, "nd") => "ND",
        (true, "rd") => "RD",
        (true, _) => "TH",
    }
}

/// A decimal rounded half away from zero: its sign, whole digits and `places` digits after the point.
pub(crate) fn decimal(value: i128, scale: i8, places: usize) -> Option<(bool, String, String)> {
    let scale = usize::try_from(scale.max(0)).ok()?;
    let mut digits = value.unsigned_abs();
    if scale > places {
        let unit = 10_u128.checked_pow(u32::try_from(scale - places).ok()?)?;
        digits = digits.checked_add(unit / 2)? / unit;
    }
    let kept = scale.min(places);
    let text = format!("{digits:0>width$}", width = kept + 1);
    let (whole, fraction) = text.split_at_checked(text.len().checked_sub(kept)?)?;
    let fraction = format!("{fraction:0<places$}");
    Some((value < 0, whole.trim_start_matches('0').to_owned(), fraction))
}
