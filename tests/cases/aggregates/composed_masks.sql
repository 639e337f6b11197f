-- The entity is masked, a dimension takes no conditions, and bob is denied the measure.
CREATE ROLE analyst;
CREATE ROLE auditor;
GRANT ROLE analyst TO USER 'ana', USER 'bob';
GRANT ROLE auditor TO USER 'root';
GRANT SELECT ON health.visits TO ROLE analyst, ROLE auditor;
GRANT SELECT ON crm.customers TO ROLE analyst, ROLE auditor;
DENY SELECT (cost) ON health.visits TO USER 'bob';
CREATE MASKING POLICY who ON health.visits (patient_id) USING (mask_bucket(value, 1000)) EXCEPT ROLE auditor;
CREATE MASKING POLICY what ON health.visits (diagnosis) USING (mask_partial(value, 1))
  EXCEPT ROLE auditor PREDICATES DENY;
CREATE MASKING POLICY place ON health.visits (clinic) USING (mask_redact(value)) EXCEPT ROLE auditor;
CREATE AGGREGATION POLICY k5 ON health.visits TO ROLE analyst
  ENTITY (patient_id) MIN GROUP SIZE 5
  DIMENSIONS (clinic, diagnosis, date_trunc('month', visited_on))
  MEASURES (cost)
  JOIN crm.customers ON (id = patient_id) DIMENSIONS (country);
