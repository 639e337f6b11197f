-- Values of a view are those of what it reads.
SELECT id, doc, tags FROM web.shorts ORDER BY id
SELECT id, doc:user.name::string AS n, tags[0]::int AS t, kind FROM web.shorts ORDER BY id
SELECT id, bare, doc:user.age::int AS a FROM web.objects ORDER BY id
SELECT name, profile, profile:level::int AS l FROM web.levels
SELECT id, body, tags FROM web.bodies ORDER BY id
SELECT s.id, f.value::string AS v FROM web.shorts s, LATERAL FLATTEN(INPUT => s.doc:user.langs) f ORDER BY 1, 2
SELECT id, TYPEOF(doc) AS t, OBJECT_KEYS(doc:user) AS k FROM web.objects ORDER BY id
SELECT l.name, s.id FROM web.levels l JOIN web.shorts s ON s.doc:user.name::string = l.name
SELECT COUNT(doc) AS d, SUM(doc:user.age::int) AS a FROM web.shorts
SELECT x.id FROM web.shorts x WHERE x.id IN (SELECT y.id FROM web.objects y WHERE y.doc:n::number(5, 2) > 7)
SELECT id, one, body:user.age::int AS a FROM web.absent ORDER BY id
SELECT tenant_id, n FROM web.tallied
-- Of rows that it leaves out nothing fails, and nothing is seen.
SELECT id, OBJECT_KEYS(doc) AS k FROM web.shorts ORDER BY id
SELECT ARRAY_SIZE(OBJECT_KEYS(doc)) AS n FROM web.objects WHERE OBJECT_KEYS(doc) IS NOT NULL ORDER BY 1
SELECT SUM(profile:level::number) AS s FROM web.levels
SELECT id, OBJECT_KEYS(body) AS k FROM web.bodies ORDER BY id
SELECT 10 / (id - 3) AS q FROM web.shorts ORDER BY id
SELECT 10 / (id - 3) AS q FROM web.bodies ORDER BY 1
SELECT COUNT(*) AS c FROM web.shorts WHERE 1 / LENGTH(kind) = 1
SELECT COUNT(*) AS c FROM web.absent WHERE 1 / (one - 1) > 0
SELECT COUNT(*) AS c FROM web.absent WHERE 10 / (one + id - 6) > 0
SELECT COUNT(*) AS c FROM web.objects WHERE IFF(bare, 1 / 0, 1) = 1
SELECT COUNT(*) AS c FROM web.users u LEFT JOIN web.shorts s ON s.doc:user.name::string = u.name WHERE 10 / NVL(s.id, 0) > 1
SELECT MAX(n) / 2 AS h FROM web.tallied
-- What a mask hides stays hidden, below the view and of its own.
SELECT id, secret, secret:pin::string AS p, proof, shared:s::int AS s FROM web.shorts ORDER BY id
SELECT id FROM web.shorts WHERE TYPEOF(secret) IS NOT NULL
SELECT id FROM web.shorts WHERE proof:p::string = 'x'
SELECT id FROM web.shorts, LATERAL FLATTEN(INPUT => proof) f
SELECT id, ARRAY_SIZE(tags) AS n FROM web.bodies ORDER BY id
SELECT id, body:user.name::string AS n, OBJECT_KEYS(body) AS k, ARRAY_SIZE(tags) AS s FROM web.nulled ORDER BY id
SELECT n.id, f.value FROM web.nulled n, LATERAL FLATTEN(INPUT => body) f
SELECT id FROM web.bodies WHERE ARRAY_SIZE(tags) = 3
SELECT id, doc FROM web.shorts WHERE doc = doc
