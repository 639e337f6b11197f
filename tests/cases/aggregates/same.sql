-- Statements between blank lines ask for the same cells: each must give what the first one gives.

SELECT clinic, count(*) AS n, sum(cost) AS s FROM health.visits GROUP BY clinic
SELECT v.clinic, count(*) AS n, sum(v.cost) AS s FROM health.visits AS v GROUP BY v.clinic
SELECT clinic, count(1) AS n, sum(cost) AS s FROM health.visits GROUP BY 1
SELECT clinic, count(*) AS n, sum(cost) AS s FROM health.visits GROUP BY clinic, clinic, 1
SELECT clinic, count(*) AS n, sum(cost) AS s FROM health.visits GROUP BY clinic HAVING count(*) = count(1)
SELECT x.c AS clinic, n, s FROM (SELECT clinic AS c, clinic AS d, count(*) AS n, sum(cost) AS s FROM health.visits GROUP BY 1, 2) x
SELECT c AS clinic, count(*) AS n, sum(m) AS s FROM health.visits AS v (i, p, c, d, m, o) GROUP BY c
SELECT clinic, count(*) AS n, sum(cost) AS s FROM (SELECT cost, clinic FROM health.visits) x GROUP BY clinic
SELECT k AS clinic, count(*) AS n, sum(m) AS s FROM (SELECT clinic AS k, cost AS m FROM (SELECT * FROM health.visits) y) x GROUP BY k
WITH x AS (SELECT * FROM health.visits) SELECT clinic, count(*) AS n, sum(cost) AS s FROM x GROUP BY clinic
WITH x (k, m) AS (SELECT clinic, cost FROM health.visits), y AS (SELECT * FROM x) SELECT k AS clinic, count(*) AS n, sum(m) AS s FROM y GROUP BY k
SELECT * FROM (SELECT clinic, count(*) AS n, sum(cost) AS s FROM health.visits GROUP BY clinic) x
SELECT clinic, count(*) AS n, sum(cost) AS s FROM health.visits GROUP BY clinic ORDER BY sum(cost), clinic
SELECT clinic, n, s FROM (SELECT clinic, count(*) AS n, sum(cost) AS s, avg(cost) FROM health.visits GROUP BY clinic) x WHERE n > 0
SELECT clinic, count(*) AS n, sum(cost) AS s FROM health.visits GROUP BY clinic HAVING count(*) >= 5
SELECT clinic, count(*) AS n, sum(cost) AS s FROM health.visits WHERE TRUE GROUP BY clinic LIMIT 1000
SELECT a.clinic, a.n, b.s FROM (SELECT clinic, count(*) AS n FROM health.visits GROUP BY clinic) a JOIN (SELECT clinic, sum(cost) AS s FROM health.visits GROUP BY clinic) b ON a.clinic IS NOT DISTINCT FROM b.clinic
SELECT clinic, n, s FROM (SELECT clinic, count(*) AS n, sum(cost) AS s, row_number() OVER (ORDER BY count(*)) AS r FROM health.visits GROUP BY clinic) x WHERE r > 0
SELECT clinic, n, s FROM (SELECT clinic, count(*) AS n, sum(cost) AS s FROM health.visits GROUP BY clinic UNION SELECT clinic, count(*), sum(cost) FROM health.visits GROUP BY clinic) x

SELECT DISTINCT clinic FROM health.visits
SELECT clinic FROM health.visits GROUP BY clinic
SELECT DISTINCT clinic FROM (SELECT clinic, count(*) FROM health.visits GROUP BY clinic) x
SELECT clinic FROM (SELECT DISTINCT clinic FROM health.visits) x ORDER BY clinic
SELECT clinic FROM health.visits GROUP BY clinic UNION SELECT DISTINCT clinic FROM health.visits

SELECT DISTINCT clinic, diagnosis FROM health.visits WHERE clinic = 'N'
SELECT clinic, diagnosis FROM health.visits WHERE clinic IN ('N') GROUP BY diagnosis, clinic
SELECT x.clinic, x.diagnosis FROM (SELECT * FROM health.visits WHERE clinic = 'N') x GROUP BY 1, 2
SELECT DISTINCT x.clinic, x.diagnosis FROM (SELECT clinic, diagnosis FROM health.visits WHERE 'N' = clinic) x

SELECT c.country, count(*) AS n, avg(v.cost) AS a FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id GROUP BY c.country
SELECT c.country, count(*) AS n, avg(v.cost) AS a FROM crm.customers c JOIN health.visits v ON v.patient_id = c.id GROUP BY c.country
SELECT c.country, count(*) AS n, avg(v.cost) AS a FROM health.visits v, crm.customers c WHERE c.id = v.patient_id GROUP BY c.country
SELECT c.country, count(*) AS n, avg(v.cost) AS a FROM health.visits v INNER JOIN crm.customers AS c ON v.patient_id = c.id WHERE TRUE GROUP BY 1
SELECT country, count(*) AS n, avg(cost) AS a FROM (SELECT c.country, v.cost FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id) x GROUP BY country
WITH v AS (SELECT * FROM health.visits) SELECT c.country, count(*) AS n, avg(v.cost) AS a FROM v CROSS JOIN crm.customers c WHERE c.id = v.patient_id GROUP BY c.country

SELECT c.country, count(*) AS n FROM health.visits v LEFT JOIN crm.customers c ON c.id = v.patient_id GROUP BY c.country
SELECT c.country, count(*) AS n FROM crm.customers c RIGHT JOIN health.visits v ON v.patient_id = c.id GROUP BY c.country
SELECT country, count(*) AS n FROM (SELECT * FROM health.visits) v LEFT JOIN crm.customers AS c ON patient_id = c.id GROUP BY country

SELECT date_trunc('month', visited_on) AS m, count(*) AS n FROM health.visits WHERE visited_on >= DATE '2025-02-01' AND visited_on < DATE '2025-05-01' GROUP BY 1
SELECT date_trunc('month', visited_on) AS m, count(*) AS n FROM health.visits WHERE visited_on BETWEEN DATE '2025-02-01' AND DATE '2025-04-30' GROUP BY m
SELECT m, count(*) AS n FROM (SELECT date_trunc('month', visited_on) AS m FROM health.visits) x WHERE m >= '2025-02-01' AND m < '2025-05-01' GROUP BY m
SELECT m, count(*) AS n FROM (SELECT date_trunc('month', visited_on) AS m FROM health.visits) x WHERE m BETWEEN '2025-02-01' AND '2025-04-01' GROUP BY m
SELECT date_trunc('MONTH', visited_on) AS m, count(*) AS n FROM health.visits WHERE DATE '2025-02-01' <= visited_on AND visited_on > DATE '2025-01-31' AND visited_on <= DATE '2025-04-30' GROUP BY date_trunc('MONTH', visited_on)
SELECT date_trunc('month', visited_on) AS m, count(*) AS n FROM health.visits WHERE visited_on >= '2025-02-01' AND visited_on < '2025-05-01' GROUP BY m

SELECT count(*) AS n, sum(cost) AS s FROM health.visits WHERE clinic = 'S'
SELECT count(*) FILTER (WHERE clinic = 'S') AS n, sum(cost) FILTER (WHERE clinic = 'S') AS s FROM health.visits
SELECT (SELECT count(*) FROM health.visits WHERE clinic = 'S') AS n, (SELECT sum(cost) FROM health.visits WHERE clinic = 'S') AS s
SELECT count(*) AS n, sum(cost) AS s FROM (SELECT * FROM health.visits WHERE clinic = 'S') x
SELECT sum(n) AS n, sum(s) AS s FROM (SELECT clinic, count(*) AS n, sum(cost) AS s FROM health.visits WHERE clinic = 'S' GROUP BY clinic) x
SELECT count(*) AS n, sum(cost) AS s FROM health.visits WHERE clinic IN ('S', 'S')
SELECT n, s FROM (SELECT count(*) AS n, sum(cost) AS s FROM health.visits WHERE clinic = 'S') x WHERE EXISTS (SELECT clinic FROM health.visits GROUP BY clinic)
SELECT x.n, x.s FROM (SELECT clinic, count(*) AS n, sum(cost) AS s FROM health.visits GROUP BY clinic) x WHERE clinic = 'S' AND clinic IN (SELECT DISTINCT clinic FROM health.visits)

SELECT count(*) AS n, sum(cost) AS s FROM health.visits WHERE clinic = 'nowhere'
SELECT count(*) AS n, sum(cost) AS s FROM health.visits WHERE clinic = 'Z'
SELECT count(*) AS n, sum(cost) AS s FROM health.visits WHERE clinic = NULL
SELECT count(*) AS n, sum(cost) AS s FROM health.visits WHERE FALSE
SELECT count(*) FILTER (WHERE clinic = 'X') AS n, sum(cost) FILTER (WHERE clinic = 'Y') AS s FROM health.visits

SELECT clinic, sum(cost) / count(*) AS a FROM health.visits GROUP BY clinic
SELECT clinic, s / n AS a FROM (SELECT clinic, sum(cost) AS s, count(*) AS n FROM health.visits GROUP BY clinic) x

SELECT clinic, count(*) AS n FROM health.visits GROUP BY clinic ORDER BY n DESC, clinic LIMIT 2
SELECT clinic, n FROM (SELECT clinic, count(*) AS n, rank() OVER (ORDER BY count(*) DESC, clinic) AS r FROM health.visits GROUP BY clinic) x WHERE r <= 2
SELECT * FROM (SELECT clinic, count(*) AS n FROM health.visits GROUP BY clinic) x ORDER BY n DESC, clinic FETCH FIRST 2 ROWS ONLY

SELECT clinic, count(*) AS n FROM health.visits WHERE clinic IS NULL GROUP BY clinic
SELECT NULL AS clinic, count(*) AS n FROM health.visits WHERE clinic IS NULL
SELECT clinic, n FROM (SELECT clinic, count(*) AS n FROM health.visits GROUP BY clinic) x WHERE clinic IS NULL

SELECT count(DISTINCT patient_id) AS n FROM health.visits WHERE diagnosis = 'flu'
SELECT count(DISTINCT p) AS n FROM (SELECT patient_id AS p, diagnosis AS d FROM health.visits) x WHERE d = 'flu'
SELECT count(DISTINCT patient_id) FILTER (WHERE diagnosis = 'flu') AS n FROM health.visits

SELECT clinic, count(cost) AS n FROM health.visits WHERE diagnosis IN ('flu', 'asthma') AND clinic IS NOT NULL GROUP BY clinic
SELECT clinic, count(cost) AS n FROM health.visits WHERE diagnosis IN ('flu', NULL, 'asthma') AND clinic IS NOT NULL GROUP BY clinic
SELECT clinic, count(cost) AS n FROM (SELECT clinic, cost, diagnosis FROM health.visits WHERE clinic IS NOT NULL) x WHERE diagnosis IN ('asthma', 'flu') GROUP BY clinic
SELECT clinic, count(cost) AS n FROM health.visits WHERE (clinic IS NOT NULL) AND (diagnosis IN ('flu', 'asthma', 'flu')) GROUP BY clinic

SELECT count(*) AS n, avg(cost) AS a FROM health.visits
SELECT count(v) AS n, avg(v.cost) AS a FROM health.visits v
SELECT count(*) AS n, avg(cost) AS a FROM (SELECT clinic, cost FROM health.visits ORDER BY cost) x

SELECT clinic FROM (SELECT DISTINCT clinic FROM health.visits) x WHERE clinic IS DISTINCT FROM 'N'
SELECT clinic FROM health.visits EXCEPT SELECT 'N'
SELECT clinic FROM health.visits EXCEPT SELECT * FROM (VALUES ('N'), ('Z')) x
(SELECT clinic FROM health.visits EXCEPT SELECT 'N') EXCEPT SELECT 'Y'

SELECT 'N' AS clinic
SELECT clinic FROM health.visits INTERSECT SELECT 'N'
SELECT clinic FROM health.visits INTERSECT SELECT * FROM (VALUES ('N'), ('Z')) x

SELECT 1 AS n FROM (SELECT clinic FROM health.visits GROUP BY clinic) x WHERE FALSE
SELECT count(*) AS n FROM health.visits WHERE clinic = 'nowhere' HAVING count(*) >= 0
SELECT count(*) AS n FROM health.visits WHERE clinic = 'Z' HAVING count(*) >= 0
SELECT count(*) AS n FROM health.visits WHERE clinic = 'Z' GROUP BY clinic
SELECT count(*) AS n FROM health.visits WHERE clinic = 'Z' GROUP BY diagnosis

SELECT count(*) AS n, count(*) AS m, avg(cost) AS a, avg(cost) AS b FROM health.visits
SELECT n, n AS m, a, a AS b FROM (SELECT count(*) AS n, avg(cost) AS a FROM health.visits) x

-- of an ordinary table
SELECT country AS c, country AS d, count(*) AS n FROM crm.customers GROUP BY country
SELECT country AS c, country AS d, count(*) AS n FROM crm.customers GROUP BY 1, 2
SELECT country AS c, country AS d, count(*) AS n FROM crm.customers GROUP BY country, country, 1
