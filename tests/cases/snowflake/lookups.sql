-- What an analyst sees of the CRM, as in crm.sql: the tenant by a look into another table.
GRANT SELECT ON crm.tenants TO ROLE analyst;
GRANT SELECT ON crm.orders TO ROLE analyst;
GRANT SELECT (id, tenant_id, full_name, email, phone, national_id, country, city, birth_date, created_at)
  ON crm.customers TO ROLE analyst;

CREATE ROW POLICY tenant ON ALL TABLES WITH COLUMN (tenant_id) AS RESTRICTIVE
  TO ROLE analyst USING (
    tenant_id IN (SELECT tenant_id FROM crm.tenants WHERE tenant_id = principal_attr('tenant_id')));

CREATE MASKING POLICY m_email ON crm.customers (email) USING (mask_email(value)) EXCEPT ROLE owner;
CREATE MASKING POLICY m_phone ON crm.customers (phone) USING (NULL) EXCEPT ROLE owner;
CREATE MASKING POLICY m_national_id ON crm.customers (national_id) USING (NULL) EXCEPT ROLE owner;
