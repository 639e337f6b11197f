SELECT 9223372036854775807 + id FROM bi.products
SELECT 2147483647 + 1
SELECT id * 9223372036854775807 FROM bi.sales
SELECT -9223372036854775807 - 10 * id FROM bi.sales
SELECT (id + 2147483647) FROM bi.products
SELECT 40000::smallint
SELECT 3000000000.6::int
SELECT 1e19::float8::bigint
SELECT sum(9223372036854775807 * id) FROM bi.sales
SELECT 1 / (id - 1) FROM bi.products
SELECT id % (id - 1) FROM bi.products
SELECT customer_id FROM bi.sales JOIN bi.customers ON true
SELECT name FROM bi.products, bi.customers
SELECT * FROM bi.sales JOIN bi.customers USING (nothing)
SELECT * FROM bi.sales a JOIN bi.sales b ON true JOIN bi.customers USING (customer_id)
SELECT x.lower FROM (SELECT lower(region), lower(note) FROM bi.sales) x
SELECT lower FROM (SELECT lower(region), lower(note) FROM bi.sales) x
SELECT missing.* FROM bi.sales
SELECT nothing FROM bi.sales JOIN bi.customers USING (customer_id)
SELECT *
SELECT p.id, s.quantity FROM bi.products p JOIN bi.sales s ON s.product_id = p.id GROUP BY p.id
SELECT timestamp '2024-01-01' AT TIME ZONE 'Nowhere/Land'
SELECT (SELECT id FROM bi.products)
SELECT id FROM bi.products LIMIT (SELECT -1)
SELECT id FROM bi.products OFFSET (SELECT -1)
SELECT id FROM bi.products WHERE id < 0 LIMIT (SELECT -1)
SELECT id FROM bi.products LIMIT (SELECT 'a')
SELECT id FROM bi.products LIMIT (SELECT id FROM bi.products)
SELECT id FROM bi.products ORDER BY 2 LIMIT (SELECT 1)
SELECT DISTINCT id FROM bi.products ORDER BY price LIMIT (SELECT 1)
SELECT get_byte('abc'::bytea, 3)
SELECT get_byte(name::bytea, -1) FROM bi.products
SELECT nothing FROM bi.products p
SELECT p.nothing FROM bi.products p
SELECT nothing(p) FROM bi.products p
SELECT * FROM bi.products p, jsonb_to_record(to_jsonb(p)) AS r
SELECT '\x4'::bytea
SELECT '\xzz'::bytea
SELECT '\4'::bytea
SELECT ('\x' || name)::bytea FROM bi.products
