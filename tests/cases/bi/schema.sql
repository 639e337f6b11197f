-- A small shop, as it looks to a user who may see the rows that are here.
DROP SCHEMA IF EXISTS bi CASCADE;
CREATE SCHEMA bi;
CREATE TABLE bi.products(id integer PRIMARY KEY, name text, category text, price numeric(18, 2),
  weight double precision, launched date);
INSERT INTO bi.products SELECT i, 'Product ' || i, (ARRAY['Chairs', 'Desks', 'Lamps', NULL])[1 + i % 4],
  round((10 + i * 7.35)::numeric, 2), i / 8.0, date '2019-01-15' + i * 61 FROM generate_series(1, 24) i;
CREATE TABLE bi.customers(customer_id bigint PRIMARY KEY, name text, segment text, city text, signup date,
  active boolean, score smallint);
INSERT INTO bi.customers SELECT i, 'Customer ' || chr(64 + i), (ARRAY['Consumer', 'Corporate', 'Home Office'])[1 + i % 3],
  (ARRAY['Berlin', 'Paris', 'Lyon', 'Rome', NULL])[1 + i % 5], date '2022-03-01' + i * 17,
  CASE WHEN i % 7 = 0 THEN NULL ELSE i % 2 = 0 END, (i * 37 % 101)::smallint FROM generate_series(1, 26) i;
CREATE TABLE bi.sales(id bigint PRIMARY KEY, product_id integer, customer_id bigint, region text, order_date date,
  ordered_at timestamp, shipped_at timestamptz, quantity integer, unit_price numeric(18, 2),
  discount double precision, paid boolean, note text);
INSERT INTO bi.sales SELECT i, 1 + i * 5 % 24, CASE WHEN i % 29 = 0 THEN NULL ELSE 1 + i * 11 % 30 END,
  (ARRAY['North', 'South', 'East', 'West'])[1 + i * 3 % 4], date '2023-11-03' + i % 500,
  timestamp '2023-11-03 06:30:00' + i % 500 * interval '1 day' + i * interval '37 minutes' + i * interval '1.25 seconds',
  CASE WHEN i % 11 = 0 THEN NULL ELSE timestamptz '2023-11-05 06:30:00+00' + i % 500 * interval '1 day' + i * interval '53 minutes' END,
  1 + i % 9, round((5 + i % 40 * 2.37)::numeric, 2), i % 5 / 16.0, i % 3 <> 0,
  CASE WHEN i % 4 = 0 THEN NULL ELSE 'note ' || md5(i::text) END FROM generate_series(1, 600) i;
ANALYZE;
