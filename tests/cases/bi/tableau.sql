-- sum by dimension
SELECT "sales"."region" AS "region", SUM("sales"."quantity") AS "sum:quantity:ok" FROM "bi"."sales" "sales" GROUP BY 1;
-- count of rows, with its guard
SELECT SUM(1) AS "cnt:sales:ok" FROM "bi"."sales" "sales" HAVING (COUNT(1) > 0);
-- month
SELECT DATE_TRUNC( 'MONTH', CAST("sales"."order_date" AS TIMESTAMP) ) AS "tmn:order_date:ok", SUM("sales"."unit_price") AS "sum:unit_price:ok" FROM "bi"."sales" "sales" GROUP BY 1;
-- year as a number
SELECT CAST(TRUNC(EXTRACT(YEAR FROM "sales"."order_date")) AS INTEGER) AS "yr:order_date:ok", COUNT(DISTINCT "sales"."customer_id") AS "ctd:customer_id:ok" FROM "bi"."sales" "sales" GROUP BY 1;
-- year and quarter
SELECT CAST(TRUNC(EXTRACT(QUARTER FROM "sales"."order_date")) AS INTEGER) AS "qr:order_date:ok", CAST(TRUNC(EXTRACT(YEAR FROM "sales"."order_date")) AS INTEGER) AS "yr:order_date:ok", AVG(CAST("sales"."unit_price" AS DOUBLE PRECISION)) AS "avg:unit_price:ok" FROM "bi"."sales" "sales" GROUP BY 1, 2;
-- top n by a join with an aggregate
SELECT "sales"."region" AS "region", SUM("sales"."quantity") AS "sum:quantity:ok" FROM "bi"."sales" "sales" INNER JOIN ( SELECT "sales"."region" AS "region", SUM("sales"."quantity") AS "$__alias__0" FROM "bi"."sales" "sales" GROUP BY 1 ORDER BY 2 DESC, 1 ASC LIMIT 2 ) "t0" ON ("sales"."region" = "t0"."region") GROUP BY 1;
-- null-safe join of two aggregates
SELECT "t0"."category" AS "category", "t0"."a" AS "a", "t1"."b" AS "b" FROM ( SELECT "category" AS "category", COUNT(1) AS "a" FROM "bi"."products" GROUP BY 1 ) "t0" INNER JOIN ( SELECT "category" AS "category", MAX("price") AS "b" FROM "bi"."products" GROUP BY 1 ) "t1" ON ("t0"."category" IS NOT DISTINCT FROM "t1"."category");
-- look at custom SQL
SELECT * FROM ( select s.*, p.name, p.category from bi.sales s left join bi.products p on p.id = s.product_id ) "Custom SQL Query" LIMIT 0;
-- filter on a range of dates
SELECT "sales"."region" AS "region" FROM "bi"."sales" "sales" WHERE (("sales"."order_date" >= (DATE '2024-01-01')) AND ("sales"."order_date" <= (DATE '2024-03-31'))) GROUP BY 1 ORDER BY 1 ASC;
-- filter on several values and null
SELECT "products"."category" AS "category", AVG("products"."weight") AS "avg:weight:ok" FROM "bi"."products" "products" WHERE (("products"."category" IN ('Chairs', 'Lamps')) OR ("products"."category" IS NULL)) GROUP BY 1;
-- calculated field
SELECT (CASE WHEN ("sales"."quantity" > 5) THEN 'big' WHEN NOT ("sales"."quantity" > 5) THEN 'small' ELSE NULL END) AS "Calculation_1", SUM(("sales"."quantity" * "sales"."unit_price")) AS "sum:Calculation_2:ok" FROM "bi"."sales" "sales" GROUP BY 1;
-- ratio guarded against zero
SELECT "sales"."region" AS "region", (CASE WHEN SUM("sales"."quantity") = 0 THEN NULL ELSE SUM(("sales"."quantity" * "sales"."discount")) / SUM("sales"."quantity") END) AS "usr:Calculation_3:ok" FROM "bi"."sales" "sales" GROUP BY 1;
-- difference of dates
SELECT AVG(CAST((CAST("sales"."shipped_at" AS DATE) - "sales"."order_date") AS DOUBLE PRECISION)) AS "avg:days:ok" FROM "bi"."sales" "sales" HAVING (COUNT(1) > 0);
-- week
SELECT (DATE_TRUNC( 'DAY', CAST("sales"."ordered_at" AS TIMESTAMP) ) + (-EXTRACT(DOW FROM "sales"."ordered_at") * INTERVAL '1 DAY')) AS "twk:ordered_at:ok", COUNT(1) AS "n" FROM "bi"."sales" "sales" GROUP BY 1;
-- text functions
SELECT LOWER(LTRIM(RTRIM("products"."name"))) AS "c", STRPOS("products"."name", 'uct') AS "p", SUBSTRING("products"."name" FROM 1 FOR 4) AS "s" FROM "bi"."products" "products" GROUP BY 1, 2, 3;
-- bins
SELECT FLOOR("sales"."unit_price" / 10.0) AS "bin", COUNT(1) AS "n" FROM "bi"."sales" "sales" GROUP BY 1;
-- table-scoped level of detail
SELECT "t0"."region" AS "region", SUM("t0"."m") / SUM("t1"."total") AS "share" FROM ( SELECT "region", SUM("quantity") AS "m" FROM "bi"."sales" GROUP BY 1 ) "t0" CROSS JOIN ( SELECT SUM("quantity") AS "total" FROM "bi"."sales" ) "t1" GROUP BY 1;
