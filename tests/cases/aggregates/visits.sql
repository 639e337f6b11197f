-- The corpus' aggregate-only table.
GRANT SELECT ON health.visits TO ROLE analyst;
CREATE AGGREGATION POLICY k5 ON health.visits TO ROLE analyst
  ENTITY (patient_id) MIN GROUP SIZE 5
  DIMENSIONS (clinic, diagnosis, date_trunc('month', visited_on))
  MEASURES (cost)
  JOIN crm.customers ON (id = patient_id)
    DIMENSIONS (country, city, date_trunc('year', birth_date));
