TEST POLICY AS USER 'ana' WITH (tenant_id = 'acme')
  SELECT id, 'ok' FROM crm.customers EXPECT ROWS (1, 'ok'), (2, 'ok');
TEST POLICY AS USER 'ana' WITH (tenant_id = 'acme')
  SELECT id, full_name FROM crm.customers EXPECT ROWS (1, 'Ada Berg'), (3, 'Ines Novak');
TEST POLICY AS USER 'ana' WITH (tenant_id = 'acme')
  SELECT id FROM crm.orders EXPECT DENIED;
TEST POLICY AS USER 'eve'
  SELECT id FROM crm.order EXPECT DENIED;
TEST POLICY AS USER 'eve'
  SELECT id FROM crm.orders EXPECT ROWS (10);
TEST POLICY AS USER 'ana'
  SELECT nope(id) FROM crm.orders EXPECT DENIED;
