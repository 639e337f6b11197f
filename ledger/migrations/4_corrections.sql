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

CREATE INDEX rated_by_query ON rated (query);
