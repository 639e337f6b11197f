//! System relations that have no rows here, so that clients may ask for what isn't there:
//! statistics, text search, replication, foreign data, and the like.

use super::{IS, Layout, PG, relation};

/// The relations, which nothing fills.
#[rustfmt::skip]
pub(super) const EMPTY: &[Layout] = &[
    relation(PG, "pg_amop", 2602, "r",
        "oid:o amopfamily:o amoplefttype:o amoprighttype:o amopstrategy:2 amoppurpose:t amopopr:o amopmethod:o \
         amopsortfamily:o"),
    relation(PG, "pg_amproc", 2603, "r",
        "oid:o amprocfamily:o amproclefttype:o amprocrighttype:o amprocnum:2 amproc:o"),
    relation(PG, "pg_available_extension_versions", 12085, "v",
        "name:t? version:t? installed:b? superuser:b? trusted:b? relocatable:b? schema:t? requires:t[]? comment:t?"),
    relation(PG, "pg_available_extensions", 12081, "v",
        "name:t? default_version:t? installed_version:t? comment:t?"),
    relation(PG, "pg_default_acl", 826, "r",
        "oid:o defaclrole:o defaclnamespace:o defaclobjtype:t defaclacl:t[]"),
    relation(PG, "pg_init_privs", 3394, "r",
        "objoid:o classoid:o objsubid:4 privtype:t initprivs:t[]"),
    relation(PG, "pg_largeobject_metadata", 2995, "r",
        "oid:o lomowner:o lomacl:t[]?"),
    relation(PG, "pg_parameter_acl", 6243, "r",
        "oid:o parname:t paracl:t[]?"),
    relation(PG, "pg_prepared_xacts", 12090, "v",
        "transaction:o? gid:t? prepared:z? owner:t? database:t?"),
    relation(PG, "pg_replication_origin", 6000, "r",
        "roident:o roname:t"),
    relation(PG, "pg_replication_slots", 12257, "v",
        "slot_name:t? plugin:t? slot_type:t? datoid:o? database:t? temporary:b? active:b? active_pid:4? xmin:o? \
         catalog_xmin:o? restart_lsn:t? confirmed_flush_lsn:t? wal_status:t? safe_wal_size:8? two_phase:b?"),
    relation(PG, "pg_seclabels", 12099, "v",
        "objoid:o? classoid:o? objsubid:4? objtype:t? objnamespace:o? objname:t? provider:t? label:t?"),
    relation(PG, "pg_shseclabel", 3592, "r",
        "objoid:o classoid:o provider:t label:t"),
    relation(PG, "pg_stat_all_indexes", 12183, "v",
        "relid:o? indexrelid:o? schemaname:t? relname:t? indexrelname:t? idx_scan:8? idx_tup_read:8? idx_tup_fetch:8?"),
    relation(PG, "pg_stat_all_tables", 12142, "v",
        "relid:o? schemaname:t? relname:t? seq_scan:8? seq_tup_read:8? idx_scan:8? idx_tup_fetch:8? n_tup_ins:8? \
         n_tup_upd:8? n_tup_del:8? n_tup_hot_upd:8? n_live_tup:8? n_dead_tup:8? n_mod_since_analyze:8? \
         n_ins_since_vacuum:8? last_vacuum:z? last_autovacuum:z? last_analyze:z? last_autoanalyze:z? vacuum_count:8? \
         autovacuum_count:8? analyze_count:8? autoanalyze_count:8?"),
    relation(PG, "pg_stat_archiver", 12285, "v",
        "archived_count:8? last_archived_wal:t? last_archived_time:z? failed_count:8? last_failed_wal:t? \
         last_failed_time:z? stats_reset:z?"),
    relation(PG, "pg_stat_bgwriter", 12289, "v",
        "checkpoints_timed:8? checkpoints_req:8? checkpoint_write_time:d? checkpoint_sync_time:d? buffers_checkpoint:8? \
         buffers_clean:8? maxwritten_clean:8? buffers_backend:8? buffers_backend_fsync:8? buffers_alloc:8? \
         stats_reset:z?"),
    relation(PG, "pg_stat_database", 12266, "v",
        "datid:o? datname:t? numbackends:4? xact_commit:8? xact_rollback:8? blks_read:8? blks_hit:8? tup_returned:8? \
         tup_fetched:8? tup_inserted:8? tup_updated:8? tup_deleted:8? conflicts:8? temp_files:8? temp_bytes:8? \
         deadlocks:8? checksum_failures:8? checksum_last_failure:z? blk_read_time:d? blk_write_time:d? session_time:d? \
         active_time:d? idle_in_transaction_time:d? sessions:8? sessions_abandoned:8? sessions_fatal:8? \
         sessions_killed:8? stats_reset:z?"),
    relation(PG, "pg_stat_database_conflicts", 12271, "v",
        "datid:o? datname:t? confl_tablespace:8? confl_lock:8? confl_snapshot:8? confl_bufferpin:8? confl_deadlock:8?"),
    relation(PG, "pg_stat_gssapi", 12253, "v",
        "pid:4? gss_authenticated:b? principal:t? encrypted:b?"),
    relation(PG, "pg_stat_progress_analyze", 12297, "v",
        "pid:4? datid:o? datname:t? relid:o? phase:t? sample_blks_total:8? sample_blks_scanned:8? ext_stats_total:8? \
         ext_stats_computed:8? child_tables_total:8? child_tables_done:8? current_child_table_relid:o?"),
    relation(PG, "pg_stat_progress_basebackup", 12317, "v",
        "pid:4? phase:t? backup_total:8? backup_streamed:8? tablespaces_total:8? tablespaces_streamed:8?"),
    relation(PG, "pg_stat_progress_cluster", 12307, "v",
        "pid:4? datid:o? datname:t? relid:o? command:t? phase:t? cluster_index_relid:o? heap_tuples_scanned:8? \
         heap_tuples_written:8? heap_blks_total:8? heap_blks_scanned:8? index_rebuild_count:8?"),
    relation(PG, "pg_stat_progress_copy", 12322, "v",
        "pid:4? datid:o? datname:t? relid:o? command:t? type:t? bytes_processed:8? bytes_total:8? tuples_processed:8? \
         tuples_excluded:8?"),
    relation(PG, "pg_stat_progress_create_index", 12312, "v",
        "pid:4? datid:o? datname:t? relid:o? index_relid:o? command:t? phase:t? lockers_total:8? lockers_done:8? \
         current_locker_pid:8? blocks_total:8? blocks_done:8? tuples_total:8? tuples_done:8? partitions_total:8? \
         partitions_done:8?"),
    relation(PG, "pg_stat_progress_vacuum", 12302, "v",
        "pid:4? datid:o? datname:t? relid:o? phase:t? heap_blks_total:8? heap_blks_scanned:8? heap_blks_vacuumed:8? \
         index_vacuum_count:8? max_dead_tuples:8? num_dead_tuples:8?"),
    relation(PG, "pg_stat_recovery_prefetch", 12240, "v",
        "stats_reset:z? prefetch:8? hit:8? skip_init:8? skip_new:8? skip_fpw:8? skip_rep:8? wal_distance:4? \
         block_distance:4? io_depth:4?"),
    relation(PG, "pg_stat_replication", 12227, "v",
        "pid:4? usesysid:o? usename:t? application_name:t? client_addr:t? client_hostname:t? client_port:4? \
         backend_start:z? backend_xmin:o? state:t? sent_lsn:t? write_lsn:t? flush_lsn:t? replay_lsn:t? write_lag:i? \
         flush_lag:i? replay_lag:i? sync_priority:4? sync_state:t? reply_time:z?"),
    relation(PG, "pg_stat_replication_slots", 12262, "v",
        "slot_name:t? spill_txns:8? spill_count:8? spill_bytes:8? stream_txns:8? stream_count:8? stream_bytes:8? \
         total_txns:8? total_bytes:8? stats_reset:z?"),
    relation(PG, "pg_stat_slru", 12232, "v",
        "name:t? blks_zeroed:8? blks_hit:8? blks_read:8? blks_written:8? blks_exists:8? flushes:8? truncates:8? \
         stats_reset:z?"),
    relation(PG, "pg_stat_ssl", 12249, "v",
        "pid:4? ssl:b? version:t? cipher:t? bits:4? client_dn:t? client_serial:d? issuer_dn:t?"),
    relation(PG, "pg_stat_subscription", 12244, "v",
        "subid:o? subname:t? pid:4? relid:o? received_lsn:t? last_msg_send_time:z? last_msg_receipt_time:z? \
         latest_end_lsn:t? latest_end_time:z?"),
    relation(PG, "pg_stat_subscription_stats", 12336, "v",
        "subid:o? subname:t? apply_error_count:8? sync_error_count:8? stats_reset:z?"),
    relation(PG, "pg_stat_sys_indexes", 12188, "v",
        "relid:o? indexrelid:o? schemaname:t? relname:t? indexrelname:t? idx_scan:8? idx_tup_read:8? idx_tup_fetch:8?"),
    relation(PG, "pg_stat_sys_tables", 12152, "v",
        "relid:o? schemaname:t? relname:t? seq_scan:8? seq_tup_read:8? idx_scan:8? idx_tup_fetch:8? n_tup_ins:8? \
         n_tup_upd:8? n_tup_del:8? n_tup_hot_upd:8? n_live_tup:8? n_dead_tup:8? n_mod_since_analyze:8? \
         n_ins_since_vacuum:8? last_vacuum:z? last_autovacuum:z? last_analyze:z? last_autoanalyze:z? vacuum_count:8? \
         autovacuum_count:8? analyze_count:8? autoanalyze_count:8?"),
    relation(PG, "pg_stat_user_functions", 12275, "v",
        "funcid:o? schemaname:t? funcname:t? calls:8? total_time:d? self_time:d?"),
    relation(PG, "pg_stat_user_indexes", 12192, "v",
        "relid:o? indexrelid:o? schemaname:t? relname:t? indexrelname:t? idx_scan:8? idx_tup_read:8? idx_tup_fetch:8?"),
    relation(PG, "pg_stat_wal", 12293, "v",
        "wal_records:8? wal_fpi:8? wal_bytes:d? wal_buffers_full:8? wal_write:8? wal_sync:8? wal_write_time:d? \
         wal_sync_time:d? stats_reset:z?"),
    relation(PG, "pg_stat_wal_receiver", 12236, "v",
        "pid:4? status:t? receive_start_lsn:t? receive_start_tli:4? written_lsn:t? flushed_lsn:t? received_tli:4? \
         last_msg_send_time:z? last_msg_receipt_time:z? latest_end_lsn:t? latest_end_time:z? slot_name:t? \
         sender_host:t? sender_port:4? conninfo:t?"),
    relation(PG, "pg_stat_xact_all_tables", 12147, "v",
        "relid:o? schemaname:t? relname:t? seq_scan:8? seq_tup_read:8? idx_scan:8? idx_tup_fetch:8? n_tup_ins:8? \
         n_tup_upd:8? n_tup_del:8? n_tup_hot_upd:8?"),
    relation(PG, "pg_stat_xact_sys_tables", 12157, "v",
        "relid:o? schemaname:t? relname:t? seq_scan:8? seq_tup_read:8? idx_scan:8? idx_tup_fetch:8? n_tup_ins:8? \
         n_tup_upd:8? n_tup_del:8? n_tup_hot_upd:8?"),
    relation(PG, "pg_stat_xact_user_functions", 12280, "v",
        "funcid:o? schemaname:t? funcname:t? calls:8? total_time:d? self_time:d?"),
    relation(PG, "pg_stat_xact_user_tables", 12166, "v",
        "relid:o? schemaname:t? relname:t? seq_scan:8? seq_tup_read:8? idx_scan:8? idx_tup_fetch:8? n_tup_ins:8? \
         n_tup_upd:8? n_tup_del:8? n_tup_hot_upd:8?"),
    relation(PG, "pg_statio_all_indexes", 12196, "v",
        "relid:o? indexrelid:o? schemaname:t? relname:t? indexrelname:t? idx_blks_read:8? idx_blks_hit:8?"),
    relation(PG, "pg_statio_all_sequences", 12209, "v",
        "relid:o? schemaname:t? relname:t? blks_read:8? blks_hit:8?"),
    relation(PG, "pg_statio_all_tables", 12170, "v",
        "relid:o? schemaname:t? relname:t? heap_blks_read:8? heap_blks_hit:8? idx_blks_read:8? idx_blks_hit:8? \
         toast_blks_read:8? toast_blks_hit:8? tidx_blks_read:8? tidx_blks_hit:8?"),
    relation(PG, "pg_statio_sys_indexes", 12201, "v",
        "relid:o? indexrelid:o? schemaname:t? relname:t? indexrelname:t? idx_blks_read:8? idx_blks_hit:8?"),
    relation(PG, "pg_statio_sys_sequences", 12214, "v",
        "relid:o? schemaname:t? relname:t? blks_read:8? blks_hit:8?"),
    relation(PG, "pg_statio_sys_tables", 12175, "v",
        "relid:o? schemaname:t? relname:t? heap_blks_read:8? heap_blks_hit:8? idx_blks_read:8? idx_blks_hit:8? \
         toast_blks_read:8? toast_blks_hit:8? tidx_blks_read:8? tidx_blks_hit:8?"),
    relation(PG, "pg_statio_user_indexes", 12205, "v",
        "relid:o? indexrelid:o? schemaname:t? relname:t? indexrelname:t? idx_blks_read:8? idx_blks_hit:8?"),
    relation(PG, "pg_statio_user_sequences", 12218, "v",
        "relid:o? schemaname:t? relname:t? blks_read:8? blks_hit:8?"),
    relation(PG, "pg_statio_user_tables", 12179, "v",
        "relid:o? schemaname:t? relname:t? heap_blks_read:8? heap_blks_hit:8? idx_blks_read:8? idx_blks_hit:8? \
         toast_blks_read:8? toast_blks_hit:8? tidx_blks_read:8? tidx_blks_hit:8?"),
    relation(PG, "pg_stats", 12053, "v",
        "schemaname:t? tablename:t? attname:t? inherited:b? null_frac:f? avg_width:4? n_distinct:f? most_common_vals:t? \
         most_common_freqs:f[]? histogram_bounds:t? correlation:f? most_common_elems:t? most_common_elem_freqs:f[]? \
         elem_count_histogram:f[]?"),
    relation(PG, "pg_stats_ext", 12058, "v",
        "schemaname:t? tablename:t? statistics_schemaname:t? statistics_name:t? statistics_owner:t? attnames:t[]? \
         exprs:t[]? kinds:t[]? inherited:b? n_distinct:t? dependencies:t? most_common_vals:t[]? \
         most_common_val_nulls:b[]? most_common_freqs:d[]? most_common_base_freqs:d[]?"),
    relation(PG, "pg_stats_ext_exprs", 12063, "v",
        "schemaname:t? tablename:t? statistics_schemaname:t? statistics_name:t? statistics_owner:t? expr:t? \
         inherited:b? null_frac:f? avg_width:4? n_distinct:f? most_common_vals:t? most_common_freqs:f[]? \
         histogram_bounds:t? correlation:f? most_common_elems:t? most_common_elem_freqs:f[]? elem_count_histogram:f[]?"),
    relation(PG, "pg_subscription", 6100, "r",
        "oid:o subdbid:o subskiplsn:t subname:t subowner:o subenabled:b subbinary:b substream:b subtwophasestate:t \
         subdisableonerr:b subconninfo:t subslotname:t? subsynccommit:t subpublications:t[]"),
    relation(PG, "pg_subscription_rel", 6102, "r",
        "srsubid:o srrelid:o srsubstate:t srsublsn:t?"),
    relation(PG, "pg_timezone_abbrevs", 12122, "v",
        "abbrev:t? utc_offset:i? is_dst:b?"),
    relation(PG, "pg_transform", 3576, "r",
        "oid:o trftype:o trflang:o trffromsql:o trftosql:o"),
    relation(PG, "pg_ts_config", 3602, "r",
        "oid:o cfgname:t cfgnamespace:o cfgowner:o cfgparser:o"),
    relation(PG, "pg_ts_config_map", 3603, "r",
        "mapcfg:o maptokentype:4 mapseqno:4 mapdict:o"),
    relation(PG, "pg_ts_dict", 3600, "r",
        "oid:o dictname:t dictnamespace:o dictowner:o dicttemplate:o dictinitoption:t?"),
    relation(PG, "pg_ts_parser", 3601, "r",
        "oid:o prsname:t prsnamespace:o prsstart:o prstoken:o prsend:o prsheadline:o prslextype:o"),
    relation(PG, "pg_ts_template", 3764, "r",
        "oid:o tmplname:t tmplnamespace:o tmplinit:o tmpllexize:o"),
    relation(PG, "pg_user_mappings", 12327, "v",
        "umid:o? srvid:o? srvname:t? umuser:o? usename:t? umoptions:t[]?"),
    relation(IS, "administrable_role_authorizations", 13241, "v",
        "grantee:t? role_name:t? is_grantable:t?"),
    relation(IS, "attributes", 13245, "v",
        "udt_catalog:t? udt_schema:t? udt_name:t? attribute_name:t? ordinal_position:4? attribute_default:t? \
         is_nullable:t? data_type:t? character_maximum_length:4? character_octet_length:4? character_set_catalog:t? \
         character_set_schema:t? character_set_name:t? collation_catalog:t? collation_schema:t? collation_name:t? \
         numeric_precision:4? numeric_precision_radix:4? numeric_scale:4? datetime_precision:4? interval_type:t? \
         interval_precision:4? attribute_udt_catalog:t? attribute_udt_schema:t? attribute_udt_name:t? scope_catalog:t? \
         scope_schema:t? scope_name:t? maximum_cardinality:4? dtd_identifier:t? is_derived_reference_attribute:t?"),
    relation(IS, "check_constraint_routine_usage", 13255, "v",
        "constraint_catalog:t? constraint_schema:t? constraint_name:t? specific_catalog:t? specific_schema:t? \
         specific_name:t?"),
    relation(IS, "collation_character_set_applicability", 13270, "v",
        "collation_catalog:t? collation_schema:t? collation_name:t? character_set_catalog:t? character_set_schema:t? \
         character_set_name:t?"),
    relation(IS, "collations", 13265, "v",
        "collation_catalog:t? collation_schema:t? collation_name:t? pad_attribute:t?"),
    relation(IS, "column_column_usage", 13275, "v",
        "table_catalog:t? table_schema:t? table_name:t? column_name:t? dependent_column:t?"),
    relation(IS, "column_domain_usage", 13280, "v",
        "domain_catalog:t? domain_schema:t? domain_name:t? table_catalog:t? table_schema:t? table_name:t? \
         column_name:t?"),
    relation(IS, "column_options", 13503, "v",
        "table_catalog:t? table_schema:t? table_name:t? column_name:t? option_name:t? option_value:t?"),
    relation(IS, "column_udt_usage", 13290, "v",
        "udt_catalog:t? udt_schema:t? udt_name:t? table_catalog:t? table_schema:t? table_name:t? column_name:t?"),
    relation(IS, "constraint_table_usage", 13305, "v",
        "table_catalog:t? table_schema:t? table_name:t? constraint_catalog:t? constraint_schema:t? constraint_name:t?"),
    relation(IS, "data_type_privileges", 13488, "v",
        "object_catalog:t? object_schema:t? object_name:t? object_type:t? dtd_identifier:t?"),
    relation(IS, "domain_constraints", 13310, "v",
        "constraint_catalog:t? constraint_schema:t? constraint_name:t? domain_catalog:t? domain_schema:t? \
         domain_name:t? is_deferrable:t? initially_deferred:t?"),
    relation(IS, "domain_udt_usage", 13315, "v",
        "udt_catalog:t? udt_schema:t? udt_name:t? domain_catalog:t? domain_schema:t? domain_name:t?"),
    relation(IS, "foreign_data_wrapper_options", 13511, "v",
        "foreign_data_wrapper_catalog:t? foreign_data_wrapper_name:t? option_name:t? option_value:t?"),
    relation(IS, "foreign_data_wrappers", 13515, "v",
        "foreign_data_wrapper_catalog:t? foreign_data_wrapper_name:t? authorization_identifier:t? library_name:t? \
         foreign_data_wrapper_language:t?"),
    relation(IS, "foreign_server_options", 13524, "v",
        "foreign_server_catalog:t? foreign_server_name:t? option_name:t? option_value:t?"),
    relation(IS, "foreign_servers", 13528, "v",
        "foreign_server_catalog:t? foreign_server_name:t? foreign_data_wrapper_catalog:t? foreign_data_wrapper_name:t? \
         foreign_server_type:t? foreign_server_version:t? authorization_identifier:t?"),
    relation(IS, "foreign_table_options", 13537, "v",
        "foreign_table_catalog:t? foreign_table_schema:t? foreign_table_name:t? option_name:t? option_value:t?"),
    relation(IS, "foreign_tables", 13541, "v",
        "foreign_table_catalog:t? foreign_table_schema:t? foreign_table_name:t? foreign_server_catalog:t? \
         foreign_server_name:t?"),
    relation(IS, "role_routine_grants", 13358, "v",
        "grantor:t? grantee:t? specific_catalog:t? specific_schema:t? specific_name:t? routine_catalog:t? \
         routine_schema:t? routine_name:t? privilege_type:t? is_grantable:t?"),
    relation(IS, "role_udt_grants", 13450, "v",
        "grantor:t? grantee:t? udt_catalog:t? udt_schema:t? udt_name:t? privilege_type:t? is_grantable:t?"),
    relation(IS, "role_usage_grants", 13459, "v",
        "grantor:t? grantee:t? object_catalog:t? object_schema:t? object_name:t? object_type:t? privilege_type:t? \
         is_grantable:t?"),
    relation(IS, "routine_column_usage", 13348, "v",
        "specific_catalog:t? specific_schema:t? specific_name:t? routine_catalog:t? routine_schema:t? routine_name:t? \
         table_catalog:t? table_schema:t? table_name:t? column_name:t?"),
    relation(IS, "routine_privileges", 13353, "v",
        "grantor:t? grantee:t? specific_catalog:t? specific_schema:t? specific_name:t? routine_catalog:t? \
         routine_schema:t? routine_name:t? privilege_type:t? is_grantable:t?"),
    relation(IS, "routine_routine_usage", 13362, "v",
        "specific_catalog:t? specific_schema:t? specific_name:t? routine_catalog:t? routine_schema:t? routine_name:t?"),
    relation(IS, "routine_sequence_usage", 13367, "v",
        "specific_catalog:t? specific_schema:t? specific_name:t? routine_catalog:t? routine_schema:t? routine_name:t? \
         sequence_catalog:t? sequence_schema:t? sequence_name:t?"),
    relation(IS, "routine_table_usage", 13372, "v",
        "specific_catalog:t? specific_schema:t? specific_name:t? routine_catalog:t? routine_schema:t? routine_name:t? \
         table_catalog:t? table_schema:t? table_name:t?"),
    relation(IS, "sql_features", 13391, "r",
        "feature_id:t? feature_name:t? sub_feature_id:t? sub_feature_name:t? is_supported:t? is_verified_by:t? \
         comments:t?"),
    relation(IS, "sql_implementation_info", 13396, "r",
        "implementation_info_id:t? implementation_info_name:t? integer_value:4? character_value:t? comments:t?"),
    relation(IS, "sql_sizing", 13406, "r",
        "sizing_id:4? sizing_name:t? supported_value:4? comments:t?"),
    relation(IS, "triggered_update_columns", 13435, "v",
        "trigger_catalog:t? trigger_schema:t? trigger_name:t? event_object_catalog:t? event_object_schema:t? \
         event_object_table:t? event_object_column:t?"),
    relation(IS, "udt_privileges", 13445, "v",
        "grantor:t? grantee:t? udt_catalog:t? udt_schema:t? udt_name:t? privilege_type:t? is_grantable:t?"),
    relation(IS, "usage_privileges", 13454, "v",
        "grantor:t? grantee:t? object_catalog:t? object_schema:t? object_name:t? object_type:t? privilege_type:t? \
         is_grantable:t?"),
    relation(IS, "user_defined_types", 13463, "v",
        "user_defined_type_catalog:t? user_defined_type_schema:t? user_defined_type_name:t? \
         user_defined_type_category:t? is_instantiable:t? is_final:t? ordering_form:t? ordering_category:t? \
         ordering_routine_catalog:t? ordering_routine_schema:t? ordering_routine_name:t? reference_type:t? data_type:t? \
         character_maximum_length:4? character_octet_length:4? character_set_catalog:t? character_set_schema:t? \
         character_set_name:t? collation_catalog:t? collation_schema:t? collation_name:t? numeric_precision:4? \
         numeric_precision_radix:4? numeric_scale:4? datetime_precision:4? interval_type:t? interval_precision:4? \
         source_dtd_identifier:t? ref_dtd_identifier:t?"),
    relation(IS, "user_mapping_options", 13550, "v",
        "authorization_identifier:t? foreign_server_catalog:t? foreign_server_name:t? option_name:t? option_value:t?"),
    relation(IS, "user_mappings", 13555, "v",
        "authorization_identifier:t? foreign_server_catalog:t? foreign_server_name:t?"),
    relation(IS, "view_column_usage", 13468, "v",
        "view_catalog:t? view_schema:t? view_name:t? table_catalog:t? table_schema:t? table_name:t? column_name:t?"),
    relation(IS, "view_routine_usage", 13473, "v",
        "table_catalog:t? table_schema:t? table_name:t? specific_catalog:t? specific_schema:t? specific_name:t?"),
];
