-- explore
SELECT sales.region AS "sales.region", TO_CHAR(DATE_TRUNC('month', sales.ordered_at ), 'YYYY-MM') AS "sales.ordered_month", COALESCE(SUM(sales.quantity ), 0) AS "sales.total_quantity" FROM bi.sales AS sales GROUP BY 1, (DATE_TRUNC('month', sales.ordered_at )) ORDER BY 2 DESC, 1 FETCH NEXT 500 ROWS ONLY;
-- date of a timestamp
SELECT (DATE(sales.ordered_at )) AS "sales.ordered_date", COUNT(*) AS "sales.count" FROM bi.sales AS sales GROUP BY (DATE(sales.ordered_at )) ORDER BY 1 DESC FETCH NEXT 500 ROWS ONLY;
-- relative filter
SELECT COUNT(*) AS "sales.count" FROM bi.sales AS sales WHERE ((( sales.ordered_at ) >= ((SELECT (DATE_TRUNC('month', DATE_TRUNC('day', CURRENT_TIMESTAMP AT TIME ZONE 'UTC')) + (-5 || ' month')::INTERVAL))) AND ( sales.ordered_at ) < ((SELECT ((DATE_TRUNC('month', DATE_TRUNC('day', CURRENT_TIMESTAMP AT TIME ZONE 'UTC')) + (-5 || ' month')::INTERVAL) + (6 || ' month')::INTERVAL)))));
-- filtered measure
SELECT COUNT(DISTINCT CASE WHEN sales.paid THEN sales.customer_id ELSE NULL END) AS "sales.paying", 1.0 * COUNT(CASE WHEN NOT COALESCE(sales.paid, FALSE) THEN 1 ELSE NULL END) / NULLIF(COUNT(*), 0) AS "sales.unpaid_share" FROM bi.sales AS sales;
-- tiers
SELECT CASE WHEN customers.score < 10 THEN '0' WHEN customers.score >= 10 AND customers.score < 50 THEN '1' WHEN customers.score >= 50 THEN '2' ELSE '3' END AS "customers.tier__sort_", CASE WHEN customers.score < 10 THEN 'Below 10' WHEN customers.score >= 10 AND customers.score < 50 THEN '10 to 49' WHEN customers.score >= 50 THEN '50 or Above' ELSE 'Undefined' END AS "customers.tier", COUNT(DISTINCT customers.customer_id) AS "customers.count" FROM bi.sales AS sales LEFT JOIN bi.customers AS customers ON sales.customer_id = customers.customer_id GROUP BY 1, 2 ORDER BY 1 LIMIT 500;
-- yes or no
SELECT CASE WHEN sales.paid THEN 'Yes' ELSE 'No' END AS "sales.is_paid", AVG(sales.discount ) AS "sales.average_discount" FROM bi.sales AS sales GROUP BY 1 ORDER BY 2 DESC LIMIT 500;
-- derived table in WITH
WITH customer_facts AS (SELECT customer_id, MIN(ordered_at) AS first_order, COUNT(*) AS lifetime_orders FROM bi.sales GROUP BY customer_id), ranked AS (SELECT customer_facts.*, ROW_NUMBER() OVER (ORDER BY lifetime_orders DESC, customer_id) AS rank FROM customer_facts) SELECT customers.segment AS "customers.segment", AVG(ranked.lifetime_orders) AS "a", MIN(ranked.rank) AS "b" FROM bi.customers AS customers INNER JOIN ranked ON ranked.customer_id = customers.customer_id GROUP BY 1 ORDER BY 1 LIMIT 500;
-- time zone conversion
SELECT TO_CHAR(DATE_TRUNC('hour', sales.ordered_at ::timestamptz AT TIME ZONE 'America/New_York'), 'YYYY-MM-DD HH24') AS "h", COUNT(*) AS "n" FROM bi.sales AS sales GROUP BY 1 ORDER BY 1 LIMIT 20;
-- month name and day of week
SELECT TO_CHAR(sales.ordered_at , 'FMMonth') AS "m", TO_CHAR(sales.ordered_at , 'Day') AS "d", EXTRACT(MONTH FROM sales.ordered_at )::integer AS "n", CAST(EXTRACT(DOW FROM sales.ordered_at ) + 6 AS integer) % 7 AS "w", COUNT(*) AS c FROM bi.sales AS sales GROUP BY 1, 2, 3, 4;
-- symmetric aggregate, in parts
SELECT COALESCE(COALESCE(CAST((SUM(DISTINCT (CAST(FLOOR(COALESCE(products.price, 0) * 1000) AS DECIMAL(30,0))))) AS DOUBLE PRECISION) / 1000.0, 0), 0) AS "t" FROM bi.sales AS sales LEFT JOIN bi.products AS products ON sales.product_id = products.id;
-- totals by grouping sets
SELECT sales.region, sales.paid, GROUPING(sales.region) AS g, COUNT(*) AS n FROM bi.sales AS sales GROUP BY ROLLUP (sales.region, sales.paid);
-- duration
SELECT AVG(EXTRACT(EPOCH FROM sales.shipped_at AT TIME ZONE 'UTC' - sales.ordered_at) / 3600.0) AS hours, COUNT(sales.shipped_at) AS shipped FROM bi.sales AS sales;
-- pattern filters
SELECT products.name AS n FROM bi.products AS products WHERE (products.name LIKE 'Product 1%' OR UPPER(products.name) LIKE UPPER('%2')) AND products.name NOT LIKE '%20' ORDER BY 1 LIMIT 500;
-- formats of dates and times
SELECT TO_CHAR(sales.ordered_at , 'IYYY-IW-ID DDD D Q') AS "a", TO_CHAR(sales.ordered_at , 'Mon Dy MONTH day, HH12:MI:SS AM FMHH24 FMDD "at" FMDDD/YYYY') AS "b", TO_CHAR(sales.order_date , 'YYYYMMDD HH24') AS "c" FROM bi.sales AS sales WHERE sales.id < 60;
