-- except all
SELECT region FROM bi.sales EXCEPT ALL SELECT region FROM bi.sales WHERE id <= 500 ORDER BY 1;
-- intersect all
SELECT quantity, paid FROM bi.sales WHERE id < 60 INTERSECT ALL SELECT quantity, paid FROM bi.sales WHERE id BETWEEN 40 AND 120;
-- all of nulls
SELECT note FROM bi.sales WHERE id < 20 EXCEPT ALL SELECT note FROM bi.sales WHERE id < 9;
-- chained
SELECT 1 UNION ALL SELECT 1 EXCEPT ALL SELECT 1 UNION SELECT 2 ORDER BY 1;
-- a query in the condition of an inner join
SELECT count(*) FROM bi.sales s JOIN bi.products p ON p.id = s.product_id AND NOT EXISTS (SELECT 1 FROM bi.customers c WHERE c.customer_id = s.customer_id AND c.score > p.id) LEFT JOIN bi.customers k ON k.customer_id = s.customer_id;
-- merged by two joins
SELECT customer_id, count(*), max(x.n) FROM bi.sales JOIN bi.customers USING (customer_id) JOIN (SELECT customer_id, count(*) AS n FROM bi.sales GROUP BY 1) x USING (customer_id) GROUP BY customer_id ORDER BY customer_id;
-- an alias of a join
SELECT j.customer_id, j.name, j.id FROM (bi.sales s JOIN bi.customers c USING (customer_id)) AS j WHERE j.id < 5 ORDER BY j.id;
-- star of one relation
SELECT c.*, s.id FROM bi.sales s NATURAL JOIN bi.customers c WHERE s.id < 6 ORDER BY s.id;
-- columns renamed in part
SELECT a, b, category FROM bi.products AS p(a, b) WHERE a < 4 ORDER BY a;
-- a list in WITH that is shorter than the query
WITH w(a) AS (SELECT id, name FROM bi.products WHERE id < 4) SELECT a, name FROM w ORDER BY a;
-- an alias that hides a column in GROUP BY
SELECT lower(region) AS region, count(*) FROM bi.sales GROUP BY lower(region) HAVING count(*) > 1 ORDER BY region;
-- a condition on an aggregate whose alias is its column
SELECT region, sum(quantity) AS quantity FROM bi.sales GROUP BY region HAVING sum(quantity) > 100 ORDER BY quantity DESC, region;
-- a correlated query with a name of both
SELECT p.id, (SELECT count(*) FROM bi.sales WHERE product_id = p.id) AS n FROM bi.products p WHERE id < 9 ORDER BY id;
-- full join chained
SELECT id, a.n, b.m FROM (SELECT id, 1 AS n FROM bi.products WHERE id < 4) a FULL JOIN (SELECT id, 2 AS m FROM bi.products WHERE id BETWEEN 3 AND 6) b USING (id) FULL JOIN (SELECT id FROM bi.products WHERE id > 5) c USING (id) WHERE id < 9 ORDER BY id;
-- literals of a union
SELECT 1 AS n, 'a' AS t UNION ALL SELECT 3000000000, 'b' UNION ALL SELECT 2.5, 'c' ORDER BY n;
-- sums of conditions
SELECT sum(CASE WHEN paid THEN 1 ELSE 0 END) AS a, sum(CASE WHEN paid THEN quantity ELSE 0 END) AS b, sum(CASE WHEN paid THEN id END) AS c, avg(CASE WHEN paid THEN 1.5 ELSE 138.25 END) AS d, sum(1) AS e FROM bi.sales;
-- computed from a derived number
SELECT x.n * 2 AS a, x.n + 1.5 AS b, (SELECT max(id) FROM bi.products WHERE id = x.n) AS c FROM (SELECT 7 AS n) x;
