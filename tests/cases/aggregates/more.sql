-- Visits of customers of all tenants, some without a patient, a clinic or a cost.
INSERT INTO health.visits
SELECT 3000 + i,
  CASE WHEN i % 29 = 0 THEN NULL WHEN i % 5 = 0 THEN 1000 + i % 30 ELSE 1 + (i * 7) % 53 END,
  (ARRAY['N', 'S', 'N', 'A', NULL, 'B'])[1 + (i * 11) % 6],
  (ARRAY['flu', 'asthma', 'injury', 'rare', 'flu'])[1 + (i * i) % 5],
  CASE WHEN i % 13 = 0 THEN NULL WHEN i % 17 = 0 THEN -40 ELSE (i * 37) % 900 END,
  date '2025-01-01' + (i * 3) % 200
FROM generate_series(1, 400) i;
