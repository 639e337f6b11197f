-- Tables with a column of another order, of which one shows it, a view, and tables with odd names.
CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
GRANT SELECT (id, at) ON shop.a TO ROLE analyst;
GRANT SELECT (id, at) ON shop.b TO ROLE analyst;
GRANT SELECT ON shop.c TO ROLE analyst;
CREATE VIEW shop.seen AS SELECT id, at FROM shop.b;
GRANT SELECT ON shop.seen TO ROLE analyst;
GRANT SELECT ON shop.dots TO ROLE analyst;
GRANT SELECT (id, at) ON shop.marks TO ROLE analyst;
GRANT SELECT ON shop.marked TO ROLE analyst;
