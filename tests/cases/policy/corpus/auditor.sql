-- A role that may read the policies: the gateways of the tests say so.
CREATE ROLE auditor;
GRANT ROLE auditor TO USER 'amy';
