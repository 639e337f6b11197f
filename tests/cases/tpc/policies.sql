-- Rows and masks over TPC-H and TPC-DS; make.py says the same in other words.
CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
GRANT SELECT ON ALL TABLES IN SCHEMA h TO ROLE analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA ds TO ROLE analyst;

CREATE ROW POLICY market ON h.customer AS RESTRICTIVE TO ROLE analyst
  USING (c_mktsegment <> 'MACHINERY');
CREATE ROW POLICY their_orders ON h.orders AS RESTRICTIVE TO ROLE analyst
  USING (o_custkey IN (SELECT c_custkey FROM h.customer WHERE c_mktsegment <> 'MACHINERY'));
CREATE ROW POLICY road ON h.lineitem AS RESTRICTIVE TO ROLE analyst USING (l_shipmode <> 'RAIL');
CREATE ROW POLICY small ON h.lineitem AS RESTRICTIVE TO ROLE analyst USING (l_quantity < 49);
CREATE ROW POLICY nations ON h.supplier AS PERMISSIVE TO ROLE analyst USING (s_nationkey <> 3);

CREATE ROW POLICY store_sales ON ds.store_sales AS PERMISSIVE TO ROLE analyst
  USING (ss_quantity <= 95);
CREATE ROW POLICY store_returns ON ds.store_returns AS PERMISSIVE TO ROLE analyst
  USING (sr_return_quantity <= 95);
CREATE ROW POLICY catalog_sales ON ds.catalog_sales AS RESTRICTIVE TO ROLE analyst
  USING (cs_quantity > 2);
CREATE ROW POLICY web_sales ON ds.web_sales AS RESTRICTIVE TO ROLE analyst USING (ws_quantity > 2);
CREATE ROW POLICY birthdays ON ds.customer AS RESTRICTIVE TO ROLE analyst
  USING (c_birth_month <> 7);
CREATE ROW POLICY somewhere ON ds.customer_address AS RESTRICTIVE TO ROLE analyst
  USING (ca_country IS NOT NULL);
CREATE ROW POLICY managed ON ds.item AS RESTRICTIVE TO ROLE analyst
  USING (i_category IN (SELECT i_category FROM ds.item WHERE i_manager_id < 99));

CREATE MASKING POLICY name ON h.customer (c_name) USING (mask_partial(value, 12));
CREATE MASKING POLICY address ON h.customer (c_address) USING (mask_redact(value));
CREATE MASKING POLICY phone ON h.supplier (s_phone) USING (NULL);
CREATE MASKING POLICY last_name ON ds.customer (c_last_name) USING (mask_partial(value, 1));
CREATE MASKING POLICY email ON ds.customer (c_email_address) USING (NULL);
CREATE MASKING POLICY street ON ds.customer_address (ca_street_name) USING (mask_redact(value));
