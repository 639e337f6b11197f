-- Users who share roles with ana, for tests of what is shared between users.
GRANT ROLE analyst TO USER 'amy';
-- One of them sees less of a table, one more.
DENY SELECT (phone) ON crm.customers TO USER 'amy';
GRANT SELECT (partner_id) ON crm.tenants TO USER 'bob';
CREATE ROW POLICY eur_only ON crm.orders AS RESTRICTIVE TO USER 'amy' USING (currency = 'EUR');
