-- What each of the users asks, under composed.sql and, in the second group, under composed_masks.sql.
SELECT clinic, count(*) AS n, sum(cost) AS s FROM health.visits GROUP BY clinic
SELECT diagnosis, count(*) FROM health.visits GROUP BY diagnosis
SELECT count(*) FROM health.visits
SELECT count(DISTINCT patient_id) FROM health.visits
SELECT clinic, cost FROM health.visits WHERE clinic = 'Z'
SELECT * FROM health.visits WHERE id = 1001
SELECT max(cost) FROM health.visits
SELECT date_trunc('month', visited_on)::date AS m, count(*) FROM health.visits WHERE visited_on >= DATE '2025-06-01' GROUP BY 1
SELECT c.country, count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id GROUP BY c.country
SELECT * FROM mart.per_clinic
SELECT sum(visits) FROM mart.per_clinic WHERE costs IS NOT NULL
SELECT * FROM mart.single WHERE clinic = 'Z'
SELECT clinic, count(*) FROM mart.single GROUP BY clinic
SELECT count(*) FROM mart.single WHERE cost > 5
SELECT count(DISTINCT who) FROM mart.single
SELECT * FROM mart.chosen
EXPLAIN SELECT clinic, count(*), sum(cost) FROM health.visits WHERE clinic = 'N' GROUP BY clinic
EXPLAIN ANALYZE SELECT clinic, count(*) FROM health.visits GROUP BY clinic
EXPLAIN ACCESS SELECT count(*) FROM health.visits
EXPLAIN ACCESS SELECT clinic FROM health.visits

SELECT count(*), sum(cost) FROM health.visits
SELECT count(*), count(clinic) FROM health.visits
SELECT clinic, count(*) FROM health.visits GROUP BY clinic
SELECT count(*) FROM health.visits WHERE clinic = 'N'
SELECT count(*) FROM health.visits WHERE clinic = 'REDACTED'
SELECT count(DISTINCT patient_id) FROM health.visits
SELECT count(patient_id) FROM health.visits
SELECT c.country, count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id GROUP BY c.country
SELECT diagnosis, count(*) FROM health.visits GROUP BY diagnosis
SELECT DISTINCT diagnosis FROM health.visits
SELECT count(*) FROM health.visits WHERE diagnosis = 'flu'
SELECT count(*) FROM health.visits WHERE diagnosis IS NULL
SELECT count(*) FILTER (WHERE diagnosis IN ('flu')) FROM health.visits
SELECT count(diagnosis) FROM health.visits
SELECT count(DISTINCT diagnosis) FROM health.visits
EXPLAIN ACCESS SELECT count(*) FROM health.visits
