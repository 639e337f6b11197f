-- A view, whose own condition hides rows.
CREATE VIEW crm.paid AS SELECT id, status, amount, ordered_at FROM crm.orders WHERE status = 'paid';
GRANT SELECT ON crm.paid TO ROLE analyst;
