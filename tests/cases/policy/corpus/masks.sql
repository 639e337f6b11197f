-- Every mask over every type that it takes: both kinds of warehouse must give the same values.
CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
GRANT SELECT ON ALL TABLES IN SCHEMA masks TO ROLE analyst;

CREATE MASKING POLICY partial_text ON masks.texts (partial) USING (mask_partial(value, 2, 3));
CREATE MASKING POLICY email_text ON masks.texts (email) USING (mask_email(value));
CREATE MASKING POLICY hash_text ON masks.texts (hash) USING (mask_hash(value));
CREATE MASKING POLICY redact_text ON masks.texts (redact) USING (mask_redact(value));
CREATE MASKING POLICY by_row ON masks.texts (by_row)
  USING (CASE WHEN id > 5 THEN mask_partial(value, 1) ELSE lower(value) END);

CREATE MASKING POLICY round_small ON masks.numbers (small) USING (mask_round(value, 1000));
CREATE MASKING POLICY round_whole ON masks.numbers (whole) USING (mask_round(value, 7));
CREATE MASKING POLICY bucket_big ON masks.numbers (big) USING (mask_bucket(value, 1000000007));
CREATE MASKING POLICY round_exact ON masks.numbers (exact) USING (mask_round(value, 0.25));
CREATE MASKING POLICY bucket_coarse ON masks.numbers (coarse) USING (mask_bucket(value, 100));

CREATE MASKING POLICY year_day ON masks.dates (day) USING (mask_date(value, 'year'));
CREATE MASKING POLICY week_day ON masks.dates (weekly) USING (mask_date(value, 'week'));
CREATE MASKING POLICY quarter_at ON masks.dates (at) USING (mask_date(value, 'quarter'));
CREATE MASKING POLICY month_zoned ON masks.dates (zoned) USING (mask_date(value, 'month'));
CREATE MASKING POLICY day_daily ON masks.dates (daily) USING (mask_date(value, 'day'));
