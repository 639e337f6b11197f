-- A view, whose own condition hides rows.
CREATE VIEW crm.paid AS SELECT id, status, amount, ordered_at FROM crm.orders WHERE status = 'paid';
GRANT SELECT ON crm.paid TO ROLE analyst;
-- One that no guard can say.
CREATE VIEW crm.tops AS SELECT status, max(amount) AS top FROM crm.orders GROUP BY status;
GRANT SELECT ON crm.tops TO ROLE analyst;
-- A lookup of a number.
CREATE ROW POLICY known ON crm.orders AS RESTRICTIVE TO ROLE analyst
  USING (customer_id IN (SELECT id FROM crm.customers));
