-- Questions about a database that browsers of schemas ask, one construct each; written for this project, valid on PostgreSQL 15.

-- Which server is this, and who am I on it?
SELECT version() AS server_text,
       current_database() AS db_here,
       session_user AS logged_in_as
;

-- Where do unqualified names resolve, without the implicit schemas?
SELECT current_schema() AS first_stop,
       current_schemas(false) AS whole_route
;

-- Is the server a standby, and since when has it been up?
SELECT pg_is_in_recovery() AS is_standby,
       pg_postmaster_start_time() <= now() AS has_started
;

-- Which user schemas are there, and what do their comments say?
SELECT home.nspname AS schema_label, note.description AS remark
FROM pg_catalog.pg_namespace AS home
LEFT OUTER JOIN pg_catalog.pg_description AS note
  ON note.objoid = home.oid
 AND note.classoid = 'pg_namespace'::regclass
 AND note.objsubid = 0
WHERE home.nspname !~ '^pg_' AND home.nspname <> 'information_schema'
ORDER BY schema_label
;

-- Every property of the schema called crm, its oid first
SELECT home.oid, home.* FROM pg_namespace home WHERE home.nspname = 'crm'
;

-- Every property of the relations of crm, with the remark on each
SELECT rel.oid, rel.*, note.description AS remark
FROM pg_catalog.pg_class rel
LEFT JOIN pg_catalog.pg_description note
  ON (note.objoid = rel.oid AND note.objsubid = 0 AND note.classoid = 'pg_class'::regclass)
WHERE rel.relnamespace = (SELECT home.oid FROM pg_namespace home WHERE home.nspname = 'crm')
ORDER BY rel.relname
;

-- Every property of the row types that the tables of crm brought along
SELECT kind.oid, kind.*
FROM pg_type kind
JOIN pg_namespace home ON kind.typnamespace = home.oid
WHERE home.nspname = 'crm' AND kind.typtype = 'c'
ORDER BY kind.typname
;

-- Every property of the constraints on the orders
SELECT rule.oid, rule.*
FROM pg_constraint rule
WHERE rule.conrelid = {{oid:crm.orders}}
ORDER BY rule.contype DESC, rule.conname
;

-- Every property of the databases one may connect to, with their shared remarks
SELECT store.oid, store.*, note.description AS remark
FROM pg_database store
LEFT JOIN pg_shdescription note
  ON note.classoid = 'pg_database'::regclass AND note.objoid = store.oid
WHERE store.datallowconn AND NOT store.datistemplate
ORDER BY store.datname
;

-- Which access methods can hold a table or an index?
SELECT method.oid, method.* FROM pg_am AS method ORDER BY method.amtype, method.amname
;

-- Which tablespaces exist, and in what folder does each live?
SELECT place.oid, place.*, pg_tablespace_location(place.oid) AS folder
FROM pg_catalog.pg_tablespace place
ORDER BY place.oid
;

-- Which extensions are installed, and into which schema?
SELECT addon.oid, addon.*, home.nspname AS lives_in
FROM pg_extension addon
INNER JOIN pg_namespace home ON home.oid = addon.extnamespace
ORDER BY addon.extname
;

-- Which languages can functions be written in, and who owns each?
SELECT tongue.oid, tongue.*, pg_get_userbyid(tongue.lanowner) AS keeper
FROM pg_language tongue
ORDER BY tongue.lanname
;

-- Everything about the routines that one schema holds
-- parameters: $1 = 'crm'
SELECT fn.oid, fn.*
FROM pg_proc fn
WHERE fn.pronamespace IN (SELECT home.oid FROM pg_namespace home WHERE home.nspname = $1)
ORDER BY fn.proname, fn.oid
;

-- Which roles may log in, and what has been noted about them?
SELECT person.oid, person.*, note.description AS remark
FROM pg_roles person
LEFT JOIN pg_shdescription note
  ON person.oid = note.objoid AND note.classoid = 'pg_authid'::regclass
WHERE person.rolcanlogin = 't'
ORDER BY person.rolname
;

-- Which sort orders follow the plain byte values?
SELECT sorter.oid, sorter.* FROM pg_collation sorter
WHERE sorter.collname IN ('C', 'POSIX')
ORDER BY sorter.collname
;

-- What are the arrays of some well-known types, and the elements of those arrays?
SELECT single.typname AS one, many.typname AS several, many.typelem = single.oid AS fits,
       format_type(many.oid, NULL) AS written_as
FROM pg_type single
JOIN pg_type many ON many.oid = single.typarray
WHERE single.typname IN ('int4', 'text', 'numeric', 'timestamptz')
ORDER BY one
;

-- Which domains narrow which underlying type?
SELECT narrow.typname AS domain_label,
       format_type(wide.oid, narrow.typtypmod) AS underneath,
       narrow.typnotnull AS refuses_null
FROM pg_type narrow
JOIN pg_type wide ON wide.oid = narrow.typbasetype
WHERE narrow.typtype = 'd'
ORDER BY domain_label
;

-- Over which subtype does each range type extend?
SELECT span.typname AS range_label, point.typname AS ranges_over
FROM pg_range AS link
JOIN pg_type AS span ON span.oid = link.rngtypid
JOIN pg_type AS point ON point.oid = link.rngsubtype
ORDER BY range_label
;

-- Which fields make up each composite type of a schema?
-- parameters: $1 = 'crm'
SELECT bundle.typname AS bundle_label, part.attnum AS place_no, part.attname AS part_label,
       format_type(part.atttypid, part.atttypmod) AS part_kind
FROM pg_type bundle
JOIN pg_attribute part ON part.attrelid = bundle.typrelid
JOIN pg_namespace home ON home.oid = bundle.typnamespace AND home.nspname = $1
WHERE bundle.typtype = 'c' AND part.attnum > 0 AND NOT part.attisdropped
ORDER BY bundle_label, place_no
;

-- Which labels may a value of each enumerated type have?
SELECT kind.typname AS enum_label, choice.enumlabel AS allowed
FROM pg_enum choice
JOIN pg_type kind ON choice.enumtypid = kind.oid
ORDER BY enum_label, choice.enumsortorder
;

-- Does each table of the schema have a primary key?
SELECT rel.relname AS table_label,
       EXISTS (SELECT 1 FROM pg_index ix WHERE ix.indrelid = rel.oid AND ix.indisprimary) AS has_key
FROM pg_class rel
JOIN pg_namespace home ON home.oid = rel.relnamespace
WHERE home.nspname = 'crm' AND rel.relkind = 'r'
ORDER BY table_label
;

-- For each column of the orders, does the primary key contain it?
SELECT field.attname AS field_label, field.attnum = ANY (ix.indkey) AS in_key
FROM pg_attribute field
JOIN pg_index ix ON ix.indrelid = field.attrelid AND ix.indisprimary
WHERE field.attrelid = {{oid:crm.orders}} AND field.attnum > 0
ORDER BY field.attnum
;

-- Which columns does each index of the customers span, joined by their numbers?
SELECT ix.indexrelid::regclass::text AS index_label, field.attname AS field_label
FROM pg_index ix
JOIN pg_attribute field ON field.attrelid = ix.indrelid AND field.attnum = ANY (ix.indkey)
WHERE ix.indrelid = {{oid:crm.customers}}
ORDER BY index_label, field.attnum
;

-- Which column leads each unique index of the schema?
SELECT entry.relname AS index_label, ix.indkey[0] AS lead_no, field.attname AS lead_field
FROM pg_index ix
JOIN pg_class entry ON entry.oid = ix.indexrelid
JOIN pg_namespace home ON home.oid = entry.relnamespace AND home.nspname = 'crm'
LEFT JOIN pg_attribute field ON field.attrelid = ix.indrelid AND field.attnum = ix.indkey[0]
WHERE ix.indisunique = 't' AND ix.indisvalid <> 'f'
ORDER BY index_label
;

-- Which index covers which columns, as one line of text, and how is it defined?
SELECT entry.relname AS index_label,
       string_agg(field.attname, ', ' ORDER BY field.attnum) AS fields,
       pg_get_indexdef(entry.oid) AS recipe
FROM pg_class entry
JOIN pg_attribute field ON field.attrelid = entry.oid
WHERE entry.relkind = 'i'
  AND entry.relnamespace = 'crm'::regnamespace
GROUP BY entry.oid, entry.relname
ORDER BY entry.relname
;

-- What does each column of the orders default to, and is it an identity?
SELECT field.attname AS field_label,
       pg_get_expr(dflt.adbin, dflt.adrelid) AS filled_with,
       field.attidentity <> '' AS numbers_itself
FROM pg_attribute field
LEFT JOIN pg_attrdef dflt ON dflt.adrelid = field.attrelid AND dflt.adnum = field.attnum
WHERE field.attrelid = {{oid:crm.orders}} AND field.attnum >= 1 AND NOT field.attisdropped
ORDER BY field.attnum
;

-- Which columns carry a remark, matched by table and number at once?
SELECT field.attrelid::regclass::text AS table_label, field.attname AS field_label, note.description AS remark
FROM pg_attribute field
JOIN pg_description note ON (note.objoid, note.objsubid) = (field.attrelid, field.attnum)
WHERE note.classoid = 'pg_class'::regclass
  AND field.attrelid IN ({{oid:crm.orders}}, {{oid:crm.customers}})
ORDER BY 1, 2
;

-- What do the remarks on the table of orders and on its first column say?
SELECT obj_description({{oid:crm.orders}}, 'pg_class') AS on_table,
       col_description({{oid:crm.orders}}, 1) AS on_first_field
;

-- Which transaction last wrote the row that describes each table?
SELECT rel.relname AS table_label, rel.xmin AS written_by, rel.xmin::text::bigint > 0 AS is_known
FROM pg_class rel
WHERE rel.oid = {{oid:crm.orders}} OR rel.oid = {{oid:crm.customers}}
ORDER BY table_label
;

-- How do the constraints of the table with this oid read?
-- parameters: $1 = '{{oid:crm.orders}}'
SELECT rule.conname AS rule_label, pg_get_constraintdef(rule.oid, true) AS wording
FROM pg_constraint rule
WHERE rule.conrelid = $1::oid
ORDER BY rule_label
;

-- Which pairs of columns does each foreign key tie together, position by position?
SELECT tie.conname AS tie_label, n AS place_no, near.attname AS from_field, far.attname AS to_field
FROM pg_constraint tie
CROSS JOIN LATERAL generate_series(array_lower(tie.conkey, 1), array_upper(tie.conkey, 1)) AS n
JOIN pg_attribute near ON (near.attrelid, near.attnum) = (tie.conrelid, tie.conkey[n])
JOIN pg_attribute far ON (far.attrelid, far.attnum) = (tie.confrelid, tie.confkey[n])
WHERE tie.contype = 'f' AND tie.connamespace = 'crm'::regnamespace
ORDER BY tie_label, place_no
;

-- Which column numbers do the key constraints name, one a row?
SELECT flat.rule_label, flat.field_no, field.attname AS field_label
FROM (
  SELECT rule.conname AS rule_label, rule.conrelid AS owner_oid, unnest(rule.conkey) AS field_no
  FROM pg_constraint rule
  WHERE rule.contype IN ('p', 'u') AND rule.conrelid = {{oid:crm.customers}}
) flat
JOIN pg_attribute field ON field.attrelid = flat.owner_oid AND field.attnum = flat.field_no
ORDER BY flat.rule_label, flat.field_no
;

-- What are the columns of each table, gathered in one cell?
SELECT rel.relname AS table_label,
       (SELECT array_agg(field.attname ORDER BY field.attnum)::varchar
        FROM pg_attribute field
        WHERE field.attrelid = rel.oid AND field.attnum > 0) AS fields
FROM pg_class rel
WHERE rel.relnamespace = 'crm'::regnamespace AND rel.relkind = 'r'
ORDER BY table_label
;

-- What sort of thing is each relation of the schema with this oid, and whose?
-- parameters: $1 = '2200'
SELECT rel.relname AS label,
       CASE rel.relkind
         WHEN 'r' THEN 'plain table'
         WHEN 'p' THEN 'split table'
         WHEN 'v' THEN 'saved query'
         WHEN 'm' THEN 'stored query'
         WHEN 'i' THEN 'index'
         WHEN 'S' THEN 'counter'
         ELSE 'something else'
       END AS sort_of_thing,
       pg_get_userbyid(rel.relowner) AS keeper
FROM pg_class rel
WHERE rel.relnamespace = $1::oid
ORDER BY label
;

-- Which query stands behind each view of the user schemas, and how is a split table split?
SELECT rel.relname AS label,
       CASE WHEN rel.relkind = 'p' THEN pg_get_partkeydef(rel.oid)
            ELSE pg_get_viewdef(rel.oid, true) END AS made_of
FROM pg_class rel
JOIN pg_namespace home ON home.oid = rel.relnamespace
WHERE rel.relkind IN ('v', 'm', 'p')
  AND home.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY label
;

-- How large is a table with and without what hangs on it, and how often was it scanned?
-- parameters: $1 = '{{oid:crm.customers}}'
SELECT pg_relation_size(rel.oid) AS bare_bytes,
       pg_total_relation_size(rel.oid) >= pg_relation_size(rel.oid) AS adds_up,
       pg_stat_get_numscans(rel.oid) AS times_scanned
FROM pg_class rel
WHERE rel.oid = $1
;

-- May I read the orders, and look into or build in their schema?
SELECT has_table_privilege({{oid:crm.orders}}, 'SELECT') AS may_read,
       has_schema_privilege('crm', 'USAGE') AS may_enter,
       has_schema_privilege('crm', 'CREATE') AS may_build
;

-- Which relations descend from a given one, however far down?
WITH RECURSIVE family (member, depth) AS (
  SELECT {{oid:crm.orders}}::oid, 0
  UNION ALL
  SELECT link.inhrelid, family.depth + 1
  FROM family
  JOIN pg_inherits link ON link.inhparent = family.member
)
SELECT rel.relname AS label, family.depth
FROM family
JOIN pg_class rel ON rel.oid = family.member
ORDER BY family.depth, label
;

-- Which relations have names that begin with a literal text, underscore and all?
-- parameters: $1 = 'orders\_%'
SELECT rel.relname AS label
FROM pg_class rel
WHERE rel.relname LIKE $1 ESCAPE '\' AND rel.relname NOT LIKE 'pg!_%' ESCAPE '!'
ORDER BY label
;

-- What becomes of names looked up as a relation and as a type, and turned back to text?
SELECT 'crm.orders'::regclass::text AS relation_text,
       'crm.orders'::regclass::oid = {{oid:crm.orders}} AS same_oid,
       'int4'::regtype::text AS type_text,
       CAST('character varying' AS regtype)::oid AS type_oid
;

-- Does the catalog of relations know this column?
SELECT relispartition FROM pg_catalog.pg_class WHERE false LIMIT 1
;

-- Which part of the server's greeting is its number, and what do the settings say?
SELECT substring(version() from '[0-9]+') AS major_text,
       knob.name AS setting_label, knob.setting AS setting_value
FROM pg_settings knob
WHERE knob.name IN ('server_version_num', 'max_identifier_length', 'TimeZone')
ORDER BY setting_label
;

-- Does the server know the zone of this name?
-- parameters: $1 = 'Europe/Vienna'
SELECT zone.name AS zone_label, zone.is_dst IS NOT NULL AS knows_summer
FROM pg_timezone_names zone
WHERE zone.name = $1
;

-- Which sessions work in this database, and which relations do they hold locks on?
SELECT worker.pid AS worker_no, worker.usename AS who, held.mode AS lock_mode, held.granted = 't' AS has_it,
       held.relation::regclass::text AS on_what
FROM pg_stat_activity worker
LEFT JOIN pg_locks held ON held.pid = worker.pid AND held.locktype = 'relation'
WHERE worker.datname = current_database()
ORDER BY worker_no, on_what, lock_mode
;

-- Which schemas does the standard's catalog list, and which encoding does it give?
SELECT S.SCHEMA_NAME, S.SCHEMA_OWNER, E.CHARACTER_SET_NAME
FROM INFORMATION_SCHEMA.SCHEMATA S
CROSS JOIN INFORMATION_SCHEMA.CHARACTER_SETS E
ORDER BY S.SCHEMA_NAME
;

-- Which tables and views does the standard's catalog list, and is a view's text known?
SELECT L.TABLE_SCHEMA, L.TABLE_NAME, L.TABLE_TYPE, W.VIEW_DEFINITION IS NOT NULL AS TEXT_IS_KNOWN
FROM INFORMATION_SCHEMA.TABLES L
LEFT JOIN INFORMATION_SCHEMA.VIEWS W
  ON (W.TABLE_SCHEMA, W.TABLE_NAME) = (L.TABLE_SCHEMA, L.TABLE_NAME)
WHERE L.TABLE_SCHEMA NOT IN ('pg_catalog', 'information_schema')
ORDER BY L.TABLE_SCHEMA, L.TABLE_NAME
;

-- How does the standard's catalog describe the columns of one table?
-- parameters: $1 = 'crm', $2 = 'orders'
SELECT F.ORDINAL_POSITION, F.COLUMN_NAME, F.DATA_TYPE, F.IS_NULLABLE, F.COLUMN_DEFAULT, F.NUMERIC_PRECISION
FROM INFORMATION_SCHEMA.COLUMNS F
WHERE F.TABLE_SCHEMA = $1 AND F.TABLE_NAME = $2
ORDER BY F.ORDINAL_POSITION
;

-- Which columns are in which key, and what key does a foreign one point at?
SELECT R.TABLE_NAME, R.CONSTRAINT_TYPE, U.COLUMN_NAME, P.UNIQUE_CONSTRAINT_NAME, P.DELETE_RULE
FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS R
JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE U
  ON U.CONSTRAINT_SCHEMA = R.CONSTRAINT_SCHEMA AND U.CONSTRAINT_NAME = R.CONSTRAINT_NAME
LEFT JOIN INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS P
  ON P.CONSTRAINT_SCHEMA = R.CONSTRAINT_SCHEMA AND P.CONSTRAINT_NAME = R.CONSTRAINT_NAME
WHERE R.TABLE_SCHEMA = 'crm'
ORDER BY R.TABLE_NAME, R.CONSTRAINT_TYPE, U.ORDINAL_POSITION
;

-- Who was granted what on the tables of the schema?
SELECT G.TABLE_NAME, G.GRANTEE, string_agg(G.PRIVILEGE_TYPE, ' ' ORDER BY G.PRIVILEGE_TYPE) AS RIGHTS
FROM INFORMATION_SCHEMA.TABLE_PRIVILEGES G
WHERE G.TABLE_SCHEMA = 'crm'
GROUP BY G.TABLE_NAME, G.GRANTEE
ORDER BY G.TABLE_NAME, G.GRANTEE
;
