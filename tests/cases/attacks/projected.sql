-- Turns the seeded database into what ana of tenant acme may see: the right answers to her queries.
DELETE FROM crm.tenants WHERE tenant_id IS DISTINCT FROM 'acme';
DELETE FROM crm.customers WHERE tenant_id IS DISTINCT FROM 'acme';
DELETE FROM crm.orders WHERE tenant_id IS DISTINCT FROM 'acme';
ALTER TABLE crm.customers DROP COLUMN income;
UPDATE crm.customers SET
  email = left(email, 1) || '***@' || split_part(email, '@', 2),
  phone = NULL,
  national_id = NULL;
DROP SCHEMA health CASCADE;
DROP SCHEMA hr CASCADE;
-- An update moves rows; statements without ORDER BY compare as sets anyway, but golden files like order.
CLUSTER crm.customers USING customers_pkey;
ANALYZE;
