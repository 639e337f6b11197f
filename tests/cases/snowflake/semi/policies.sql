-- Rows by tenant; of the semi-structured columns one is masked, one may not be tested, one is masked by row.
CREATE ROLE analyst;
CREATE ROLE owner;
GRANT ROLE analyst TO USER 'ana';
GRANT ROLE owner TO USER 'root';
GRANT SELECT ON ALL TABLES IN SCHEMA web TO ROLE owner;
GRANT SELECT ON web.events TO ROLE analyst;
GRANT SELECT ON web.users TO ROLE analyst;
GRANT SELECT ON web.equal TO ROLE analyst;
GRANT SELECT ON web.flags TO ROLE analyst;
GRANT SELECT ON web.visits TO ROLE analyst;
GRANT SELECT ON web.raw TO ROLE analyst;
GRANT SELECT ON web.texts TO ROLE analyst;

CREATE ROW POLICY tenant ON web.events AS RESTRICTIVE TO ROLE analyst
  USING (tenant_id = principal_attr('tenant_id'));
CREATE ROW POLICY raw ON web.raw AS RESTRICTIVE TO ROLE analyst
  USING (tenant_id = principal_attr('tenant_id'));
CREATE MASKING POLICY raw_pins ON web.raw (pin) USING (mask_null(value)) EXCEPT ROLE owner PREDICATES DENY;
CREATE MASKING POLICY pins ON web.events (secret) USING (mask_redact(value)) EXCEPT ROLE owner;
CREATE MASKING POLICY proofs ON web.events (proof) USING (NULL) EXCEPT ROLE owner PREDICATES DENY;
CREATE MASKING POLICY shared ON web.events (shared)
  USING (CASE WHEN id = 1 THEN value ELSE NULL END) EXCEPT ROLE owner;
CREATE MASKING POLICY tokens ON web.events (token) USING (mask_null(value)) EXCEPT ROLE owner;
CREATE MASKING POLICY docs ON web.equal (doc) USING (NULL) EXCEPT ROLE owner PREDICATES EQUALITY;
CREATE MASKING POLICY names ON web.equal (name) USING (mask_redact(value)) EXCEPT ROLE owner PREDICATES EQUALITY;
CREATE ROW POLICY flagged ON web.flags AS RESTRICTIVE TO ROLE analyst USING (flag IS NOT NULL);
CREATE AGGREGATION POLICY k2 ON web.visits TO ROLE analyst
  ENTITY (patient) MIN GROUP SIZE 2 DIMENSIONS (clinic) MEASURES (cost);

CREATE VIEW web.shorts AS SELECT id, body AS doc, tags, secret, proof, shared, 'v' AS kind FROM web.events WHERE id < 3;
CREATE VIEW web.objects AS SELECT id, doc, tags, tags IS NULL AS bare FROM web.shorts WHERE doc IS NOT NULL;
CREATE VIEW web.levels AS SELECT name, profile FROM web.users WHERE name <> 'Bo';
CREATE VIEW web.shares AS SELECT name, 10 / (length(name) - 2) AS share FROM web.users WHERE name <> 'Bo';
CREATE VIEW web.twice AS SELECT share * 2 AS twice FROM web.shares WHERE name LIKE 'A%';
CREATE VIEW web.bodies AS SELECT id, body, tags FROM web.events;
CREATE VIEW web.absent AS SELECT id, body, 1 AS one FROM web.events WHERE tenant_id IS NULL OR tenant_id <> 'x';
CREATE VIEW web.nulled AS SELECT id, body, tags FROM web.events;
CREATE VIEW web.tallied AS SELECT tenant_id, count(*) AS n FROM web.events GROUP BY tenant_id;
GRANT SELECT ON web.shorts TO ROLE analyst;
GRANT SELECT ON web.objects TO ROLE analyst;
GRANT SELECT ON web.levels TO ROLE analyst;
GRANT SELECT ON web.twice TO ROLE analyst;
GRANT SELECT ON web.bodies TO ROLE analyst;
GRANT SELECT ON web.absent TO ROLE analyst;
GRANT SELECT ON web.nulled TO ROLE analyst;
GRANT SELECT ON web.tallied TO ROLE analyst;
CREATE ROW POLICY bodies ON web.bodies AS RESTRICTIVE TO ROLE analyst USING (id <> 3);
CREATE MASKING POLICY nulled_bodies ON web.nulled (body) USING (mask_null(value)) EXCEPT ROLE owner;
CREATE MASKING POLICY bodies_tags ON web.bodies (tags)
  USING (CASE WHEN id = 1 THEN value ELSE NULL END) EXCEPT ROLE owner PREDICATES DENY;
