-- One tenant's rows of a table with a column of each type.
CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
GRANT SELECT ON shop.kinds TO ROLE analyst;
CREATE ROW POLICY tenant ON shop.kinds AS RESTRICTIVE TO ROLE analyst
  USING (tenant_id = principal_attr('tenant_id'));
