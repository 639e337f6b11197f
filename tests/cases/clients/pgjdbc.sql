-- What pgjdbc's DatabaseMetaData, TypeInfoCache and ResultSetMetaData ask, written after its behaviour; valid on PostgreSQL 15.
-- One statement per `;` alone on a line. {{oid:schema.table}} stands for that table's oid; `parameters:` are those of Bind.

-- pgjdbc start-up
SET extra_float_digits = 3
;

-- pgjdbc start-up
SET application_name = 'PostgreSQL JDBC Driver'
;

-- pgjdbc Connection.isValid
-- (empty query)
;

-- pgjdbc Connection.setReadOnly
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
;

-- pgjdbc Connection.getTransactionIsolation
SHOW TRANSACTION ISOLATION LEVEL
;

-- pgjdbc DatabaseMetaData.getSchemas
SELECT nspname AS TABLE_SCHEM, current_database() AS TABLE_CATALOG FROM pg_catalog.pg_namespace
 WHERE nspname <> 'pg_toast' AND (nspname !~ '^pg_temp_' OR nspname = (pg_catalog.current_schemas(true))[1])
   AND (nspname !~ '^pg_toast_temp_' OR nspname = replace((pg_catalog.current_schemas(true))[1], 'pg_temp_', 'pg_toast_temp_'))
 ORDER BY TABLE_SCHEM
;

-- pgjdbc DatabaseMetaData.getCatalogs
SELECT datname AS TABLE_CAT FROM pg_catalog.pg_database WHERE datallowconn = true ORDER BY datname
;

-- pgjdbc DatabaseMetaData.getTables
SELECT current_database() AS "TABLE_CAT", n.nspname AS "TABLE_SCHEM", c.relname AS "TABLE_NAME",
 CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema'
 WHEN true THEN CASE
 WHEN n.nspname = 'pg_catalog' OR n.nspname = 'information_schema' THEN CASE c.relkind
  WHEN 'r' THEN 'SYSTEM TABLE' WHEN 'v' THEN 'SYSTEM VIEW' WHEN 'i' THEN 'SYSTEM INDEX' ELSE NULL END
 WHEN n.nspname = 'pg_toast' THEN CASE c.relkind
  WHEN 'r' THEN 'SYSTEM TOAST TABLE' WHEN 'i' THEN 'SYSTEM TOAST INDEX' ELSE NULL END
 ELSE CASE c.relkind
  WHEN 'r' THEN 'TEMPORARY TABLE' WHEN 'p' THEN 'TEMPORARY TABLE' WHEN 'i' THEN 'TEMPORARY INDEX'
  WHEN 'S' THEN 'TEMPORARY SEQUENCE' WHEN 'v' THEN 'TEMPORARY VIEW' ELSE NULL END
 END
 WHEN false THEN CASE c.relkind
  WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'i' THEN 'INDEX' WHEN 'P' THEN 'PARTITIONED INDEX'
  WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'c' THEN 'TYPE' WHEN 'f' THEN 'FOREIGN TABLE'
  WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END
 ELSE NULL END AS "TABLE_TYPE", d.description AS "REMARKS",
 '' AS "TYPE_CAT", '' AS "TYPE_SCHEM", '' AS "TYPE_NAME", '' AS "SELF_REFERENCING_COL_NAME", '' AS "REF_GENERATION"
 FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c
 LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass)
 WHERE c.relnamespace = n.oid AND n.nspname LIKE 'crm' AND c.relname LIKE '%'
   AND (false OR ( c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' )
              OR ( c.relkind = 'v' AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema' ))
 ORDER BY "TABLE_TYPE", "TABLE_SCHEM", "TABLE_NAME"
;

-- pgjdbc DatabaseMetaData.getColumns
SELECT * FROM (SELECT current_database() AS current_database, n.nspname, c.relname, a.attname, a.atttypid,
 a.attnotnull OR (t.typtype = 'd' AND t.typnotnull) AS attnotnull, a.atttypmod, a.attlen, t.typtypmod,
 row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS attnum,
 nullif(a.attidentity, '') AS attidentity, nullif(a.attgenerated, '') AS attgenerated,
 pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS adsrc, dsc.description, t.typbasetype, t.typtype
 FROM pg_catalog.pg_namespace n
 JOIN pg_catalog.pg_class c ON (c.relnamespace = n.oid)
 JOIN pg_catalog.pg_attribute a ON (a.attrelid = c.oid)
 JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid)
 LEFT JOIN pg_catalog.pg_attrdef def ON (a.attrelid = def.adrelid AND a.attnum = def.adnum)
 LEFT JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid)
 LEFT JOIN pg_catalog.pg_class dc ON (dc.oid = dsc.classoid AND dc.relname = 'pg_class')
 LEFT JOIN pg_catalog.pg_namespace dn ON (dc.relnamespace = dn.oid AND dn.nspname = 'pg_catalog')
 WHERE c.relkind in ('r','p','v','f','m') AND a.attnum > 0 AND NOT a.attisdropped
   AND n.nspname LIKE 'crm' AND c.relname LIKE 'customers') c
 WHERE true AND attname LIKE '%' ORDER BY nspname, c.relname, attnum
;

-- pgjdbc DatabaseMetaData.getImportedKeys
SELECT current_database() AS "PKTABLE_CAT", pkn.nspname AS "PKTABLE_SCHEM", pkc.relname AS "PKTABLE_NAME", pka.attname AS "PKCOLUMN_NAME",
 current_database() AS "FKTABLE_CAT", fkn.nspname AS "FKTABLE_SCHEM", fkc.relname AS "FKTABLE_NAME", fka.attname AS "FKCOLUMN_NAME",
 pos.n AS "KEY_SEQ",
 CASE con.confupdtype WHEN 'c' THEN 0 WHEN 'n' THEN 2 WHEN 'd' THEN 4 WHEN 'r' THEN 1 WHEN 'p' THEN 1 WHEN 'a' THEN 3 ELSE NULL END AS "UPDATE_RULE",
 CASE con.confdeltype WHEN 'c' THEN 0 WHEN 'n' THEN 2 WHEN 'd' THEN 4 WHEN 'r' THEN 1 WHEN 'p' THEN 1 WHEN 'a' THEN 3 ELSE NULL END AS "DELETE_RULE",
 con.conname AS "FK_NAME", pkic.relname AS "PK_NAME",
 CASE WHEN con.condeferrable AND con.condeferred THEN 5 WHEN con.condeferrable THEN 6 ELSE 7 END AS "DEFERRABILITY"
 FROM pg_catalog.pg_namespace pkn, pg_catalog.pg_class pkc, pg_catalog.pg_attribute pka,
 pg_catalog.pg_namespace fkn, pg_catalog.pg_class fkc, pg_catalog.pg_attribute fka,
 pg_catalog.pg_constraint con, pg_catalog.generate_series(1, 32) pos(n), pg_catalog.pg_class pkic
 WHERE pkn.oid = pkc.relnamespace AND pkc.oid = pka.attrelid AND pka.attnum = con.confkey[pos.n] AND con.confrelid = pkc.oid
   AND fkn.oid = fkc.relnamespace AND fkc.oid = fka.attrelid AND fka.attnum = con.conkey[pos.n] AND con.conrelid = fkc.oid
   AND con.contype = 'f' AND (pkic.relkind = 'i' OR pkic.relkind = 'I') AND pkic.oid = con.conindid
   AND fkn.nspname = 'crm' AND fkc.relname = 'orders'
 ORDER BY pkn.nspname, pkc.relname, con.conname, pos.n
;

-- pgjdbc DatabaseMetaData.getTablePrivileges
SELECT current_database() AS current_database, n.nspname, c.relname, r.rolname, c.relacl
 FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c, pg_catalog.pg_roles r
 WHERE c.relnamespace = n.oid AND c.relowner = r.oid AND c.relkind = ANY(ARRAY['r','p','v','m','f']) AND n.nspname = 'crm'
 ORDER BY nspname, relname
;

-- pgjdbc DatabaseMetaData.getSQLKeywords
SELECT string_agg(word, ',') FROM pg_catalog.pg_get_keywords()
 WHERE word <> ALL ('{a,abs,absolute,action,ada,add,admin,after,all,allocate,alter,always,and,any}'::text[])
;

-- pgjdbc DatabaseMetaData.getMaxIndexKeys
SELECT setting FROM pg_catalog.pg_settings WHERE name = 'max_index_keys'
;

-- pgjdbc DatabaseMetaData.getTypeInfo
SELECT t.typname, t.oid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON (t.typnamespace = n.oid)
 WHERE n.nspname != 'pg_toast' AND
  (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid))
;

-- pgjdbc TypeInfoCache, type by name
-- parameters: $1 = 'jsonb'
SELECT pg_type.oid, typname FROM pg_catalog.pg_type LEFT JOIN (SELECT ns.oid AS nspoid, ns.nspname, r.r
   FROM pg_namespace AS ns
   JOIN (SELECT s.r, (current_schemas(false))[s.r] AS nspname
     FROM generate_series(1, array_upper(current_schemas(false), 1)) AS s(r)) AS r USING (nspname)) AS sp
 ON sp.nspoid = typnamespace WHERE typname = $1 ORDER BY sp.r, pg_type.oid DESC LIMIT 1
;

-- pgjdbc TypeInfoCache, type by oid
-- parameters: $1 = 3802
SELECT n.nspname = ANY(current_schemas(true)), n.nspname, t.typname
 FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = $1
;

-- pgjdbc TypeInfoCache, sqltype
SELECT typinput = 'pg_catalog.array_in'::regproc AS is_array, typtype, typname, pg_type.oid
 FROM pg_catalog.pg_type
 LEFT JOIN (SELECT ns.oid AS nspoid, ns.nspname, r.r FROM pg_namespace AS ns
   JOIN (SELECT s.r, (current_schemas(false))[s.r] AS nspname
     FROM generate_series(1, array_upper(current_schemas(false), 1)) AS s(r)) AS r USING (nspname)) AS sp
 ON sp.nspoid = typnamespace ORDER BY sp.r, pg_type.oid DESC
;

-- pgjdbc TypeInfoCache, array element
-- parameters: $1 = 1009
SELECT e.oid, n.nspname = ANY(current_schemas(true)), n.nspname, e.typname FROM pg_catalog.pg_type t
 JOIN pg_catalog.pg_type e ON t.typelem = e.oid JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = $1
;

-- pgjdbc ResultSetMetaData, columns of base tables
SELECT c.oid, a.attnum, a.attname, c.relname, n.nspname,
 a.attnotnull OR (t.typtype = 'd' AND t.typnotnull),
 a.attidentity != '' OR pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%'
 FROM pg_catalog.pg_class c
 JOIN pg_catalog.pg_namespace n ON (c.relnamespace = n.oid)
 JOIN pg_catalog.pg_attribute a ON (c.oid = a.attrelid)
 JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid)
 LEFT JOIN pg_catalog.pg_attrdef d ON (d.adrelid = a.attrelid AND d.adnum = a.attnum)
 JOIN (SELECT {{oid:crm.customers}} AS oid, 1 AS attnum UNION ALL SELECT {{oid:crm.customers}}, 2) vals
 ON (c.oid = vals.oid AND a.attnum = vals.attnum)
;
