//! Statements that came, went or changed without changing what anybody sees: so that nothing of a
//! bundle changes without a line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::side::Side;
use super::{Class, Event, Layer, Place, What, Who};
use crate::cases::Expectation;
use crate::limits::Exceed;
use crate::model::{
    Bounds, Case, Demands, Grantee, Located, MaskTarget, Name, RowKind, Statement, Target, Tariff,
};

pub(super) fn compare(old: &Side<'_>, new: &Side<'_>, events: &mut Vec<Event>) {
    let (before, after) = (by_text(old), by_text(new));
    let gone = beyond(&before, &after);
    let come = beyond(&after, &before);
    tags((&gone, &come), events);
    let told: BTreeSet<(String, u64, u64)> = events
        .iter()
        .flat_map(|event| event.old.iter().chain(&event.new))
        .map(|place| (place.file.clone(), place.line, place.column))
        .collect();
    for (statements, is_new) in [(gone, false), (come, true)] {
        for (text, located) in statements {
            let place = Place::at(&located.at, shortened(text));
            if told.contains(&(place.file.clone(), place.line, place.column)) {
                continue;
            }
            let (why, places) = match is_new {
                true => ("new, and shows nobody anything else", (vec![], vec![place])),
                false => ("gone, and shows nobody anything else", (vec![place], vec![])),
            };
            events.push(Event {
                class: Class::Neutral,
                who: Who::Everyone,
                table: None,
                what: What::Statement,
                layer: Layer::Apart,
                why: why.to_owned(),
                old: places.0,
                new: places.1,
                columns: None,
            });
        }
    }
}

type Texts<'a> = BTreeMap<String, Vec<&'a Located>>;

/// The statements by what they say, wherever they stand.
fn by_text<'a>(side: &Side<'a>) -> Texts<'a> {
    let mut texts = Texts::new();
    for located in side.bundle().statements() {
        texts.entry(text(&located.statement)).or_default().push(located);
    }
    texts
}

/// What a statement says, and the statement.
type Said<'b, 'a> = (&'b str, &'a Located);

/// Those of which the other side has fewer.
fn beyond<'a, 'b>(these: &'b Texts<'a>, those: &Texts<'_>) -> Vec<Said<'b, 'a>> {
    let more = these.iter().flat_map(|(text, all)| {
        let there = those.get(text).map_or(0, Vec::len);
        all.iter().skip(there).map(|located| (text.as_str(), *located))
    });
    more.collect()
}

/// Names the tags at the changes of masks that come of them.
fn tags((gone, come): (&[Said<'_, '_>], &[Said<'_, '_>]), events: &mut [Event]) {
    for (tags, is_new) in [(gone, false), (come, true)] {
        for (_, located) in tags {
            let Statement::Tag { pattern: [schema, name, column], tag, .. } = &located.statement
            else {
                continue;
            };
            let about = events.iter_mut().filter(|event| {
                matches!(event.what, What::Mask | What::Predicates)
                    && event.table.as_ref().is_some_and(|table| {
                        schema.matches(&table.schema)
                            && name.matches(&table.table)
                            && event.columns.as_ref().is_some_and(|columns| {
                                columns.iter().any(|name| column.matches(name))
                            })
                    })
            });
            let place = Place::at(&located.at, format!("TAG … AS {}", tag.text));
            for event in about {
                let places = if is_new { &mut event.new } else { &mut event.old };
                if !places.contains(&place) {
                    places.push(place.clone());
                }
            }
        }
    }
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// What a statement says, without where it stands. To be compared and to be shown shortened.
fn text(statement: &Statement) -> String {
    match statement {
        Statement::CreateRole { name } => format!("CREATE ROLE {}", name.text),
        Statement::GrantRole { role, to } => format!("GRANT ROLE {} TO {}", role.text, all(to)),
        Statement::Access { deny, privileges, target, to } => {
            let verb = if *deny { "DENY" } else { "GRANT" };
            let privileges = privileges.iter().map(|privilege| {
                let columns = privilege.columns.as_ref();
                let columns = columns.map(|columns| format!(" ({})", names(columns)));
                format!("{}{}", privilege.action, columns.unwrap_or_default())
            });
            let privileges = privileges.collect::<Vec<_>>().join(", ");
            format!("{verb} {privileges} ON {} TO {}", target_text(target), all(to))
        }
        Statement::Tag { pattern: [schema, table, column], at: _, tag } => {
            format!("TAG COLUMN {schema}.{table}.{column} AS {}", tag.text)
        }
        Statement::RowPolicy { name, kind, target, to, using } => {
            let kind = match kind {
                RowKind::Permissive => "PERMISSIVE",
                RowKind::Restrictive => "RESTRICTIVE",
            };
            let (target, to) = (target_text(target), all(to));
            let name = &name.text;
            format!("CREATE ROW POLICY {name} ON {target} AS {kind} TO {to} USING ({})", using.expr)
        }
        Statement::Mask { name, target, using, except, predicates } => {
            let target = match target {
                MaskTarget::Tag(tag) => format!("TAG {}", tag.text),
                MaskTarget::Column { name, at: _, column } => format!("{name} ({})", column.text),
            };
            let mut text =
                format!("CREATE MASKING POLICY {} ON {target} USING ({})", name.text, using.expr);
            // Writing to a String can't fail.
            if let Some(except) = except {
                let _ = write!(text, " EXCEPT ROLE {}", names(&except.roles));
                if let Some(when) = &except.when {
                    let _ = write!(text, " WHEN ({})", when.expr);
                }
            }
            let _ = write!(text, " PREDICATES {predicates:?}");
            text
        }
        Statement::Aggregation { name, table, at: _, to, rule } => {
            format!("CREATE AGGREGATION POLICY {} ON {table} TO {} {rule}", name.text, all(to))
        }
        Statement::AccessRule { name, to, demands } => {
            let Demands { networks, mfa, from, until, purposes } = demands;
            let mut text = format!("CREATE ACCESS RULE {} TO {}", name.text, all(to));
            for (word, list) in [("FROM", networks), ("PURPOSE IN", purposes)] {
                if let Some(list) = list {
                    let _ = write!(text, " {word} ({})", names(list));
                }
            }
            if *mfa {
                text.push_str(" REQUIRE MFA");
            }
            for (word, date) in [("VALID FROM", from), ("VALID UNTIL", until)] {
                if let Some(date) = date {
                    let _ = write!(text, " {word} '{}'", date.text);
                }
            }
            text
        }
        Statement::View { name, at: _, sql } => format!("CREATE VIEW {name} AS {sql}"),
        Statement::Limit { name, to, bounds } => {
            format!("CREATE LIMIT {} TO {}{}", name.text, all(to), bounds_text(bounds))
        }
        Statement::Price { name, to, tenants, tariff } => {
            let tenants = tenants.iter().map(|tenant| format!("TENANT '{}'", tenant.text));
            let named = (!to.is_empty()).then(|| all(to));
            let to: Vec<String> = named.into_iter().chain(tenants).collect();
            format!("CREATE PRICE {} TO {}{}", name.text, to.join(", "), tariff_text(tariff))
        }
        Statement::Test(case) => test_text(case),
    }
}

fn test_text(case: &Case) -> String {
    let Case { user, roles, attributes, address, mfa, purpose, sql, expect } = case;
    let mut text = format!("TEST POLICY AS USER '{user}'");
    // Writing to a String can't fail.
    if let Some(roles) = roles {
        let _ = write!(text, " ROLES ({})", names(roles));
    }
    if !attributes.is_empty() {
        let _ = write!(text, " WITH {attributes:?}");
    }
    if let Some(address) = address {
        let _ = write!(text, " FROM '{address}'");
    }
    if *mfa {
        text.push_str(" MFA");
    }
    if let Some(purpose) = purpose {
        let _ = write!(text, " PURPOSE '{purpose}'");
    }
    let _ = match expect {
        Expectation::Denied => write!(text, " {sql} EXPECT DENIED"),
        Expectation::NoAccess => write!(text, " {sql} EXPECT NO ACCESS"),
        Expectation::Rows(rows) => write!(text, " {sql} EXPECT ROWS {rows:?}"),
    };
    text
}

fn bounds_text(bounds: &Bounds) -> String {
    let Bounds { rows, bytes, runtime, concurrent, rate, budget } = bounds;
    let mut text = String::new();
    // Writing to a String can't fail.
    if let Some((rows, exceed)) = rows {
        let exceed = match exceed {
            Exceed::Truncate => "TRUNCATE",
            Exceed::Error => "ERROR",
        };
        let _ = write!(text, " MAX ROWS {} ON EXCEED {exceed}", rows.text);
    }
    for (words, value) in [("BYTES SCANNED", bytes), ("RUNTIME", runtime)] {
        if let Some(value) = value {
            let _ = write!(text, " MAX {words} '{}'", value.text);
        }
    }
    if let Some(count) = concurrent {
        let _ = write!(text, " MAX CONCURRENT {}", count.text);
    }
    if let Some((count, every, per)) = rate {
        let (every, per) = (every.to_string(), per.to_string());
        let (every, per) = (every.to_uppercase(), per.to_uppercase());
        let _ = write!(text, " RATE {} PER {every} PER {per}", count.text);
    }
    if let Some((amount, per)) = budget {
        let _ = write!(text, " BUDGET {} PER {}", amount.text, per.to_string().to_uppercase());
    }
    text
}

fn tariff_text(tariff: &Tariff) -> String {
    let Tariff { query, gigabyte, million_rows, credit, currency, from, until } = tariff;
    let mut text = String::new();
    // Writing to a String can't fail.
    for (words, amount) in [
        ("QUERY", query),
        ("GB SCANNED", gigabyte),
        ("MILLION ROWS RETURNED", million_rows),
        ("CREDIT", credit),
    ] {
        if let Some(amount) = amount {
            let _ = write!(text, " PER {words} {}", amount.text);
        }
    }
    for (words, value) in [("CURRENCY", currency), ("VALID FROM", from), ("UNTIL", until)] {
        if let Some(value) = value {
            let _ = write!(text, " {words} '{}'", value.text);
        }
    }
    text
}

fn names(names: &[Name]) -> String {
    names.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(", ")
}

fn all(grantees: &[Grantee]) -> String {
    let texts = grantees.iter().map(|grantee| match grantee {
        Grantee::Role(role) => format!("ROLE {}", role.text),
        Grantee::User(user) => format!("USER '{user}'"),
        Grantee::Public => "PUBLIC".to_owned(),
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn target_text(target: &Target) -> String {
    match target {
        Target::Table { name, at: _ } => name.to_string(),
        Target::Schema(schema) => format!("ALL TABLES IN SCHEMA {}", schema.text),
        Target::WithColumn(column) => format!("ALL TABLES WITH COLUMN ({})", column.text),
    }
}
