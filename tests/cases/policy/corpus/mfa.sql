-- Analysts come with a second factor, and for a purpose.
CREATE ACCESS RULE strong TO ROLE analyst REQUIRE MFA PURPOSE IN ('care');
