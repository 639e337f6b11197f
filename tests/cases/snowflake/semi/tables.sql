-- One statement a line. Of globex nothing is ana's; what is in it fails where it is cast.
CREATE SCHEMA WEB
CREATE TABLE WEB.EVENTS (ID NUMBER(9,0), TENANT_ID VARCHAR, BODY VARIANT, EXTRA OBJECT, TAGS ARRAY, SECRET VARIANT, PROOF VARIANT, SHARED VARIANT, DATA BINARY, TOKEN BINARY, SEEN_TZ TIMESTAMP_TZ, SEEN_LTZ TIMESTAMP_LTZ)
INSERT INTO WEB.EVENTS SELECT 1, 'acme', PARSE_JSON('{"user":{"name":"Ada","age":36,"langs":["en","fr"]},"n":"12.50","ok":true,"day":"2024-02-29","at":"2024-02-29 12:34:56","f":1.5,"nil":null,"it''s":1,"a.b":2,"q\\"q":3,"Case":"upper","case":"lower"}'), PARSE_JSON('{"k":"v"}'), PARSE_JSON('[1,"two",[3]]'), PARSE_JSON('{"pin":"canary-ada"}'), PARSE_JSON('{"p":"canary-ada"}'), PARSE_JSON('{"s":1}'), TO_BINARY('00FF', 'HEX'), TO_BINARY('CAFE', 'HEX'), '2024-02-29 12:00:00+00:00'::TIMESTAMP_TZ, '2024-02-29 13:00:00+00:00'::TIMESTAMP_LTZ
INSERT INTO WEB.EVENTS SELECT 2, 'acme', PARSE_JSON('{"user":{"name":"Bo","age":41,"langs":[]},"n":"7","ok":false,"f":-2,"day":"1999-12-31"}'), PARSE_JSON('{}'), PARSE_JSON('[]'), PARSE_JSON('"canary-bo"'), PARSE_JSON('"canary-bo"'), PARSE_JSON('{"s":2}'), TO_BINARY('', 'HEX'), TO_BINARY('BEEF', 'HEX'), NULL, NULL
INSERT INTO WEB.EVENTS SELECT 3, 'acme', PARSE_JSON('"plain"'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
INSERT INTO WEB.EVENTS SELECT 4, 'acme', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
INSERT INTO WEB.EVENTS SELECT 5, 'globex', PARSE_JSON('{"user":{"name":"canary-eve","age":"canary-age","langs":["canary-fr"]},"n":"canary-n","ok":"canary-ok","day":"canary-day","at":"canary-at","f":"canary-f"}'), PARSE_JSON('{"k":"canary-k"}'), PARSE_JSON('["canary-t"]'), PARSE_JSON('{"pin":"canary-eve"}'), PARSE_JSON('{"p":"canary-eve"}'), PARSE_JSON('{"s":"canary-s"}'), TO_BINARY('CA7A', 'HEX'), TO_BINARY('CA7A', 'HEX'), NULL, NULL
CREATE TABLE WEB.USERS (NAME VARCHAR, PROFILE VARIANT)
INSERT INTO WEB.USERS SELECT 'Ada', PARSE_JSON('{"level":3}')
INSERT INTO WEB.USERS SELECT 'Bo', PARSE_JSON('{"level":"high"}')
CREATE TABLE WEB.HIDDEN (ID NUMBER(9,0), BODY VARIANT)
INSERT INTO WEB.HIDDEN SELECT 1, PARSE_JSON('{"x":"canary-hidden"}')
CREATE TABLE WEB.EQUAL (ID NUMBER(9,0), DOC VARIANT)
INSERT INTO WEB.EQUAL SELECT 1, PARSE_JSON('{"a":"canary-equal"}')
CREATE TABLE WEB.FLAGS (ID NUMBER(9,0), FLAG VARIANT)
INSERT INTO WEB.FLAGS SELECT 1, PARSE_JSON('{"x":1}')
INSERT INTO WEB.FLAGS SELECT 2, NULL
CREATE TABLE WEB.VISITS (PATIENT NUMBER(9,0), CLINIC VARCHAR, COST NUMBER(9,0), NOTE VARIANT)
INSERT INTO WEB.VISITS SELECT 1, 'north', 10, PARSE_JSON('{"n":"canary-1"}')
INSERT INTO WEB.VISITS SELECT 2, 'north', 20, PARSE_JSON('{"n":"canary-2"}')
INSERT INTO WEB.VISITS SELECT 3, 'south', 40, PARSE_JSON('{"n":"canary-3"}')
