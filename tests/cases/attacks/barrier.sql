-- One statement a line. Each fails on rows or values that ana may not see, and on no others: it has to
-- be answered as if they weren't there.
SELECT id FROM crm.customers WHERE 1 / (CASE WHEN tenant_id = 'globex' THEN 0 ELSE 1 END) = 1
SELECT id FROM crm.orders WHERE 1 / (CASE WHEN amount = 31337.31 THEN 0 ELSE 1 END) = 1
SELECT id FROM crm.customers WHERE CAST(CASE WHEN tenant_id = 'acme' THEN '1' ELSE full_name END AS integer) = 1
SELECT count(*) FROM crm.orders WHERE CAST(CASE WHEN status IN ('paid', 'open', 'void') THEN '1' ELSE status END AS integer) = 1
SELECT c.id, o.id FROM crm.customers c JOIN crm.orders o ON o.customer_id = c.id AND 10 / (CASE WHEN o.tenant_id = 'acme' THEN 1 ELSE 0 END) = 10
SELECT c.id, o.id FROM crm.customers c LEFT JOIN crm.orders o ON o.customer_id = c.id AND CAST(CASE WHEN o.tenant_id = 'acme' THEN '1' ELSE o.status END AS bigint) = 1
SELECT tenant_id, count(*) FROM crm.customers GROUP BY tenant_id HAVING 1 / (CASE WHEN tenant_id = 'acme' THEN 1 ELSE 0 END) = 1
SELECT id FROM crm.customers c WHERE EXISTS (SELECT 1 FROM crm.orders o WHERE o.customer_id = c.id AND 1 / (CASE WHEN o.tenant_id = 'acme' THEN 1 ELSE 0 END) = 1)
SELECT id FROM crm.customers WHERE id IN (SELECT customer_id / (CASE WHEN tenant_id = 'acme' THEN 1 ELSE 0 END) FROM crm.orders)
SELECT id FROM crm.customers ORDER BY 1 / (CASE WHEN tenant_id = 'acme' THEN 1 ELSE 0 END), id
SELECT id, 1 / (CASE WHEN tenant_id = 'acme' THEN 1 ELSE 0 END) FROM crm.customers
SELECT sum(1 / (CASE WHEN tenant_id = 'acme' THEN 1 ELSE 0 END)) FROM crm.orders
SELECT count(*) FILTER (WHERE 1 / (CASE WHEN tenant_id = 'acme' THEN 1 ELSE 0 END) = 1) FROM crm.orders
SELECT id, sum(1 / (CASE WHEN tenant_id = 'acme' THEN 1 ELSE 0 END)) OVER (PARTITION BY country) FROM crm.customers
SELECT id FROM crm.customers WHERE 1 / (CASE WHEN phone IS NULL THEN 1 ELSE 0 END) = 1
SELECT id FROM crm.customers WHERE CAST(coalesce(national_id, '1') AS integer) = 1
SELECT id FROM crm.customers WHERE CAST(email AS integer) = 1
SELECT id FROM crm.customers WHERE 1 / (CASE WHEN email LIKE 'C***@acme.test' THEN 1 ELSE 0 END) = 1
SELECT (SELECT tenant_name FROM crm.tenants) AS only_one
SELECT id FROM crm.orders WHERE tenant_id = (SELECT tenant_id FROM crm.tenants)
SELECT id FROM crm.customers WHERE tenant_id = 'acme' UNION SELECT id / (CASE WHEN tenant_id = 'acme' THEN 1 ELSE 0 END) FROM crm.orders
WITH c AS (SELECT 1 / (CASE WHEN tenant_id = 'acme' THEN 1 ELSE 0 END) AS x FROM crm.customers) SELECT sum(x) FROM c
SELECT id FROM crm.customers WHERE CAST(CASE WHEN tenant_id = 'acme' THEN '2024-01-01' ELSE full_name END AS date) = DATE '2024-01-01'
SELECT id FROM crm.customers WHERE CAST(CASE WHEN tenant_id = 'acme' THEN 1 ELSE 100000 END AS smallint) = 1
SELECT id FROM crm.orders WHERE id NOT IN (SELECT CAST(CASE WHEN tenant_id = 'acme' THEN '999' ELSE full_name END AS bigint) FROM crm.customers)
SELECT id FROM crm.orders WHERE amount / (CASE WHEN tenant_id = 'acme' THEN 1 ELSE 0 END) > 100 AND tenant_id = 'acme'
SELECT DISTINCT 1 / (CASE WHEN country = 'GB' THEN 0 ELSE 1 END) FROM crm.customers
SELECT max(CAST(CASE WHEN city = 'London' THEN 'London' ELSE '7' END AS integer)) FROM crm.customers
SELECT t.tenant_id FROM crm.tenants t CROSS JOIN crm.customers c WHERE 1 / (CASE WHEN t.tenant_id = c.tenant_id THEN 1 ELSE 0 END) = 1
SELECT id FROM crm.customers WHERE id > 35 OR 1 / (CASE WHEN tenant_id = 'initech' THEN 0 ELSE 1 END) = 2
SELECT id FROM crm.customers WHERE 9223372036854775807 - (CASE WHEN tenant_id = 'acme' THEN 0 ELSE -id END) > 0
SELECT id FROM crm.customers WHERE abs(id) IN (CASE WHEN id < 0 THEN 23 ELSE id END, 0)
SELECT id FROM crm.customers WHERE abs(id) NOT IN (CASE WHEN id > 20 THEN 23 ELSE id END, 0)
SELECT o.id, 10 / coalesce(v.x, 0) FROM crm.orders o LEFT JOIN (VALUES (1)) v(x) ON o.tenant_id = 'acme'
SELECT o.id, 10 / coalesce(v.x, 0) FROM (VALUES (1)) v(x) RIGHT JOIN crm.orders o ON o.tenant_id = 'acme'
