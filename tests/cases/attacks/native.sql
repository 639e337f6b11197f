-- PostgreSQL's own row-level security, for the same rows: the role sees what the bundle
-- `policy/corpus/native.sql` permits ana.
CREATE ROLE native NOLOGIN;
GRANT USAGE ON SCHEMA crm TO native;
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO native;
ALTER TABLE crm.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE crm.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE crm.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON crm.tenants USING (tenant_id = 'acme');
CREATE POLICY own ON crm.customers USING (tenant_id = 'acme');
CREATE POLICY german ON crm.customers AS PERMISSIVE USING (country = 'DE');
CREATE POLICY large ON crm.orders AS RESTRICTIVE USING (amount > 40);
CREATE POLICY own ON crm.orders USING (tenant_id = 'acme');
