-- time group
SELECT floor(extract(epoch from "ordered_at")/86400)*86400 AS "time", region AS metric, avg(quantity) AS "quantity" FROM bi.sales WHERE "ordered_at" BETWEEN '2024-01-01T00:00:00Z' AND '2024-02-01T00:00:00Z' GROUP BY 1, 2 ORDER BY 1, 2;
-- seconds to timestamps
SELECT to_timestamp(floor(extract(epoch from ordered_at) / 3600) * 3600) AS time, count(*) AS n FROM bi.sales WHERE extract(epoch from ordered_at) >= 1706745600 AND extract(epoch from ordered_at) <= 1707350400 GROUP BY 1 ORDER BY 1;
-- epoch filter
SELECT extract(epoch from ordered_at) AS time, quantity AS value FROM bi.sales WHERE ordered_at >= to_timestamp(1706745600) AND ordered_at <= to_timestamp(1707350400) ORDER BY ordered_at ASC;
-- variable
SELECT DISTINCT region AS __text, region AS __value FROM bi.sales ORDER BY 1;
-- latest of each
SELECT DISTINCT ON (region) region, ordered_at, quantity FROM bi.sales ORDER BY region, ordered_at DESC;
-- moving average
SELECT order_date AS time, avg(sum(quantity)) OVER (ORDER BY order_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS ma, sum(sum(quantity)) OVER (ORDER BY order_date) AS total FROM bi.sales GROUP BY order_date ORDER BY order_date;
-- time bucket
SELECT date_bin('6 hours', ordered_at, timestamp '2023-01-01') AS bucket, count(*) AS n FROM bi.sales GROUP BY bucket ORDER BY bucket LIMIT 40;
-- last value by subquery
SELECT region, (SELECT max(s2.ordered_at) FROM bi.sales s2 WHERE s2.region = s1.region) AS last FROM bi.sales s1 GROUP BY region ORDER BY region;
-- status text
SELECT CASE paid WHEN true THEN 'ok' ELSE 'open' END AS status, count(*), round(avg(unit_price), 2) AS price, round(avg(discount)::numeric, 3) AS discount FROM bi.sales GROUP BY paid;
-- any of an array
SELECT count(*) FROM bi.sales WHERE region = ANY (ARRAY['North', 'East']) AND product_id <> ALL (ARRAY[1, 2, 3]);
-- rate
SELECT ordered_at AS time, (quantity - lag(quantity) OVER w)::float8 / extract(epoch from ordered_at - lag(ordered_at) OVER w) AS rate FROM bi.sales WHERE region = 'East' WINDOW w AS (ORDER BY ordered_at) ORDER BY 1;
