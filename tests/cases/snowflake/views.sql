-- A view, whose own condition hides rows.
CREATE VIEW crm.paid AS SELECT id, status, amount, ordered_at FROM crm.orders WHERE status = 'paid';
GRANT SELECT ON crm.paid TO ROLE analyst;
-- What views compute fails on rows that they leave out: 31337.31 is another tenant's, 4 isn't paid.
CREATE VIEW crm.priced AS SELECT id, status, amount * 1.19 AS gross, 10 / (amount - 31337.31) AS odd,
  CASE WHEN id > 0 THEN amount / id END AS each, 10 / (id - 4) AS near FROM crm.orders WHERE status LIKE 'pai%';
GRANT SELECT ON crm.priced TO ROLE analyst;
CREATE VIEW crm.few AS SELECT id, gross, gross / (id - 3) AS shared FROM crm.priced WHERE id > 3;
GRANT SELECT ON crm.few TO ROLE analyst;
-- Of rows that this one leaves out NULL would be zero; this one's condition fails itself, and so does that one's.
CREATE VIEW crm.turned AS SELECT id, 10 / coalesce(id, 0) AS x FROM crm.orders WHERE status = 'paid';
GRANT SELECT ON crm.turned TO ROLE analyst;
CREATE VIEW crm.failing AS SELECT id FROM crm.orders WHERE 10 / (id - 4) > 0 OR id = 4;
GRANT SELECT ON crm.failing TO ROLE analyst;
CREATE VIEW crm.asserted AS SELECT id FROM crm.orders WHERE CASE WHEN id = 4 THEN 1 / 0 ELSE 1 END > 0;
GRANT SELECT ON crm.asserted TO ROLE analyst;
CREATE VIEW crm.narrow AS SELECT id FROM crm.orders WHERE CAST(date_part('day', ordered_at) AS numeric(1, 0)) > 0;
GRANT SELECT ON crm.narrow TO ROLE analyst;
CREATE VIEW crm.joined AS SELECT id FROM crm.orders WHERE status || currency = 'paidEUR';
GRANT SELECT ON crm.joined TO ROLE analyst;
CREATE VIEW crm.named AS SELECT id FROM crm.priced WHERE near > 0;
GRANT SELECT ON crm.named TO ROLE analyst;
-- One that no guard can say.
CREATE VIEW crm.tops AS SELECT status, max(amount) AS top FROM crm.orders GROUP BY status;
GRANT SELECT ON crm.tops TO ROLE analyst;
-- A lookup of a number.
CREATE ROW POLICY known ON crm.orders AS RESTRICTIVE TO ROLE analyst
  USING (customer_id IN (SELECT id FROM crm.customers));
