-- Which rows. A table with a permissive policy shows nothing to those whom none applies to.

-- an analyst sees the tenant in the user's attributes
CREATE ROW POLICY own_tenant ON ALL TABLES WITH COLUMN (tenant_id) AS PERMISSIVE
  TO ROLE analyst USING (tenant_id = principal_attr('tenant_id'));

-- a lead sees several
CREATE ROW POLICY led_tenants ON ALL TABLES WITH COLUMN (tenant_id) AS PERMISSIVE
  TO ROLE lead USING (tenant_id = ANY(principal_attrs('tenants')));

-- a partner sees the tenants that a mapping table names; partners can't read that table themselves
CREATE ROW POLICY partner_tenants ON ALL TABLES WITH COLUMN (tenant_id) AS PERMISSIVE
  TO ROLE partner_admin
  USING (tenant_id IN (SELECT tenant_id FROM admin.tenants WHERE partner_id = principal_attr('partner_id')));

CREATE ROW POLICY every_tenant ON ALL TABLES WITH COLUMN (tenant_id) AS PERMISSIVE
  TO ROLE platform_admin USING (true);
