-- What policies.sql lets ana see, in other words.
DELETE FROM web.hits WHERE counterid = 17 OR regionid >= 200;
UPDATE web.hits SET title = CASE WHEN length(title) > 14 THEN left(title, 14) ELSE '' END || '***',
  originalurl = 'REDACTED', params = NULL;
ANALYZE;
