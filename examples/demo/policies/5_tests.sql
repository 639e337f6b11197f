-- What must hold: `tollgate test --config <this folder's parent>/tollgate.toml` runs these.

TEST POLICY AS USER 'ana' WITH (tenant_id = 'acme')
  SELECT DISTINCT tenant_id FROM crm.customers EXPECT ROWS ('acme');
TEST POLICY AS USER 'ana' WITH (tenant_id = 'acme')
  SELECT income FROM crm.customers EXPECT DENIED;
TEST POLICY AS USER 'ana' WITH (tenant_id = 'acme')
  SELECT * FROM hr.salaries EXPECT DENIED;
TEST POLICY AS USER 'ana' WITH (tenant_id = 'acme')
  SELECT count(*) FROM crm.customers WHERE national_id IS NOT NULL EXPECT ROWS (0);
TEST POLICY AS USER 'lee' WITH (tenants = ('acme', 'globex'))
  SELECT DISTINCT tenant_id FROM crm.tenants EXPECT ROWS ('acme'), ('globex');
TEST POLICY AS USER 'paula' WITH (partner_id = 'nobody')
  SELECT DISTINCT tenant_id FROM crm.customers EXPECT ROWS ();
