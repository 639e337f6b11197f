-- Paths and casts of them.
SELECT id, body:user.name::string AS n, body:user.age::number AS a, body:n::number(10,1) AS d FROM web.events WHERE id < 3 ORDER BY id
SELECT id, body:ok::boolean AS b, body:day::date AS day, body:at::timestamp_ntz AS at, body:f::float AS f FROM web.events WHERE id < 3 ORDER BY id
SELECT id, body:user, body:user.langs[0], body:user.langs[1]::string AS l FROM web.events ORDER BY id
SELECT id, body['user']['name']::string, body:user['langs'][0], tags[0]::int, tags[1]::string, tags[2][0]::int FROM web.events ORDER BY id
SELECT id, GET_PATH(body, 'user.langs[1]')::string, GET(tags, 0)::int, GET(extra, 'k')::string FROM web.events ORDER BY id
SELECT body:nil IS NULL AS json_null, body:nope IS NULL AS missing, body:nil::string IS NULL AS text FROM web.events WHERE id = 1
SELECT body::string, tags::varchar, extra::text FROM web.events WHERE id <> 1 ORDER BY id
SELECT body:Case::string AS upper, body:case::string AS lower, body:"Case"::string AS quoted, body:"CASE" AS none FROM web.events WHERE id = 1
SELECT body:user.name::string AS who, count(*) AS c FROM web.events GROUP BY ALL ORDER BY 1
SELECT id FROM web.events WHERE body:user.age::int > 36 ORDER BY id
SELECT sum(body:user.age::number), max(body:day::date), listagg(body:user.name::string, ',') WITHIN GROUP (ORDER BY body:user.name::string) FROM web.events
SELECT e.id, u.profile:level::string AS level FROM web.events e JOIN web.users u ON e.body:user.name::string = u.name ORDER BY e.id
SELECT IFF(body:ok::boolean, 'yes', 'no') AS ok, NVL(body:user.name::string, '-') AS who FROM web.events ORDER BY id
SELECT x.b:user.name::string AS n FROM (SELECT body AS b, id FROM web.events) x ORDER BY x.id
WITH c AS (SELECT id, body:user AS u FROM web.events) SELECT id, u:name::string AS n, u:langs[0]::string AS l FROM c ORDER BY id
SELECT id, body:user AS u, u:name::string AS n FROM web.events ORDER BY id
SELECT id, body:user.name::string AS n FROM web.events QUALIFY ROW_NUMBER() OVER (ORDER BY body:user.age::int DESC NULLS LAST) = 1
SELECT count(body:user), count(body:nope), count(*) FROM web.events
SELECT id, (SELECT max(u.profile:level::string) FROM web.users u WHERE u.name = e.body:user.name::string) AS l FROM web.events e ORDER BY id
SELECT id FROM web.events WHERE body:user.name::string LIKE 'A%'
SELECT UPPER(body:user.name::string) || '!' AS u, LENGTH(body:user.langs::string) AS l FROM web.events ORDER BY id
SELECT id, TRY_CAST(body:user.age::string AS INT) AS a, TRY_CAST(body:user.name::string AS INT) AS b, TRY_TO_DATE(body:day::string) AS d FROM web.events ORDER BY id
SELECT id FROM web.events WHERE TRY_CAST(body:n::string AS NUMBER(9, 2)) > 7 OR TRY_CAST(body:at::string AS TIMESTAMP) IS NOT NULL ORDER BY id
SELECT id, TRY_CAST(NULL AS INT) IS NULL AS n FROM web.events ORDER BY id
-- Names with quotes and worse are names.
SELECT body:"it's"::int AS a, body['it\'s']::int AS b, body['it''s']::int AS c, GET(body, 'it\'s')::int AS d, GET_PATH(body, '"it\'s"')::int AS e FROM web.events WHERE id = 1
SELECT body:"a.b"::int AS a, body['a.b']::int AS b, GET_PATH(body, '["a.b"]')::int AS c, GET_PATH(body, 'a.b') AS d FROM web.events WHERE id = 1
SELECT body:"q""q"::int AS a, body['q"q']::int AS b FROM web.events WHERE id = 1
SELECT body:"a'b", body['x\'y'], body['"'], body:"a""b", body['\\'], body['\\\' UNION ALL SELECT 1 --'] FROM web.events WHERE id = 1
SELECT body:"') FROM x; --", body:"""; DROP TABLE t", body['a\nb'], body[':1'], body['?'], body['$$'], body['*'], body['/n'], body['~'], body[''] FROM web.events WHERE id = 1
SELECT body:select.from.where IS NULL AS k, body:user . name::string AS n FROM web.events WHERE id = 1
-- What a mask hides has no paths; what may not be tested, isn't.
SELECT id, secret:pin, secret:pin::string, secret::string, secret['pin']::string FROM web.events ORDER BY id
SELECT id FROM web.events WHERE secret:pin::string LIKE 'c%' OR secret:pin IS NOT NULL
SELECT id, shared:s::int FROM web.events ORDER BY id
SELECT id, proof:p::string FROM web.events ORDER BY id
SELECT id FROM web.events WHERE proof:p::string = 'x'
SELECT id FROM web.events WHERE proof:p IS NULL
SELECT proof:p::string, count(*) FROM web.events GROUP BY 1
SELECT id FROM web.events ORDER BY proof:p::string
SELECT id FROM (SELECT id, proof:p AS p FROM web.events) WHERE p::string = 'x'
SELECT e.id FROM web.events e JOIN web.users u ON e.proof:p::string = u.name
SELECT max(proof:p::string) FROM web.events
SELECT id, doc:a::string FROM web.equal
SELECT id FROM web.equal WHERE doc:a::string = 'x'
SELECT id FROM web.equal WHERE doc IS NULL
SELECT id, flag:x::int FROM web.flags
SELECT clinic, count(*) FROM web.visits GROUP BY clinic
SELECT clinic, max(note:n::string) FROM web.visits GROUP BY clinic
SELECT note:n::string, count(*) FROM web.visits GROUP BY 1
SELECT clinic, count(note:n) FROM web.visits GROUP BY clinic
SELECT count(*) FROM web.visits WHERE note:n::string = 'canary'
SELECT note FROM web.visits
-- Of another tenant's rows nothing fails, and nothing is seen.
SELECT id FROM web.events WHERE body:user.age::number > 0 ORDER BY id
SELECT id FROM web.events WHERE body:n::number(10,2) > 0 AND body:ok::boolean IS NOT NULL ORDER BY id
SELECT id, body:day::date FROM web.events ORDER BY body:day::date NULLS LAST, id
SELECT count(*) FROM web.events a JOIN web.events b ON a.body:user.age::int < b.body:user.age::int
SELECT max(body:at::timestamp_ntz), min(body:f::float) FROM web.events
SELECT id FROM web.events WHERE shared:s::int = 1
SELECT id FROM web.events WHERE tags[0]::int = 1
SELECT id FROM web.events WHERE EXISTS (SELECT 1 FROM web.events x WHERE x.body:user.age::int = 41 AND x.id <> web.events.id) ORDER BY id
SELECT id FROM web.events WHERE IFF(tenant_id = 'globex', body:user.age::int, 1) > 0 ORDER BY id
SELECT id FROM web.events WHERE body:user.age::int IN (SELECT profile:level::int FROM web.users WHERE name = 'Ada')
SELECT id FROM web.events WHERE NVL(body:user.age::int, 0) >= 0 ORDER BY id
SELECT 10 / body:user.age::int AS q FROM web.events ORDER BY id
-- Of rows that are there, a cast may fail; its value isn't told.
SELECT profile:level::int FROM web.users
SELECT body:user.name::number FROM web.events
SELECT body:user.name::date FROM web.events
-- What is refused.
SELECT body:user = 'x' FROM web.events
SELECT id FROM web.events WHERE body:user.name = 'Ada'
SELECT id FROM web.events WHERE body:user.age > 5
SELECT body:user.age + 1 FROM web.events
SELECT UPPER(body:user.name) FROM web.events
SELECT body:user.name || 'x' FROM web.events
SELECT DISTINCT body:user FROM web.events
SELECT body:user, count(*) FROM web.events GROUP BY 1
SELECT id FROM web.events ORDER BY body:user.name
SELECT max(body:user.age) FROM web.events
SELECT COALESCE(body:user.name, body:n) FROM web.events
SELECT IFF(id = 1, body:user, NULL) FROM web.events
SELECT body:user::variant FROM web.events
SELECT body:user::object FROM web.events
SELECT body:tags::array FROM web.events
SELECT body:at::time FROM web.events
SELECT body:at::timestamp_ltz FROM web.events
SELECT body:user.name::varchar(3) FROM web.events
SELECT TRY_CAST(body:n AS number) FROM web.events
SELECT TRY_CAST(id AS number) FROM web.events
SELECT TRY_CAST(seen_tz AS date) FROM web.events
SELECT tenant_id:a FROM web.events
SELECT id[0] FROM web.events
SELECT body[id] FROM web.events
SELECT body[-1] FROM web.events
SELECT body[1.5] FROM web.events
SELECT body["user"] FROM web.events
SELECT body:user[0:1] FROM web.events
SELECT GET(body, tenant_id) FROM web.events
SELECT GET_PATH(body, tenant_id) FROM web.events
SELECT GET_PATH(body, 'a b') FROM web.events
SELECT GET_PATH(body, '') FROM web.events
SELECT GET(body) FROM web.events
SELECT body:"" FROM web.events
SELECT (body:user).name FROM web.events
SELECT nothing:a FROM web.events
SELECT body:x FROM web.hidden
SELECT PARSE_JSON('{}'):a FROM web.events
SELECT 'a':b
SELECT e:body FROM web.events e
SELECT LISTAGG(body:user, ',') FROM web.events
SELECT * FROM (SELECT id, body, extra FROM web.events) UNPIVOT (x FOR k IN (body, extra))
SELECT * EXCLUDE (secret) REPLACE (body:user.name::string AS body) FROM (SELECT id, body, secret FROM web.events) ORDER BY id
