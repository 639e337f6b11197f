-- Statements for the fuzzing of parse, resolve, decide, secure and bind: one for each corner of the
-- fuzzed world, and what fuzzing has found. One statement per `;` alone on a line.
SELECT * FROM open.kinds
;
SELECT flag, tiny, small, big, real, double, price, word, body, day, moment, at, at_zone, span, words, numbers FROM open.kinds WHERE big = $1 AND word = ANY($2)
;
SELECT doc:a.b[0]::string, doc['k']::number(10, 2), GET_PATH(doc, 'a[1]."x"'), doc FROM open.kinds WHERE doc:c::int > 1
;
SELECT k.doc:a AS x, x:b::date, count(doc) OVER () FROM open.kinds k, crm.hidden_map m WHERE hidden_user:a IS NULL
;
SELECT c.hidden_income, o.hidden_flag FROM crm.customers c JOIN crm.orders o ON o.customer_id = c.id
;
SELECT * FROM crm.hidden_map, hidden_hr.hidden_salaries
;
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n, hidden_income FROM r, crm.customers
;
SELECT customers, c.* FROM crm.customers c NATURAL JOIN crm.tenants ORDER BY hidden_flag
;
PREPARE p AS SELECT id FROM crm.orders WHERE amount > $1 AND hidden_flag
;
EXPLAIN SELECT sum(amount) OVER (PARTITION BY tenant_id) FROM crm.orders
;
-- Found: the parser's time doubles with each level of calls.
SELECT coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(coalesce(1))))))))))))))))))))))))))))))))))))))))
;
SELECT NOT coalesce(CASE WHEN (SELECT NOT coalesce(CASE WHEN (SELECT NOT coalesce(CASE WHEN (SELECT NOT coalesce(CASE WHEN (SELECT NOT coalesce(CASE WHEN (SELECT NOT coalesce(CASE WHEN (SELECT NOT coalesce(CASE WHEN (SELECT NOT coalesce(CASE WHEN (SELECT NOT coalesce(CASE WHEN (SELECT NOT coalesce(CASE WHEN (SELECT NOT coalesce(CASE WHEN (SELECT NOT coalesce(CASE WHEN (SELECT 1) THEN 1 END)) THEN 1 END)) THEN 1 END)) THEN 1 END)) THEN 1 END)) THEN 1 END)) THEN 1 END)) THEN 1 END)) THEN 1 END)) THEN 1 END)) THEN 1 END)) THEN 1 END)
;
SELECT c, c::text, concat(c, o), format('%s', o), row_to_json(c), c IS NULL FROM crm.customers c, crm.orders o
;
SELECT count(DISTINCT c), array_agg(c ORDER BY c.id), json_agg(c.*), json_agg(hidden_income) FROM crm.customers c GROUP BY c
;
SELECT e.key, x.hidden_income, x.id FROM crm.customers c, LATERAL json_each_text(row_to_json(c)) e, jsonb_to_record(to_jsonb(c)) AS x(hidden_income numeric, id bigint)
;
SELECT id FROM crm.customers ORDER BY hidden_income LIMIT (SELECT count(*) FROM crm.orders WHERE hidden_flag) OFFSET (SELECT get_byte('a'::bytea, 0))
;
