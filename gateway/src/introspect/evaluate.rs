//! What each function of `functions` says.

use datafusion::error::Result;
use datafusion::logical_expr::Volatility;
use tollgate_catalog::id::quote_if_needed;
use tollgate_catalog::{Error, ErrorKind};

use super::functions::{Arg, Returns, Spec, fail};
use super::names::{self, OWNER};
use super::oid::role_oid;
use super::pg_catalog::PG_CLASS;
use super::rows::Cell;
use super::types::{self, PROCS};
use super::view::View;
use super::{definitions, privileges};

type Evaluate = fn(&View, &[Arg]) -> Result<Cell>;

const fn spec(
    name: &'static str,
    fewest: usize,
    most: usize,
    returns: Returns,
    evaluate: Evaluate,
) -> Spec {
    let volatility = Volatility::Stable;
    Spec { name, arguments: (fewest, most), returns, volatility, evaluate }
}

/// One that does something.
const fn act(name: &'static str, arguments: usize, returns: Returns, evaluate: Evaluate) -> Spec {
    let volatility = Volatility::Volatile;
    Spec { name, arguments: (arguments, arguments), returns, volatility, evaluate }
}

use Returns::{Bool, Int4, Int4s, Int8, Oid, Text, Texts, Timestamp};

/// All functions. Sizes, definitions of views and functions, and the like are always NULL: there
/// are none, or they would tell of rows that the caller may not see.
#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Spec] = &[
    spec("acldefault", 2, 2, Texts, null),
    spec("array_lower", 2, 2, Int4, |_, a| Ok(bounds(a).map(|_| 1).into())),
    spec("array_upper", 2, 2, Int4, |_, a| Ok(bounds(a).into())),
    act("cancel_query", 1, Bool, cancel_query),
    spec("col_description", 2, 2, Text, col_description),
    spec("current_schemas", 1, 1, Texts, |v, a| Ok(names::search_path(v, flag(a, 0)).into())),
    spec("current_setting", 1, 2, Text, current_setting),
    spec("format_type", 2, 2, Text, format_type),
    spec("generate_subscripts", 2, 3, Int4s, |_, a| Ok(match bounds(a) {
        Some(upper) => Cell::I4s((1..=upper).collect()),
        None => Cell::Null,
    })),
    spec("has_any_column_privilege", 2, 3, Bool, privileges::any_column),
    spec("has_column_privilege", 3, 4, Bool, privileges::column),
    spec("has_database_privilege", 2, 3, Bool, privileges::database),
    spec("has_foreign_data_wrapper_privilege", 2, 3, Bool, null),
    spec("has_function_privilege", 2, 3, Bool, privileges::everybody),
    spec("has_language_privilege", 2, 3, Bool, privileges::everybody),
    spec("has_parameter_privilege", 2, 3, Bool, null),
    spec("has_schema_privilege", 2, 3, Bool, privileges::schema),
    spec("has_sequence_privilege", 2, 3, Bool, null),
    spec("has_server_privilege", 2, 3, Bool, null),
    spec("has_table_privilege", 2, 3, Bool, privileges::table),
    spec("has_tablespace_privilege", 2, 3, Bool, null),
    spec("has_type_privilege", 2, 3, Bool, privileges::everybody),
    spec("inet_client_addr", 0, 0, Text, null),
    spec("inet_client_port", 0, 0, Int4, null),
    spec("inet_server_addr", 0, 0, Text, null),
    spec("inet_server_port", 0, 0, Int4, null),
    spec("obj_description", 1, 2, Text, obj_description),
    spec("pg_advisory_unlock_all", 0, 0, Text, null),
    spec("pg_backend_pid", 0, 0, Int4, |v, _| Ok(v.backend_pid.into())),
    spec("pg_blocking_pids", 1, 1, Int4s, |_, _| Ok(Cell::I4s(Vec::new()))),
    spec("pg_char_to_encoding", 1, 1, Int4, |_, a| Ok(text(a, 0).map(encoding).into())),
    spec("pg_client_encoding", 0, 0, Text, |_, _| Ok("UTF8".into())),
    spec("pg_collation_is_visible", 1, 1, Bool, |_, a| Ok(oid(a, 0).map(|oid| matches!(oid, 100 | 950 | 951)).into())),
    spec("pg_column_is_updatable", 3, 3, Bool, |_, _| Ok(false.into())),
    spec("pg_conf_load_time", 0, 0, Timestamp, null),
    spec("pg_conversion_is_visible", 1, 1, Bool, null),
    spec("pg_database_size", 1, 1, Int8, null),
    spec("pg_describe_object", 3, 3, Text, null),
    spec("pg_encoding_to_char", 1, 1, Text, |_, a| Ok(oid(a, 0).map(|oid| match oid { 6 => "UTF8", 0 => "SQL_ASCII", _ => "" }).into())),
    spec("pg_function_is_visible", 1, 1, Bool, |_, a| Ok(oid(a, 0).and_then(|oid| proc_name(oid).map(|_| true)).into())),
    spec("pg_get_constraintdef", 1, 2, Text, |v, a| Ok(oid(a, 0).and_then(|oid| definitions::constraint(v, oid)).into())),
    spec("pg_get_expr", 2, 3, Text, null),
    spec("pg_get_function_arg_default", 2, 2, Text, null),
    spec("pg_get_function_arguments", 1, 1, Text, null),
    spec("pg_get_function_identity_arguments", 1, 1, Text, null),
    spec("pg_get_function_result", 1, 1, Text, null),
    spec("pg_get_function_sqlbody", 1, 1, Text, null),
    spec("pg_get_functiondef", 1, 1, Text, null),
    spec("pg_get_indexdef", 1, 3, Text, indexdef),
    spec("pg_get_partition_constraintdef", 1, 1, Text, null),
    spec("pg_get_partkeydef", 1, 1, Text, null),
    spec("pg_get_ruledef", 1, 2, Text, null),
    spec("pg_get_serial_sequence", 2, 2, Text, null),
    spec("pg_get_statisticsobjdef", 1, 1, Text, null),
    spec("pg_get_statisticsobjdef_columns", 1, 1, Text, null),
    spec("pg_get_triggerdef", 1, 2, Text, null),
    spec("pg_get_userbyid", 1, 1, Text, |v, a| Ok(oid(a, 0).map(|oid| role_name(v, oid)).into())),
    spec("pg_get_viewdef", 1, 2, Text, null),
    spec("pg_has_role", 2, 3, Bool, privileges::role),
    spec("pg_index_column_has_property", 3, 3, Bool, null),
    spec("pg_index_has_property", 2, 2, Bool, null),
    spec("pg_indexam_has_property", 2, 2, Bool, null),
    spec("pg_indexes_size", 1, 1, Int8, null),
    spec("pg_is_in_recovery", 0, 0, Bool, |_, _| Ok(false.into())),
    spec("pg_is_other_temp_schema", 1, 1, Bool, |_, _| Ok(false.into())),
    spec("pg_is_wal_replay_paused", 0, 0, Bool, null),
    spec("pg_last_wal_receive_lsn", 0, 0, Text, null),
    spec("pg_my_temp_schema", 0, 0, Oid, |_, _| Ok(0u32.into())),
    spec("pg_opclass_is_visible", 1, 1, Bool, null),
    spec("pg_operator_is_visible", 1, 1, Bool, null),
    spec("pg_opfamily_is_visible", 1, 1, Bool, null),
    spec("pg_postmaster_start_time", 0, 0, Timestamp, null),
    spec("pg_relation_filenode", 1, 1, Oid, null),
    spec("pg_relation_filepath", 1, 1, Text, null),
    spec("pg_relation_is_publishable", 1, 1, Bool, |v, a| Ok(oid(a, 0).map(|oid| v.by_oid(oid).is_some()).into())),
    spec("pg_relation_is_updatable", 2, 2, Int4, |_, _| Ok(0.into())),
    spec("pg_relation_size", 1, 2, Int8, null),
    spec("pg_sequence_last_value", 1, 1, Int8, null),
    spec("pg_size_pretty", 1, 1, Text, |_, a| Ok(a.first().and_then(Arg::number).map(size).into())),
    spec("pg_stat_get_dead_tuples", 1, 1, Int8, null),
    spec("pg_stat_get_live_tuples", 1, 1, Int8, null),
    spec("pg_stat_get_numscans", 1, 1, Int8, null),
    spec("pg_statistics_obj_is_visible", 1, 1, Bool, null),
    spec("pg_table_is_visible", 1, 1, Bool, |v, a| Ok(oid(a, 0).and_then(|oid| names::relation_is_visible(v, oid)).into())),
    spec("pg_table_size", 1, 1, Int8, null),
    spec("pg_tablespace_location", 1, 1, Text, |_, a| Ok(oid(a, 0).map(|_| "").into())),
    spec("pg_tablespace_size", 1, 1, Int8, null),
    spec("pg_total_relation_size", 1, 1, Int8, null),
    spec("pg_trigger_depth", 0, 0, Int4, |_, _| Ok(0.into())),
    spec("pg_ts_config_is_visible", 1, 1, Bool, null),
    spec("pg_ts_dict_is_visible", 1, 1, Bool, null),
    spec("pg_ts_parser_is_visible", 1, 1, Bool, null),
    spec("pg_ts_template_is_visible", 1, 1, Bool, null),
    spec("pg_type_is_visible", 1, 1, Bool, |_, a| Ok(oid(a, 0).and_then(|oid| types::by_oid(oid).map(|_| true)).into())),
    spec("quote_ident", 1, 1, Text, |_, a| Ok(text(a, 0).map(quote_if_needed).into())),
    spec("quote_literal", 1, 1, Text, |_, a| Ok(text(a, 0).map(quote_literal).into())),
    spec("row_security_active", 1, 1, Bool, null),
    spec("shobj_description", 2, 2, Text, null),
    spec("tg_regclass", 1, 1, Oid, |v, a| found(a, |t| names::regclass(v, t), Error::undefined_table)),
    spec("tg_regclass_name", 1, 1, Text, |v, a| Ok(oid(a, 0).map(|oid| names::regclass_name(v, oid)).into())),
    spec("tg_regnamespace", 1, 1, Oid, |v, a| found(a, |t| names::regnamespace(v, t), |t| undefined("schema", t))),
    spec("tg_regnamespace_name", 1, 1, Text, |v, a| Ok(oid(a, 0).map(|oid| named(oid, names::schema_name(v, oid).as_deref())).into())),
    spec("tg_regproc", 1, 1, Oid, |_, a| found(a, names::regproc, |t| Error::new(ErrorKind::UndefinedFunction, format!("function \"{t}\" does not exist")))),
    spec("tg_regproc_name", 1, 1, Text, |_, a| Ok(oid(a, 0).map(|oid| named(oid, proc_name(oid))).into())),
    spec("tg_regrole", 1, 1, Oid, |v, a| found(a, |t| regrole(v, t), |t| undefined("role", t))),
    spec("tg_regrole_name", 1, 1, Text, |v, a| Ok(oid(a, 0).map(|oid| role_name(v, oid)).into())),
    spec("tg_regtype", 1, 1, Oid, |_, a| found(a, regtype, |t| undefined("type", t))),
    spec("tg_regtype_name", 1, 1, Text, |_, a| Ok(oid(a, 0).map(|oid| match types::by_oid(oid) {
        Some(_) => types::format_type(oid, -1),
        None => named(oid, None),
    }).into())),
    spec("to_regclass", 1, 1, Oid, |v, a| Ok(text(a, 0).and_then(|t| names::regclass(v, t)).into())),
    spec("to_regcollation", 1, 1, Oid, null),
    spec("to_regnamespace", 1, 1, Oid, |v, a| Ok(text(a, 0).and_then(|t| names::regnamespace(v, t)).into())),
    spec("to_regproc", 1, 1, Oid, |_, a| Ok(text(a, 0).and_then(names::regproc).into())),
    spec("to_regprocedure", 1, 1, Oid, |_, a| Ok(text(a, 0).and_then(names::regproc).into())),
    spec("to_regrole", 1, 1, Oid, |v, a| Ok(text(a, 0).and_then(|t| regrole(v, t)).into())),
    spec("to_regtype", 1, 1, Oid, |_, a| Ok(text(a, 0).and_then(regtype).into())),
    spec("txid_current", 0, 0, Int8, |_, _| Ok(1i64.into())),
];

fn null(_: &View, _: &[Arg]) -> Result<Cell> {
    Ok(Cell::Null)
}

fn oid(args: &[Arg], index: usize) -> Option<u32> {
    args.get(index)?.oid()
}

fn text(args: &[Arg], index: usize) -> Option<&str> {
    args.get(index)?.text()
}

fn flag(args: &[Arg], index: usize) -> bool {
    args.get(index).is_some_and(Arg::is_true)
}

/// Whether one of the caller's own statements was there to be stopped; NULL where other gateways were
/// asked to.
fn cancel_query(view: &View, args: &[Arg]) -> Result<Cell> {
    let stopped = |id| match &view.stops {
        Some(stops) => stops.stop(id),
        None => Some(false),
    };
    Ok(text(args, 0).and_then(stopped).into())
}

/// The upper bound of the first dimension of a list; empty lists have none.
fn bounds(args: &[Arg]) -> Option<i32> {
    let dimension = args.get(1)?.number()?;
    let length = args.first()?.list_len().filter(|length| *length > 0 && dimension == 1)?;
    i32::try_from(length).ok()
}

/// The oid behind a text or, where a number came, the number itself; an error if there is none.
fn found(
    args: &[Arg],
    find: impl Fn(&str) -> Option<u32>,
    missing: impl Fn(&str) -> Error,
) -> Result<Cell> {
    let Some(arg) = args.first() else { return Ok(Cell::Null) };
    match (arg.number(), arg.text()) {
        (Some(number), _) => Ok(u32::try_from(number).ok().into()),
        (None, Some(text)) => match find(text) {
            Some(oid) => Ok(oid.into()),
            None => Err(fail(missing(text))),
        },
        (None, None) => Ok(Cell::Null),
    }
}

fn undefined(what: &str, name: &str) -> Error {
    Error::new(ErrorKind::UndefinedObject, format!("{what} \"{name}\" does not exist"))
}

/// A name in place of an oid, or the oid's digits, as the `reg…` types write it.
fn named(oid: u32, name: Option<&str>) -> String {
    match name {
        Some(name) => quote_if_needed(name),
        None if oid == 0 => "-".to_owned(),
        None => oid.to_string(),
    }
}

fn proc_name(oid: u32) -> Option<&'static str> {
    PROCS.iter().find(|(proc, _, _, _)| *proc == oid).map(|(_, name, _, _)| *name)
}

fn regtype(text: &str) -> Option<u32> {
    text.trim().parse().ok().or_else(|| types::by_name(text).map(|found| found.oid))
}

fn regrole(view: &View, text: &str) -> Option<u32> {
    let [name] = names::parts(text)?.try_into().ok()?;
    roles(view).find(|role| **role == name).map(|role| role_oid(role))
}

fn roles(view: &View) -> impl Iterator<Item = &String> {
    std::iter::once(&view.user).chain(&view.roles)
}

fn role_name(view: &View, oid: u32) -> String {
    match roles(view).find(|role| role_oid(role) == oid) {
        Some(role) => role.clone(),
        None if oid == OWNER.0 => OWNER.1.to_owned(),
        None => format!("unknown (OID={oid})"),
    }
}

fn current_setting(view: &View, args: &[Arg]) -> Result<Cell> {
    let Some(name) = text(args, 0) else { return Ok(Cell::Null) };
    match view.setting(name) {
        None if !flag(args, 1) => {
            let message = format!("unrecognized configuration parameter \"{name}\"");
            Err(fail(Error::new(ErrorKind::UndefinedObject, message)))
        }
        value => Ok(value.into()),
    }
}

fn format_type(_: &View, args: &[Arg]) -> Result<Cell> {
    let modifier = args.get(1).and_then(Arg::number).and_then(|number| i32::try_from(number).ok());
    Ok(oid(args, 0).map(|oid| types::format_type(oid, modifier.unwrap_or(-1))).into())
}

fn col_description(view: &View, args: &[Arg]) -> Result<Cell> {
    let table = oid(args, 0).and_then(|oid| view.by_oid(oid));
    let attnum = args.get(1).and_then(Arg::number).and_then(|number| i16::try_from(number).ok());
    let column = table.zip(attnum).and_then(|(table, attnum)| table.column(attnum));
    Ok(column.and_then(|column| column.comment.clone()).into())
}

fn obj_description(view: &View, args: &[Arg]) -> Result<Cell> {
    let of_tables = match args.get(1) {
        Some(catalog) => catalog.text() == Some("pg_class") || catalog.oid() == Some(PG_CLASS),
        None => true,
    };
    let table = oid(args, 0).filter(|_| of_tables).and_then(|oid| view.by_oid(oid));
    Ok(table.and_then(|table| table.table.comment.clone()).into())
}

fn indexdef(view: &View, args: &[Arg]) -> Result<Cell> {
    let column = args.get(1).and_then(Arg::number).unwrap_or(0);
    let definition = |oid| definitions::index(view, oid, column, flag(args, 2));
    Ok(oid(args, 0).and_then(definition).into())
}

fn encoding(name: &str) -> i32 {
    match name.to_ascii_uppercase().replace(['-', '_'], "").as_str() {
        "UTF8" | "UNICODE" => 6,
        "SQLASCII" => 0,
        _ => -1,
    }
}

pub(super) fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

/// A number of bytes as `pg_size_pretty` writes it: the unit changes at ten times its size.
fn size(bytes: i64) -> String {
    let mut value = bytes as f64;
    let mut unit = "bytes";
    for next in ["kB", "MB", "GB", "TB", "PB"] {
        if value.abs() < 10_240.0 {
            break;
        }
        value = (value / 1024.0).round();
        unit = next;
    }
    format!("{value:.0} {unit}")
}
