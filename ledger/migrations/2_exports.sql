-- Up to where systems elsewhere have got what was recorded.
CREATE TABLE exports (
  name TEXT NOT NULL,             -- as the configuration calls the export
  chain BIGINT NOT NULL,
  seq BIGINT NOT NULL,            -- everything up to this record was delivered
  needs_from BIGINT NOT NULL,     -- records from here on are still needed
  PRIMARY KEY (name, chain)
);
