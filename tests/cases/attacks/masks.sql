-- Values at which masks differ most easily.
CREATE SCHEMA masks;
CREATE TABLE masks.texts (id bigint PRIMARY KEY, partial text, email text, hash text, redact text, by_row text);
INSERT INTO masks.texts
SELECT row_number() OVER (ORDER BY t COLLATE "C"), t, t, t, t, t FROM unnest(ARRAY[
  '', 'a', 'ab', 'abcde', 'abcdef', 'äöüß€😀', '😀', '@', 'a@', '@b', 'a@b', 'ä@b.example', 'ana@x@y.example',
  'no at sign', E'a\\b', 'it''s', E'tab\there', E'line\nbreak', 'Ünïcode@Ünïcode.example', NULL]) AS t;
CREATE TABLE masks.numbers (id bigint PRIMARY KEY, small smallint, whole integer, big bigint, exact numeric, coarse numeric);
INSERT INTO masks.numbers VALUES
  (1, 0, 0, 0, 0, 0), (2, 499, 3, 1000000006, 0.12, 99.99), (3, 500, 4, 1000000007, 0.13, 100),
  (4, -499, -3, -1, -0.12, -0.01), (5, -500, -4, -1000000007, -0.13, -100), (6, -501, 2147483647, -1000000008, 0.38, -100.01),
  (7, 32767, -2147483648, 9223372036854775807, 12345678901234.56, 12345678901234.56),
  (8, -32768, 2147483640, -9223372036854775808, -12345678901234.56, -12345678901234.56),
  (9, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE masks.dates (id bigint PRIMARY KEY, day date, weekly date, at timestamp, zoned timestamptz, daily timestamp);
INSERT INTO masks.dates
SELECT row_number() OVER (ORDER BY t), t::date, t::date, t, t AT TIME ZONE 'UTC', t FROM unnest(ARRAY[
  '1970-01-01 00:00:00', '1969-12-31 23:59:59.999999', '2024-02-29 12:34:56.789', '2023-12-31 00:00:00',
  '2024-01-01 23:59:59', '1900-03-01 01:02:03', '0001-01-01 00:00:00', '9999-12-31 00:00:00', NULL]::timestamp[]) AS t;
