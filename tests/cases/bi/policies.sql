CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
GRANT SELECT ON ALL TABLES IN SCHEMA bi TO ROLE analyst;
CREATE ROW POLICY sales ON bi.sales AS RESTRICTIVE TO ROLE analyst USING (region <> 'Hidden');
CREATE ROW POLICY products ON bi.products AS RESTRICTIVE TO ROLE analyst USING (id < 900);
CREATE ROW POLICY customers ON bi.customers AS RESTRICTIVE TO ROLE analyst USING (customer_id < 900);
CREATE MASKING POLICY note ON bi.sales (note) USING (mask_partial(value, 12));
