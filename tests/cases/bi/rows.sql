-- rows with floats and times
SELECT s FROM bi.sales s WHERE id < 60 ORDER BY s.id;
-- rows with blanks and nulls
SELECT p FROM bi.products p ORDER BY p.id;
-- rows with booleans beside a column
SELECT c, c.name FROM bi.customers c ORDER BY c.customer_id;
-- a row by the table's own name
SELECT products FROM bi.products WHERE id < 3 ORDER BY id;
-- a row under another name
SELECT p AS product, (p) FROM bi.products p WHERE p.id = 3;
-- rows as text
SELECT s::text AS t, length(CAST(s AS varchar)) AS n FROM bi.sales s WHERE id < 60 ORDER BY s.id;
-- customers as text
SELECT c::text FROM bi.customers c ORDER BY c.customer_id;
-- rows in texts
SELECT concat(p, '|', p.id) AS a, concat_ws('/', p, p.name, p) AS b, format('%s %L', p, p) AS c FROM bi.products p ORDER BY p.id;
-- counted
SELECT count(p) AS a, count(p.*) AS b, count(DISTINCT p) AS c, count(*) AS d FROM bi.products p;
-- counted alone and distinct
SELECT count(DISTINCT x) AS n FROM (SELECT category, id % 2 AS odd FROM bi.products) x;
-- collected
SELECT category, array_agg(p ORDER BY p.id) AS all FROM bi.products p GROUP BY category ORDER BY category;
-- collected with their stars
SELECT array_agg(c.* ORDER BY c.customer_id) FROM bi.customers c;
-- collected over a window
SELECT p.id, array_agg(p) OVER (ORDER BY p.id ROWS 1 PRECEDING) FROM bi.products p WHERE id < 6 ORDER BY p.id;
-- none of it null
SELECT count(*) FROM bi.products p WHERE p IS NOT NULL;
-- all of it null
SELECT x.a, x IS NULL AS n, x IS NOT NULL AS m, NOT (x IS NULL) AS o FROM (VALUES (1, 'a'), (NULL, 'a'), (NULL, NULL)) x(a, b) ORDER BY x.a, x.b;
-- grouped by a row
SELECT p, count(*) AS n FROM bi.products p JOIN bi.sales s ON s.product_id = p.id GROUP BY p;
-- grouped by a row that isn't shown
SELECT max(p.id) AS m, count(*) AS n FROM bi.products p JOIN bi.sales s ON s.product_id = p.id GROUP BY p ORDER BY m;
-- distinct rows
SELECT DISTINCT x FROM (SELECT region, paid FROM bi.sales) x;
-- rows of two queries
SELECT p FROM bi.products p WHERE id < 3 UNION ALL SELECT p FROM bi.products p WHERE id > 22;
-- distinct rows of two queries
SELECT p FROM bi.products p WHERE id < 5 UNION SELECT p FROM bi.products p WHERE id BETWEEN 3 AND 7;
-- rows of a derived table
SELECT x FROM (SELECT region, count(*) AS n, sum(quantity) AS q FROM bi.sales GROUP BY region) x ORDER BY x.region;
-- rows of values
WITH w(a, b) AS (VALUES (1, 'x y'), (2, NULL), (3, ''), (4, 'a"b\c'), (5, '(,)'), (6, 'plain')) SELECT w, w::text AS t FROM w ORDER BY w.a;
-- rows in rows
SELECT x::text AS t FROM (SELECT p.id AS i, p FROM bi.products p WHERE id < 4) x ORDER BY x.i;
-- renamed columns of a derived table
SELECT row_to_json(q) AS j, e.key FROM (SELECT id, name, price FROM bi.products) AS q(a, b), json_each_text(row_to_json(q)) e WHERE a < 4 ORDER BY a, key;
-- renamed columns
SELECT row_to_json(q) AS j FROM bi.products AS q(a, b) WHERE a < 4 ORDER BY a;
-- a column comes first
SELECT name FROM bi.products AS name WHERE name.id = 1;
-- the row of a subquery, and none
SELECT (SELECT p FROM bi.products p WHERE p.id = 3) AS one, (SELECT p FROM bi.products p WHERE p.id = -3) AS none;
-- the side that an outer join keeps
SELECT p, s.id FROM bi.products p LEFT JOIN bi.sales s ON s.product_id = p.id AND s.id < 9 ORDER BY p.id, s.id;
-- a row that an outer join leaves out
SELECT s.id, x.r, x.j FROM bi.sales s LEFT JOIN (SELECT p.id AS i, p AS r, row_to_json(p) AS j FROM bi.products p WHERE p.id < 9) x ON x.i = s.product_id WHERE s.id < 30 ORDER BY s.id;
-- the value of a function
SELECT t FROM generate_series(1, 3) AS t(n) ORDER BY t.n;
-- rows as json
SELECT row_to_json(s) FROM bi.sales s WHERE id < 60 ORDER BY s.id;
-- products as json
SELECT to_json(p) AS j FROM bi.products p ORDER BY p.id;
-- customers as json
SELECT row_to_json(c.*) FROM bi.customers c ORDER BY c.customer_id;
-- rows aggregated as json
SELECT json_agg(p ORDER BY p.id) FROM bi.products p;
-- values aggregated as json
SELECT category, json_agg(name ORDER BY id) AS a, json_agg(price ORDER BY id) AS b, json_agg(weight ORDER BY id) AS c, json_agg(launched ORDER BY id) AS d FROM bi.products GROUP BY category ORDER BY category;
-- times aggregated as json
SELECT json_agg(ordered_at ORDER BY id) AS a, json_agg(shipped_at ORDER BY id) AS b, json_agg(paid ORDER BY id) AS c, json_agg(note ORDER BY id) AS d FROM bi.sales WHERE id < 40;
-- arrays aggregated as json
SELECT json_agg(ARRAY[name, category] ORDER BY id) FROM bi.products;
-- json aggregated as json
SELECT json_agg(row_to_json(p) ORDER BY p.id) FROM bi.products p WHERE p.id < 5;
-- nothing aggregated as json
SELECT json_agg(id) AS a, json_agg(p) AS b FROM bi.products p WHERE id < 0;
-- filtered and distinct
SELECT json_agg(DISTINCT category) FILTER (WHERE category > 'D') FROM bi.products WHERE category <> 'Lamps';
-- json in a row in json
SELECT row_to_json(x) FROM (SELECT region, array_agg(id ORDER BY id) AS ids, json_agg(note ORDER BY id) AS notes FROM bi.sales WHERE id < 30 GROUP BY region) x ORDER BY x.region;
-- rows of rows as json
SELECT json_agg(x ORDER BY x.i) FROM (SELECT p.id AS i, p, 'a "b"' AS q FROM bi.products p WHERE id < 4) x;
-- json through a common table expression
WITH j AS (SELECT p.id, row_to_json(p) AS doc FROM bi.products p) SELECT doc FROM j WHERE id < 4 ORDER BY id;
-- a row unfolded
SELECT s.id, e.key, e.value FROM bi.sales s, LATERAL json_each_text(row_to_json(s)) e WHERE s.id < 20 ORDER BY 1, 2;
-- unfolded with other names
SELECT e.* FROM bi.products p CROSS JOIN json_each_text(to_json(p)) AS e(k, v) WHERE p.id = 7 AND e.v IS NOT NULL ORDER BY k;
-- unfolded and grouped
SELECT key, count(value) AS n, max(value) AS m FROM bi.customers c, jsonb_each_text(to_jsonb(c)) GROUP BY key ORDER BY key;
-- unfolded and joined
SELECT e.key, p.name FROM bi.products p JOIN LATERAL json_each_text(row_to_json(p)) e ON e.value = p.name ORDER BY p.id;
-- floats unfolded
SELECT e.key, e.value, f.value AS json, g.* FROM (SELECT v::float8 AS d, v::real AS r FROM (VALUES ('1e15'), ('1.5'), ('0.00001'), ('-0.00000025'), ('1.5e20'), ('0'), ('-0'), ('-12345678.9'), ('1e-30'), ('NaN'), ('1234567890123456.5')) n(v)) x, jsonb_each_text(to_jsonb(x)) e, json_each_text(row_to_json(x)) f, jsonb_to_record(to_jsonb(x)) AS g(d text, r text) WHERE e.key = f.key ORDER BY 1, 2;
-- declared columns
SELECT r.id, r.price, r.nothing, r.launched FROM bi.products p, jsonb_to_record(to_jsonb(p)) AS r(id bigint, price numeric(18, 2), nothing text, launched date) ORDER BY r.id;
-- declared columns, all of them
SELECT * FROM bi.customers c, json_to_record(row_to_json(c)) AS r(active boolean, score integer, missing date) ORDER BY c.customer_id;
-- bytes
SELECT id, get_byte(name::bytea, 2) AS a, get_byte(category::bytea, id % 3) AS b FROM bi.products ORDER BY id;
-- limit by a query
SELECT id FROM bi.sales ORDER BY id LIMIT (SELECT count(*) FROM bi.products);
-- limit by null
SELECT id FROM bi.products ORDER BY id LIMIT (SELECT NULL::bigint);
-- limit by a fraction
SELECT id FROM bi.products ORDER BY id LIMIT (SELECT 4.5);
-- limit and offset by queries
SELECT id, name FROM bi.products ORDER BY name DESC, id LIMIT (SELECT 5) OFFSET (SELECT min(id) FROM bi.products);
-- offset by a query
SELECT id FROM bi.products ORDER BY id OFFSET (SELECT count(*) - 3 FROM bi.products);
-- offset by null
SELECT id FROM bi.products ORDER BY id LIMIT 3 OFFSET (SELECT NULL::integer);
-- limit by a query, ordered by what isn't shown
SELECT name FROM bi.products ORDER BY price * -1, id LIMIT (SELECT 1 + 3);
-- limit by a query, ordered with nulls
SELECT category, id FROM bi.products ORDER BY category DESC NULLS LAST, id DESC LIMIT (SELECT 20);
-- limit by a query, by number and by name
SELECT category AS c, id AS i FROM bi.products ORDER BY 1, i DESC LIMIT (SELECT 7);
-- limit by a query over groups
SELECT category, count(*) AS n FROM bi.products GROUP BY category ORDER BY count(*) DESC, max(price) LIMIT (SELECT 2);
-- limit by a query over distinct rows
SELECT DISTINCT region FROM bi.sales ORDER BY region LIMIT (SELECT 3);
-- limit by a query over the first of each
SELECT DISTINCT ON (region) region, id FROM bi.sales ORDER BY region, id DESC LIMIT (SELECT 3);
-- limit by a query over a union
SELECT id FROM bi.products UNION ALL SELECT customer_id FROM bi.customers ORDER BY id DESC LIMIT (SELECT 9);
-- limit by a query in a subquery
SELECT count(*), max(x.id) FROM (SELECT id FROM bi.sales ORDER BY id LIMIT (SELECT 10)) x;
-- limit by a query over a common table expression
WITH w AS (SELECT id, name AS id2 FROM bi.products) SELECT * FROM w ORDER BY id LIMIT (SELECT count(*) / 4 FROM w);
-- limit of none
SELECT id FROM bi.products LIMIT (SELECT 0);
-- limit by a query, two columns of one name
SELECT id, id, name AS id FROM bi.products ORDER BY 1 LIMIT (SELECT 2);

-- bytes in both formats
SELECT '\x4142'::bytea AS a, 'a\000\\b'::bytea AS b, '\x 00 fF'::bytea AS c, bytea '\x' AS d;

-- bytes to functions
SELECT encode('\x4142'::bytea, 'hex') AS a, length('\x4142'::bytea) AS b, md5('\x4142'::bytea) AS c, encode(sha256('\x00'::bytea), 'hex') AS d;

-- bytes compared with texts
SELECT decode('4142', 'hex') = '\x4142' AS a, '\x4142' = decode('4142', 'hex') AS b, decode('00ff', 'hex') IN ('\x00', '\x00ff') AS c, decode('41', 'hex') <> 'A' AS d;

-- bytes as texts
SELECT decode('00ff', 'hex')::text AS a, decode('00ff', 'hex')::text || 'x' AS b, CAST('A'::bytea AS text) AS c;

-- texts of columns as bytes
SELECT id, get_byte(('\x4' || id % 10)::bytea, 0) AS a, (name::bytea)::text AS b FROM bi.products ORDER BY id;

-- bytes in conditions
SELECT count(*) FROM bi.products WHERE name::bytea = '\x41' OR name::bytea > 'B';
