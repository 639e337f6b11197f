-- Visits answer in aggregates only, alone or with the caller's own customers.
CREATE ROLE analyst;
CREATE ROLE partner;
CREATE ROLE auditor;
GRANT ROLE analyst TO USER 'ana';
GRANT ROLE partner TO USER 'bob';
GRANT ROLE auditor TO USER 'root';
GRANT SELECT ON health.visits TO ROLE analyst;
GRANT SELECT (clinic, diagnosis, cost) ON health.visits TO ROLE partner;
GRANT SELECT ON health.visits TO ROLE auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE analyst;
CREATE ROW POLICY tenant ON crm.customers AS RESTRICTIVE TO PUBLIC
  USING (tenant_id = principal_attr('tenant_id'));
CREATE AGGREGATION POLICY k5 ON health.visits TO ROLE analyst, ROLE partner
  ENTITY (patient_id) MIN GROUP SIZE 5
  DIMENSIONS (clinic, diagnosis, date_trunc('month', visited_on))
  MEASURES (cost)
  JOIN crm.customers ON (id = patient_id)
    DIMENSIONS (country, city, date_trunc('year', birth_date));
