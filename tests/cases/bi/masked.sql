-- The mask of policies.sql, in other words.
UPDATE bi.sales SET note = CASE WHEN length(note) > 12 THEN left(note, 12) ELSE '' END || '***'
  WHERE note IS NOT NULL;
