-- The example's policies, changed in each way.

CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
GRANT ROLE analyst TO USER 'bob';

GRANT SELECT (id, tenant_id, full_name, email) ON crm.customers TO ROLE analyst;
GRANT SELECT ON crm.orders TO ROLE analyst;
DENY SELECT (amount) ON crm.orders TO USER 'bob';

CREATE ROW POLICY own_tenant ON ALL TABLES WITH COLUMN (tenant_id) AS RESTRICTIVE
  TO PUBLIC USING (tenant_id = principal_attr('tenant_id') OR tenant_id = 'globex');

TAG COLUMN crm.*.email AS pii.email;
CREATE MASKING POLICY m_email ON TAG pii.email USING (mask_partial(value, 3));

CREATE ACCESS RULE office TO ROLE analyst FROM ('127.0.0.1', '10.0.0.0/8');

TEST POLICY AS USER 'eve' SELECT id FROM crm.orders EXPECT DENIED;
