-- Statements that are refused, each on a line of its own; refused.txt says how.

-- rows
SELECT * FROM health.visits
SELECT clinic FROM health.visits
SELECT 1 FROM health.visits
SELECT clinic FROM health.visits LIMIT 1
SELECT clinic FROM health.visits ORDER BY clinic OFFSET 3
SELECT v FROM health.visits v
SELECT row_to_json(v) FROM health.visits v
SELECT clinic FROM health.visits WHERE FALSE
WITH v AS (SELECT clinic FROM health.visits) SELECT * FROM v
SELECT (SELECT cost FROM health.visits LIMIT 1)
SELECT CASE WHEN FALSE THEN (SELECT max(cost) FROM health.visits) END
SELECT 1 FROM health.visits GROUP BY ()
SELECT 'x', count(*) FROM health.visits GROUP BY 1
SELECT 1 FROM health.visits HAVING TRUE
SELECT DISTINCT 1 FROM health.visits
COPY health.visits TO STDOUT
COPY (SELECT cost FROM health.visits) TO STDOUT
DECLARE c CURSOR WITH HOLD FOR SELECT cost FROM health.visits

-- below the aggregation
SELECT count(*) FROM (SELECT clinic FROM health.visits LIMIT 50) x
SELECT count(*) FROM (SELECT clinic FROM health.visits OFFSET 1) x
SELECT sum(cost) FROM (SELECT cost, row_number() OVER (ORDER BY cost) AS r FROM health.visits) x
SELECT clinic, sum(cost) OVER (PARTITION BY clinic) FROM health.visits
SELECT count(*) FROM (SELECT DISTINCT ON (clinic) clinic, cost FROM health.visits) x
SELECT count(*) FROM (SELECT DISTINCT patient_id FROM health.visits) x
SELECT count(*) FROM (SELECT DISTINCT cost FROM health.visits) x
SELECT count(*) FROM (SELECT patient_id, count(*) FROM health.visits GROUP BY patient_id) x
SELECT count(*) FROM (SELECT clinic FROM health.visits UNION ALL SELECT 'Z') x
SELECT sum(cost) FROM (SELECT cost FROM health.visits ORDER BY cost LIMIT 1) x
SELECT clinic FROM health.visits UNION SELECT clinic FROM health.visits
SELECT count(*) FROM (SELECT clinic FROM health.visits EXCEPT ALL SELECT 'Z') x
SELECT count(*) FROM (SELECT clinic FROM health.visits INTERSECT ALL SELECT 'Z') x
SELECT 'Z' EXCEPT SELECT clinic FROM health.visits
SELECT 'Z' INTERSECT SELECT clinic FROM health.visits
SELECT cost FROM health.visits EXCEPT SELECT 1
SELECT count(*) FROM (SELECT upper(clinic) FROM health.visits) x
SELECT sum(c) FROM (SELECT cost * 2 AS c FROM health.visits) x
SELECT count(*) FROM health.visits TABLESAMPLE BERNOULLI (10)
WITH RECURSIVE r AS (SELECT clinic FROM health.visits UNION ALL SELECT clinic FROM r) SELECT count(*) FROM r
SELECT count(*) FROM (SELECT unnest(ARRAY[clinic, diagnosis]) FROM health.visits) x

-- keys
SELECT patient_id, count(*) FROM health.visits GROUP BY patient_id
SELECT cost, count(*) FROM health.visits GROUP BY cost
SELECT visited_on, count(*) FROM health.visits GROUP BY visited_on
SELECT id, count(*) FROM health.visits GROUP BY id
SELECT date_trunc('day', visited_on), count(*) FROM health.visits GROUP BY 1
SELECT date_trunc('year', visited_on), count(*) FROM health.visits GROUP BY 1
SELECT extract(month FROM visited_on), count(*) FROM health.visits GROUP BY 1
SELECT upper(clinic), count(*) FROM health.visits GROUP BY upper(clinic)
SELECT clinic || diagnosis, count(*) FROM health.visits GROUP BY 1
SELECT CASE WHEN clinic = 'Z' THEN 1 ELSE 0 END, count(*) FROM health.visits GROUP BY 1
SELECT clinic = 'Z', count(*) FROM health.visits GROUP BY 1
SELECT patient_id % 2, count(*) FROM health.visits GROUP BY 1
SELECT md5(patient_id::text), count(*) FROM health.visits GROUP BY 1
SELECT clinic::varchar(1), count(*) FROM health.visits GROUP BY 1
SELECT clinic, count(*) FROM health.visits GROUP BY ROLLUP (clinic)
SELECT clinic, diagnosis, count(*) FROM health.visits GROUP BY CUBE (clinic, diagnosis)
SELECT clinic, diagnosis, count(*) FROM health.visits GROUP BY GROUPING SETS ((clinic), (diagnosis))
SELECT clinic, count(*) FROM health.visits GROUP BY GROUPING SETS ((clinic))
SELECT c.full_name, count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id GROUP BY c.full_name
SELECT c.id, count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id GROUP BY c.id
SELECT c.birth_date, count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id GROUP BY c.birth_date

-- aggregates
SELECT min(cost) FROM health.visits
SELECT max(clinic) FROM health.visits
SELECT clinic, max(visited_on) FROM health.visits GROUP BY clinic
SELECT array_agg(cost) FROM health.visits
SELECT string_agg(diagnosis, ',') FROM health.visits
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY cost) FROM health.visits
SELECT median(cost) FROM health.visits
SELECT stddev(cost) FROM health.visits
SELECT var_pop(cost) FROM health.visits
SELECT corr(cost, cost) FROM health.visits
SELECT bool_and(clinic = 'Z') FROM health.visits
SELECT bit_or(patient_id) FROM health.visits
SELECT first_value(cost ORDER BY cost) FROM health.visits
SELECT approx_distinct(patient_id) FROM health.visits
SELECT sum(DISTINCT cost) FROM health.visits
SELECT avg(DISTINCT cost) FROM health.visits
SELECT count(DISTINCT cost) FROM health.visits
SELECT count(DISTINCT visited_on) FROM health.visits
SELECT count(DISTINCT (clinic, diagnosis)) FROM health.visits
SELECT count(visited_on) FROM health.visits
SELECT count(id) FROM health.visits
SELECT count(NULL) FROM health.visits
SELECT sum(id) FROM health.visits
SELECT sum(patient_id) FROM health.visits
SELECT sum(1) FROM health.visits
SELECT sum(cost + 1) FROM health.visits
SELECT sum(cost * cost) FROM health.visits
SELECT sum(CASE WHEN clinic = 'Z' THEN cost END) FROM health.visits
SELECT avg(cost::float8) FROM health.visits
SELECT count(nullif(clinic, 'Z')) FROM health.visits
SELECT count(*) FILTER (WHERE cost > 1000) FROM health.visits
SELECT count(*) FILTER (WHERE patient_id = 7) FROM health.visits
SELECT clinic, count(*) FROM health.visits GROUP BY clinic HAVING max(cost) > 31337
SELECT clinic, count(*) FROM health.visits GROUP BY clinic ORDER BY max(cost)
SELECT clinic FROM health.visits GROUP BY clinic HAVING bool_or(patient_id = 4242)

-- conditions
SELECT count(*) FROM health.visits WHERE clinic = 'N' OR clinic = 'Z'
SELECT count(*) FROM health.visits WHERE NOT clinic = 'N'
SELECT count(*) FROM health.visits WHERE clinic <> 'N'
SELECT count(*) FROM health.visits WHERE clinic NOT IN ('N', 'S')
SELECT count(*) FROM health.visits WHERE clinic LIKE 'N%'
SELECT count(*) FROM health.visits WHERE clinic ~ '^N'
SELECT count(*) FROM health.visits WHERE upper(clinic) = 'N'
SELECT count(*) FROM health.visits WHERE clinic || '' = 'N'
SELECT count(*) FROM health.visits WHERE clinic = diagnosis
SELECT count(*) FROM health.visits WHERE clinic = lower('N')
SELECT count(*) FROM health.visits WHERE clinic IS DISTINCT FROM 'N'
SELECT count(*) FROM health.visits WHERE clinic IN (SELECT 'N')
SELECT count(*) FROM health.visits WHERE clinic = (SELECT 'N')
SELECT count(*) FROM health.visits WHERE (clinic = 'N') IS TRUE
SELECT count(*) FROM health.visits WHERE (clinic = 'N') = TRUE
SELECT count(*) FROM health.visits WHERE CASE WHEN clinic = 'N' THEN TRUE END
SELECT count(*) FROM health.visits WHERE clinic > 'M'
SELECT count(*) FROM health.visits WHERE clinic BETWEEN 'M' AND 'O'
SELECT count(*) FROM health.visits WHERE clinic = 1
SELECT count(*) FROM health.visits WHERE clinic IN (1, 2)
SELECT count(*) FROM health.visits WHERE clinic IN ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15', '16', '17', '18', '19', '20', '21', '22', '23', '24', '25', '26', '27', '28', '29', '30', '31', '32', '33', '34', '35', '36', '37', '38', '39', '40', '41', '42', '43', '44', '45', '46', '47', '48', '49', '50', '51', '52', '53', '54', '55', '56', '57', '58', '59', '60', '61', '62', '63', '64', '65', '66', '67', '68', '69', '70', '71', '72', '73', '74', '75', '76', '77', '78', '79', '80', '81', '82', '83', '84', '85', '86', '87', '88', '89', '90', '91', '92', '93', '94', '95', '96', '97', '98', '99', '100')
SELECT count(*) FROM health.visits WHERE patient_id = 4242
SELECT count(*) FROM health.visits WHERE patient_id IN (1, 2, 3, 4, 5, 6, 7)
SELECT count(*) FROM health.visits WHERE patient_id IS NOT NULL
SELECT count(*) FROM health.visits WHERE patient_id < 100
SELECT count(*) FROM health.visits WHERE cost > 100
SELECT count(*) FROM health.visits WHERE cost = 31337.31
SELECT count(*) FROM health.visits WHERE cost IS NULL
SELECT count(*) FROM health.visits WHERE id = 1
SELECT count(*) FROM health.visits WHERE 1 / cost > 0
SELECT count(*) FROM health.visits WHERE random() < 0.5
SELECT count(*) FROM health.visits WHERE clinic = 'N' AND random() < 0.5
SELECT count(*) FROM health.visits WHERE visited_on = DATE '2025-03-03'
SELECT count(*) FROM health.visits WHERE visited_on >= DATE '2025-03-03'
SELECT count(*) FROM health.visits WHERE visited_on < DATE '2025-03-31'
SELECT count(*) FROM health.visits WHERE visited_on BETWEEN DATE '2025-03-01' AND DATE '2025-03-15'
SELECT count(*) FROM health.visits WHERE visited_on BETWEEN DATE '2025-03-01' AND DATE '2025-04-01'
SELECT count(*) FROM health.visits WHERE visited_on NOT BETWEEN DATE '2025-03-01' AND DATE '2025-03-31'
SELECT count(*) FROM health.visits WHERE visited_on IN (DATE '2025-03-01')
SELECT count(*) FROM health.visits WHERE visited_on IS NULL
SELECT count(*) FROM health.visits WHERE visited_on >= DATE '2025-03-01' + 1
SELECT count(*) FROM health.visits WHERE date_trunc('day', visited_on) = '2025-03-03'
SELECT count(*) FROM health.visits WHERE date_trunc('month', date_trunc('month', visited_on)) = '2025-03-01'
SELECT count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id WHERE c.full_name = 'Acme Person 1'
SELECT count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id WHERE c.id = 7
SELECT count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id WHERE c.birth_date = DATE '1960-05-18'
SELECT count(*) FROM health.visits v LEFT JOIN crm.customers c ON c.id = v.patient_id WHERE c.id IS NULL
SELECT count(*) FROM health.visits WHERE clinic = 'N' AND clinic IN ('N') AND clinic IS NOT NULL AND diagnosis = 'flu' AND diagnosis IN ('flu') AND diagnosis IS NOT NULL AND visited_on >= DATE '2025-01-01'
SELECT count(*) FILTER (WHERE clinic = 'N' AND diagnosis = 'flu') FROM health.visits WHERE clinic IN ('N') AND diagnosis IN ('flu') AND clinic IS NOT NULL AND diagnosis IS NOT NULL AND visited_on >= DATE '2025-01-01'

-- joins
SELECT count(*) FROM health.visits v CROSS JOIN crm.customers c
SELECT count(*) FROM health.visits v, crm.customers c
SELECT count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.id
SELECT count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id + 0
SELECT count(*) FROM health.visits v JOIN crm.customers c ON c.id > v.patient_id
SELECT count(*) FROM health.visits v JOIN crm.customers c ON c.country = v.clinic
SELECT count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id AND c.full_name = v.clinic
SELECT count(*) FROM health.visits v LEFT JOIN crm.customers c ON c.id = v.patient_id AND c.country = 'US'
SELECT count(*) FROM health.visits v FULL JOIN crm.customers c ON c.id = v.patient_id
SELECT count(*) FROM crm.customers c LEFT JOIN health.visits v ON c.id = v.patient_id
SELECT count(*) FROM health.visits v NATURAL JOIN crm.customers c
SELECT count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id JOIN crm.customers d ON d.id = v.patient_id
SELECT count(*) FROM health.visits v JOIN (SELECT id FROM crm.customers WHERE full_name = 'Acme Person 1') c ON c.id = v.patient_id
SELECT count(*) FROM health.visits v JOIN (SELECT * FROM crm.customers LIMIT 1) c ON c.id = v.patient_id
SELECT count(*) FROM health.visits v JOIN crm.orders o ON o.customer_id = v.patient_id
SELECT count(*) FROM health.visits v JOIN (VALUES (1), (2)) x (id) ON x.id = v.patient_id
SELECT count(*) FROM health.visits v JOIN generate_series(1, 10) AS x (id) ON x.id = v.patient_id
SELECT count(*) FROM health.visits v JOIN health.visits w ON w.patient_id = v.patient_id
SELECT count(*) FROM health.visits v JOIN (SELECT clinic, count(*) AS n FROM health.visits GROUP BY clinic) w ON w.clinic = v.clinic
SELECT count(*) FROM health.visits WHERE patient_id IN (SELECT id FROM crm.customers)
SELECT count(*) FROM health.visits v WHERE EXISTS (SELECT 1 FROM crm.customers c WHERE c.id = v.patient_id)
SELECT count(*) FROM health.visits v WHERE NOT EXISTS (SELECT 1 FROM crm.customers c WHERE c.id = v.patient_id)
SELECT count(*) FROM crm.customers c WHERE c.id IN (SELECT patient_id FROM health.visits)
SELECT count(*) FROM crm.customers c WHERE EXISTS (SELECT 1 FROM health.visits v WHERE v.patient_id = c.id)
SELECT c.id, (SELECT count(*) FROM health.visits v WHERE v.patient_id = c.id) FROM crm.customers c
SELECT c.id, x.n FROM crm.customers c CROSS JOIN LATERAL (SELECT count(*) AS n FROM health.visits v WHERE v.patient_id = c.id) x
SELECT count(*) FROM health.visits v CROSS JOIN LATERAL (SELECT v.cost AS c) x
SELECT x.k, (SELECT count(*) FROM health.visits v WHERE v.clinic = x.k) FROM (VALUES ('N'), ('Z')) x (k)
