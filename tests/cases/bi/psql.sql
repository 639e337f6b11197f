-- joins by name
SELECT customer_id, count(*) AS n, CASE WHEN customer_id > 10 THEN 'late' ELSE 'early' END AS cohort FROM bi.sales JOIN bi.customers USING (customer_id) GROUP BY customer_id ORDER BY customer_id;
-- a merged column in every place
SELECT concat(customer_id, '-', segment) AS label, count(*) FILTER (WHERE customer_id IN (1, 2, 3)) AS few, (SELECT count(*) FROM bi.products WHERE id = customer_id) AS p FROM bi.sales LEFT JOIN bi.customers USING (customer_id) WHERE customer_id BETWEEN 1 AND 20 GROUP BY customer_id, segment HAVING customer_id <> 7 ORDER BY customer_id + 1;
-- full join by name
SELECT customer_id, sum(quantity) AS q, max(name) AS name FROM bi.sales FULL JOIN bi.customers USING (customer_id) GROUP BY customer_id ORDER BY customer_id NULLS LAST;
-- right join by name
SELECT customer_id, name, count(id) AS n FROM bi.sales RIGHT JOIN bi.customers USING (customer_id) GROUP BY customer_id, name ORDER BY customer_id;
-- star over a join by name
SELECT * FROM bi.sales JOIN bi.customers USING (customer_id) ORDER BY id LIMIT 5;
-- star over a full join by name
SELECT * FROM (SELECT customer_id, count(*) AS n FROM bi.sales GROUP BY 1) a NATURAL FULL JOIN bi.customers b ORDER BY customer_id, n, name;
-- rows of a table
TABLE bi.products ORDER BY id FETCH FIRST 3 ROWS ONLY;
-- only
SELECT count(*) FROM ONLY bi.products;
-- group by key
SELECT p.id, p.name, p.category, sum(s.quantity) AS sold FROM bi.products p LEFT JOIN bi.sales s ON s.product_id = p.id GROUP BY p.id ORDER BY sold DESC NULLS LAST, p.id LIMIT 10;
-- grouping sets
SELECT region, paid, count(*) AS n, grouping(region, paid) AS g FROM bi.sales GROUP BY GROUPING SETS ((region), (paid), (region, paid), ()) ORDER BY g, region, paid;
-- cube
SELECT coalesce(region, 'all') AS region, coalesce(paid::text, 'all') AS paid, sum(quantity) FROM bi.sales GROUP BY CUBE (region, paid);
-- lists
SELECT category, string_agg(name, ', ' ORDER BY price DESC) AS names, array_agg(id ORDER BY id) AS ids, array_agg(DISTINCT launched ORDER BY launched) AS l FROM bi.products GROUP BY category ORDER BY category;
-- array of a query
SELECT ARRAY(SELECT id FROM bi.products WHERE category = 'Desks' ORDER BY id) AS ids;
-- power
SELECT id, price ^ 2 AS sq, power(weight, 2) AS w2, 2 ^ 3 AS eight, mod(id, 5) AS m, id % 5 AS m2, |/ weight AS r, power(price, 2) AS pp FROM bi.products ORDER BY id;
-- unnest
SELECT x, x * 2 AS y FROM unnest(ARRAY[3, 1, 2]) x ORDER BY x;
-- series
SELECT n FROM generate_series(1, 10, 3) n ORDER BY n DESC;
-- series of dates
SELECT d::date AS d FROM generate_series(date '2024-01-29', date '2024-02-02', interval '1 day') d ORDER BY 1;
-- series of timestamps
SELECT t FROM generate_series(timestamp '2024-01-31', timestamp '2024-06-30', interval '1 month') AS t ORDER BY t;
-- limit by an expression
SELECT id FROM bi.products ORDER BY id LIMIT 2 + 1 OFFSET 1 * 2;
-- dates
SELECT id, make_date(2024, 2, 29) AS leap, age(timestamp '2024-03-01', launched::timestamp) AS age, date_trunc('quarter', launched) AS q, to_char(launched, 'YYYY-"W"IW') AS w, extract(isoyear FROM launched) AS y, launched + 30 AS later, launched - date '2019-01-01' AS days FROM bi.products ORDER BY id LIMIT 9;
-- text
SELECT initcap(lower(name)) AS n, format('%s-%s', id, category) AS f, concat_ws('/', id, category, NULL, 'x') AS c, greatest(id, 10) AS g, least(price, 50) AS l, nullif(category, 'Desks') AS z, lpad(id::text, 4, '0') AS p, split_part(name, ' ', 2) AS s, left(name, -2) AS t FROM bi.products ORDER BY id;
-- frames
SELECT id, sum(quantity) OVER (PARTITION BY region ORDER BY ordered_at, id ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) AS a, first_value(quantity) OVER (PARTITION BY region ORDER BY ordered_at, id) AS f, last_value(quantity) OVER (PARTITION BY region ORDER BY ordered_at, id RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS l, ntile(4) OVER (ORDER BY unit_price, id) AS t, percent_rank() OVER (ORDER BY unit_price) AS pr, cume_dist() OVER (ORDER BY unit_price) AS cd FROM bi.sales ORDER BY id;
-- a window over a condition
SELECT id, rank() OVER (PARTITION BY CASE WHEN quantity > 4 THEN 'a' ELSE 'b' END ORDER BY unit_price, id) AS r FROM bi.sales WHERE id < 100 ORDER BY id;
-- lateral
SELECT c.customer_id, s.id FROM bi.customers c CROSS JOIN LATERAL (SELECT id FROM bi.sales s WHERE s.customer_id = c.customer_id) s ORDER BY 1, 2 LIMIT 20;
-- lateral top of each
SELECT c.customer_id, s.id, s.quantity FROM bi.customers c LEFT JOIN LATERAL (SELECT id, quantity FROM bi.sales s WHERE s.customer_id = c.customer_id ORDER BY quantity DESC, id LIMIT 2) s ON true ORDER BY 1, 2;
-- a query in a join's condition
SELECT count(*) FROM bi.sales s JOIN bi.products p ON p.id = s.product_id AND s.quantity > (SELECT avg(quantity) FROM bi.sales);
-- a query in values
SELECT * FROM (VALUES ((SELECT count(*) FROM bi.products), 'a'), (2, 'b')) v(n, t) ORDER BY n;
-- equal items
SELECT region, region, lower(region), upper(region), count(*), count(*) FROM bi.sales GROUP BY region ORDER BY 1, 6;
-- equal items below
SELECT count FROM (SELECT lower(region), upper(region), count(*) FROM bi.sales GROUP BY region) x ORDER BY 1;
-- equal items in a union
SELECT id, id FROM bi.products WHERE id < 3 UNION ALL SELECT id, product_id FROM bi.sales WHERE id < 4 ORDER BY 1, 2;
-- recursion
WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n), count(*) FROM t;
-- whole numbers divided
SELECT 7 / 2 AS a, -7 / 2 AS b, 7 % -3 AS c, 7.0 / 2 AS d, 1 / 3.0 AS e, 10 / 4::float8 AS f;
-- rounding casts
SELECT 2.5::int AS a, 3.5::int AS b, (-2.5)::int AS c, 2.5::float8::int AS d, 3.5::float8::int AS e, 0.5::float8::bigint AS f, 1.7::numeric::smallint AS g, unit_price::int AS h, discount::int AS i FROM bi.sales WHERE id < 20 ORDER BY id;
-- texts of values
SELECT ordered_at::text AS a, order_date::text AS b, unit_price::text AS c, discount::text AS d, quantity::text AS e, paid::text AS f, 1.0::float8::text AS g, shipped_at::text AS h, ordered_at || '' AS i, discount || '' AS j, concat(ordered_at, '|', discount, '|', paid) AS k FROM bi.sales WHERE id < 20 ORDER BY id;
-- in a query of another table
SELECT name FROM bi.products WHERE id IN (SELECT product_id FROM bi.sales GROUP BY product_id HAVING sum(quantity) > 100) AND EXISTS (SELECT 1 FROM bi.sales WHERE product_id = products.id AND paid) ORDER BY name;
-- zones
SELECT id, ordered_at AT TIME ZONE 'Europe/Berlin' AS a, shipped_at AT TIME ZONE 'America/New_York' AS b, timezone('UTC', shipped_at) AS c FROM bi.sales WHERE id < 30 ORDER BY id;
-- intervals
SELECT id, shipped_at - interval '2 hours' AS a, ordered_at - order_date::timestamp AS b, extract(epoch FROM shipped_at - shipped_at) AS c, interval '1 day' * quantity AS d FROM bi.sales WHERE id < 15 ORDER BY id;
-- aggregates of whole numbers
SELECT sum(quantity) AS a, avg(quantity) AS b, sum(id) AS c, avg(id) AS d, sum(score) AS e, avg(score) AS f, round(avg(quantity), 2) AS g, sum(quantity) / count(*) AS h FROM bi.sales LEFT JOIN bi.customers USING (customer_id);
