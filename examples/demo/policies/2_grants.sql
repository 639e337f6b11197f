-- What may be read. Whatever is not granted does not exist for the caller.

GRANT SELECT ON crm.tenants TO ROLE analyst, lead, partner_admin;
GRANT SELECT ON crm.orders TO ROLE analyst, lead, partner_admin;
GRANT SELECT ON ALL TABLES IN SCHEMA mart TO ROLE analyst, lead, partner_admin;

-- analysts and partners get no income column: "select *" leaves it out
GRANT SELECT (id, tenant_id, full_name, email, phone, national_id, birth_date, country, city, created_at)
  ON crm.customers TO ROLE analyst, partner_admin;
GRANT SELECT ON crm.customers TO ROLE lead;

-- in aggregates only, as 7_aggregates.sql says; nobody's number
GRANT SELECT (tenant_id, clinic, diagnosis, visited_on, cost) ON health.visits TO ROLE lead;

-- everything, still recorded in the audit trail
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE platform_admin;
GRANT SELECT ON ALL TABLES IN SCHEMA mart TO ROLE platform_admin;
GRANT SELECT ON ALL TABLES IN SCHEMA health TO ROLE platform_admin;
GRANT SELECT ON ALL TABLES IN SCHEMA hr TO ROLE platform_admin;
GRANT SELECT ON ALL TABLES IN SCHEMA admin TO ROLE platform_admin;

-- what everybody has asked, and used; own records need no grant: select * from tollgate.my_queries
GRANT SELECT ON ALL TABLES IN SCHEMA tollgate TO ROLE platform_admin;
