-- Stays answer in aggregates only, for bob under a limit that counts bytes.
CREATE ROLE analyst;
CREATE ROLE partner;
GRANT ROLE analyst TO USER 'ana';
GRANT ROLE partner TO USER 'bob';
GRANT SELECT ON health.stays TO ROLE analyst, ROLE partner;
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE analyst;
CREATE ROW POLICY tenant ON crm.customers AS RESTRICTIVE TO PUBLIC
  USING (tenant_id = principal_attr('tenant_id'));
CREATE AGGREGATION POLICY k5 ON health.stays TO PUBLIC
  ENTITY (patient_id) MIN GROUP SIZE 5 DIMENSIONS (ward, code) MEASURES (cost, score)
  JOIN crm.customers ON (id = patient_id) DIMENSIONS (country);
CREATE LIMIT bytes TO ROLE partner MAX BYTES SCANNED '1 GB';
