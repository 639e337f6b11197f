-- What must hold: `tollgate test --config examples/tollgate.toml` runs these as a client's statements.

TEST POLICY AS USER 'ana' WITH (tenant_id = 'acme')
  SELECT DISTINCT tenant_id FROM crm.customers
  EXPECT ROWS ('acme');

TEST POLICY AS USER 'ana' WITH (tenant_id = 'acme')
  SELECT count(*) FROM crm.customers WHERE email LIKE '%berg%'
  EXPECT ROWS (0);

-- without an attribute: no row
TEST POLICY AS USER 'ana'
  SELECT id FROM crm.orders
  EXPECT ROWS ();

-- the roles and attributes that a test names count instead of the user's own
TEST POLICY AS USER 'ana' ROLES (analyst) WITH (tenant_id = 'globex')
  SELECT id FROM crm.orders
  EXPECT ROWS (12);

-- without a role: no table
TEST POLICY AS USER 'eve' WITH (tenant_id = 'acme')
  SELECT id FROM crm.orders
  EXPECT DENIED;
