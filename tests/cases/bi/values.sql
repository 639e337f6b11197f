-- floats as text
SELECT 'x' || (v::float8)::text AS t FROM (VALUES (1), (2), (3)) n(i) CROSS JOIN (VALUES (1e15), (1.5), (0.0001), (0.00001), (123456.789), (-0.25), (100), (999999999999999), (0.1)) f(v) WHERE i = 1 ORDER BY 1;
-- large and small floats as text
SELECT 'x' || '1e300'::float8::text AS a, 'x' || '-1.5e-9'::float8::text AS b, 'x' || '1e15'::float8::text AS c, 'x' || '123456789012345'::float8::text AS d, 'x' || 'NaN'::float8::text AS e, 'x' || '0.1'::real::text AS f;
-- timestamps as text
SELECT 'x' || (ordered_at + interval '0.1 second')::text AS a, 'x' || shipped_at::text AS b, 'x' || order_date::text AS c, concat('x', ordered_at, paid) AS d FROM bi.sales WHERE id < 30 ORDER BY id;
-- intervals as text
SELECT 'x' || (interval '1 year 2 months -3 days 04:05:06.7')::text AS a, 'x' || (interval '0')::text AS b, 'x' || (interval '-1 day')::text AS c, 'x' || (interval '36 hours')::text AS d, 'x' || (interval '14 months')::text AS e;
-- intervals times numbers
SELECT interval '1 month' * 1.5 AS a, interval '1 day' * 0.5 AS b, interval '3 hours' / 4 AS c, interval '1 week' * -2 AS d, 2 * interval '90 minutes' AS e, interval '1 year 1 day' * 2 AS f;
-- ages
SELECT age(timestamp '2024-03-31', timestamp '2024-02-29') AS a, age(timestamp '2024-02-29', timestamp '2024-03-31') AS b, age(timestamp '2024-03-01 01:00', timestamp '2023-12-31 23:30:30.5') AS c, age(date '2020-02-29', date '2019-02-28') AS d, age(timestamp '2021-01-01', timestamp '2021-01-01') AS e;
-- zones around a change of the clock
SELECT timestamp '2024-03-31 02:30' AT TIME ZONE 'Europe/Berlin' AS a, timestamp '2024-10-27 02:30' AT TIME ZONE 'Europe/Berlin' AS b, timestamptz '2024-10-27 00:30+00' AT TIME ZONE 'Europe/Berlin' AS c, timestamptz '2024-07-01 12:00+00' AT TIME ZONE 'utc' AT TIME ZONE 'America/New_York' AS d, timestamp '2024-11-03 01:30' AT TIME ZONE 'America/New_York' AS e;
-- format
SELECT format('%s|%I|%L|%%|%2$s|%-6s|%6s', 'a', 'B c', 'it''s', 'd', 'e', 'f') AS a, format('%s %s', NULL, 1) AS b, format('plain') AS c;
-- casts that round
SELECT v::int AS i, v::bigint AS b, (v::float8)::int AS f FROM (VALUES (0.5), (1.5), (2.5), (-0.5), (-1.5), (2.4999), (-2.5001)) x(v) ORDER BY v;
-- series that go down, and none
SELECT d FROM generate_series(timestamp '2024-03-03', timestamp '2024-02-27', interval '-1 day') d ORDER BY d;
-- an empty array
SELECT ARRAY(SELECT id FROM bi.products WHERE id < 0) AS none, ARRAY(SELECT name FROM bi.products WHERE id < 3 ORDER BY id DESC) AS two;
