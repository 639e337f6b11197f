-- What is told of values.
SELECT id, ARRAY_SIZE(tags) AS t, ARRAY_SIZE(body:user.langs) AS l, ARRAY_SIZE(body) AS b, ARRAY_SIZE(body:nope) AS n FROM web.events ORDER BY id
SELECT id, TYPEOF(body) AS b, TYPEOF(body:user.age) AS a, TYPEOF(body:f) AS f, TYPEOF(body:nil) AS n, TYPEOF(body:ok) AS o, TYPEOF(tags) AS t, TYPEOF(extra) AS e FROM web.events ORDER BY id
SELECT id, IS_NULL_VALUE(body:nil) AS n, IS_NULL_VALUE(body:nope) AS m, IS_NULL_VALUE(body:ok) AS o FROM web.events ORDER BY id
SELECT id, OBJECT_KEYS(body:user) AS k, ARRAY_SIZE(OBJECT_KEYS(extra)) AS s, OBJECT_KEYS(body:user)[0]::string AS first FROM web.events ORDER BY id
SELECT id, ARRAY_CONTAINS('fr'::VARIANT, body:user.langs) AS fr, ARRAY_CONTAINS(TO_VARIANT(1), tags) AS one, ARRAY_CONTAINS(CAST(TRUE AS VARIANT), tags) AS t, ARRAY_CONTAINS('x'::VARIANT, extra) AS o FROM web.events ORDER BY id
SELECT id FROM web.events WHERE ARRAY_CONTAINS(body:user.langs[0]::string::VARIANT, body:user.langs) ORDER BY id
SELECT id FROM web.events WHERE ARRAY_SIZE(tags) > 0 AND TYPEOF(tags[0]) = 'INTEGER' AND NOT IS_NULL_VALUE(tags[0])
SELECT TYPEOF(body) AS t, COUNT(*) AS c, MAX(ARRAY_SIZE(tags)) AS m FROM web.events GROUP BY ALL ORDER BY 1
SELECT e.id, f.key, TYPEOF(f.value) AS t, ARRAY_SIZE(f.value) AS s FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user) f ORDER BY 1, 2
SELECT e.id, k.value::string AS k FROM web.events e, LATERAL FLATTEN(INPUT => OBJECT_KEYS(e.body:user)) k ORDER BY 1, 2
SELECT id, IFF(TYPEOF(body:n) = 'VARCHAR', 'text', 'other') AS n, NVL(ARRAY_SIZE(tags), 0) AS s, ARRAY_SIZE(tags) + 1 AS more FROM web.events ORDER BY id
SELECT ARRAY_SIZE(tags)::string || '!' AS s, ARRAY_SIZE(tags) / 2 AS h FROM web.events WHERE id = 1
-- Values of texts.
SELECT id, PARSE_JSON(note) AS j, PARSE_JSON(note):a.b[1]::string AS x, TYPEOF(PARSE_JSON(note)) AS t FROM web.raw ORDER BY id
SELECT id, TRY_PARSE_JSON(note):n IS NULL AS n, IS_NULL_VALUE(TRY_PARSE_JSON(note):n) AS v FROM web.raw ORDER BY id
SELECT r.id, f.path, f.value FROM web.raw r, LATERAL FLATTEN(INPUT => PARSE_JSON(r.note), RECURSIVE => TRUE) f ORDER BY 1, 2
SELECT id, ARRAY_CONTAINS('x'::VARIANT, PARSE_JSON(note):a.b) AS x FROM web.raw ORDER BY id
SELECT id, PARSE_JSON('{"k":[1]}'):k[0]::int AS one, TRY_PARSE_JSON('{') AS none FROM web.flags
SELECT id FROM web.raw WHERE PARSE_JSON(note):a.b[0]::int = 10
SELECT id, TRY_PARSE_JSON(note):a::int AS a FROM web.texts ORDER BY id
SELECT id, PARSE_JSON(body:n::string)::number(9, 2) AS n FROM web.events WHERE id < 3 ORDER BY id
-- Of visible rows what fails fails, and says no value.
SELECT PARSE_JSON(note) FROM web.texts
SELECT OBJECT_KEYS(tags) FROM web.events WHERE id = 1
-- What a mask hides has no size, no type and no elements; what may not be tested, isn't.
SELECT id, ARRAY_SIZE(secret) AS s, TYPEOF(secret) AS t, IS_NULL_VALUE(secret) AS n, OBJECT_KEYS(secret) AS k, ARRAY_CONTAINS('canary-ada'::VARIANT, secret) AS c FROM web.events ORDER BY id
SELECT id, TYPEOF(shared) AS t, OBJECT_KEYS(shared) AS k, TYPEOF(shared:s) AS s FROM web.events ORDER BY id
SELECT id, TYPEOF(proof) AS t, ARRAY_SIZE(proof) AS s FROM web.events ORDER BY id
SELECT id FROM web.events WHERE TYPEOF(secret) IS NOT NULL OR ARRAY_SIZE(OBJECT_KEYS(secret)) > 0
SELECT id FROM web.events WHERE TYPEOF(proof) = 'OBJECT'
SELECT id FROM web.events WHERE ARRAY_CONTAINS('a'::VARIANT, proof)
SELECT id FROM web.events ORDER BY ARRAY_SIZE(proof)
SELECT TYPEOF(proof:p) AS t, COUNT(*) AS c FROM web.events GROUP BY ALL
SELECT MAX(ARRAY_SIZE(OBJECT_KEYS(proof))) AS m FROM web.events
SELECT IFF(IS_NULL_VALUE(proof), 1, 0) AS x FROM web.events
SELECT id FROM web.events, LATERAL FLATTEN(INPUT => OBJECT_KEYS(proof)) f
SELECT id, TYPEOF(doc) AS t FROM web.equal
SELECT id FROM web.equal WHERE TYPEOF(doc) = 'OBJECT'
SELECT id, PARSE_JSON(pin) AS p, TYPEOF(TRY_PARSE_JSON(pin)) AS t FROM web.raw ORDER BY id
SELECT id FROM web.raw WHERE PARSE_JSON(pin):p::string = 'canary-p'
SELECT id FROM web.raw, LATERAL FLATTEN(INPUT => PARSE_JSON(pin)) f
SELECT id FROM web.raw ORDER BY TYPEOF(PARSE_JSON(pin))
SELECT clinic, MAX(ARRAY_SIZE(note)) AS m FROM web.visits GROUP BY clinic
SELECT TYPEOF(note) AS t, COUNT(*) AS c FROM web.visits GROUP BY ALL
-- Of another tenant's rows nothing fails, and nothing is seen.
SELECT COUNT(PARSE_JSON(note)) AS c, COUNT(*) AS n FROM web.raw
SELECT id FROM web.raw WHERE PARSE_JSON(note) IS NULL
SELECT MAX(ARRAY_SIZE(OBJECT_KEYS(body:user))) AS m FROM web.events
SELECT id FROM web.events WHERE ARRAY_SIZE(OBJECT_KEYS(body:user.age)) > 0 AND id > 2
SELECT COUNT(*) AS c FROM web.raw a JOIN web.raw b ON PARSE_JSON(a.note):a.b[0]::int > b.id
SELECT id FROM web.raw WHERE 10 / ARRAY_SIZE(PARSE_JSON(note)) > 1
SELECT id FROM web.raw WHERE PARSE_JSON(NVL(note, 'none')):a IS NOT NULL
SELECT id FROM web.raw WHERE PARSE_JSON(IFF(tenant_id = 'globex', note, '1')) IS NOT NULL
SELECT id FROM web.raw r WHERE EXISTS (SELECT 1 FROM web.raw x WHERE OBJECT_KEYS(PARSE_JSON(r.note)) IS NOT NULL)
SELECT id FROM web.events WHERE IFF(ARRAY_CONTAINS('canary-t'::VARIANT, tags), body:user.age::int, 1) > 0 ORDER BY id
-- What is refused.
SELECT ARRAY_SIZE(id) FROM web.events
SELECT TYPEOF(tenant_id) FROM web.events
SELECT TYPEOF('x') FROM web.events
SELECT ARRAY_SIZE() FROM web.events
SELECT ARRAY_SIZE(tags, 1) FROM web.events
SELECT OBJECT_KEYS(note) FROM web.raw
SELECT PARSE_JSON(id) FROM web.raw
SELECT PARSE_JSON(body) FROM web.events
SELECT PARSE_JSON(note, 'd') FROM web.raw
SELECT ARRAY_CONTAINS('fr', tags) FROM web.events
SELECT ARRAY_CONTAINS(tags, 'fr'::VARIANT) FROM web.events
SELECT ARRAY_CONTAINS(body:n::VARIANT, tags) FROM web.events
SELECT ARRAY_CONTAINS(1.5::VARIANT, tags) FROM web.events
SELECT ARRAY_CONTAINS(seen_tz::VARIANT, tags) FROM web.events
SELECT ARRAY_CONTAINS('a'::VARIANT) FROM web.events
SELECT 'a'::VARIANT FROM web.events
SELECT TO_VARIANT('a') FROM web.events
SELECT tags::ARRAY FROM web.events
SELECT OBJECT_KEYS(body) = OBJECT_KEYS(body) FROM web.events
SELECT DISTINCT OBJECT_KEYS(body:user) FROM web.events
SELECT id FROM web.raw ORDER BY PARSE_JSON(note)
SELECT UPPER(PARSE_JSON(note)) FROM web.raw
SELECT NVL(PARSE_JSON(note), PARSE_JSON('{}')) FROM web.raw
SELECT PARSE_JSON(note) FROM web.raw UNION SELECT PARSE_JSON(note) FROM web.raw
SELECT PARSE_JSON(note) FROM web.raw UNION ALL SELECT note FROM web.raw
SELECT PARSE_JSON('{}')
SELECT TYPEOF(PARSE_JSON('{}')) AS t
SELECT tg_parse_json(note) FROM web.raw
SELECT TRY_CAST(body:n AS DATE) FROM web.events
SELECT TYPEOF(x) FROM web.hidden
SELECT TYPEOF(body) FROM web.missing
