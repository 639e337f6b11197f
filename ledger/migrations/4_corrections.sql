-- What the accounts of warehouses attribute to queries: by its receipt, the last correction of each. The
-- corrections themselves are records.
CREATE TABLE corrections (
  chain BIGINT NOT NULL,          -- the receipt's
  seq BIGINT NOT NULL,
  record BIGINT NOT NULL,         -- the number of the correction in the chain of corrections
  credits TEXT NOT NULL,          -- decimal
  PRIMARY KEY (chain, seq)
);

CREATE UNIQUE INDEX corrections_by_record ON corrections (record);

-- The warehouse and the id of a query that was charged credits.
ALTER TABLE rated ADD COLUMN query TEXT;

UPDATE rated SET query = (
  SELECT (CAST(records.body AS {json}) ->> 'warehouse') || '/' || (CAST(records.body AS {json}) ->> 'id')
  FROM records
  WHERE records.chain = rated.chain AND records.seq = rated.seq AND records.kind = 2
    AND (CAST(records.body AS {json}) ->> 'credits') IS NOT NULL
)
WHERE EXISTS (
  SELECT 1 FROM records
  WHERE records.chain = rated.chain AND records.seq = rated.seq AND records.kind = 2
    AND records.body LIKE '%"credits":%'
);

CREATE INDEX rated_by_query ON rated (query);

-- When the account of a warehouse was last asked at intervals, in microseconds since 1970.
CREATE TABLE asked (
  warehouse TEXT PRIMARY KEY,     -- as the configuration calls it
  at BIGINT NOT NULL
);
