-- time series
SELECT DATE_TRUNC('month', ordered_at) AS __timestamp, sum(quantity) AS "SUM(quantity)" FROM bi.sales WHERE ordered_at >= TO_TIMESTAMP('2024-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') AND ordered_at < TO_TIMESTAMP('2025-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') GROUP BY DATE_TRUNC('month', ordered_at) ORDER BY "SUM(quantity)" DESC LIMIT 10000;
-- series with a top n
SELECT DATE_TRUNC('month', ordered_at) AS __timestamp, region AS region, COUNT(*) AS count FROM bi.sales JOIN (SELECT region AS region__, COUNT(*) AS mme_inner__ FROM bi.sales GROUP BY region ORDER BY mme_inner__ DESC, region__ LIMIT 2) AS anon_1 ON region = region__ GROUP BY DATE_TRUNC('month', ordered_at), region ORDER BY count DESC, 1, 2 LIMIT 10000;
-- virtual dataset
SELECT category AS category, AVG(price) AS "AVG(price)" FROM (SELECT p.*, s.quantity FROM bi.products p JOIN bi.sales s ON s.product_id = p.id) AS virtual_table GROUP BY category ORDER BY "AVG(price)" DESC LIMIT 100;
-- week that starts on Sunday
SELECT DATE_TRUNC('week', ordered_at + INTERVAL '1 day') - INTERVAL '1 day' AS __timestamp, count(DISTINCT customer_id) AS "COUNT_DISTINCT(customer_id)" FROM bi.sales GROUP BY DATE_TRUNC('week', ordered_at + INTERVAL '1 day') - INTERVAL '1 day' LIMIT 50000;
-- values of a filter
SELECT region AS region FROM bi.sales GROUP BY region ORDER BY region ASC LIMIT 10000;
-- samples
SELECT id AS id, product_id AS product_id, region AS region, order_date AS order_date, note AS note FROM bi.sales WHERE region IN ('North', 'South') AND quantity > 3 AND note ILIKE '%a1%' ORDER BY id LIMIT 1000 OFFSET 0;
-- number of rows
SELECT COUNT(*) AS rowcount FROM (SELECT region AS region, product_id AS product_id FROM bi.sales GROUP BY region, product_id LIMIT 50000) AS rowcount_qry;
-- custom metric
SELECT region AS region, SUM(quantity * unit_price) / NULLIF(COUNT(DISTINCT customer_id), 0) AS revenue_per_customer FROM bi.sales GROUP BY region HAVING SUM(quantity) > 10 ORDER BY revenue_per_customer DESC LIMIT 1000;
-- minutes and hours
SELECT DATE_TRUNC('hour', ordered_at) + INTERVAL '1 hour' * 0 AS h, DATE_TRUNC('hour', ordered_at) + INTERVAL '15 min' * FLOOR(EXTRACT(MINUTE FROM ordered_at) / 15) AS q, count(*) AS n FROM bi.sales GROUP BY 1, 2 ORDER BY 2, 1 LIMIT 100;
-- SQL Lab
WITH m AS (SELECT date_trunc('month', order_date)::date AS month, region, sum(unit_price * quantity) AS revenue FROM bi.sales GROUP BY 1, 2) SELECT month, region, revenue, lag(revenue) OVER (PARTITION BY region ORDER BY month) AS previous, round(100.0 * (revenue - lag(revenue) OVER (PARTITION BY region ORDER BY month)) / lag(revenue) OVER (PARTITION BY region ORDER BY month), 1) AS growth FROM m ORDER BY region, month LIMIT 1001;
-- pivot by hand
SELECT order_date, sum(quantity) FILTER (WHERE region = 'North') AS north, sum(quantity) FILTER (WHERE region = 'South') AS south, count(*) FILTER (WHERE paid) AS paid, count(DISTINCT product_id) FILTER (WHERE paid) AS products FROM bi.sales GROUP BY order_date ORDER BY order_date LIMIT 30;
-- year over year with generate_series
SELECT d.day, coalesce(sum(s.quantity), 0) AS sold FROM (SELECT date '2024-01-01' + i AS day FROM generate_series(0, 13) AS i) AS d LEFT JOIN bi.sales AS s ON s.order_date = d.day GROUP BY d.day ORDER BY d.day;
-- box plot
SELECT region, percentile_cont(0.25) WITHIN GROUP (ORDER BY quantity) AS q1, percentile_cont(0.5) WITHIN GROUP (ORDER BY quantity) AS q2, percentile_cont(0.75) WITHIN GROUP (ORDER BY quantity) AS q3, min(quantity), max(quantity) FROM bi.sales GROUP BY region;
