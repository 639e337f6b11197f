-- What values look like. A tag covers every column that its pattern matches, new ones at once.

TAG COLUMN crm.*.email AS pii.email;
TAG COLUMN crm.*.phone AS pii.phone;
TAG COLUMN *.*.national_id AS pii.id;
TAG COLUMN *.*.birth_date AS pii.birth_date;

CREATE MASKING POLICY m_email ON TAG pii.email USING (mask_email(value)) EXCEPT ROLE lead, platform_admin;
CREATE MASKING POLICY m_phone ON TAG pii.phone USING (mask_partial(value, 6)) EXCEPT ROLE platform_admin;
CREATE MASKING POLICY m_id ON TAG pii.id USING (NULL) EXCEPT ROLE platform_admin;
CREATE MASKING POLICY m_birth_date ON TAG pii.birth_date USING (mask_date(value, 'year')) EXCEPT ROLE platform_admin;
