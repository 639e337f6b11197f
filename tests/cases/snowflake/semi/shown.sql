-- Of PostgreSQL's dialect: a semi-structured value is shown, counted and tested for NULL, and that is all.
SELECT id, body, extra, tags FROM web.events ORDER BY id
SELECT id, secret, proof, shared, data, token FROM web.events ORDER BY id
SELECT id, seen_tz, seen_ltz FROM web.events ORDER BY id
SELECT count(body), count(*), count(secret) FROM web.events
SELECT id FROM web.events WHERE body IS NULL OR extra IS NOT NULL ORDER BY id
SELECT id FROM web.events WHERE secret IS NOT NULL
SELECT id FROM web.events WHERE proof IS NULL
SELECT e.id, u.profile FROM web.events e JOIN web.users u ON u.name = 'Ada' ORDER BY e.id
SELECT t.b FROM (SELECT id, body AS b FROM web.events UNION ALL SELECT 9, profile FROM web.users) t WHERE t.id > 2 ORDER BY t.id
WITH c AS (SELECT id, tags FROM web.events ORDER BY id LIMIT 2) SELECT tags, id FROM c ORDER BY id
SELECT id, (SELECT profile FROM web.users WHERE name = 'Bo') AS p FROM web.events ORDER BY id
SELECT id FROM web.events e WHERE EXISTS (SELECT body FROM web.events x WHERE x.id = e.id) ORDER BY id
SELECT data, count(*) FROM web.events GROUP BY data ORDER BY data
SELECT id FROM web.events WHERE data = '\x00ff'
SELECT id FROM web.events WHERE token IS NOT NULL
SELECT * FROM web.users ORDER BY name
SELECT count(body) FILTER (WHERE id > 1), count(body) OVER () FROM web.events WHERE id = 1 GROUP BY body
SELECT id, count(body) OVER () FROM web.events ORDER BY id
-- What is refused.
SELECT id FROM web.events WHERE body = '"plain"'
SELECT id FROM web.events WHERE body = body
SELECT body, count(*) FROM web.events GROUP BY body
SELECT DISTINCT body FROM web.events
SELECT count(DISTINCT body) FROM web.events
SELECT id FROM web.events ORDER BY body
SELECT max(body) FROM web.events
SELECT body::text FROM web.events
SELECT body::jsonb FROM web.events
SELECT upper(body) FROM web.events
SELECT body || 'x' FROM web.events
SELECT coalesce(body, secret) FROM web.events
SELECT CASE WHEN id = 1 THEN body END FROM web.events
SELECT body->>'n' FROM web.events
SELECT body['n'] FROM web.events
SELECT (body).json FROM web.events
SELECT json FROM web.events
SELECT id FROM web.events WHERE body IN (SELECT profile FROM web.users)
SELECT array_agg(body) FROM web.events
SELECT row_to_json(e) FROM web.events e
SELECT body FROM web.events UNION SELECT profile FROM web.users
SELECT body FROM web.events EXCEPT SELECT profile FROM web.users
SELECT id FROM web.events JOIN web.users ON true JOIN (SELECT profile FROM web.users) p USING (profile)
SELECT body FROM web.events UNION ALL SELECT name FROM web.users
SELECT lag(body) OVER (ORDER BY id) FROM web.events
SELECT count(*) OVER (PARTITION BY body) FROM web.events
SELECT a.id FROM web.events a JOIN web.events b ON a.body = b.body
SELECT body LIKE '%a%' FROM web.events
SELECT x FROM web.hidden
SELECT body FROM web.hidden
