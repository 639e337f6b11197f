CREATE ROLE care;
GRANT ROLE care TO USER 'kim';
GRANT SELECT (id, full_name) ON crm.customers TO ROLE care;
CREATE ROW POLICY purposes ON crm.customers AS RESTRICTIVE TO ROLE care
  USING (purpose() = 'billing' OR id = 2);
CREATE ACCESS RULE careful TO ROLE care
  FROM ('10.0.0.0/8') REQUIRE MFA PURPOSE IN ('research', 'billing') VALID FROM '2020-01-01';

TEST POLICY AS USER 'kim' WITH (tenant_id = 'acme') FROM '10.1.2.3' MFA PURPOSE 'billing'
  SELECT id FROM crm.customers EXPECT ROWS (1), (2);
TEST POLICY AS USER 'kim' PURPOSE 'research' FROM '10.1.2.3' MFA WITH (tenant_id = 'acme')
  SELECT id FROM crm.customers EXPECT ROWS (2);
TEST POLICY AS USER 'eve' ROLES (care) MFA FROM '::ffff:10.0.0.1' PURPOSE 'research' WITH (tenant_id = 'globex')
  SELECT count(*) FROM crm.customers EXPECT ROWS (0);
TEST POLICY AS USER 'kim' FROM '10.1.2.3' MFA PURPOSE 'billing'
  SELECT email FROM crm.customers EXPECT DENIED;
TEST POLICY AS USER 'kim' FROM '192.0.2.1' MFA PURPOSE 'billing'
  SELECT id FROM crm.customers EXPECT NO ACCESS;

-- one role is left, and another one is off
CREATE ROLE clerk;
GRANT SELECT (id) ON crm.orders TO ROLE clerk;
TEST POLICY AS USER 'kim' ROLES (care, clerk) WITH (tenant_id = 'acme')
  SELECT full_name FROM crm.customers EXPECT DENIED;

-- denied, but for reasons that say nothing about the column
TEST POLICY AS USER 'kim'
  SELECT email FROM crm.customers EXPECT DENIED;
TEST POLICY AS USER 'kim' FROM '10.1.2.3' MFA PURPOSE 'marketing'
  SELECT email FROM crm.customers EXPECT DENIED;
TEST POLICY AS USER 'kim' FROM '10.1.2.3' PURPOSE 'billing'
  SELECT id FROM crm.customers EXPECT ROWS (2);
TEST POLICY AS USER 'kim' FROM '10.1.2.3' MFA PURPOSE 'billing'
  SELECT email FROM crm.customers EXPECT NO ACCESS;
TEST POLICY AS USER 'kim' FROM '10.1.2.3' MFA PURPOSE 'billing'
  SELECT id FROM crm.customers EXPECT NO ACCESS;
