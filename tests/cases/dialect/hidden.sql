-- Each statement is asked with a hidden column or table, and with one that is missing: {column} of crm.customers, {table}.
SELECT {column} FROM crm.customers
SELECT "{COLUMN}" FROM crm.customers
SELECT "{column}" FROM crm.customers
SELECT * EXCLUDE {column} FROM crm.customers
SELECT * EXCLUDE (id, {column}) FROM crm.customers
SELECT c.* EXCLUDE ({column}) FROM crm.customers c
SELECT * RENAME {column} AS x FROM crm.customers
SELECT * RENAME ({column} AS x, id AS y) FROM crm.customers
SELECT * REPLACE (1 AS {column}) FROM crm.customers
SELECT * REPLACE ({column} AS id) FROM crm.customers
SELECT * ILIKE '{column}' FROM crm.customers
SELECT id FROM crm.customers QUALIFY ROW_NUMBER() OVER (ORDER BY {column}) = 1
SELECT id FROM crm.customers QUALIFY MAX({column}) OVER () > 0
SELECT {column} AS a, a + 1 AS b FROM crm.customers
SELECT id, COUNT(*) FROM crm.customers GROUP BY ALL HAVING MAX({column}) > 1
SELECT {column}, COUNT(*) FROM crm.customers GROUP BY ALL
SELECT * FROM crm.customers PIVOT (MAX({column}) FOR country IN ('DE'))
SELECT * FROM crm.customers PIVOT (MAX(id) FOR {column} IN (1, 2))
SELECT * FROM crm.customers UNPIVOT (v FOR k IN ({column}))
SELECT * FROM crm.customers UNPIVOT (v FOR k IN (city, {column}))
SELECT TRY_CAST({column} AS INT) FROM crm.customers
SELECT IFF({column} > 0, 1, 0) FROM crm.customers
SELECT DECODE({column}, 1, 2, 3) FROM crm.customers
SELECT NVL({column}, 0) FROM crm.customers
SELECT DIV0({column}, 0) FROM crm.customers
SELECT ROUND({column}, 2) FROM crm.customers
SELECT DATEADD(day, {column}, birth_date) FROM crm.customers
SELECT DATEDIFF(day, {column}, birth_date) FROM crm.customers
SELECT LISTAGG({column}, ',') FROM crm.customers
SELECT COUNT_IF({column} > 0) FROM crm.customers
SELECT id FROM crm.customers WHERE {column} LIKE ANY ('a', 'b')
SELECT id FROM crm.customers ORDER BY {column} / 2
SELECT {column}:a.b FROM crm.customers
SELECT TOP 1 {column} FROM crm.customers
SELECT * FROM {table}
SELECT * FROM {TABLE}
SELECT * EXCLUDE salary FROM {table}
SELECT * FROM ({table})
SELECT TOP 1 * FROM {table}
SELECT * FROM {table} PIVOT (MAX(salary) FOR dept IN ('dept1'))
SELECT * FROM {table} UNPIVOT (v FOR k IN (dept, title))
SELECT * FROM {table} SAMPLE (10)
SELECT * FROM {table} AT (OFFSET => -60)
SELECT * FROM {table} BEFORE (STATEMENT => 'x')
SELECT * FROM crm.orders o ASOF JOIN {table} s MATCH_CONDITION (o.id >= s.employee_id)
SELECT * FROM {table} s, LATERAL FLATTEN(INPUT => s.title) f
SELECT id FROM crm.orders MINUS SELECT employee_id FROM {table}
SELECT (SELECT MAX(salary) FROM {table}) AS m, m + 1 FROM crm.orders
SELECT id FROM crm.orders QUALIFY ROW_NUMBER() OVER (ORDER BY (SELECT MAX(salary) FROM {table})) = 1
SELECT c.{column}['a']::string FROM crm.customers c
SELECT GET({column}, 'a'), GET_PATH({COLUMN}, 'a[0]') FROM crm.customers
SELECT s:salary FROM {table} s
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.amount >= c.{column})
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.amount >= {column})
SELECT c.id FROM crm.customers c ASOF JOIN crm.orders o MATCH_CONDITION (c.{COLUMN} >= o.amount)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id) ON o.amount = c.{column}
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers MATCH_CONDITION (o.id >= customers.id) ON o.amount = crm.customers.{column}
SELECT c.id FROM crm.customers c ASOF JOIN crm.customers d MATCH_CONDITION (c.id >= d.id) USING ({column})
SELECT c.{column} FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id)
SELECT {column} FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id)
SELECT o.id FROM crm.orders o ASOF JOIN {TABLE} s MATCH_CONDITION (o.id >= s.employee_id) USING (id)
SELECT c.id FROM crm.customers c, LATERAL FLATTEN(INPUT => c.{column}) f
SELECT c.id FROM crm.customers c, LATERAL FLATTEN(INPUT => {COLUMN}:a, OUTER => TRUE) f
SELECT c.id FROM crm.customers c JOIN TABLE(FLATTEN({column})) f
