-- Visits answer ana, amy and bob in aggregates only, amy under two policies, root in rows.
CREATE ROLE analyst;
CREATE ROLE strict;
CREATE ROLE partner;
CREATE ROLE auditor;
GRANT ROLE analyst TO USER 'ana', USER 'amy';
GRANT ROLE strict TO USER 'amy';
GRANT ROLE partner TO USER 'bob';
GRANT ROLE auditor TO USER 'root';
GRANT SELECT ON health.visits TO ROLE analyst, ROLE auditor;
GRANT SELECT (clinic, diagnosis, cost) ON health.visits TO ROLE partner;
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE analyst, ROLE auditor;
CREATE ROW POLICY tenant ON crm.customers AS RESTRICTIVE TO ROLE analyst, ROLE partner
  USING (tenant_id = principal_attr('tenant_id'));
CREATE AGGREGATION POLICY k5 ON health.visits TO ROLE analyst, ROLE partner
  ENTITY (patient_id) MIN GROUP SIZE 5
  DIMENSIONS (clinic, diagnosis, date_trunc('month', visited_on))
  MEASURES (cost)
  JOIN crm.customers ON (id = patient_id) DIMENSIONS (country);
CREATE AGGREGATION POLICY k7 ON health.visits TO ROLE strict
  ENTITY (patient_id) MIN GROUP SIZE 7 MAX SHARE 90 PERCENT
  DIMENSIONS (clinic) MEASURES (cost);
CREATE VIEW mart.per_clinic AS
  SELECT v.clinic, count(*) AS visits, sum(v.cost) AS costs FROM health.visits AS v GROUP BY v.clinic;
CREATE VIEW mart.single AS SELECT v.clinic, v.cost, v.patient_id AS who FROM health.visits AS v;
CREATE VIEW mart.chosen AS SELECT v.clinic, count(*) AS visits FROM health.visits AS v
  WHERE v.cost > 10 GROUP BY v.clinic;
GRANT SELECT ON ALL TABLES IN SCHEMA mart TO PUBLIC;
