-- What a statement would scan, and what it costs.
CREATE LIMIT most TO PUBLIC MAX BYTES SCANNED '4 KiB';
CREATE PRICE p TO PUBLIC PER GB SCANNED 1 CURRENCY 'EUR';
