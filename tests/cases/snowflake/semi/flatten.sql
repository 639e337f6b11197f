-- A row for each element.
SELECT id, f.index, f.value FROM web.events, LATERAL FLATTEN(INPUT => tags) f ORDER BY 1, 2
SELECT e.id, f.value::string AS lang, f.path, f.key IS NULL AS k FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user.langs) f ORDER BY 1, 2
SELECT e.id, f.key, f.value, f.index FROM web.events AS e, TABLE(FLATTEN(e.body:user)) f WHERE f.key <> 'langs' ORDER BY 1, 2
SELECT e.id, value::string FROM web.events e JOIN LATERAL FLATTEN(INPUT => e.body:user.langs) ORDER BY 1, 2
SELECT e.id, f.value::string, f.path FROM web.events e CROSS JOIN TABLE(FLATTEN(OUTER => FALSE, INPUT => body:user.langs, RECURSIVE => FALSE, MODE => 'BOTH')) AS f ORDER BY 1, 2
SELECT id, f.key, f.path, f.index, f.value, f.this FROM web.events e, LATERAL FLATTEN(INPUT => tags, OUTER => TRUE) f ORDER BY id, f.index
SELECT id, f.* FROM web.events e, LATERAL FLATTEN(INPUT => extra) f ORDER BY id
SELECT f.* EXCLUDE this FROM web.events e, LATERAL FLATTEN(INPUT => extra, OUTER => TRUE) AS f WHERE e.id < 3 ORDER BY e.id
SELECT * FROM (SELECT id, tags FROM web.events) e, LATERAL FLATTEN(INPUT => e.tags) f ORDER BY id, index
SELECT web.events.id, f.value FROM web.events, LATERAL FLATTEN(INPUT => web.events.tags) f ORDER BY 1, f.index
-- Of what has no elements there are none.
SELECT id, f.value FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user.age) f
SELECT id, f.value IS NULL AS n FROM web.events e, LATERAL FLATTEN(INPUT => e.body:nope, OUTER => TRUE) f ORDER BY id
-- Below a path, of objects or arrays alone, and of all that is in a value.
SELECT id, f.key, f.path, f.index, f.value, f.this FROM web.events, LATERAL FLATTEN(INPUT => body, PATH => 'user') f ORDER BY id, f.path
SELECT id, f.path, f.value::string AS l, f.this FROM web.events, LATERAL FLATTEN(INPUT => body, PATH => 'user.langs') f ORDER BY 1, 2
SELECT id, f.path, f.value::int AS l FROM web.events, TABLE(FLATTEN(tags, PATH => '[2]')) f ORDER BY 1, 2
SELECT id, f.path, f.index FROM web.events, LATERAL FLATTEN(INPUT => body:user, PATH => 'langs', OUTER => TRUE) f WHERE id < 3 ORDER BY 1, 3
SELECT id, f.value FROM web.events, LATERAL FLATTEN(INPUT => body, PATH => 'nope[0].a_1') f
SELECT id, f.key FROM web.events, LATERAL FLATTEN(INPUT => body, PATH => '') f WHERE id = 2 ORDER BY 2
SELECT id, f.key, f.index FROM web.events, LATERAL FLATTEN(INPUT => body:user, MODE => 'ARRAY') f
SELECT id, f.key, f.index FROM web.events, LATERAL FLATTEN(INPUT => body:user, MODE => 'OBJECT') f ORDER BY 1, 2
SELECT id, f.index, f.value FROM web.events, LATERAL FLATTEN(INPUT => tags, MODE => 'array') f ORDER BY 1, 2
SELECT id, f.index, f.value FROM web.events, LATERAL FLATTEN(INPUT => tags, MODE => 'OBJECT', OUTER => TRUE) f ORDER BY 1, 2
SELECT id, f.path, f.key, f.index, f.value, f.this FROM web.events, LATERAL FLATTEN(INPUT => body:user, RECURSIVE => TRUE) f ORDER BY 1, 2
SELECT id, f.path, f.value FROM web.events, LATERAL FLATTEN(INPUT => body, PATH => 'user', RECURSIVE => TRUE, MODE => 'OBJECT') f ORDER BY 1, 2
SELECT id, f.path, f.value FROM web.events, LATERAL FLATTEN(INPUT => tags, RECURSIVE => TRUE, OUTER => TRUE, MODE => 'ARRAY') f ORDER BY 1, 2
SELECT f.path AS at, COUNT(*) AS c FROM web.events, LATERAL FLATTEN(INPUT => body, RECURSIVE => TRUE) f WHERE f.value::string = 'Ada' OR f.index = 0 GROUP BY ALL ORDER BY 1
-- The number of the row that an element is of: of rows that are there.
SELECT COUNT(DISTINCT f.seq) AS n, MIN(f.seq) AS first, MAX(f.seq) AS last, COUNT(*) AS c FROM web.events e, LATERAL FLATTEN(INPUT => e.tags, OUTER => TRUE) f
SELECT id, seq FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f WHERE f.index = 1 AND seq BETWEEN 1 AND 4 AND id <> seq + 10
SELECT f.seq = g.seq AS same, COUNT(*) AS c FROM (SELECT tags FROM web.events WHERE id = 1) e, LATERAL FLATTEN(INPUT => e.tags) f, LATERAL FLATTEN(INPUT => e.tags) g GROUP BY ALL ORDER BY 1
SELECT id, LISTAGG(v::string, ',') WITHIN GROUP (ORDER BY i) AS l FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user.langs) f (s, k, p, i, v, t) GROUP BY id, s
SELECT f.v, f.this FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f (s, k, p, i, v) WHERE f.i = 0
SELECT f.* FROM web.events e JOIN TABLE(FLATTEN(e.tags)) AS f (SEQ, k) WHERE f.value[0]::int = 3
SELECT f.* FROM (SELECT tags FROM web.events WHERE id = 1) e JOIN TABLE(FLATTEN(e.tags)) AS f (SEQ, k) ORDER BY f.seq, index
SELECT * FROM (SELECT * FROM (SELECT tags FROM web.events WHERE id = 1) e, LATERAL FLATTEN(INPUT => tags) f ORDER BY seq, f.index LIMIT 1) x
-- One after the other, beside others, in subqueries.
SELECT e.id, f.index, g.value FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f, LATERAL FLATTEN(INPUT => f.value) g ORDER BY 1, 2
SELECT e.id, f.value::string AS l, g.key FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user.langs) f JOIN LATERAL FLATTEN(INPUT => e.extra) g ORDER BY 1, 2
SELECT u.name, f.key FROM web.users u, LATERAL FLATTEN(INPUT => u.profile) f ORDER BY 1
SELECT e.id, u.name, f.value::string AS l FROM web.events e JOIN web.users u ON e.body:user.name::string = u.name, LATERAL FLATTEN(INPUT => e.body:user.langs) f ORDER BY 1, 3
SELECT e.id, u.name, f.value::string AS l FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user.langs) f JOIN web.users u ON u.name = e.body:user.name::string ORDER BY 1, 3
SELECT a.id, b.id AS other, f.value::string AS l FROM web.events a LEFT JOIN web.events b ON b.id = a.id + 1, LATERAL FLATTEN(INPUT => a.body:user.langs) f ORDER BY 1, 3
SELECT id, b.k, f.value FROM (SELECT id, tags FROM web.events) a FULL JOIN (SELECT id, id AS k FROM web.events WHERE id > 2) b USING (id), LATERAL FLATTEN(INPUT => a.tags, OUTER => TRUE) f ORDER BY id, f.index
WITH l AS (SELECT e.id, f.value AS v, f.index AS i FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user.langs) f) SELECT id, v::string, i FROM l ORDER BY 1, 3
SELECT e.id, g.key, h.value::string AS v FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user) g, web.users u, LATERAL FLATTEN(INPUT => u.profile) h WHERE g.value::string = u.name ORDER BY 1, 2
SELECT e.id, f.index, a.id AS other FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f ASOF JOIN web.events a MATCH_CONDITION (f.index >= a.id) ORDER BY 1, 2
SELECT e.id, f.value:deeper.still[0] AS d FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f WHERE f.index = 2 AND f.value[0]::int = 3
SELECT id FROM web.events WHERE id IN (SELECT x.id FROM web.events x, LATERAL FLATTEN(INPUT => x.body:user.langs) f WHERE f.value::string = 'fr')
SELECT f.value::string AS l, COUNT(*) AS c FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user.langs) f GROUP BY ALL ORDER BY 1
SELECT e.id, f.value::string AS l FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user.langs) f QUALIFY ROW_NUMBER() OVER (PARTITION BY e.id ORDER BY f.index DESC) = 1
SELECT e.id, LISTAGG(f.value::string, '+') WITHIN GROUP (ORDER BY f.index) AS l FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user.langs) f GROUP BY e.id ORDER BY 1
SELECT id, TRY_CAST(f.value::string AS INT) AS n FROM web.events, LATERAL FLATTEN(INPUT => tags) f ORDER BY 1, f.index
-- What a mask hides has no elements; what may not be tested, isn't.
SELECT id, f.key, f.value FROM web.events, LATERAL FLATTEN(INPUT => secret) f
SELECT id, f.key, f.value::string FROM web.events, LATERAL FLATTEN(INPUT => secret, OUTER => TRUE) f ORDER BY id
SELECT id, f.key, f.value::int FROM web.events, LATERAL FLATTEN(INPUT => shared) f ORDER BY id
SELECT id FROM web.events, LATERAL FLATTEN(INPUT => proof) f
SELECT id, f.value FROM web.events, LATERAL FLATTEN(INPUT => proof:p, OUTER => TRUE) f
SELECT id FROM web.equal, LATERAL FLATTEN(INPUT => doc) f
SELECT id, f.path, f.value FROM web.events, LATERAL FLATTEN(INPUT => secret, PATH => 'pin', RECURSIVE => TRUE) f
SELECT id, f.path, f.value FROM web.events, LATERAL FLATTEN(INPUT => shared, RECURSIVE => TRUE, OUTER => TRUE) f ORDER BY id
SELECT id FROM web.events, LATERAL FLATTEN(INPUT => proof, MODE => 'ARRAY', OUTER => TRUE) f
SELECT id, f.seq FROM web.events, LATERAL FLATTEN(INPUT => proof, PATH => 'p', OUTER => TRUE) f
SELECT f.key, COUNT(*) AS c FROM web.equal q, web.users u, LATERAL FLATTEN(INPUT => u.profile) f WHERE q.name = 'canary' GROUP BY q.name, f.key
SELECT f.key, COUNT(*) AS c FROM web.equal q, web.users u, LATERAL FLATTEN(INPUT => u.profile) f GROUP BY q.name, f.key
SELECT f.key FROM web.equal q, web.users u, LATERAL FLATTEN(INPUT => u.profile) f WHERE q.name > 'a'
SELECT f.key FROM web.equal q, web.users u, LATERAL FLATTEN(INPUT => u.profile) f WHERE LOWER(q.name) = 'a'
SELECT id, f.key, f.value::int AS x FROM web.flags, LATERAL FLATTEN(INPUT => flag) f ORDER BY id
SELECT COUNT(*) FROM web.visits v, LATERAL FLATTEN(INPUT => v.note) f
SELECT v.clinic, COUNT(*) FROM web.visits v, LATERAL FLATTEN(INPUT => v.note, OUTER => TRUE) f GROUP BY 1
-- Of another tenant's rows nothing fails, and nothing is seen.
SELECT id, f.value::int AS n FROM web.events, LATERAL FLATTEN(INPUT => body:user) f WHERE f.key = 'age' ORDER BY id
SELECT SUM(f.value::int) AS s FROM web.events, LATERAL FLATTEN(INPUT => tags) f WHERE f.index = 0
SELECT id FROM web.events e, LATERAL FLATTEN(INPUT => e.body) f WHERE f.key = 'n' AND f.value::number(10, 2) > 0 ORDER BY id
SELECT COUNT(*) FROM web.events e, LATERAL FLATTEN(INPUT => e.tags, OUTER => TRUE) f WHERE 10 / (f.index + 1) > 2
SELECT id FROM web.events e, LATERAL FLATTEN(INPUT => e.tags, OUTER => TRUE) f WHERE f.value:x::int > 1
SELECT id FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f WHERE 10 / LENGTH(f.path) > 1
SELECT id, f.path, f.value::int AS n FROM web.events, LATERAL FLATTEN(INPUT => body, PATH => 'user', RECURSIVE => TRUE) f WHERE f.path = 'user.age' ORDER BY id
SELECT SUM(f.value::int) AS s FROM web.events, LATERAL FLATTEN(INPUT => tags, MODE => 'ARRAY') f WHERE f.index = 0
SELECT id, 10 / f.seq > 0 AS q FROM web.events, LATERAL FLATTEN(INPUT => body, PATH => 'user.langs') f WHERE f.index = 0
SELECT COUNT(*) FROM web.events, LATERAL FLATTEN(INPUT => body, RECURSIVE => TRUE, OUTER => TRUE) f WHERE 10 / (f.index + 1) > 2
SELECT id FROM web.events e, LATERAL FLATTEN(INPUT => e.tags, RECURSIVE => TRUE) f WHERE 10 / LENGTH(f.path) > 1
SELECT v.clinic, COUNT(f.seq) FROM web.visits v, LATERAL FLATTEN(INPUT => v.note) f GROUP BY 1
-- What is refused.
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => e.tenant_id) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => 'user..age') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => 'a b') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => '"user"') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => '[''user'']') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => 'user.') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => 'a'') --') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => 'a$b') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => 1) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => ?) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => 'user', PATH => 'user') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, PATH => 'a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, MODE => 'LIST') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, MODE => BOTH) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, RECURSIVE => 'yes') f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, RECURSIVE => 1 = 1) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, OUTER => NULL) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body) f (s, k, p, i, v, t, u)
SELECT f.s FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f (seq, key, path)
SELECT f.value FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f (s, k, p, i, v, t)
SELECT seq FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f, LATERAL FLATTEN(INPUT => e.tags) g
SELECT id, (SELECT COUNT(*) FROM web.events x, LATERAL FLATTEN(INPUT => x.tags) f WHERE x.id = e.id) AS c FROM web.events e ORDER BY id
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, DEPTH => 1) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, OUTER => e.id = 1) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.body, INPUT => e.tags) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(OUTER => TRUE) f
SELECT 1 FROM web.events e, LATERAL FLATTEN() f
SELECT 1 FROM web.events e, LATERAL FLATTEN(*) f
SELECT 1 FROM TABLE(FLATTEN(INPUT => 'x')) f
SELECT 1 FROM LATERAL FLATTEN(INPUT => tags) f, web.events
SELECT 1 FROM (TABLE(FLATTEN(INPUT => tags)) f)
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.tenant_id) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.id) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.nothing) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => nothing) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => x.tags) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => (SELECT MAX(id) FROM web.events)) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) e
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f, web.users e
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f, web.users f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f JOIN web.users e ON TRUE
SELECT 1 FROM web.users f, web.events e JOIN LATERAL FLATTEN(INPUT => e.tags) f
SELECT 1 FROM web.events, LATERAL FLATTEN(INPUT => events.tags) f, web.users AS events
SELECT 1 FROM web.events e, web.events e, LATERAL FLATTEN(INPUT => e.tags) f
SELECT (SELECT MAX(f.name) FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f) FROM web.users f
SELECT (SELECT MAX(e.name) FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f) FROM web.users e
SELECT 1 FROM web.users u, web.events e, LATERAL FLATTEN(INPUT => e.tags) f RIGHT JOIN web.flags g ON g.id = e.id
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f FULL JOIN web.flags g ON g.id = e.id
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f JOIN web.flags g USING (id)
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f NATURAL JOIN web.flags g
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f ASOF JOIN web.flags g MATCH_CONDITION (f.index >= g.id) USING (id)
SELECT 1 FROM web.events e LEFT JOIN LATERAL FLATTEN(INPUT => e.tags) f
SELECT 1 FROM web.events e JOIN LATERAL FLATTEN(INPUT => e.tags) f ON f.index = 0
SELECT 1 FROM web.events e, web.users u JOIN LATERAL FLATTEN(INPUT => e.tags) f
SELECT (SELECT COUNT(*) FROM web.users u, LATERAL FLATTEN(INPUT => e.tags) f) FROM web.events e
SELECT (SELECT COUNT(*) FROM TABLE(FLATTEN(INPUT => e.tags)) f) FROM web.events e
SELECT f FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f
SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f WHERE f.value = 1
SELECT DISTINCT f.value FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f
SELECT f.value FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f ORDER BY f.value
SELECT f.key FROM web.hidden h, LATERAL FLATTEN(INPUT => h.body) f
SELECT f.key FROM web.missing h, LATERAL FLATTEN(INPUT => h.body) f
SELECT e.id FROM web.events e ASOF JOIN LATERAL FLATTEN(INPUT => e.tags) f MATCH_CONDITION (e.id >= f.index)
WITH x AS (SELECT id, f.seq AS s FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f) SELECT COUNT(DISTINCT s) AS n, COUNT(DISTINCT id) AS ids FROM x
WITH x AS (SELECT id, f.seq AS s FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f) SELECT a.id, b.id FROM x a JOIN x b ON a.s = b.s
WITH x AS (SELECT id, f.seq AS s FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f), y AS (SELECT s FROM x) SELECT a.s FROM y a JOIN y b ON a.s = b.s
SELECT 1 FROM web.events e, LATERAL SPLIT_TO_TABLE(e.tenant_id, ',') s
SELECT 1 FROM web.events e, LATERAL (SELECT e.id AS x) s
