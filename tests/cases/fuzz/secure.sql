-- Statements for the fuzzing of parse, resolve, decide, secure and bind: one for each corner of the
-- fuzzed world, and what fuzzing has found. One statement per `;` alone on a line.
SELECT * FROM open.kinds
;
SELECT flag, tiny, small, big, real, double, price, word, body, day, moment, at, at_zone, span, words, numbers FROM open.kinds WHERE big = $1 AND word = ANY($2)
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
