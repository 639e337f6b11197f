-- What the user may not see, and the gateway hides: rows that would change every answer.
INSERT INTO bi.products VALUES (901, 'HIDDEN', 'Hidden', 99999.99, 1e9, '1900-01-01'), (902, '', NULL, 0, 0, NULL);
INSERT INTO bi.customers VALUES (901, 'HIDDEN', 'Hidden', 'Hidden', '1900-01-01', true, 32767);
INSERT INTO bi.sales SELECT 9000 + i, i, i, 'Hidden', '1900-01-01', '1900-01-01', '1900-01-01+00', 2147483647,
  9999999.99, 1e300, true, 'HIDDEN' FROM generate_series(1, 50) i;
