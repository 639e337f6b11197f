-- count by month
SELECT CAST(DATE_TRUNC('month', "bi"."sales"."ordered_at") AS date) AS "ordered_at", COUNT(*) AS "count" FROM "bi"."sales" GROUP BY CAST(DATE_TRUNC('month', "bi"."sales"."ordered_at") AS date) ORDER BY CAST(DATE_TRUNC('month', "bi"."sales"."ordered_at") AS date) ASC;
-- raw table
SELECT "bi"."sales"."id" AS "id", "bi"."sales"."product_id" AS "product_id", "bi"."sales"."region" AS "region", "bi"."sales"."order_date" AS "order_date", "bi"."sales"."quantity" AS "quantity" FROM "bi"."sales" ORDER BY "bi"."sales"."id" ASC LIMIT 2000;
-- nested question
SELECT "source"."region" AS "region", "source"."count" AS "count" FROM (SELECT "bi"."sales"."region" AS "region", COUNT(*) AS "count" FROM "bi"."sales" GROUP BY "bi"."sales"."region") AS "source" WHERE "source"."count" > 100 ORDER BY "source"."count" DESC, "source"."region" ASC LIMIT 1048575;
-- joined table
SELECT "Products"."category" AS "Products__category", SUM("bi"."sales"."quantity") AS "sum" FROM "bi"."sales" LEFT JOIN "bi"."products" AS "Products" ON "bi"."sales"."product_id" = "Products"."id" WHERE "Products"."price" BETWEEN 20 AND 150 GROUP BY "Products"."category" ORDER BY "Products"."category" ASC;
-- bins
SELECT FLOOR((("bi"."sales"."unit_price" - 0.0) / 12.5)) * 12.5 + 0.0 AS "unit_price", COUNT(*) AS "count" FROM "bi"."sales" GROUP BY FLOOR((("bi"."sales"."unit_price" - 0.0) / 12.5)) * 12.5 + 0.0 ORDER BY FLOOR((("bi"."sales"."unit_price" - 0.0) / 12.5)) * 12.5 + 0.0 ASC;
-- share
SELECT "bi"."sales"."region" AS "region", CAST(SUM(CASE WHEN "bi"."sales"."paid" = TRUE THEN 1 ELSE 0.0 END) AS float) / NULLIF(CAST(COUNT(*) AS float), 0) AS "share" FROM "bi"."sales" GROUP BY "bi"."sales"."region" ORDER BY "bi"."sales"."region" ASC;
-- median and other percentiles
SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY "bi"."sales"."unit_price") AS "median", PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY "bi"."sales"."unit_price") AS "percentile" FROM "bi"."sales";
-- day of week
SELECT (CAST(extract(dow from "bi"."sales"."ordered_at") AS integer) + 1) AS "ordered_at", COUNT(*) AS "count" FROM "bi"."sales" GROUP BY (CAST(extract(dow from "bi"."sales"."ordered_at") AS integer) + 1) ORDER BY (CAST(extract(dow from "bi"."sales"."ordered_at") AS integer) + 1) ASC;
-- week that starts on Sunday
SELECT (CAST(DATE_TRUNC('week', ("bi"."sales"."ordered_at" + INTERVAL '1 day')) AS timestamp) + INTERVAL '-1 day') AS "ordered_at", COUNT(*) AS "count" FROM "bi"."sales" GROUP BY (CAST(DATE_TRUNC('week', ("bi"."sales"."ordered_at" + INTERVAL '1 day')) AS timestamp) + INTERVAL '-1 day') ORDER BY 1 ASC;
-- relative dates
SELECT COUNT(*) AS "count" FROM "bi"."sales" WHERE "bi"."sales"."ordered_at" >= DATE_TRUNC('month', (NOW() + INTERVAL '-12 month')) AND "bi"."sales"."ordered_at" < DATE_TRUNC('month', NOW());
-- case-insensitive search
SELECT COUNT(*) AS "count" FROM "bi"."products" WHERE (LOWER("bi"."products"."name") LIKE '%duct 1%') AND (NOT (LOWER("bi"."products"."category") LIKE '%desk%') OR ("bi"."products"."category" IS NULL));
-- distinct values
SELECT "bi"."customers"."city" AS "city" FROM "bi"."customers" GROUP BY "bi"."customers"."city" ORDER BY "bi"."customers"."city" ASC LIMIT 1000;
-- cumulative
SELECT "source"."ordered_at" AS "ordered_at", SUM(COUNT(*)) OVER (ORDER BY "source"."ordered_at" ASC ROWS UNBOUNDED PRECEDING) AS "count" FROM (SELECT DATE_TRUNC('quarter', "bi"."sales"."ordered_at") AS "ordered_at" FROM "bi"."sales") AS "source" GROUP BY "source"."ordered_at" ORDER BY "source"."ordered_at" ASC;
-- custom expressions
SELECT CASE WHEN "bi"."sales"."discount" > 0.1 THEN 'yes' WHEN "bi"."sales"."discount" IS NULL THEN 'unknown' ELSE 'no' END AS "d", STDDEV("bi"."sales"."discount") AS "stddev", VARIANCE("bi"."sales"."quantity") AS "var" FROM "bi"."sales" GROUP BY CASE WHEN "bi"."sales"."discount" > 0.1 THEN 'yes' WHEN "bi"."sales"."discount" IS NULL THEN 'unknown' ELSE 'no' END ORDER BY 1;
-- hour in a zone
SELECT CAST(extract(hour from ("bi"."sales"."shipped_at" AT TIME ZONE 'Europe/Berlin')) AS integer) AS "shipped_at", COUNT(*) AS "count" FROM "bi"."sales" GROUP BY CAST(extract(hour from ("bi"."sales"."shipped_at" AT TIME ZONE 'Europe/Berlin')) AS integer) ORDER BY 1;
-- an alias with the name of its column
SELECT extract(month from "bi"."sales"."order_date") AS "order_date", COUNT(*) AS "count" FROM "bi"."sales" GROUP BY extract(month from "bi"."sales"."order_date") ORDER BY extract(month from "bi"."sales"."order_date") ASC;
-- concat and coalesce
SELECT CONCAT("bi"."customers"."name", ' / ', COALESCE("bi"."customers"."city", '?')) AS "label" FROM "bi"."customers" ORDER BY CONCAT("bi"."customers"."name", ' / ', COALESCE("bi"."customers"."city", '?')) ASC LIMIT 7;
-- fingerprint
SELECT SUBSTRING("bi"."sales"."note", 1, 1234) AS "substring1", "bi"."sales"."paid" AS "paid" FROM "bi"."sales" ORDER BY "bi"."sales"."id" LIMIT 50;
