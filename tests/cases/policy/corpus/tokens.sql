-- Who comes with a token.
GRANT ROLE analyst TO USER 'tess';
GRANT ROLE analyst TO USER 'tom';
