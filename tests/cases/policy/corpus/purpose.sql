-- All of the tenant's customers are seen for care only.
CREATE ROW POLICY purposes ON crm.customers AS RESTRICTIVE TO ROLE analyst
  USING (purpose() = 'care' OR id <= 10);
