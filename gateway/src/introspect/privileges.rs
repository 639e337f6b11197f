//! `has_*_privilege`: the caller may select what his view holds, and nothing else.

use datafusion::error::Result;
use tollgate_catalog::{Error, ErrorKind};

use super::functions::{Arg, fail};
use super::names::{regclass, regnamespace, relation_name};
use super::oid::role_oid;
use super::rows::Cell;
use super::view::View;

/// Whether one of the privileges of a list such as `SELECT, INSERT` is among `granted`.
fn any_of(privileges: &str, known: &[&str], granted: &[&str]) -> Result<bool> {
    let mut any = false;
    for privilege in privileges.split(',') {
        let privilege = privilege.trim().to_ascii_uppercase();
        let (name, with_option) = match privilege.strip_suffix(" WITH GRANT OPTION") {
            Some(name) => (name.trim(), true),
            None => (privilege.as_str(), false),
        };
        if !known.contains(&name) {
            let message = format!("unrecognized privilege type: \"{}\"", privilege.to_lowercase());
            return Err(fail(Error::new(ErrorKind::InvalidParameterValue, message)));
        }
        any |= !with_option && granted.contains(&name);
    }
    Ok(any)
}

/// The role that an argument names must be the caller or one of his roles; others don't exist.
fn check_role(view: &View, role: &Arg) -> Result<()> {
    let found = std::iter::once(&view.user).chain(&view.roles).any(|name| match role.oid() {
        Some(oid) => role_oid(name) == oid,
        None => role.text() == Some(name),
    });
    if found {
        return Ok(());
    }
    let message = format!("role \"{}\" does not exist", role.display());
    Err(fail(Error::new(ErrorKind::UndefinedObject, message)))
}

/// Takes the leading user argument off, if there is one.
fn subject<'a>(view: &View, args: &'a [Arg], with_user: usize) -> Result<&'a [Arg]> {
    match args.split_first() {
        Some((user, rest)) if args.len() == with_user => check_role(view, user).map(|()| rest),
        _ => Ok(args),
    }
}

/// The oid of a relation given as text or oid.
fn relation(view: &View, arg: &Arg) -> Result<Option<u32>> {
    match (arg.number(), arg.text()) {
        (Some(oid), _) => Ok(u32::try_from(oid).ok()),
        (None, Some(text)) => match regclass(view, text) {
            Some(oid) => Ok(Some(oid)),
            None => Err(fail(Error::undefined_table(text))),
        },
        (None, None) => Ok(None),
    }
}

const TABLE: &[&str] =
    &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];
const COLUMN: &[&str] = &["SELECT", "INSERT", "UPDATE", "REFERENCES"];

pub(super) fn table(view: &View, args: &[Arg]) -> Result<Cell> {
    on_relation(view, args, TABLE)
}

pub(super) fn any_column(view: &View, args: &[Arg]) -> Result<Cell> {
    on_relation(view, args, COLUMN)
}

fn on_relation(view: &View, args: &[Arg], known: &[&str]) -> Result<Cell> {
    let [target, privilege] = subject(view, args, 3)? else { return Ok(Cell::Null) };
    let (Some(oid), Some(privilege)) = (relation(view, target)?, privilege.text()) else {
        return Ok(Cell::Null);
    };
    let granted = any_of(privilege, known, &["SELECT"])?;
    Ok(relation_name(view, oid).map(|_| granted).into())
}

pub(super) fn column(view: &View, args: &[Arg]) -> Result<Cell> {
    let [target, column, privilege] = subject(view, args, 4)? else { return Ok(Cell::Null) };
    let (Some(oid), Some(privilege)) = (relation(view, target)?, privilege.text()) else {
        return Ok(Cell::Null);
    };
    let granted = any_of(privilege, COLUMN, &["SELECT"])?;
    let Some(table) = view.by_oid(oid) else {
        return Ok(relation_name(view, oid).map(|_| granted).into());
    };
    match (column.number(), column.text()) {
        (Some(attnum), _) => {
            let known = i16::try_from(attnum).ok().and_then(|attnum| table.column_name(attnum));
            Ok(known.map(|_| granted).into())
        }
        (None, Some(name)) if table.attnum_of(name).is_some() => Ok(granted.into()),
        (None, Some(name)) => Err(fail(Error::undefined_column(name))),
        (None, None) => Ok(Cell::Null),
    }
}

pub(super) fn schema(view: &View, args: &[Arg]) -> Result<Cell> {
    let [target, privilege] = subject(view, args, 3)? else { return Ok(Cell::Null) };
    let Some(privilege) = privilege.text() else { return Ok(Cell::Null) };
    let granted = any_of(privilege, &["CREATE", "USAGE"], &["USAGE"])?;
    match (target.number(), target.text()) {
        (Some(oid), _) => {
            let name = u32::try_from(oid).ok().and_then(|oid| super::names::schema_name(view, oid));
            Ok(name.map(|_| granted).into())
        }
        (None, Some(text)) if regnamespace(view, &tollgate_catalog::id::quote(text)).is_some() => {
            Ok(granted.into())
        }
        (None, Some(text)) => {
            let message = format!("schema \"{text}\" does not exist");
            Err(fail(Error::new(ErrorKind::UndefinedObject, message)))
        }
        (None, None) => Ok(Cell::Null),
    }
}

pub(super) fn database(view: &View, args: &[Arg]) -> Result<Cell> {
    let [target, privilege] = subject(view, args, 3)? else { return Ok(Cell::Null) };
    let Some(privilege) = privilege.text() else { return Ok(Cell::Null) };
    let granted = any_of(privilege, &["CREATE", "CONNECT", "TEMPORARY", "TEMP"], &["CONNECT"])?;
    match (target.number(), target.text()) {
        (Some(oid), _) => {
            let own = u32::try_from(oid) == Ok(super::oid::database_oid(&view.database));
            Ok(own.then_some(granted).into())
        }
        (None, Some(name)) if name == view.database => Ok(granted.into()),
        (None, Some(name)) => {
            let message = format!("database \"{name}\" does not exist");
            Err(fail(Error::new(ErrorKind::InvalidCatalogName, message)))
        }
        (None, None) => Ok(Cell::Null),
    }
}

pub(super) fn role(view: &View, args: &[Arg]) -> Result<Cell> {
    let [target, privilege] = subject(view, args, 3)? else { return Ok(Cell::Null) };
    let Some(privilege) = privilege.text() else { return Ok(Cell::Null) };
    let granted = any_of(privilege, &["MEMBER", "USAGE", "SET"], &["MEMBER", "USAGE", "SET"])?;
    match target.number() {
        // An oid without a role is somebody else's; the owner of all objects is such a one.
        Some(_) => Ok((check_role(view, target).is_ok() && granted).into()),
        None if target.text().is_some() => check_role(view, target).map(|()| granted.into()),
        None => Ok(Cell::Null),
    }
}

/// A privilege on a kind of object of which there are none, or that everybody has.
pub(super) fn everybody(view: &View, args: &[Arg]) -> Result<Cell> {
    let [_, privilege] = subject(view, args, 3)? else { return Ok(Cell::Null) };
    Ok(privilege.text().map(|text| !text.to_ascii_uppercase().contains("GRANT")).into())
}
