-- One chain per writer. Its row is its signed head.
CREATE TABLE chains (
  id BIGINT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  epoch BIGINT NOT NULL,          -- grows with each writer; an older writer is refused
  seq BIGINT NOT NULL,
  hash {bytes} NOT NULL,
  at BIGINT NOT NULL,             -- microseconds since 1970
  public_key {bytes} NOT NULL,
  signature {bytes} NOT NULL,
  open_from BIGINT NOT NULL       -- no query that was decided before this record is open
);

-- Decisions, receipts and long texts. `body` is the record; the other columns repeat parts of it.
CREATE TABLE records (
  chain BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  kind BIGINT NOT NULL,           -- 1 decision, 2 receipt, 3 text
  at BIGINT NOT NULL,
  principal TEXT NOT NULL,
  body TEXT NOT NULL,             -- JSON
  hash {bytes} NOT NULL,
  PRIMARY KEY (chain, seq)
);

CREATE INDEX records_of_a_principal ON records (principal, at);

-- Heads that are kept.
CREATE TABLE checkpoints (
  chain BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  hash {bytes} NOT NULL,
  at BIGINT NOT NULL,
  signature {bytes} NOT NULL,
  PRIMARY KEY (chain, seq)
);

-- Up to where records were deleted by retention.
CREATE TABLE cuts (
  chain BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  hash {bytes} NOT NULL,
  at BIGINT NOT NULL,
  signature {bytes} NOT NULL,
  PRIMARY KEY (chain, seq)
);

-- Money of budgets, in billionths of a unit.
CREATE TABLE purses (
  account TEXT NOT NULL,
  period TEXT NOT NULL,
  held BIGINT NOT NULL,
  spent BIGINT NOT NULL,
  PRIMARY KEY (account, period)
);

CREATE TABLE holds (
  id TEXT NOT NULL,
  account TEXT NOT NULL,
  period TEXT NOT NULL,
  owner TEXT NOT NULL,            -- the replica whose query it is for
  amount BIGINT NOT NULL,
  PRIMARY KEY (id, account, period)
);

-- What queries cost, with validity in time. Amounts are decimals as text.
CREATE TABLE prices (
  name TEXT NOT NULL,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT,
  body TEXT NOT NULL,
  PRIMARY KEY (name, valid_from)
);

-- One line per receipt that was rated.
CREATE TABLE rated (
  chain BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  tenant TEXT NOT NULL,
  principal TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (chain, seq)
);

CREATE INDEX rated_by_time ON rated (at);
