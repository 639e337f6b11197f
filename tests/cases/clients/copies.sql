-- Each line is one Query message. Compared with PostgreSQL's answers, byte for byte.
COPY (SELECT id, tenant_id, amount::numeric(9, 2), currency, ordered_at FROM crm.orders ORDER BY id LIMIT 5) TO STDOUT
COPY (SELECT id, amount::numeric(9, 2) AS amount, ordered_at, NULL::text AS n FROM crm.orders ORDER BY id) TO STDOUT (FORMAT binary)
COPY (SELECT id FROM crm.orders WHERE id < 0) TO STDOUT (FORMAT "binary")
COPY (SELECT id FROM crm.orders ORDER BY id LIMIT 2) TO STDOUT WITH BINARY
COPY (SELECT id, status FROM crm.orders WHERE id < 0) TO STDOUT (FORMAT csv, HEADER)
COPY (SELECT id, status AS "a,b", amount::numeric(9, 2) AS "q""c" FROM crm.orders ORDER BY id LIMIT 3) TO STDOUT WITH (FORMAT csv, HEADER true, DELIMITER ';', FORCE_QUOTE (status, "a,b"))
COPY (SELECT id, status FROM crm.orders ORDER BY id LIMIT 3) TO STDOUT (FORMAT csv, FORCE_QUOTE *, QUOTE '''')
COPY (SELECT 1 AS a, 'tab	new
line\back' AS b, E'\b\f\r\v\x01' AS c, '' AS d, NULL AS e, '\.' AS f) TO STDOUT
COPY (SELECT 1 AS a, 'tab	new
line\back' AS b, 'say "hi"' AS c, '' AS d, NULL AS e, '\.' AS f) TO STDOUT CSV
COPY (SELECT '\.' AS f) TO STDOUT (FORMAT csv)
COPY (SELECT 'a|b\' AS f, 'null' AS g, NULL AS h) TO STDOUT (DELIMITER '|', NULL 'null')
COPY (SELECT 'a"b''c' AS f, 'null' AS g, NULL AS h) TO STDOUT WITH CSV HEADER NULL AS 'null' QUOTE '''' ESCAPE '\' FORCE QUOTE g
COPY (SELECT true AS t, 1.50 AS n, date '2024-02-29' AS d, interval '1 day' AS i, ARRAY['a,b', NULL] AS x) TO STDOUT CSV
COPY (SELECT true AS t, 1.50 AS n, date '2024-02-29' AS d, interval '1 day' AS i, ARRAY['a,b', NULL] AS x) TO STDOUT
COPY (SELECT 1 AS one) TO STDOUT (HEADER, ENCODING 'UTF8', FORMAT text); SELECT 2; COPY (VALUES (1), (2)) TO STDOUT
COPY (WITH t AS (SELECT id FROM crm.orders) SELECT count(*) FROM t WHERE id IN (1, 2)) TO STDOUT
COPY (SELECT 10 / (id - 1) AS q FROM crm.orders WHERE id < 2 ORDER BY id) TO STDOUT
COPY (SELECT nothing FROM crm.orders) TO STDOUT
COPY (SELECT 1) TO STDOUT (FORMAT parquet)
COPY (SELECT 1) TO STDOUT (DELIMITER 'ab')
COPY (SELECT 1) TO STDOUT (FORMAT csv, DELIMITER '"')
COPY (SELECT 1) TO STDOUT (FORMAT binary, DELIMITER ',')
COPY (SELECT 1 AS a) TO STDOUT (FORMAT csv, FORCE_QUOTE (b))
COPY (SELECT 1) TO STDOUT (NULL 'a	b')
COPY (SELECT 1) TO STDOUT (nonsense)
COPY (SELECT 1 TO STDOUT
COPY (SELECT 1) STDOUT
COPY (SELECT typname, typinput, t.typsend FROM pg_catalog.pg_type t WHERE typname IN ('int4', 'text') ORDER BY 1) TO STDOUT (FORMAT csv, HEADER)
COPY (SELECT typinput, x.typsend FROM (SELECT 'x' AS typinput, 1 AS typsend FROM pg_catalog.pg_am) x LIMIT 1) TO STDOUT (FORMAT csv, HEADER)
COPY (SELECT count(*) FROM pg_type WHERE typreceive::text = 'int4recv' AND typsend <> 0) TO STDOUT
