-- What Snowflake has and its dialect here doesn't: each is refused by its name.
SELECT * FROM crm.orders SAMPLE (10)
SELECT * FROM crm.orders TABLESAMPLE BERNOULLI (10)
SELECT * FROM crm.orders AT (OFFSET => -60)
SELECT * FROM crm.orders BEFORE (STATEMENT => '8e5d0ca9-005e-44e6-b858-a8f5b37c5726')
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (c.created_at <= o.ordered_at)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.ordered_at = c.created_at)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id AND o.ordered_at >= c.created_at)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= 5)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id + o.id)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= MAX(c.id))
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= LAG(c.id) OVER (ORDER BY c.id))
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id + (SELECT 1))
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id + pg_catalog.random())
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.status >= c.id)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.created_at)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id) ON o.customer_id = c.city
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id) ON o.customer_id::FLOAT = c.id
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id) ON o.customer_id = c.id::FLOAT
SELECT o.id FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id >= p.id) ON o.amount = p.amount::FLOAT
SELECT o.id FROM (SELECT id, amount AS k FROM crm.orders) o ASOF JOIN (SELECT id, amount::FLOAT AS k FROM crm.orders) c MATCH_CONDITION (o.id >= c.id) USING (k)
SELECT o.id FROM (SELECT id, status AS k FROM crm.orders) o ASOF JOIN (SELECT id, id AS k FROM crm.customers) c MATCH_CONDITION (o.id >= c.id) USING (k)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id) ON o.customer_id = c.id OR o.id = c.id
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id) ON o.customer_id < c.id
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id) ON o.status = 'paid'
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id) ON o.customer_id = o.id
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id) ON o.customer_id IN (SELECT id FROM crm.customers)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= id)
SELECT tenant_id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= x.id)
SELECT o.id FROM crm.orders o ASOF JOIN crm.orders o MATCH_CONDITION (o.id >= o.id)
SELECT o.id FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id >= p.id) JOIN crm.orders p ON p.id = o.id
SELECT o.id FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id >= p.id), crm.customers p
SELECT o.id FROM crm.customers p, crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id >= p.id)
SELECT (SELECT MAX(p.full_name) FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id >= p.id)) FROM crm.customers p
SELECT 1 FROM crm.orders ASOF JOIN crm.orders MATCH_CONDITION (orders.id >= orders.id)
SELECT o.id FROM crm.orders o ASOF JOIN (crm.customers c JOIN crm.tenants t USING (tenant_id)) MATCH_CONDITION (o.id >= c.id)
SELECT o.id FROM crm.orders o ASOF JOIN LATERAL (SELECT o.id AS x) c MATCH_CONDITION (o.id >= c.x)
SELECT o.id FROM crm.orders o ASOF JOIN crm.customers c ON o.id = c.id
WITH RECURSIVE r AS (SELECT 1::BIGINT AS n UNION ALL SELECT r.n + 1 FROM r ASOF JOIN crm.orders o MATCH_CONDITION (r.n >= o.id) WHERE r.n < 5) SELECT n FROM r
WITH RECURSIVE r AS (SELECT 1::BIGINT AS n UNION ALL SELECT r.n + 1 FROM r JOIN (SELECT o.id FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id >= p.id)) x ON x.id = r.n WHERE r.n < 5) SELECT n FROM r
WITH RECURSIVE r AS (SELECT 1::BIGINT AS n UNION ALL SELECT o.id FROM crm.orders o ASOF JOIN r MATCH_CONDITION (o.id >= r.n) WHERE o.id < 5) SELECT n FROM r
SELECT o.id FROM crm.orders o LEFT ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id)
SELECT (SELECT COUNT(*) FROM crm.orders o ASOF JOIN crm.customers c MATCH_CONDITION (o.id >= c.id) ON o.customer_id = x.id) FROM crm.customers x
SELECT * FROM crm.customers c, LATERAL FLATTEN(INPUT => c.city) f
SELECT * FROM TABLE(FLATTEN(INPUT => 'x')) f
SELECT * FROM TABLE(GENERATOR(ROWCOUNT => 10))
SELECT * FROM crm.orders MATCH_RECOGNIZE (ORDER BY id MEASURES id AS x PATTERN (a) DEFINE a AS id > 1)
SELECT city:a.b FROM crm.customers
SELECT city[0] FROM crm.customers
SELECT {'a': 1}
SELECT [1, 2]
SELECT FILTER(city, x -> x > 1) FROM crm.customers
SELECT PARSE_JSON('{}')
SELECT PARSE_JSON(status) FROM crm.orders
SELECT id FROM crm.orders WHERE IS_NULL_VALUE(TRY_PARSE_JSON(status))
SELECT OBJECT_CONSTRUCT('a', 1)
SELECT ARRAY_AGG(id) FROM crm.orders
SELECT INITCAP(city) FROM crm.customers
SELECT REGEXP_REPLACE(city, 'a', 'b') FROM crm.customers
SELECT id FROM crm.customers WHERE city RLIKE 'B.*'
SELECT RANDOM()
SELECT SEQ4()
SELECT ADD_MONTHS(birth_date, 1) FROM crm.customers
SELECT DATEADD(nanosecond, 1, created_at) FROM crm.customers
SELECT DATEADD(fortnight, 1, created_at) FROM crm.customers
SELECT DATEADD(day, 1, id) FROM crm.customers
SELECT TO_CHAR(amount, '999.00') FROM crm.orders
SELECT TO_CHAR(ordered_at, 'YYYY "of" MM') FROM crm.orders
SELECT TO_DATE('01.02.2024', 'DD.MM.YYYY')
SELECT ROUND(1.5::FLOAT)
SELECT 'abc'::VARCHAR(2)
SELECT 'a'::VARIANT
SELECT 'a'::BINARY
SELECT '2024-01-01 00:00:00 +0100'::TIMESTAMP_TZ
SELECT 1::REGCLASS
SELECT TRY_CAST('10:00' AS TIME)
SELECT INTERVAL '1 day'
SELECT LISTAGG(city, country) FROM crm.customers
SELECT LAST_VALUE(id) OVER w FROM crm.orders WINDOW w AS (ORDER BY id)
SELECT id FROM crm.customers WHERE city NOT LIKE ANY ('a', 'b')
SELECT id FROM crm.orders QUALIFY id > 1
SELECT id, ROW_NUMBER() OVER (ORDER BY id) FROM crm.orders GROUP BY ALL
SELECT * FROM crm.orders PIVOT (SUM(amount) FOR status IN (ANY))
SELECT * FROM crm.orders PIVOT (SUM(amount) FOR status IN (SELECT status FROM crm.orders))
SELECT * FROM crm.orders PIVOT (SUM(amount + 1) FOR status IN ('paid'))
SELECT * FROM crm.orders PIVOT (MEDIAN(amount) FOR status IN ('paid'))
SELECT * EXCLUDE (tenant_id, tenant_name, partner_id) FROM crm.tenants
SELECT a.id FROM crm.orders a, crm.customers b WHERE a.customer_id = b.id (+)
SELECT id FROM crm.orders START WITH id = 1 CONNECT BY PRIOR id = customer_id
SELECT c FROM crm.customers c
SELECT $x
SELECT :x
SELECT `id` FROM crm.orders
SELECT "" FROM crm.orders
SELECT 'a\x41'
SELECT 'a\0b'
SELECT 'a\qb'
SELECT $tag$a$tag$
SELECT 1 /* a /* b */ c */
SELECT N'a'
SELECT X'41'
SELECT IDENTIFIER('id') FROM crm.orders
SELECT (SELECT MAX(amount * 2) FROM crm.orders o WHERE o.id = twice) AS m, c.id AS twice FROM crm.customers c
SELECT 1 AS a, 2 AS a, a + 1
INSERT INTO crm.orders SELECT * FROM crm.orders
CREATE TABLE t AS SELECT 1
COPY INTO t FROM @stage
USE SCHEMA crm
ALTER SESSION SET TIMEZONE = 'UTC'
SET x = 1
SHOW TABLES
CALL p()
SELECT IFF(1 = 1, 2)
SELECT NVL(1)
SELECT DECODE(1, 2)
SELECT pg_catalog.tg_divide(1, 2)
SELECT 1 OPERATOR("·divide") 2
SELECT 1 OPERATOR("⸱divide") 2
SELECT pg_catalog.pg_sleep(1)
SELECT c:city FROM crm.customers c
SELECT city['a'], id[0] FROM crm.customers
SELECT GET_PATH(city, 'a') FROM crm.customers
