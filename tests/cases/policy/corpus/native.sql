-- The row policies of `attacks/native.sql`, and nothing else.
CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE analyst;
CREATE ROW POLICY own_tenants ON crm.tenants AS PERMISSIVE TO ROLE analyst USING (tenant_id = principal_attr('tenant_id'));
CREATE ROW POLICY own_customers ON crm.customers AS PERMISSIVE TO ROLE analyst USING (tenant_id = principal_attr('tenant_id'));
CREATE ROW POLICY german ON crm.customers AS PERMISSIVE TO ROLE analyst USING (country = 'DE');
CREATE ROW POLICY own_orders ON crm.orders AS PERMISSIVE TO ROLE analyst USING (tenant_id = principal_attr('tenant_id'));
CREATE ROW POLICY large ON crm.orders AS RESTRICTIVE TO ROLE analyst USING (amount > 40);
