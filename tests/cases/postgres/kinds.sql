-- One tenant's rows of a table with a column of each type, a view that changes a setting, and one that tells of the
-- connection that reads it.
CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
GRANT ROLE analyst TO USER 'amy';
CREATE LIMIT hasty TO USER 'amy' MAX RUNTIME '30 s';
GRANT SELECT ON shop.kinds TO ROLE analyst;
GRANT SELECT ON shop.turning TO ROLE analyst;
GRANT SELECT ON shop.connection TO ROLE analyst;
CREATE ROW POLICY tenant ON shop.kinds AS RESTRICTIVE TO ROLE analyst
  USING (tenant_id = principal_attr('tenant_id'));
