-- Some rows of ClickBench are hidden, and three columns masked; permitted.sql says the same in other words.
CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
GRANT SELECT ON ALL TABLES IN SCHEMA web TO ROLE analyst;
CREATE ROW POLICY counters ON web.hits AS RESTRICTIVE TO ROLE analyst USING (counterid <> 17);
CREATE ROW POLICY regions ON web.hits AS PERMISSIVE TO ROLE analyst USING (regionid < 200);
CREATE MASKING POLICY title ON web.hits (title) USING (mask_partial(value, 14));
CREATE MASKING POLICY original ON web.hits (originalurl) USING (mask_redact(value));
CREATE MASKING POLICY params ON web.hits (params) USING (NULL);
