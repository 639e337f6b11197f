//! The relations of `pg_catalog` and `information_schema` with their columns, as PostgreSQL 15 has them.
//!
//! A column is `name:type`, `?` if it may be NULL. Types: `o` oid, `t` text (also name and "char"),
//! `2` `4` `8` integers, `f` real, `b` boolean, `z` timestamptz, `i` interval, `y` bytea, `[]` lists.

mod empty;

/// One system relation.
#[derive(Debug)]
pub(super) struct Layout {
    /// The schema.
    pub(super) schema: &'static str,
    /// The name.
    pub(super) name: &'static str,
    /// Its own oid, below those of user objects.
    pub(super) oid: u32,
    /// `r` or `v`.
    pub(super) kind: &'static str,
    /// The columns, in order.
    pub(super) columns: &'static str,
}

const fn relation(
    schema: &'static str,
    name: &'static str,
    oid: u32,
    kind: &'static str,
    columns: &'static str,
) -> Layout {
    Layout { schema, name, oid, kind, columns }
}

const PG: &str = "pg_catalog";
const IS: &str = "information_schema";

/// All system relations.
pub(super) fn relations() -> impl Iterator<Item = &'static Layout> {
    RELATIONS.iter().chain(empty::EMPTY)
}

#[rustfmt::skip]
const RELATIONS: &[Layout] = &[
    relation(PG, "pg_aggregate", 2600, "r",
        "aggfnoid:o aggkind:t aggnumdirectargs:2 aggtransfn:o aggfinalfn:o aggcombinefn:o \
         aggserialfn:o aggdeserialfn:o aggmtransfn:o aggminvtransfn:o aggmfinalfn:o \
         aggfinalextra:b aggmfinalextra:b aggfinalmodify:t aggmfinalmodify:t aggsortop:o \
         aggtranstype:o aggtransspace:4 aggmtranstype:o aggmtransspace:4 agginitval:t? \
         aggminitval:t?"),
    relation(PG, "pg_am", 2601, "r",
        "oid:o amname:t amhandler:o amtype:t"),
    relation(PG, "pg_attrdef", 2604, "r",
        "oid:o adrelid:o adnum:2 adbin:t"),
    relation(PG, "pg_attribute", 1249, "r",
        "attrelid:o attname:t atttypid:o attstattarget:4 attlen:2 attnum:2 attndims:4 \
         attcacheoff:4 atttypmod:4 attbyval:b attalign:t attstorage:t attcompression:t \
         attnotnull:b atthasdef:b atthasmissing:b attidentity:t attgenerated:t attisdropped:b \
         attislocal:b attinhcount:4 attcollation:o attacl:t[]? attoptions:t[]? \
         attfdwoptions:t[]? attmissingval:t[]?"),
    relation(PG, "pg_auth_members", 1261, "r",
        "roleid:o member:o grantor:o admin_option:b"),
    relation(PG, "pg_cast", 2605, "r",
        "oid:o castsource:o casttarget:o castfunc:o castcontext:t castmethod:t"),
    relation(PG, "pg_class", 1259, "r",
        "oid:o relname:t relnamespace:o reltype:o reloftype:o relowner:o relam:o \
         relfilenode:o reltablespace:o relpages:4 reltuples:f relallvisible:4 reltoastrelid:o \
         relhasindex:b relisshared:b relpersistence:t relkind:t relnatts:2 relchecks:2 \
         relhasrules:b relhastriggers:b relhassubclass:b relrowsecurity:b \
         relforcerowsecurity:b relispopulated:b relreplident:t relispartition:b relrewrite:o \
         relfrozenxid:o relminmxid:o relacl:t[]? reloptions:t[]? relpartbound:t?"),
    relation(PG, "pg_collation", 3456, "r",
        "oid:o collname:t collnamespace:o collowner:o collprovider:t collisdeterministic:b \
         collencoding:4 collcollate:t? collctype:t? colliculocale:t? collversion:t?"),
    relation(PG, "pg_constraint", 2606, "r",
        "oid:o conname:t connamespace:o contype:t condeferrable:b condeferred:b \
         convalidated:b conrelid:o contypid:o conindid:o conparentid:o confrelid:o \
         confupdtype:t confdeltype:t confmatchtype:t conislocal:b coninhcount:4 \
         connoinherit:b conkey:2[]? confkey:2[]? conpfeqop:o[]? conppeqop:o[]? conffeqop:o[]? \
         confdelsetcols:2[]? conexclop:o[]? conbin:t?"),
    relation(PG, "pg_conversion", 2607, "r",
        "oid:o conname:t connamespace:o conowner:o conforencoding:4 contoencoding:4 conproc:o \
         condefault:b"),
    relation(PG, "pg_cursors", 12077, "v",
        "name:t? statement:t? is_holdable:b? is_binary:b? is_scrollable:b? creation_time:z?"),
    relation(PG, "pg_database", 1262, "r",
        "oid:o datname:t datdba:o encoding:4 datlocprovider:t datistemplate:b datallowconn:b \
         datconnlimit:4 datfrozenxid:o datminmxid:o dattablespace:o datcollate:t datctype:t \
         daticulocale:t? datcollversion:t? datacl:t[]?"),
    relation(PG, "pg_db_role_setting", 2964, "r",
        "setdatabase:o setrole:o setconfig:t[]?"),
    relation(PG, "pg_depend", 2608, "r",
        "classid:o objid:o objsubid:4 refclassid:o refobjid:o refobjsubid:4 deptype:t"),
    relation(PG, "pg_description", 2609, "r",
        "objoid:o classoid:o objsubid:4 description:t"),
    relation(PG, "pg_enum", 3501, "r",
        "oid:o enumtypid:o enumsortorder:f enumlabel:t"),
    relation(PG, "pg_event_trigger", 3466, "r",
        "oid:o evtname:t evtevent:t evtowner:o evtfoid:o evtenabled:t evttags:t[]?"),
    relation(PG, "pg_extension", 3079, "r",
        "oid:o extname:t extowner:o extnamespace:o extrelocatable:b extversion:t \
         extconfig:o[]? extcondition:t[]?"),
    relation(PG, "pg_foreign_data_wrapper", 2328, "r",
        "oid:o fdwname:t fdwowner:o fdwhandler:o fdwvalidator:o fdwacl:t[]? fdwoptions:t[]?"),
    relation(PG, "pg_foreign_server", 1417, "r",
        "oid:o srvname:t srvowner:o srvfdw:o srvtype:t? srvversion:t? srvacl:t[]? \
         srvoptions:t[]?"),
    relation(PG, "pg_foreign_table", 3118, "r",
        "ftrelid:o ftserver:o ftoptions:t[]?"),
    relation(PG, "pg_group", 12010, "v",
        "groname:t? grosysid:o? grolist:o[]?"),
    relation(PG, "pg_index", 2610, "r",
        "indexrelid:o indrelid:o indnatts:2 indnkeyatts:2 indisunique:b indnullsnotdistinct:b \
         indisprimary:b indisexclusion:b indimmediate:b indisclustered:b indisvalid:b \
         indcheckxmin:b indisready:b indislive:b indisreplident:b indkey:2[] indcollation:o[] \
         indclass:o[] indoption:2[] indexprs:t? indpred:t?"),
    relation(PG, "pg_indexes", 12043, "v",
        "schemaname:t? tablename:t? indexname:t? tablespace:t? indexdef:t?"),
    relation(PG, "pg_inherits", 2611, "r",
        "inhrelid:o inhparent:o inhseqno:4 inhdetachpending:b"),
    relation(PG, "pg_language", 2612, "r",
        "oid:o lanname:t lanowner:o lanispl:b lanpltrusted:b lanplcallfoid:o laninline:o \
         lanvalidator:o lanacl:t[]?"),
    relation(PG, "pg_locks", 12073, "v",
        "locktype:t? database:o? relation:o? page:4? tuple:2? virtualxid:t? transactionid:o? \
         classid:o? objid:o? objsubid:2? virtualtransaction:t? pid:4? mode:t? granted:b? \
         fastpath:b? waitstart:z?"),
    relation(PG, "pg_matviews", 12038, "v",
        "schemaname:t? matviewname:t? matviewowner:t? tablespace:t? hasindexes:b? \
         ispopulated:b? definition:t?"),
    relation(PG, "pg_namespace", 2615, "r",
        "oid:o nspname:t nspowner:o nspacl:t[]?"),
    relation(PG, "pg_opclass", 2616, "r",
        "oid:o opcmethod:o opcname:t opcnamespace:o opcowner:o opcfamily:o opcintype:o \
         opcdefault:b opckeytype:o"),
    relation(PG, "pg_operator", 2617, "r",
        "oid:o oprname:t oprnamespace:o oprowner:o oprkind:t oprcanmerge:b oprcanhash:b \
         oprleft:o oprright:o oprresult:o oprcom:o oprnegate:o oprcode:o oprrest:o oprjoin:o"),
    relation(PG, "pg_opfamily", 2753, "r",
        "oid:o opfmethod:o opfname:t opfnamespace:o opfowner:o"),
    relation(PG, "pg_partitioned_table", 3350, "r",
        "partrelid:o partstrat:t partnatts:2 partdefid:o partattrs:2[] partclass:o[] \
         partcollation:o[] partexprs:t?"),
    relation(PG, "pg_policies", 12018, "v",
        "schemaname:t? tablename:t? policyname:t? permissive:t? roles:t[]? cmd:t? qual:t? \
         with_check:t?"),
    relation(PG, "pg_policy", 3256, "r",
        "oid:o polname:t polrelid:o polcmd:t polpermissive:b polroles:o[] polqual:t? \
         polwithcheck:t?"),
    relation(PG, "pg_prepared_statements", 12095, "v",
        "name:t? statement:t? prepare_time:z? parameter_types:o[]? from_sql:b? \
         generic_plans:8? custom_plans:8?"),
    relation(PG, "pg_proc", 1255, "r",
        "oid:o proname:t pronamespace:o proowner:o prolang:o procost:f prorows:f \
         provariadic:o prosupport:o prokind:t prosecdef:b proleakproof:b proisstrict:b \
         proretset:b provolatile:t proparallel:t pronargs:2 pronargdefaults:2 prorettype:o \
         proargtypes:o[] proallargtypes:o[]? proargmodes:t[]? proargnames:t[]? \
         proargdefaults:t? protrftypes:o[]? prosrc:t probin:t? prosqlbody:t? proconfig:t[]? \
         proacl:t[]?"),
    relation(PG, "pg_publication", 6104, "r",
        "oid:o pubname:t pubowner:o puballtables:b pubinsert:b pubupdate:b pubdelete:b \
         pubtruncate:b pubviaroot:b"),
    relation(PG, "pg_publication_namespace", 6237, "r",
        "oid:o pnpubid:o pnnspid:o"),
    relation(PG, "pg_publication_rel", 6106, "r",
        "oid:o prpubid:o prrelid:o prqual:t? prattrs:2[]?"),
    relation(PG, "pg_publication_tables", 12068, "v",
        "pubname:t? schemaname:t? tablename:t? attnames:t[]? rowfilter:t?"),
    relation(PG, "pg_range", 3541, "r",
        "rngtypid:o rngsubtype:o rngmultitypid:o rngcollation:o rngsubopc:o rngcanonical:o \
         rngsubdiff:o"),
    relation(PG, "pg_rewrite", 2618, "r",
        "oid:o rulename:t ev_class:o ev_type:t ev_enabled:t is_instead:b ev_qual:t \
         ev_action:t"),
    relation(PG, "pg_roles", 12000, "v",
        "rolname:t? rolsuper:b? rolinherit:b? rolcreaterole:b? rolcreatedb:b? rolcanlogin:b? \
         rolreplication:b? rolconnlimit:4? rolpassword:t? rolvaliduntil:z? rolbypassrls:b? \
         rolconfig:t[]? oid:o?"),
    relation(PG, "pg_rules", 12023, "v",
        "schemaname:t? tablename:t? rulename:t? definition:t?"),
    relation(PG, "pg_seclabel", 3596, "r",
        "objoid:o classoid:o objsubid:4 provider:t label:t"),
    relation(PG, "pg_sequence", 2224, "r",
        "seqrelid:o seqtypid:o seqstart:8 seqincrement:8 seqmax:8 seqmin:8 seqcache:8 \
         seqcycle:b"),
    relation(PG, "pg_sequences", 12048, "v",
        "schemaname:t? sequencename:t? sequenceowner:t? data_type:o? start_value:8? \
         min_value:8? max_value:8? increment_by:8? cycle:b? cache_size:8? last_value:8?"),
    relation(PG, "pg_settings", 12104, "v",
        "name:t? setting:t? unit:t? category:t? short_desc:t? extra_desc:t? context:t? \
         vartype:t? source:t? min_val:t? max_val:t? enumvals:t[]? boot_val:t? reset_val:t? \
         sourcefile:t? sourceline:4? pending_restart:b?"),
    relation(PG, "pg_shdepend", 1214, "r",
        "dbid:o classid:o objid:o objsubid:4 refclassid:o refobjid:o deptype:t"),
    relation(PG, "pg_shdescription", 2396, "r",
        "objoid:o classoid:o description:t"),
    relation(PG, "pg_stat_activity", 12222, "v",
        "datid:o? datname:t? pid:4? leader_pid:4? usesysid:o? usename:t? application_name:t? \
         client_addr:t? client_hostname:t? client_port:4? backend_start:z? xact_start:z? \
         query_start:z? state_change:z? wait_event_type:t? wait_event:t? state:t? \
         backend_xid:o? backend_xmin:o? query_id:8? query:t? backend_type:t?"),
    relation(PG, "pg_stat_user_tables", 12161, "v",
        "relid:o? schemaname:t? relname:t? seq_scan:8? seq_tup_read:8? idx_scan:8? \
         idx_tup_fetch:8? n_tup_ins:8? n_tup_upd:8? n_tup_del:8? n_tup_hot_upd:8? \
         n_live_tup:8? n_dead_tup:8? n_mod_since_analyze:8? n_ins_since_vacuum:8? \
         last_vacuum:z? last_autovacuum:z? last_analyze:z? last_autoanalyze:z? \
         vacuum_count:8? autovacuum_count:8? analyze_count:8? autoanalyze_count:8?"),
    relation(PG, "pg_statistic_ext", 3381, "r",
        "oid:o stxrelid:o stxname:t stxnamespace:o stxowner:o stxstattarget:4 stxkeys:2[] \
         stxkind:t[] stxexprs:t?"),
    relation(PG, "pg_tables", 12033, "v",
        "schemaname:t? tablename:t? tableowner:t? tablespace:t? hasindexes:b? hasrules:b? \
         hastriggers:b? rowsecurity:b?"),
    relation(PG, "pg_tablespace", 1213, "r",
        "oid:o spcname:t spcowner:o spcacl:t[]? spcoptions:t[]?"),
    relation(PG, "pg_timezone_names", 12126, "v",
        "name:t? abbrev:t? utc_offset:i? is_dst:b?"),
    relation(PG, "pg_trigger", 2620, "r",
        "oid:o tgrelid:o tgparentid:o tgname:t tgfoid:o tgtype:2 tgenabled:t tgisinternal:b \
         tgconstrrelid:o tgconstrindid:o tgconstraint:o tgdeferrable:b tginitdeferred:b \
         tgnargs:2 tgattr:2[] tgargs:y tgqual:t? tgoldtable:t? tgnewtable:t?"),
    relation(PG, "pg_type", 1247, "r",
        "oid:o typname:t typnamespace:o typowner:o typlen:2 typbyval:b typtype:t \
         typcategory:t typispreferred:b typisdefined:b typdelim:t typrelid:o typsubscript:o \
         typelem:o typarray:o typinput:o typoutput:o typreceive:o typsend:o typmodin:o \
         typmodout:o typanalyze:o typalign:t typstorage:t typnotnull:b typbasetype:o \
         typtypmod:4 typndims:4 typcollation:o typdefaultbin:t? typdefault:t? typacl:t[]?"),
    relation(PG, "pg_user", 12014, "v",
        "usename:t? usesysid:o? usecreatedb:b? usesuper:b? userepl:b? usebypassrls:b? \
         passwd:t? valuntil:z? useconfig:t[]?"),
    relation(PG, "pg_user_mapping", 1418, "r",
        "oid:o umuser:o umserver:o umoptions:t[]?"),
    relation(PG, "pg_views", 12028, "v",
        "schemaname:t? viewname:t? viewowner:t? definition:t?"),
    relation(IS, "applicable_roles", 13236, "v",
        "grantee:t? role_name:t? is_grantable:t?"),
    relation(IS, "character_sets", 13250, "v",
        "character_set_catalog:t? character_set_schema:t? character_set_name:t? \
         character_repertoire:t? form_of_use:t? default_collate_catalog:t? \
         default_collate_schema:t? default_collate_name:t?"),
    relation(IS, "check_constraints", 13260, "v",
        "constraint_catalog:t? constraint_schema:t? constraint_name:t? check_clause:t?"),
    relation(IS, "column_privileges", 13285, "v",
        "grantor:t? grantee:t? table_catalog:t? table_schema:t? table_name:t? column_name:t? \
         privilege_type:t? is_grantable:t?"),
    relation(IS, "columns", 13295, "v",
        "table_catalog:t? table_schema:t? table_name:t? column_name:t? ordinal_position:4? \
         column_default:t? is_nullable:t? data_type:t? character_maximum_length:4? \
         character_octet_length:4? numeric_precision:4? numeric_precision_radix:4? \
         numeric_scale:4? datetime_precision:4? interval_type:t? interval_precision:4? \
         character_set_catalog:t? character_set_schema:t? character_set_name:t? \
         collation_catalog:t? collation_schema:t? collation_name:t? domain_catalog:t? \
         domain_schema:t? domain_name:t? udt_catalog:t? udt_schema:t? udt_name:t? \
         scope_catalog:t? scope_schema:t? scope_name:t? maximum_cardinality:4? \
         dtd_identifier:t? is_self_referencing:t? is_identity:t? identity_generation:t? \
         identity_start:t? identity_increment:t? identity_maximum:t? identity_minimum:t? \
         identity_cycle:t? is_generated:t? generation_expression:t? is_updatable:t?"),
    relation(IS, "constraint_column_usage", 13300, "v",
        "table_catalog:t? table_schema:t? table_name:t? column_name:t? constraint_catalog:t? \
         constraint_schema:t? constraint_name:t?"),
    relation(IS, "domains", 13320, "v",
        "domain_catalog:t? domain_schema:t? domain_name:t? data_type:t? \
         character_maximum_length:4? character_octet_length:4? character_set_catalog:t? \
         character_set_schema:t? character_set_name:t? collation_catalog:t? \
         collation_schema:t? collation_name:t? numeric_precision:4? \
         numeric_precision_radix:4? numeric_scale:4? datetime_precision:4? interval_type:t? \
         interval_precision:4? domain_default:t? udt_catalog:t? udt_schema:t? udt_name:t? \
         scope_catalog:t? scope_schema:t? scope_name:t? maximum_cardinality:4? \
         dtd_identifier:t?"),
    relation(IS, "element_types", 13493, "v",
        "object_catalog:t? object_schema:t? object_name:t? object_type:t? \
         collection_type_identifier:t? data_type:t? character_maximum_length:4? \
         character_octet_length:4? character_set_catalog:t? character_set_schema:t? \
         character_set_name:t? collation_catalog:t? collation_schema:t? collation_name:t? \
         numeric_precision:4? numeric_precision_radix:4? numeric_scale:4? \
         datetime_precision:4? interval_type:t? interval_precision:4? domain_default:t? \
         udt_catalog:t? udt_schema:t? udt_name:t? scope_catalog:t? scope_schema:t? \
         scope_name:t? maximum_cardinality:4? dtd_identifier:t?"),
    relation(IS, "enabled_roles", 13325, "v",
        "role_name:t?"),
    relation(IS, "information_schema_catalog_name", 13227, "v",
        "catalog_name:t?"),
    relation(IS, "key_column_usage", 13329, "v",
        "constraint_catalog:t? constraint_schema:t? constraint_name:t? table_catalog:t? \
         table_schema:t? table_name:t? column_name:t? ordinal_position:4? \
         position_in_unique_constraint:4?"),
    relation(IS, "parameters", 13334, "v",
        "specific_catalog:t? specific_schema:t? specific_name:t? ordinal_position:4? \
         parameter_mode:t? is_result:t? as_locator:t? parameter_name:t? data_type:t? \
         character_maximum_length:4? character_octet_length:4? character_set_catalog:t? \
         character_set_schema:t? character_set_name:t? collation_catalog:t? \
         collation_schema:t? collation_name:t? numeric_precision:4? \
         numeric_precision_radix:4? numeric_scale:4? datetime_precision:4? interval_type:t? \
         interval_precision:4? udt_catalog:t? udt_schema:t? udt_name:t? scope_catalog:t? \
         scope_schema:t? scope_name:t? maximum_cardinality:4? dtd_identifier:t? \
         parameter_default:t?"),
    relation(IS, "referential_constraints", 13339, "v",
        "constraint_catalog:t? constraint_schema:t? constraint_name:t? \
         unique_constraint_catalog:t? unique_constraint_schema:t? unique_constraint_name:t? \
         match_option:t? update_rule:t? delete_rule:t?"),
    relation(IS, "role_column_grants", 13344, "v",
        "grantor:t? grantee:t? table_catalog:t? table_schema:t? table_name:t? column_name:t? \
         privilege_type:t? is_grantable:t?"),
    relation(IS, "role_table_grants", 13421, "v",
        "grantor:t? grantee:t? table_catalog:t? table_schema:t? table_name:t? \
         privilege_type:t? is_grantable:t? with_hierarchy:t?"),
    relation(IS, "routines", 13377, "v",
        "specific_catalog:t? specific_schema:t? specific_name:t? routine_catalog:t? \
         routine_schema:t? routine_name:t? routine_type:t? module_catalog:t? module_schema:t? \
         module_name:t? udt_catalog:t? udt_schema:t? udt_name:t? data_type:t? \
         character_maximum_length:4? character_octet_length:4? character_set_catalog:t? \
         character_set_schema:t? character_set_name:t? collation_catalog:t? \
         collation_schema:t? collation_name:t? numeric_precision:4? \
         numeric_precision_radix:4? numeric_scale:4? datetime_precision:4? interval_type:t? \
         interval_precision:4? type_udt_catalog:t? type_udt_schema:t? type_udt_name:t? \
         scope_catalog:t? scope_schema:t? scope_name:t? maximum_cardinality:4? \
         dtd_identifier:t? routine_body:t? routine_definition:t? external_name:t? \
         external_language:t? parameter_style:t? is_deterministic:t? sql_data_access:t? \
         is_null_call:t? sql_path:t? schema_level_routine:t? max_dynamic_result_sets:4? \
         is_user_defined_cast:t? is_implicitly_invocable:t? security_type:t? \
         to_sql_specific_catalog:t? to_sql_specific_schema:t? to_sql_specific_name:t? \
         as_locator:t? created:z? last_altered:z? new_savepoint_level:t? is_udt_dependent:t? \
         result_cast_from_data_type:t? result_cast_as_locator:t? \
         result_cast_char_max_length:4? result_cast_char_octet_length:4? \
         result_cast_char_set_catalog:t? result_cast_char_set_schema:t? \
         result_cast_char_set_name:t? result_cast_collation_catalog:t? \
         result_cast_collation_schema:t? result_cast_collation_name:t? \
         result_cast_numeric_precision:4? result_cast_numeric_precision_radix:4? \
         result_cast_numeric_scale:4? result_cast_datetime_precision:4? \
         result_cast_interval_type:t? result_cast_interval_precision:4? \
         result_cast_type_udt_catalog:t? result_cast_type_udt_schema:t? \
         result_cast_type_udt_name:t? result_cast_scope_catalog:t? \
         result_cast_scope_schema:t? result_cast_scope_name:t? \
         result_cast_maximum_cardinality:4? result_cast_dtd_identifier:t?"),
    relation(IS, "schemata", 13382, "v",
        "catalog_name:t? schema_name:t? schema_owner:t? default_character_set_catalog:t? \
         default_character_set_schema:t? default_character_set_name:t? sql_path:t?"),
    relation(IS, "sequences", 13386, "v",
        "sequence_catalog:t? sequence_schema:t? sequence_name:t? data_type:t? \
         numeric_precision:4? numeric_precision_radix:4? numeric_scale:4? start_value:t? \
         minimum_value:t? maximum_value:t? increment:t? cycle_option:t?"),
    relation(IS, "table_constraints", 13411, "v",
        "constraint_catalog:t? constraint_schema:t? constraint_name:t? table_catalog:t? \
         table_schema:t? table_name:t? constraint_type:t? is_deferrable:t? \
         initially_deferred:t? enforced:t? nulls_distinct:t?"),
    relation(IS, "table_privileges", 13416, "v",
        "grantor:t? grantee:t? table_catalog:t? table_schema:t? table_name:t? \
         privilege_type:t? is_grantable:t? with_hierarchy:t?"),
    relation(IS, "tables", 13425, "v",
        "table_catalog:t? table_schema:t? table_name:t? table_type:t? \
         self_referencing_column_name:t? reference_generation:t? user_defined_type_catalog:t? \
         user_defined_type_schema:t? user_defined_type_name:t? is_insertable_into:t? \
         is_typed:t? commit_action:t?"),
    relation(IS, "triggers", 13440, "v",
        "trigger_catalog:t? trigger_schema:t? trigger_name:t? event_manipulation:t? \
         event_object_catalog:t? event_object_schema:t? event_object_table:t? action_order:4? \
         action_condition:t? action_statement:t? action_orientation:t? action_timing:t? \
         action_reference_old_table:t? action_reference_new_table:t? \
         action_reference_old_row:t? action_reference_new_row:t? created:z?"),
    relation(IS, "view_table_usage", 13478, "v",
        "view_catalog:t? view_schema:t? view_name:t? table_catalog:t? table_schema:t? \
         table_name:t?"),
    relation(IS, "views", 13483, "v",
        "table_catalog:t? table_schema:t? table_name:t? view_definition:t? check_option:t? \
         is_updatable:t? is_insertable_into:t? is_trigger_updatable:t? \
         is_trigger_deletable:t? is_trigger_insertable_into:t?"),
];
