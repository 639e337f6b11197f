-- Orders by a look into another table.
GRANT SELECT ON crm.orders TO ROLE analyst;
CREATE ROW POLICY mapped ON crm.orders AS PERMISSIVE TO ROLE analyst
  USING (tenant_id IN (SELECT tenant_id FROM crm.tenants WHERE tenant_id = principal_attr('tenant_id')));
