-- The keys that the gateway of the tests declares, and a user who sees the same as ana there.
ALTER TABLE crm.orders ADD FOREIGN KEY (customer_id) REFERENCES crm.customers(id);
ALTER TABLE crm.customers ADD FOREIGN KEY (tenant_id) REFERENCES crm.tenants(tenant_id);
CREATE ROLE ana LOGIN;
GRANT USAGE ON SCHEMA crm TO ana;
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ana;
