-- Analysts read the customers and orders of their own tenant, with e-mail addresses masked.

CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';

GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE analyst;

CREATE ROW POLICY own_tenant ON ALL TABLES WITH COLUMN (tenant_id) AS RESTRICTIVE
  TO PUBLIC USING (tenant_id = principal_attr('tenant_id'));

TAG COLUMN crm.*.email AS pii.email;
CREATE MASKING POLICY m_email ON TAG pii.email USING (mask_email(value));
