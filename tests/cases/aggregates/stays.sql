-- Stays whose groups tell by an error, a difference or a number that is none, if a guard fails: ward 'lonesome' and code
-- 'x1' are about one patient, code '99x' about one of ward B; patients 4242 and 4243 of ward A aren't among the customers.
CREATE TABLE health.stays(id bigint PRIMARY KEY, patient_id bigint, ward text, code text, cost numeric,
  score double precision);
INSERT INTO health.stays SELECT i, i, 'A', '11', 100 + i, i FROM generate_series(1, 20) i;
INSERT INTO health.stays SELECT 100 + i, 4241 + i, 'A', '11', 90, 1 FROM generate_series(1, 2) i;
INSERT INTO health.stays SELECT 200 + i, 20 + i, 'B', '12', 100 + i, i FROM generate_series(1, 18) i;
INSERT INTO health.stays VALUES (301, 22, 'B', '99x', 1, 1), (302, 39, 'lonesome', 'x1', 31337.31, 31337.31);
INSERT INTO health.stays SELECT 400 + i, i, 'C', '13', 10, CASE WHEN i = 3 THEN float8 'NaN' ELSE 10 END
  FROM generate_series(1, 6) i;
INSERT INTO health.stays SELECT 500 + i, i, 'D', '14', 10, CASE WHEN i = 3 THEN float8 'Infinity' ELSE 10 END
  FROM generate_series(1, 6) i;
INSERT INTO health.stays SELECT 600 + i, i, 'E', '15', 10, CASE WHEN i = 3 THEN float8 '-Infinity' ELSE 10 END
  FROM generate_series(1, 6) i;
INSERT INTO health.stays SELECT 700 + i, 3, 'E', '15', 10, CASE WHEN i = 1 THEN float8 'Infinity' ELSE '-Infinity' END
  FROM generate_series(1, 2) i;
-- Wards that each stand in few row groups.
INSERT INTO health.stays SELECT 1000 + i, 1 + i % 30, chr(97 + i / 16), '20', 5, 5 FROM generate_series(0, 159) i;
