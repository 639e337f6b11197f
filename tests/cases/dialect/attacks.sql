-- Statements that look for hidden rows, raw values of masked columns and hidden columns.
SELECT * FROM crm.customers
SELECT * EXCLUDE (id) FROM crm.customers
SELECT * REPLACE (phone AS id, national_id AS city) FROM crm.customers
SELECT * RENAME (phone AS tel, email AS mail) FROM crm.customers
SELECT * ILIKE '%e%' FROM crm.customers
SELECT phone, email FROM crm.customers QUALIFY ROW_NUMBER() OVER (ORDER BY phone DESC) <= 5
SELECT id FROM crm.customers QUALIFY COUNT_IF(phone LIKE '%CANARY%') OVER () > 0
SELECT * FROM (SELECT id, phone FROM crm.customers) PIVOT (MAX(id) FOR phone IN ('+1-555-CANARY-0001', '+1-555-CANARY-0002'))
SELECT * FROM (SELECT country, phone, id FROM crm.customers) PIVOT (MAX(phone) FOR country IN ('US', 'DE', 'GB'))
SELECT * FROM (SELECT id, phone, email, national_id FROM crm.customers) UNPIVOT (v FOR k IN (phone, email, national_id))
SELECT * FROM (SELECT id, phone, email, national_id FROM crm.customers) UNPIVOT INCLUDE NULLS (v FOR k IN (phone, email, national_id))
SELECT LISTAGG(phone, ',') FROM crm.customers
SELECT LISTAGG(email, ',') WITHIN GROUP (ORDER BY national_id) FROM crm.customers
SELECT DECODE(phone, '+1-555-CANARY-0001', 'found', phone) FROM crm.customers
SELECT NVL(phone, full_name), NVL2(national_id, national_id, email) FROM crm.customers
SELECT TRY_CAST(SUBSTR(phone, 15) AS INT), phone FROM crm.customers
SELECT SUBSTR(email, -30) FROM crm.customers
SELECT status, SUM(amount) FROM crm.orders GROUP BY ALL
SELECT MAX(amount) AS top, top - 1 AS less FROM crm.orders
SELECT id, amount FROM crm.orders QUALIFY MAX(amount) OVER () = 31337.31
SELECT id, LAST_VALUE(status) OVER (ORDER BY id), LAST_VALUE(amount) OVER (ORDER BY amount) FROM crm.orders
SELECT status::INT FROM crm.orders
SELECT full_name::DATE FROM crm.customers
SELECT TO_NUMBER(email) FROM crm.customers
SELECT TO_DATE(status) FROM crm.orders
SELECT tenant_id, COUNT(*) FROM crm.tenants GROUP BY ALL
SELECT * FROM crm.tenants MINUS SELECT * FROM crm.tenants WHERE tenant_id = 'acme'
SELECT customer_id FROM crm.orders WHERE id = 150 OR IFF(amount = 31337.31, TRUE, FALSE)
SELECT 'a\' UNION ALL SELECT tenant_name FROM crm.tenants --'
SELECT 'a\\' || tenant_name FROM crm.tenants
SELECT $$' UNION ALL SELECT tenant_name FROM crm.tenants --$$ || tenant_name FROM crm.tenants
SELECT tenant_name /* ' */ FROM crm.tenants // ' UNION SELECT 'x'
SELECT id, phone AS p FROM crm.customers WHERE p LIKE '%CANARY%' OR p IS NULL
SELECT pg_catalog.md5(phone), MD5(email) FROM crm.customers
SELECT current_setting('search_path'), CURRENT_USER()
SELECT pg_catalog.pg_read_file('/etc/passwd')
SELECT * FROM crm.customers c ASOF JOIN crm.customers d MATCH_CONDITION (c.phone >= d.phone)
SELECT * FROM crm.customers c ASOF JOIN crm.orders o MATCH_CONDITION (c.id + 2000 >= o.id)
SELECT o.*, p.* FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id + 100 >= p.id)
SELECT p.status FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (31337.31 + 0 * o.id >= p.amount)
SELECT "next·2", "value·3" FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id + 100 >= p.id + 0)
SELECT "next⸱2", "value⸱3" FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id + 100 >= p.id + 0)
SELECT p."next·1", "p·1"."next·2", "orders·1".* FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id + 100 >= p.id + 0)
SELECT p."next⸱1", "p⸱1"."next⸱2", "orders⸱1".* FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id + 100 >= p.id + 0)
SELECT p FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id >= p.id)
SELECT * FROM crm.tenants a ASOF JOIN crm.tenants b MATCH_CONDITION (a.tenant_id < b.tenant_id)
SELECT p.status::INT FROM crm.orders o ASOF JOIN crm.orders p MATCH_CONDITION (o.id + 100 >= p.id)
SELECT TRY_CAST(SUBSTR(national_id, 12) AS INT), TRY_CAST(phone AS DATE) FROM crm.customers
SELECT status, TRY_CAST(status AS BOOLEAN) FROM crm.orders WHERE TRY_CAST(amount::VARCHAR AS INT) = 31337
