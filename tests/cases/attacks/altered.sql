-- Changes everything that ana may not see, and nothing that she may: no answer to her may change.
UPDATE crm.tenants SET tenant_name = 'other ' || tenant_name, partner_id = 'p9' WHERE tenant_id <> 'acme';
INSERT INTO crm.tenants SELECT 'extra' || i, 'Extra ' || i, 'p' || i FROM generate_series(1, 20) i;
DELETE FROM crm.customers WHERE tenant_id = 'initech';
UPDATE crm.customers SET full_name = 'Acme Person 1', country = 'US', city = 'Boston', income = 0, birth_date = NULL
  WHERE tenant_id = 'globex';
INSERT INTO crm.customers
SELECT i, 'extra1', repeat('x', i % 50), NULL, '0', '0', 'US', 'Boston', NULL, 0, NULL FROM generate_series(100, 900) i;
INSERT INTO crm.customers
SELECT -i, NULL, '0', '0', '0', '0', '0', '0', date '1950-01-01', -1, timestamp '1999-01-01' FROM generate_series(1, 100) i;
UPDATE crm.customers SET
  email = 'C' || md5(id::text) || '@acme.test', phone = CASE WHEN id % 2 = 0 THEN '0' END, national_id = 'N' || id % 3,
  income = CASE WHEN id % 5 = 0 THEN NULL ELSE 0 END
  WHERE tenant_id = 'acme';
DELETE FROM crm.orders WHERE tenant_id = 'initech';
UPDATE crm.orders SET amount = 0, status = '0', customer_id = 1, currency = 'XXX', ordered_at = NULL WHERE tenant_id = 'globex';
INSERT INTO crm.orders SELECT i, 'extra1', 1 + i % 40, 0, '', '', NULL FROM generate_series(1000, 1500) i;
DELETE FROM health.visits WHERE id % 3 = 0;
UPDATE hr.salaries SET salary = 1, title = 'x';
