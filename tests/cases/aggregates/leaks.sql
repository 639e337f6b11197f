-- Statements that would fail, or give something else than the others of their group, if what isn't released were computed with.

-- a length that only a ward of one patient has, and one that none has
SELECT ward, n FROM (SELECT ward, count(*) AS n FROM health.stays GROUP BY ward) g WHERE 1 / (length(ward) - 8) > -9
SELECT ward, n FROM (SELECT ward, count(*) AS n FROM health.stays GROUP BY ward) g WHERE 1 / (length(ward) - 9) > -9
SELECT ward, count(*) AS n FROM health.stays GROUP BY ward HAVING 1 / (length(ward) - 8) > -9
SELECT ward, count(*) AS n FROM health.stays GROUP BY ward HAVING 1 / (length(ward) - 9) > -9
SELECT g.ward, g.n FROM (SELECT ward, count(*) AS n FROM health.stays GROUP BY ward) g JOIN (SELECT 1 AS one) x ON 1 / (length(g.ward) - 8) > -9 * x.one
SELECT g.ward, g.n FROM (SELECT ward, count(*) AS n FROM health.stays GROUP BY ward) g JOIN (SELECT DISTINCT ward FROM health.stays) h ON h.ward = g.ward AND 1 / (length(h.ward) - 8) > -9
SELECT ward, n FROM (SELECT ward, count(*) AS n FROM health.stays GROUP BY ward ORDER BY 1 / (length(ward) - 8), ward) g
SELECT ward, max(n) FROM (SELECT ward, count(*) AS n FROM health.stays GROUP BY ward) g WHERE 1 / (length(ward) - 8) > -9 GROUP BY ward

-- what is withheld is a NULL to nobody's condition
SELECT ward, count(*) AS n FROM health.stays GROUP BY ward HAVING 1 / coalesce(count(*), 0) >= 0
SELECT ward, n FROM (SELECT ward, count(*) AS n FROM health.stays GROUP BY ward) g WHERE 1 / coalesce(n, 0) >= 0
SELECT ward, n FROM (SELECT ward, count(*) AS n FROM health.stays GROUP BY ward) g WHERE 1 / (length(coalesce(ward, '12345')) - 5) > -9
SELECT ward, n + 1 / coalesce(n, 0) * 0 AS n FROM (SELECT ward, count(*) AS n FROM health.stays GROUP BY ward) g

-- a key that is written twice
SELECT ward AS a, ward AS b, count(*) AS n FROM health.stays GROUP BY 1, 2
SELECT ward AS a, ward AS b, count(*) AS n FROM health.stays GROUP BY ward, ward
SELECT ward AS a, ward AS b, count(*) AS n FROM health.stays GROUP BY ward

-- a text of one patient that is no number
SELECT CAST(code AS int) AS code, n FROM (SELECT code, count(*) AS n FROM health.stays GROUP BY code) g
SELECT CAST(code AS int) AS code, count(*) AS n FROM health.stays GROUP BY code
SELECT CAST(code AS int) AS code, n FROM (SELECT code, count(*) AS n FROM health.stays GROUP BY code) g WHERE CAST(code AS int) > 0
SELECT CAST(code AS int) AS code, count(*) AS n FROM health.stays GROUP BY code HAVING CAST(code AS int) > 0
SELECT CAST(g.code AS int) AS code, g.n FROM (SELECT code, count(*) AS n FROM health.stays GROUP BY code) g JOIN (SELECT 10 AS least) x ON CAST(g.code AS int) > x.least

-- a count, a number of customers and a sum of what isn't released
SELECT code, 10 / (n - 1) FROM (SELECT code, count(*) AS n FROM health.stays GROUP BY code) g
SELECT code, 10 / (count(*) - 1) FROM health.stays GROUP BY code

SELECT ward, 10 / (n - 1) AS x FROM (SELECT ward, count(*) FILTER (WHERE code = '99x') AS n FROM health.stays GROUP BY ward) g
SELECT ward, 10 / (n - 1) AS x FROM (SELECT ward, count(*) FILTER (WHERE code = '98x') AS n FROM health.stays GROUP BY ward) g

SELECT 10 / (n - 1) FROM (SELECT count(*) AS n FROM health.stays WHERE ward = 'lonesome') g
SELECT 10 / (n - 1) FROM (SELECT count(*) AS n FROM health.stays WHERE ward = 'nowhere') g
SELECT 10 / (s - 31337.31) FROM (SELECT sum(cost) AS s FROM health.stays WHERE code = 'x1') g

-- two patients have no partner
SELECT (SELECT count(*) FROM health.stays WHERE ward = 'A') - (SELECT count(*) FROM health.stays v JOIN crm.customers c ON c.id = v.patient_id WHERE v.ward = 'A') AS d
SELECT (SELECT sum(cost) FROM health.stays WHERE ward = 'A') - (SELECT sum(v.cost) FROM health.stays v JOIN crm.customers c ON c.id = v.patient_id WHERE v.ward = 'A') AS d

SELECT sum(cost) - (SELECT sum(v.cost) FROM health.stays v JOIN crm.customers c ON c.id = v.patient_id) AS d FROM health.stays

SELECT a.ward, a.n - b.n AS d FROM (SELECT ward, count(*) AS n FROM health.stays GROUP BY ward) a LEFT JOIN (SELECT v.ward, count(*) AS n FROM health.stays v, crm.customers c WHERE c.id = v.patient_id GROUP BY v.ward) b ON b.ward = a.ward

-- nobody has a share of what is no number
SELECT ward, sum(score), avg(score) FROM health.stays GROUP BY ward

SELECT sum(score), avg(score) FROM health.stays
SELECT sum(score), avg(score) FROM health.stays WHERE ward = 'C'
SELECT sum(score), avg(score) FROM health.stays WHERE ward = 'D'
SELECT sum(score), avg(score) FROM health.stays WHERE ward = 'E'
SELECT sum(score), avg(score) FROM health.stays WHERE ward = 'nowhere'
