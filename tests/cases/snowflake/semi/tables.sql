-- One statement a line, for the emulator and for an account: keys are in the order in which Snowflake shows them. Of globex nothing is ana's; what is in it fails where it is cast.
CREATE SCHEMA WEB
CREATE TABLE WEB.EVENTS (ID NUMBER(9,0), TENANT_ID VARCHAR, BODY VARIANT, EXTRA OBJECT, TAGS ARRAY, SECRET VARIANT, PROOF VARIANT, SHARED VARIANT, DATA BINARY, TOKEN BINARY, SEEN_TZ TIMESTAMP_TZ, SEEN_LTZ TIMESTAMP_LTZ)
INSERT INTO WEB.EVENTS SELECT 1, 'acme', PARSE_JSON('{"Case":"upper","a.b":2,"at":"2024-02-29 12:34:56","case":"lower","day":"2024-02-29","f":1.5,"it''s":1,"n":"12.50","nil":null,"ok":true,"q\\"q":3,"user":{"age":36,"langs":["en","fr"],"name":"Ada"}}'), PARSE_JSON('{"k":"v"}')::OBJECT, PARSE_JSON('[1,"two",[3]]')::ARRAY, PARSE_JSON('{"pin":"canary-ada"}'), PARSE_JSON('{"p":"canary-ada"}'), PARSE_JSON('{"s":1}'), TO_BINARY('00FF', 'HEX'), TO_BINARY('CAFE', 'HEX'), '2024-02-29 12:00:00+00:00'::TIMESTAMP_TZ, '2024-02-29 13:00:00+00:00'::TIMESTAMP_LTZ
INSERT INTO WEB.EVENTS SELECT 2, 'acme', PARSE_JSON('{"day":"1999-12-31","f":-2,"n":"7","ok":false,"user":{"age":41,"langs":[],"name":"Bo"}}'), PARSE_JSON('{}')::OBJECT, PARSE_JSON('[]')::ARRAY, PARSE_JSON('"canary-bo"'), PARSE_JSON('"canary-bo"'), PARSE_JSON('{"s":2}'), TO_BINARY('', 'HEX'), TO_BINARY('BEEF', 'HEX'), NULL, NULL
INSERT INTO WEB.EVENTS SELECT 3, 'acme', PARSE_JSON('"plain"'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
INSERT INTO WEB.EVENTS SELECT 4, 'acme', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
INSERT INTO WEB.EVENTS SELECT 5, 'globex', PARSE_JSON('{"at":"canary-at","day":"canary-day","f":"canary-f","n":"canary-n","ok":"canary-ok","user":{"age":"canary-age","langs":["canary-fr"],"name":"canary-eve"}}'), PARSE_JSON('{"k":"canary-k"}')::OBJECT, PARSE_JSON('["canary-t"]')::ARRAY, PARSE_JSON('{"pin":"canary-eve"}'), PARSE_JSON('{"p":"canary-eve"}'), PARSE_JSON('{"s":"canary-s"}'), TO_BINARY('CA7A', 'HEX'), TO_BINARY('CA7A', 'HEX'), NULL, NULL
CREATE TABLE WEB.USERS (NAME VARCHAR, PROFILE VARIANT)
INSERT INTO WEB.USERS SELECT 'Ada', PARSE_JSON('{"level":3}')
INSERT INTO WEB.USERS SELECT 'Bo', PARSE_JSON('{"level":"high"}')
CREATE TABLE WEB.HIDDEN (ID NUMBER(9,0), BODY VARIANT)
INSERT INTO WEB.HIDDEN SELECT 1, PARSE_JSON('{"x":"canary-hidden"}')
CREATE TABLE WEB.EQUAL (ID NUMBER(9,0), DOC VARIANT, NAME VARCHAR)
INSERT INTO WEB.EQUAL SELECT 1, PARSE_JSON('{"a":"canary-equal"}'), 'canary-name'
CREATE TABLE WEB.FLAGS (ID NUMBER(9,0), FLAG VARIANT)
INSERT INTO WEB.FLAGS SELECT 1, PARSE_JSON('{"x":1}')
INSERT INTO WEB.FLAGS SELECT 2, NULL
CREATE TABLE WEB.VISITS (PATIENT NUMBER(9,0), CLINIC VARCHAR, COST NUMBER(9,0), NOTE VARIANT)
INSERT INTO WEB.VISITS SELECT 1, 'north', 10, PARSE_JSON('{"n":"canary-1"}')
INSERT INTO WEB.VISITS SELECT 2, 'north', 20, PARSE_JSON('{"n":"canary-2"}')
INSERT INTO WEB.VISITS SELECT 3, 'south', 40, PARSE_JSON('{"n":"canary-3"}')
CREATE TABLE WEB.RAW (ID NUMBER(9,0), TENANT_ID VARCHAR, NOTE VARCHAR, PIN VARCHAR)
INSERT INTO WEB.RAW SELECT 1, 'acme', '{"a":{"b":[10,"x",true]},"n":null}', '{"p":"canary-p"}'
INSERT INTO WEB.RAW SELECT 2, 'acme', '[1,[2,3]]', '[]'
INSERT INTO WEB.RAW SELECT 3, 'acme', NULL, NULL
INSERT INTO WEB.RAW SELECT 4, 'globex', '{"a":"canary-raw"', '{"p":'
CREATE TABLE WEB.TEXTS (ID NUMBER(9,0), NOTE VARCHAR)
INSERT INTO WEB.TEXTS SELECT 1, '{"a":1}'
INSERT INTO WEB.TEXTS SELECT 2, 'no json'
