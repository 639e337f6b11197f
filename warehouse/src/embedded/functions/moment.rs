//! Dates and times by PostgreSQL's `to_char` and `to_date` patterns.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::number::ordinal;

/// How a name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Upper,
    Title,
    Lower,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year(usize),
    YearComma,
    IsoYear(usize),
    Month,
    MonthName(Case),
    MonthShort(Case),
    Day,
    DayName(Case),
    DayShort(Case),
    DayOfYear,
    IsoDayOfYear,
    DayOfWeek,
    IsoDayOfWeek,
    Hour24,
    Hour12,
    Minute,
    Second,
    SecondOfDay,
    Fraction(usize),
    Meridiem(Case, bool),
    Quarter,
    Week,
    IsoWeek,
    WeekOfMonth,
    Century,
    Julian,
    Roman(Case),
    Era(Case, bool),
    Zone(Case),
    Offset,
}

use Case::{Lower, Title, Upper};

/// Longer ones first. Names count in exactly this case, numbers in any.
const FIELDS: &[(&str, Field)] = &[
    ("SSSSS", Field::SecondOfDay),
    ("Y,YYY", Field::YearComma),
    ("MONTH", Field::MonthName(Upper)),
    ("Month", Field::MonthName(Title)),
    ("month", Field::MonthName(Lower)),
    ("HH24", Field::Hour24),
    ("HH12", Field::Hour12),
    ("SSSS", Field::SecondOfDay),
    ("YYYY", Field::Year(4)),
    ("IYYY", Field::IsoYear(4)),
    ("IDDD", Field::IsoDayOfYear),
    ("A.M.", Field::Meridiem(Upper, true)),
    ("P.M.", Field::Meridiem(Upper, true)),
    ("a.m.", Field::Meridiem(Lower, true)),
    ("p.m.", Field::Meridiem(Lower, true)),
    ("A.D.", Field::Era(Upper, true)),
    ("B.C.", Field::Era(Upper, true)),
    ("a.d.", Field::Era(Lower, true)),
    ("b.c.", Field::Era(Lower, true)),
    ("MON", Field::MonthShort(Upper)),
    ("Mon", Field::MonthShort(Title)),
    ("mon", Field::MonthShort(Lower)),
    ("DAY", Field::DayName(Upper)),
    ("Day", Field::DayName(Title)),
    ("day", Field::DayName(Lower)),
    ("YYY", Field::Year(3)),
    ("IYY", Field::IsoYear(3)),
    ("DDD", Field::DayOfYear),
    ("FF1", Field::Fraction(1)),
    ("FF2", Field::Fraction(2)),
    ("FF3", Field::Fraction(3)),
    ("FF4", Field::Fraction(4)),
    ("FF5", Field::Fraction(5)),
    ("FF6", Field::Fraction(6)),
    ("DY", Field::DayShort(Upper)),
    ("Dy", Field::DayShort(Title)),
    ("dy", Field::DayShort(Lower)),
    ("AM", Field::Meridiem(Upper, false)),
    ("PM", Field::Meridiem(Upper, false)),
    ("am", Field::Meridiem(Lower, false)),
    ("pm", Field::Meridiem(Lower, false)),
    ("AD", Field::Era(Upper, false)),
    ("BC", Field::Era(Upper, false)),
    ("ad", Field::Era(Lower, false)),
    ("bc", Field::Era(Lower, false)),
    ("RM", Field::Roman(Upper)),
    ("rm", Field::Roman(Lower)),
    ("TZ", Field::Zone(Upper)),
    ("tz", Field::Zone(Lower)),
    ("OF", Field::Offset),
    ("YY", Field::Year(2)),
    ("IY", Field::IsoYear(2)),
    ("MM", Field::Month),
    ("DD", Field::Day),
    ("HH", Field::Hour12),
    ("MI", Field::Minute),
    ("SS", Field::Second),
    ("MS", Field::Fraction(3)),
    ("US", Field::Fraction(6)),
    ("WW", Field::Week),
    ("IW", Field::IsoWeek),
    ("ID", Field::IsoDayOfWeek),
    ("CC", Field::Century),
    ("Y", Field::Year(1)),
    ("I", Field::IsoYear(1)),
    ("D", Field::DayOfWeek),
    ("Q", Field::Quarter),
    ("W", Field::WeekOfMonth),
    ("J", Field::Julian),
];

const MONTHS: [&str; 12] = [
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
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] =
    ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

#[derive(Debug)]
enum Item {
    Field { field: Field, fill: bool, ordinal: Option<bool> },
    Text(String),
}

/// A pattern, ready for use.
#[derive(Debug)]
pub(crate) struct MomentPattern {
    items: Vec<Item>,
}

/// A time as a calendar and a clock show it.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// What calendar and clock show.
    pub(crate) local: NaiveDateTime,
    /// The zone's abbreviation and its seconds east of UTC.
    pub(crate) zone: Option<(String, i32)>,
}

impl MomentPattern {
    /// Reads a pattern. What is no field stands for itself.
    pub(crate) fn new(pattern: &str) -> Self {
        let mut items: Vec<Item> = Vec::new();
        let mut rest = pattern;
        let mut fill = true;
        while let Some(next) = rest.chars().next() {
            if prefixed(rest, "FM") {
                fill = false;
                rest = rest.get(2..).unwrap_or_default();
            } else if next == '"' {
                let quoted = rest.get(1..).unwrap_or_default();
                let text = quoted.split('"').next().unwrap_or_default();
                items.push(Item::Text(text.to_owned()));
                rest = quoted.get(text.len() + 1..).unwrap_or_default();
            } else if let Some((name, field)) = FIELDS.iter().find(|(name, field)| {
                if named(*field) { rest.starts_with(name) } else { prefixed(rest, name) }
            }) {
                rest = rest.get(name.len()..).unwrap_or_default();
                let mut ordinal = None;
                if prefixed(rest, "TH") {
                    ordinal = Some(rest.starts_with('T'));
                    rest = rest.get(2..).unwrap_or_default();
                }
                items.push(Item::Field { field: *field, fill, ordinal });
                fill = true;
            } else {
                items.push(Item::Text(next.to_string()));
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
        Self { items }
    }

    /// Writes a time.
    pub(crate) fn write(&self, moment: &Moment) -> String {
        let mut out = String::new();
        for item in &self.items {
            match item {
                Item::Text(text) => out.push_str(text),
                Item::Field { field, fill, ordinal: suffix } => {
                    let text = show(*field, *fill, moment);
                    out.push_str(&text);
                    if let Some(upper) = suffix {
                        out.push_str(ordinal(&text, *upper));
                    }
                }
            }
        }
        out
    }

    /// Reads a time; `None` if the text doesn't fit or isn't in the calendar.
    pub(crate) fn read(&self, text: &str) -> Option<NaiveDateTime> {
        let mut input = Input { rest: text };
        let mut found = Found { year: 1, month: 1, day: 1, ..Found::default() };
        for (index, item) in self.items.iter().enumerate() {
            match item {
                Item::Text(text) => input.skip(text),
                Item::Field { field, .. } => {
                    let bound = match self.items.get(index + 1) {
                        Some(Item::Field { .. }) => true,
                        Some(Item::Text(_)) | None => false,
                    };
                    found.take(*field, bound, &mut input)?;
                }
            }
        }
        found.moment()
    }
}

/// Whether the case of a field's name matters.
fn named(field: Field) -> bool {
    matches!(
        field,
        Field::MonthName(_)
            | Field::MonthShort(_)
            | Field::DayName(_)
            | Field::DayShort(_)
            | Field::Meridiem(..)
            | Field::Era(..)
            | Field::Roman(_)
            | Field::Zone(_)
    )
}

fn prefixed(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn cased(name: &str, case: Case) -> String {
    match case {
        Upper => name.to_ascii_uppercase(),
        Title => name.to_owned(),
        Lower => name.to_ascii_lowercase(),
    }
}

fn show(field: Field, fill: bool, moment: &Moment) -> String {
    let at = moment.local;
    let iso = at.iso_week();
    let number = |value: i64, width: usize| {
        if fill { format!("{value:0width$}") } else { value.to_string() }
    };
    let year = |year: i32, digits: usize| match digits {
        4 => number(i64::from(year), 4),
        3 => number(i64::from(year.rem_euclid(1000)), 3),
        2 => number(i64::from(year.rem_euclid(100)), 2),
        _ => number(i64::from(year.rem_euclid(10)), 1),
    };
    let name = |names: &[&str], index: u32, case: Case, width: usize| {
        let name = names.get(index as usize).copied().unwrap_or_default();
        let name = cased(name, case);
        if fill { format!("{name:width$}") } else { name }
    };
    let short = |names: &[&str], index: u32, case: Case| {
        let name = names.get(index as usize).copied().unwrap_or_default();
        cased(name.get(..3).unwrap_or_default(), case)
    };
    let weekday = at.weekday().num_days_from_sunday();
    let micros = at.nanosecond() / 1000;
    match field {
        Field::Year(digits) => year(at.year(), digits),
        Field::YearComma => format!("{},{:03}", at.year() / 1000, at.year() % 1000),
        Field::IsoYear(digits) => year(iso.year(), digits),
        Field::Month => number(at.month().into(), 2),
        Field::MonthName(case) => name(&MONTHS, at.month0(), case, 9),
        Field::MonthShort(case) => short(&MONTHS, at.month0(), case),
        Field::Day => number(at.day().into(), 2),
        Field::DayName(case) => name(&DAYS, weekday, case, 9),
        Field::DayShort(case) => short(&DAYS, weekday, case),
        Field::DayOfYear => number(at.ordinal().into(), 3),
        Field::IsoDayOfYear => {
            number(i64::from(iso.week0() * 7 + at.weekday().number_from_monday()), 3)
        }
        Field::DayOfWeek => (weekday + 1).to_string(),
        Field::IsoDayOfWeek => at.weekday().number_from_monday().to_string(),
        Field::Hour24 => number(at.hour().into(), 2),
        Field::Hour12 => number(at.hour12().1.into(), 2),
        Field::Minute => number(at.minute().into(), 2),
        Field::Second => number(at.second().into(), 2),
        Field::SecondOfDay => at.num_seconds_from_midnight().to_string(),
        Field::Fraction(digits) => {
            let all = format!("{micros:06}");
            all.get(..digits).unwrap_or(&all).to_owned()
        }
        Field::Meridiem(case, dots) => {
            let name = match (at.hour12().0, dots) {
                (false, false) => "AM",
                (false, true) => "A.M.",
                (true, false) => "PM",
                (true, true) => "P.M.",
            };
            cased(name, case)
        }
        Field::Quarter => (at.month0() / 3 + 1).to_string(),
        Field::Week => number(i64::from(at.ordinal0() / 7 + 1), 2),
        Field::IsoWeek => number(iso.week().into(), 2),
        Field::WeekOfMonth => (at.day0() / 7 + 1).to_string(),
        Field::Century => number(i64::from((at.year() + 99).div_euclid(100)), 2),
        Field::Julian => (i64::from(at.num_days_from_ce()) + 1_721_425).to_string(),
        Field::Roman(case) => name(&ROMAN, at.month0(), case, 4),
        Field::Era(case, dots) => {
            let name = match (at.year() > 0, dots) {
                (true, false) => "AD",
                (true, true) => "A.D.",
                (false, false) => "BC",
                (false, true) => "B.C.",
            };
            cased(name, case)
        }
        Field::Zone(case) => match (&moment.zone, case) {
            (Some((name, _)), Lower) => name.to_ascii_lowercase(),
            (Some((name, _)), Upper | Title) => name.clone(),
            (None, _) => String::new(),
        },
        Field::Offset => {
            let seconds = moment.zone.as_ref().map_or(0, |(_, seconds)| *seconds);
            let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
            match minutes % 60 {
                0 => format!("{sign}{:02}", minutes / 60),
                rest => format!("{sign}{:02}:{rest:02}", minutes / 60),
            }
        }
    }
}

struct Input<'a> {
    rest: &'a str,
}

impl Input<'_> {
    /// Passes over what stands for `text`: as many characters, but no letter or digit of a field.
    fn skip(&mut self, text: &str) {
        for wanted in text.chars() {
            match self.rest.chars().next() {
                Some(next) if next == wanted || !next.is_alphanumeric() => {
                    self.rest = self.rest.get(next.len_utf8()..).unwrap_or_default();
                }
                Some(_) | None => {}
            }
        }
    }

    fn digits(&mut self, most: usize) -> Option<&str> {
        self.rest = self.rest.trim_start();
        let count = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        (!digits.is_empty()).then_some(digits)
    }

    fn number(&mut self, most: usize) -> Option<u32> {
        self.digits(most)?.parse().ok()
    }

    /// The index of the name that stands here, whole or its first three letters.
    fn name(&mut self, names: &[&str]) -> Option<u32> {
        self.rest = self.rest.trim_start();
        let (index, length) = names.iter().enumerate().find_map(|(index, name)| {
            let whole = prefixed(self.rest, name).then_some(name.len());
            let short = name.get(..3).is_some_and(|short| prefixed(self.rest, short)).then_some(3);
            Some((index, whole.or(short)?))
        })?;
        self.rest = self.rest.get(length..).unwrap_or_default();
        u32::try_from(index).ok()
    }
}

#[derive(Debug, Default)]
struct Found {
    year: i32,
    month: u32,
    day: u32,
    day_of_year: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
    half: Option<bool>,
    seconds: Option<u32>,
}

impl Found {
    /// Reads one field; with `bound`, another field follows without a separator.
    fn take(&mut self, field: Field, bound: bool, input: &mut Input<'_>) -> Option<()> {
        match field {
            Field::Year(4) | Field::YearComma => {
                let digits = input.digits(if bound { 4 } else { 6 })?;
                self.year = digits.parse().ok()?;
            }
            Field::Year(digits) => {
                let text = input.digits(digits)?.to_owned();
                let year: i32 = text.parse().ok()?;
                self.year = match text.len() {
                    3 if year < 520 => 2000 + year,
                    3 => 1000 + year,
                    _ if year < 70 => 2000 + year,
                    _ => 1900 + year,
                };
            }
            Field::Month => self.month = input.number(2)?,
            Field::MonthName(_) | Field::MonthShort(_) => self.month = input.name(&MONTHS)? + 1,
            Field::Day => self.day = input.number(2)?,
            Field::DayName(_) | Field::DayShort(_) => {
                input.name(&DAYS)?;
            }
            Field::DayOfYear => self.day_of_year = Some(input.number(3)?),
            Field::Hour24 | Field::Hour12 => self.hour = input.number(2)?,
            Field::Minute => self.minute = input.number(2)?,
            Field::Second => self.second = input.number(2)?,
            Field::SecondOfDay => self.seconds = Some(input.number(5)?),
            Field::Fraction(digits) => {
                let text = format!("{:0<6}", input.digits(digits)?);
                self.micros = text.parse().ok()?;
            }
            Field::Meridiem(..) => {
                let half = input.name(&["am", "pm", "a.m.", "p.m."])?;
                self.half = Some(half % 2 == 1);
            }
            // PostgreSQL reads and ignores some of these too; none is needed to tell a date.
            Field::IsoYear(_)
            | Field::IsoDayOfYear
            | Field::DayOfWeek
            | Field::IsoDayOfWeek
            | Field::Quarter
            | Field::Week
            | Field::IsoWeek
            | Field::WeekOfMonth
            | Field::Century
            | Field::Julian
            | Field::Roman(_)
            | Field::Era(..)
            | Field::Zone(_)
            | Field::Offset => return None,
        }
        Some(())
    }

    fn moment(&self) -> Option<NaiveDateTime> {
        let date = match self.day_of_year {
            Some(day) => NaiveDate::from_yo_opt(self.year, day)?,
            None => NaiveDate::from_ymd_opt(self.year, self.month, self.day)?,
        };
        let hour = match self.half {
            Some(_) if !(1..=12).contains(&self.hour) => return None,
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let time = match self.seconds {
            Some(seconds) => {
                NaiveTime::from_num_seconds_from_midnight_opt(seconds, self.micros * 1000)?
            }
            None => NaiveTime::from_hms_micro_opt(hour, self.minute, self.second, self.micros)?,
        };
        Some(date.and_time(time))
    }
}
