-- Roles. A role may do all that the roles granted to it may do.

CREATE ROLE analyst;
CREATE ROLE lead;
CREATE ROLE partner_admin;
CREATE ROLE platform_admin;

GRANT ROLE analyst TO USER 'ana', USER 'bob';
GRANT ROLE lead TO USER 'lee';
GRANT ROLE partner_admin TO USER 'paula';
GRANT ROLE platform_admin TO USER 'root';
