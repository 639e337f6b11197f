//! `* EXCLUDE`, `RENAME`, `REPLACE` and `ILIKE`: over the columns that a star means, which are visible.

use datafusion_sql::sqlparser::ast::{
    ExcludeSelectItem, Ident, ObjectName, RenameSelectItem, WildcardAdditionalOptions,
};
use tollgate_catalog::{Error, ErrorKind};

use crate::gate::items::plain_wildcard;
use crate::gate::scope::{Column, ambiguous};
use crate::gate::{Gate, fold, parts, refuse_if};

/// The longest pattern of `* ILIKE`, in bytes, and the longest name that it can fit.
const MAX_PATTERN: usize = 255;
const MAX_NAME: usize = 1_000;

impl Gate<'_> {
    /// The columns of a star, as its options say.
    pub(in crate::gate) fn star_of(
        &mut self,
        columns: Vec<Column>,
        options: WildcardAdditionalOptions,
    ) -> Result<Vec<Column>, Error> {
        if !self.is_snowflake() {
            plain_wildcard(&options)?;
            return Ok(columns);
        }
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        refuse_if(opt_except.is_some(), "* EXCEPT")?;
        refuse_if(opt_alias.is_some(), "an alias of *")?;
        let mut columns = columns;
        if let Some(ilike) = opt_ilike {
            refuse_if(ilike.pattern.contains('\\'), "an escape in * ILIKE")?;
            refuse_if(ilike.pattern.len() > MAX_PATTERN, "a long pattern in * ILIKE")?;
            let pattern: Vec<char> = ilike.pattern.to_lowercase().chars().collect();
            columns.retain(|column| {
                let name: Vec<char> = column.name.to_lowercase().chars().collect();
                // No name of a table is as long.
                name.len() <= MAX_NAME && is_like(&name, &pattern)
            });
        }
        for name in excluded(opt_exclude)? {
            known(&columns, &name)?;
            columns.retain(|column| column.name != name);
        }
        for element in opt_replace.into_iter().flat_map(|replace| replace.items) {
            let mut name = element.column_name;
            fold(&mut name);
            known(&columns, &name.value)?;
            let mut expr = element.expr;
            let ((), reach) = self.reach_of(|gate| gate.value(&mut expr))?;
            let mut replaced = columns.iter_mut().filter(|column| column.name == name.value);
            let (first, second) = (replaced.next(), replaced.next());
            if second.is_some() {
                return Err(ambiguous(&name.value));
            }
            if let Some(column) = first {
                column.expr = expr;
                (column.size, column.reach) = (reach, reach);
            }
        }
        let renamed = match opt_rename {
            None => Vec::new(),
            Some(RenameSelectItem::Single(one)) => vec![one],
            Some(RenameSelectItem::Multiple(several)) => several,
        };
        // All at once: a name that is given isn't looked for.
        let mut names = Vec::with_capacity(renamed.len());
        for item in renamed {
            let (mut from, mut to) = (item.ident, item.alias);
            let exact = to.quote_style.is_some();
            fold(&mut from);
            fold(&mut to);
            known(&columns, &from.value)?;
            names.push((from.value, to.value, exact));
        }
        for column in &mut columns {
            if let Some((_, to, exact)) = names.iter().find(|(from, ..)| *from == column.name) {
                column.name.clone_from(to);
                column.exact = *exact;
            }
        }
        if columns.is_empty() {
            return Err(Error::new(
                ErrorKind::Syntax,
                "SELECT * with no columns left is not valid",
            )
            .with_hint("leave a column out of EXCLUDE, or use another pattern"));
        }
        Ok(columns)
    }
}

/// The names in EXCLUDE.
fn excluded(exclude: Option<ExcludeSelectItem>) -> Result<Vec<String>, Error> {
    let single = |name: &ObjectName| match parts(name)?.as_slice() {
        [name] => Ok(name.clone()),
        _ => Err(Error::new(ErrorKind::Syntax, "a column in EXCLUDE has no relation before it")),
    };
    match exclude {
        None => Ok(Vec::new()),
        Some(ExcludeSelectItem::Single(name)) => Ok(vec![single(&name)?]),
        Some(ExcludeSelectItem::Multiple(names)) => names.iter().map(single).collect(),
    }
}

/// The error of a column that is hidden or missing, unless it is there.
pub(super) fn known(columns: &[Column], name: &str) -> Result<(), Error> {
    match columns.iter().any(|column| column.name == name) {
        true => Ok(()),
        false => Err(Error::undefined_column(name)),
    }
}

/// Whether a name fits a pattern of `LIKE` without escapes.
fn is_like(name: &[char], pattern: &[char]) -> bool {
    // After which places of the pattern the name so far may end.
    let mut open = vec![false; pattern.len() + 1];
    let spread = |open: &mut Vec<bool>| {
        for (place, character) in pattern.iter().enumerate() {
            if *character == '%'
                && open.get(place) == Some(&true)
                && let Some(next) = open.get_mut(place + 1)
            {
                *next = true;
            }
        }
    };
    if let Some(first) = open.first_mut() {
        *first = true;
    }
    spread(&mut open);
    for character in name {
        let mut next = vec![false; open.len()];
        for (place, expected) in pattern.iter().enumerate() {
            if open.get(place) != Some(&true) {
                continue;
            }
            let to = match expected {
                '%' => place,
                '_' => place + 1,
                other if other == character => place + 1,
                _ => continue,
            };
            if let Some(to) = next.get_mut(to) {
                *to = true;
            }
        }
        spread(&mut next);
        open = next;
    }
    open.last() == Some(&true)
}

/// A quoted identifier.
pub(super) fn ident(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn names_fit_patterns() {
        for (name, pattern, fits) in [
            ("customer_id", "%id", true),
            ("customer_id", "customer%", true),
            ("customer_id", "%o%r_i%", true),
            ("customer_id", "id", false),
            ("id", "__", true),
            ("id", "___", false),
            ("", "%", true),
            ("", "", true),
            ("a", "", false),
        ] {
            let [name_, pattern_] = [name, pattern].map(|text| text.chars().collect::<Vec<_>>());
            assert_eq!(is_like(&name_, &pattern_), fits, "{name} LIKE {pattern}");
        }
    }
}
