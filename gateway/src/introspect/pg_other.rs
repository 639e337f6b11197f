//! The rows of `pg_catalog` that stand for types, roles, the database, settings and the server.

use super::names::OWNER;
use super::oid::{database_oid, role_oid};
use super::pg_catalog::{BTREE, HEAP};
use super::rows::{Cell, Rows, row};
use super::types::{PROCS, TYPES};
use super::view::View;

/// The relations that [`fill`] fills.
pub(super) const KNOWN: &[&str] = &[
    "pg_type",
    "pg_proc",
    "pg_roles",
    "pg_user",
    "pg_group",
    "pg_auth_members",
    "pg_database",
    "pg_settings",
    "pg_am",
    "pg_collation",
    "pg_tablespace",
    "pg_language",
    "pg_stat_activity",
    "pg_timezone_names",
];

const PG_CATALOG: u32 = 11;

/// Adds the rows of a relation; none for one that isn't of this module.
pub(super) fn fill(view: &View, name: &str, rows: &mut Rows) {
    match name {
        "pg_type" => types(rows),
        "pg_proc" => procs(rows),
        "pg_roles" => roles(view, rows),
        "pg_user" => {
            row!(rows,
                usename: view.user.as_str(),
                usesysid: role_oid(&view.user),
                usecreatedb: false,
                usesuper: false,
                userepl: false,
                usebypassrls: false,
                passwd: "********",
            );
        }
        "pg_group" => {
            for role in other_roles(view) {
                row!(rows,
                    groname: role,
                    grosysid: role_oid(role),
                    grolist: vec![role_oid(&view.user)],
                );
            }
        }
        "pg_auth_members" => {
            for role in other_roles(view) {
                row!(rows, roleid: role_oid(role), member: role_oid(&view.user), grantor: OWNER.0);
            }
        }
        "pg_database" => database(view, rows),
        "pg_settings" => settings(view, rows),
        "pg_am" => {
            row!(rows, oid: HEAP, amname: "heap", amhandler: 3u32, amtype: "t");
            row!(rows, oid: BTREE, amname: "btree", amhandler: 330u32, amtype: "i");
        }
        "pg_collation" => collations(rows),
        "pg_tablespace" => {
            row!(rows, oid: 1663u32, spcname: "pg_default", spcowner: OWNER.0);
            row!(rows, oid: 1664u32, spcname: "pg_global", spcowner: OWNER.0);
        }
        "pg_language" => {
            row!(rows, oid: INTERNAL, lanname: "internal", lanowner: OWNER.0);
            row!(rows, oid: 14u32, lanname: "sql", lanowner: OWNER.0, lanpltrusted: true);
        }
        "pg_stat_activity" => activity(view, rows),
        "pg_timezone_names" => time_zones(rows),
        _ => {}
    }
}

/// The language `internal`.
const INTERNAL: u32 = 12;

/// His roles but one that is named as he is: names are unique among users and roles.
fn other_roles(view: &View) -> impl Iterator<Item = &str> {
    view.roles.iter().map(String::as_str).filter(|role| *role != view.user)
}

fn types(rows: &mut Rows) {
    for facts in TYPES {
        let [input, output, receive, send] = facts.procs;
        row!(rows,
            oid: facts.oid,
            typname: facts.name,
            typnamespace: PG_CATALOG,
            typowner: OWNER.0,
            typlen: facts.length,
            typbyval: facts.by_value(),
            typtype: facts.kind(),
            typcategory: facts.category(),
            typispreferred: facts.preferred(),
            typisdefined: true,
            typdelim: ",",
            typelem: facts.element,
            typarray: facts.array,
            typinput: input,
            typoutput: output,
            typreceive: receive,
            typsend: send,
            typalign: facts.align(),
            typstorage: facts.storage(),
            typtypmod: -1,
            typcollation: facts.collation,
        );
    }
}

/// The input and output functions of types: drivers join them to tell arrays from other types.
fn procs(rows: &mut Rows) {
    for (oid, name, result, arguments) in PROCS {
        row!(rows,
            oid: *oid,
            proname: *name,
            pronamespace: PG_CATALOG,
            proowner: OWNER.0,
            prolang: INTERNAL,
            procost: 1.0f32,
            prokind: "f",
            proisstrict: true,
            provolatile: "i",
            proparallel: "s",
            pronargs: i16::try_from(arguments.len()).unwrap_or(i16::MAX),
            prorettype: *result,
            proargtypes: arguments.to_vec(),
            prosrc: *name,
        );
    }
}

fn roles(view: &View, rows: &mut Rows) {
    let mut add = |name: &str, login: bool| {
        row!(rows,
            rolname: name,
            rolsuper: false,
            rolinherit: true,
            rolcreaterole: false,
            rolcreatedb: false,
            rolcanlogin: login,
            rolreplication: false,
            rolconnlimit: -1,
            rolpassword: "********",
            rolbypassrls: false,
            oid: role_oid(name),
        );
    };
    add(&view.user, true);
    other_roles(view).for_each(|role| add(role, false));
}

fn database(view: &View, rows: &mut Rows) {
    row!(rows,
        oid: database_oid(&view.database),
        datname: view.database.as_str(),
        datdba: OWNER.0,
        encoding: 6,
        datlocprovider: "c",
        datallowconn: true,
        datconnlimit: -1,
        dattablespace: 1663u32,
        datcollate: "C.UTF-8",
        datctype: "C.UTF-8",
    );
}

fn settings(view: &View, rows: &mut Rows) {
    for (name, value, description) in &view.settings {
        row!(rows,
            name: name.as_str(),
            setting: value.as_str(),
            category: "Client Connection Defaults",
            short_desc: description.as_str(),
            context: "user",
            vartype: "string",
            source: "default",
            boot_val: value.as_str(),
            reset_val: value.as_str(),
            pending_restart: false,
        );
    }
}

fn collations(rows: &mut Rows) {
    let locale = |provider: &str, name: &str| (provider != "d").then(|| name.to_owned());
    for (oid, name, provider) in [(100u32, "default", "d"), (950, "C", "c"), (951, "POSIX", "c")] {
        row!(rows,
            oid: oid,
            collname: name,
            collnamespace: PG_CATALOG,
            collowner: OWNER.0,
            collprovider: provider,
            collisdeterministic: true,
            collencoding: -1,
            collcollate: locale(provider, name),
            collctype: locale(provider, name),
        );
    }
}

/// The caller's own session; those of others don't exist for him.
fn activity(view: &View, rows: &mut Rows) {
    row!(rows,
        datid: database_oid(&view.database),
        datname: view.database.as_str(),
        pid: view.backend_pid,
        usesysid: role_oid(&view.user),
        usename: view.user.as_str(),
        application_name: view.setting("application_name").unwrap_or_default(),
        state: "active",
        backend_type: "client backend",
    );
}

/// A few zones without daylight saving, whose offsets need no clock.
fn time_zones(rows: &mut Rows) {
    let zones = [
        ("Asia/Kolkata", "IST", 19_800),
        ("Asia/Shanghai", "CST", 28_800),
        ("Asia/Singapore", "+08", 28_800),
        ("Asia/Tokyo", "JST", 32_400),
        ("Etc/UTC", "UTC", 0),
        ("GMT", "GMT", 0),
        ("UTC", "UTC", 0),
    ];
    for (name, abbreviation, seconds) in zones {
        row!(rows,
            name: name,
            abbrev: abbreviation,
            utc_offset: Cell::Interval(seconds),
            is_dst: false,
        );
    }
}
