-- Who may sample what: readers all rows of tenants and customers, orders but for bob, and visits in aggregates only.
CREATE ROLE reader;
GRANT ROLE reader TO USER 'ana';
GRANT ROLE reader TO USER 'bob';
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE reader;
GRANT SELECT ON health.visits TO ROLE reader;
CREATE ROLE clerk;
GRANT ROLE clerk TO USER 'root';
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE clerk;
GRANT SELECT ON ALL TABLES IN SCHEMA hr TO ROLE clerk;

CREATE ROW POLICY own ON crm.orders AS RESTRICTIVE TO USER 'bob' USING (tenant_id = 'acme');
CREATE ROW POLICY few ON hr.salaries AS RESTRICTIVE TO ROLE clerk USING (employee_id < 0);
CREATE MASKING POLICY mails ON crm.customers (email) USING (mask_email(value));
CREATE MASKING POLICY phones ON crm.customers (phone) USING (CASE WHEN tenant_id = 'acme' THEN value END) EXCEPT ROLE reader;
CREATE AGGREGATION POLICY counted ON health.visits TO ROLE reader ENTITY (patient_id) MIN GROUP SIZE 5 DIMENSIONS (clinic);
CREATE VIEW crm.names AS SELECT tenant_id, tenant_name FROM crm.tenants;
