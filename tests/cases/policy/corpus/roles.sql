-- Who is who in the attack corpus: two analysts of two tenants, and the owner of the data.
CREATE ROLE analyst;
CREATE ROLE owner;
GRANT ROLE analyst TO USER 'ana';
GRANT ROLE analyst TO USER 'bob';
GRANT ROLE owner TO USER 'root';

GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE owner;
GRANT SELECT ON ALL TABLES IN SCHEMA health TO ROLE owner;
GRANT SELECT ON ALL TABLES IN SCHEMA hr TO ROLE owner;
