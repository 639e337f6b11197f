-- One statement a line; texts.txt holds what is printed for each.
SELECT id, full_name, email, phone, created_at FROM crm.customers WHERE country = 'DE' AND id BETWEEN 3 AND 20 ORDER BY id DESC LIMIT 5 OFFSET 2
SELECT status, count(*), count(*) FILTER (WHERE amount > 50), sum(amount), avg(amount), avg(id) FROM crm.orders GROUP BY status HAVING count(*) > 1 ORDER BY 2 DESC NULLS LAST, 1
SELECT id / 7, id % 7, amount / 3, amount * 1.5, -id FROM crm.orders ORDER BY id
SELECT o.id, c.full_name FROM crm.orders o LEFT JOIN crm.customers c ON c.id = o.customer_id AND c.country IS NOT DISTINCT FROM 'DE' ORDER BY o.id
SELECT date_trunc('month', ordered_at) AS month, extract(dow FROM ordered_at), extract(epoch FROM ordered_at) FROM crm.orders ORDER BY 1
SELECT id FROM crm.orders WHERE ordered_at >= timestamp '2025-01-01' + interval '1 month 2 days' AND ordered_at < now() - interval '90 minutes'
SELECT birth_date + 7 FROM crm.customers ORDER BY id
SELECT birth_date - date '1960-01-01', created_at::date FROM crm.customers ORDER BY id
SELECT full_name || ' <' || email || '>', upper(country), substr(full_name, 1, 4), left(city, 2), strpos(full_name, 'P'), replace(city, 'o', '0') FROM crm.customers ORDER BY id
SELECT id FROM crm.customers WHERE full_name LIKE 'Acme\_P%1+' OR full_name ILIKE '%PERSON 2_' OR city IN ('Paris', 'O''Hara \ ')
SELECT id, rank() OVER (PARTITION BY status ORDER BY amount DESC), sum(amount) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), lag(amount, 1, 0.0) OVER (ORDER BY id) FROM crm.orders
SELECT DISTINCT ON (status) status, id, amount FROM crm.orders ORDER BY status, amount DESC
SELECT string_agg(status, ', ' ORDER BY id), bool_and(amount > 1), stddev(amount::float8), percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM crm.orders
SELECT coalesce(phone, 'none'), nullif(country, 'DE'), greatest(id, 5), CASE WHEN id > 3 THEN 'big' ELSE 'small' END, (id > 3) IS NOT TRUE FROM crm.customers
SELECT id FROM crm.orders WHERE customer_id IN (SELECT id FROM crm.customers WHERE city = 'Paris') AND EXISTS (SELECT 1 FROM crm.tenants t WHERE t.tenant_id = orders.tenant_id)
SELECT tenant_id FROM crm.customers UNION SELECT tenant_id FROM crm.orders EXCEPT SELECT 'x'
SELECT status, currency, grouping(status), count(*) FROM crm.orders GROUP BY ROLLUP (status, currency)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT o.id FROM n JOIN crm.orders o ON o.id = n.i
SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS v(x, y) JOIN crm.tenants ON true
SELECT id FROM crm.orders WHERE 10 / (id - 150) > 1
SELECT id FROM crm.orders WHERE 10 / coalesce(id - 150, 1) > 1
SELECT coalesce(amount, 0) * 2, amount / nullif(id, 0) FROM crm.orders
SELECT to_char(ordered_at, 'YYYY') FROM crm.orders
SELECT status ~ '^p' FROM crm.orders
SELECT status::integer FROM crm.orders
SELECT array_agg(id) FROM crm.orders
SELECT round(amount, 1), round(amount::float8) FROM crm.orders
SELECT interval '1 day' FROM crm.orders
SELECT c.id FROM crm.customers c CROSS JOIN LATERAL (SELECT o.id FROM crm.orders o WHERE o.customer_id = c.id) x
SELECT 10 / coalesce(v.x, 0) FROM crm.orders o LEFT JOIN (VALUES (1)) v(x) ON o.id > 0
SELECT o.id, v.x FROM crm.orders o LEFT JOIN (VALUES (1)) v(x) ON o.id > 0
