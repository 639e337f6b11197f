//! Patterns of `LIKE` and regular expressions: how large they may be, and what is searched by them.

use std::time::Instant;

use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use regex::{Regex, RegexBuilder};
use tollgate_catalog::{Error, ErrorKind};

use super::argument::Argument;
use super::bounded::too_slow;

/// The longest text that is searched by a regular expression, in bytes.
const MAX_TEXT: usize = 64 << 10;
/// The longest pattern of LIKE, in bytes: each of its characters is a state of the search.
const MAX_LIKE: usize = 1 << 10;
/// The longest regular expression, in bytes.
const MAX_REGEX: usize = 4 << 10;
/// The most memory that a compiled regular expression may take: `\w` alone takes about 20 kB.
const MAX_COMPILED: usize = 1 << 20;

/// What a function does with a regular expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Search {
    /// `regexp_like`
    Test,
    /// `regexp_match`
    Match,
    /// `regexp_count`
    Count,
    /// `regexp_instr`
    Position,
    /// `regexp_replace`
    Replace,
}

impl Search {
    /// Whether it searches again behind what it found.
    pub(super) fn repeats(self) -> bool {
        match self {
            Search::Test | Search::Match => false,
            Search::Count | Search::Position | Search::Replace => true,
        }
    }

    /// Which argument holds the flags.
    fn flags(self) -> usize {
        match self {
            Search::Test | Search::Match => 2,
            Search::Count | Search::Replace => 3,
            Search::Position => 5,
        }
    }
}

/// The regular expressions of one call.
pub(super) struct Patterns {
    until: Instant,
    /// The last one: most often all rows have the same.
    last: Option<(String, Regex)>,
}

impl Patterns {
    /// None yet; those that come must be ready before `until`.
    pub(super) fn new(until: Instant) -> Self {
        Self { until, last: None }
    }

    /// The compiled form of a pattern.
    fn compiled(&mut self, pattern: String, name: &str) -> Result<&Regex> {
        let kept = self.last.take().filter(|(text, _)| *text == pattern);
        let ready = match kept {
            Some(kept) => kept,
            None => {
                let regex = compile(&pattern, name)?;
                (pattern, regex)
            }
        };
        Ok(&self.last.insert(ready).1)
    }

    /// The most bytes of a row's result. Refuses long texts and large patterns.
    pub(super) fn length(
        &mut self,
        search: Search,
        name: &str,
        arguments: &[Argument],
        row: usize,
    ) -> Result<usize> {
        let text = |index: usize| arguments.get(index).and_then(|of| of.text(row));
        let Some(pattern) = text(1) else { return Ok(0) };
        let flags = text(search.flags()).unwrap_or_default();
        let global = flags.contains('g');
        let flags = flags.replace('g', "");
        if flags.len() > 16 {
            return Err(invalid(name));
        }
        let full =
            if flags.is_empty() { pattern.to_owned() } else { format!("(?{flags}){pattern}") };
        let until = self.until;
        let regex = self.compiled(full, name)?;
        let Some(subject) = text(0) else { return Ok(0) };
        if subject.len() > MAX_TEXT {
            let error = Error::new(
                ErrorKind::ProgramLimit,
                format!("a text for function \"{name}\" is too long"),
            )
            .with_hint(format!("search texts of up to {} kB", MAX_TEXT >> 10));
            return Err(DataFusionError::External(Box::new(error)));
        }
        if Instant::now() > until {
            return Err(too_slow(name));
        }
        let (Search::Replace, Some(to)) = (search, text(2)) else { return Ok(0) };
        // What groups hold, all places together, is not longer than the text.
        let groups = to.matches(['\\', '$']).count();
        let copied = subject.len().saturating_mul(groups + 1);
        let most = if global { subject.len() + 1 } else { 1 };
        let length = to.len().saturating_mul(most).saturating_add(copied);
        if length <= MAX_TEXT || !global {
            return Ok(length);
        }
        let (mut found, mut gone) = (0_usize, 0);
        for place in regex.find_iter(subject) {
            found += 1;
            gone += place.len();
            if found.is_multiple_of(256) && Instant::now() > until {
                return Err(too_slow(name));
            }
        }
        Ok(to.len().saturating_mul(found).saturating_add(copied - gone))
    }
}

fn compile(pattern: &str, name: &str) -> Result<Regex> {
    if pattern.len() > MAX_REGEX {
        return Err(too_long(name));
    }
    let made = RegexBuilder::new(pattern).size_limit(MAX_COMPILED).build();
    made.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => too_long(name),
        _ => invalid(name),
    })
}

/// The error of a pattern that is too long or, compiled, too large.
pub(super) fn too_long(name: &str) -> DataFusionError {
    let error = Error::new(
        ErrorKind::ProgramLimit,
        format!("the pattern for \"{name}\" is too long or too complex"),
    )
    .with_hint("write a shorter pattern, with smaller numbers of repetitions");
    DataFusionError::External(Box::new(error))
}

fn invalid(name: &str) -> DataFusionError {
    let error = Error::new(
        ErrorKind::InvalidParameterValue,
        format!("invalid regular expression for \"{name}\""),
    );
    DataFusionError::External(Box::new(error))
}

/// Yields the pattern that stands right of an operator, or refuses it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    /// Whether it is a regular expression and not a pattern of LIKE.
    regular: bool,
    signature: Signature,
}

impl Pattern {
    /// For `~` if `regular`, else for `LIKE`.
    pub(crate) fn new(regular: bool) -> Self {
        Self { regular, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Pattern {
    fn name(&self) -> &str {
        if self.regular { "tg_regex" } else { "tg_like" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [of] => Ok(of.clone()),
            _ => plan_err!("an operator has one pattern"),
        }
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(pattern) = args.args.pop() else {
            return internal_err!("an operator was called without a pattern");
        };
        let argument = Argument::new(&pattern)?;
        let rows = if argument.is_constant() { 1 } else { args.number_rows };
        let mut patterns = Patterns::new(Instant::now() + super::bounded::MAX_TIME);
        for row in 0..rows {
            let Some(text) = argument.text(row) else { continue };
            if !self.regular {
                if text.len() > MAX_LIKE {
                    return Err(too_long("LIKE"));
                }
            } else {
                patterns.compiled(text.to_owned(), "~")?;
                if Instant::now() > patterns.until {
                    return Err(too_slow("~"));
                }
            }
        }
        Ok(pattern)
    }
}
