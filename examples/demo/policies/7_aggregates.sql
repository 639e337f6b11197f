-- What is told in aggregates only: leads count visits and average their costs, and see no visit.

CREATE AGGREGATION POLICY visits ON health.visits TO ROLE lead
  ENTITY (patient_id) MIN GROUP SIZE 10
  DIMENSIONS (tenant_id, clinic, diagnosis, date_trunc('month', visited_on))
  MEASURES (cost);

TEST POLICY AS USER 'lee' WITH (tenants = ('acme', 'globex'))
  SELECT clinic FROM health.visits EXPECT DENIED;
