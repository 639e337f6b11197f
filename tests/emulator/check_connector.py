"""The official connector against the emulator: what it reads is what was stored.

    check_connector.py PORT USER PASSWORD PRIVATE_KEY_FILE
"""

import datetime
import decimal
import json
import sys
import urllib.request

import snowflake.connector
from snowflake.connector.errors import DatabaseError, ProgrammingError

PORT, USER, PASSWORD, KEY = sys.argv[1:5]
TYPES = """CREATE TABLE "Types" (whole NUMBER(38,0), exact NUMBER(12,2), wide FLOAT, word VARCHAR, yes BOOLEAN,
    day DATE, clock TIME, moment TIMESTAMP_NTZ, zoned TIMESTAMP_TZ, bytes BINARY)"""
ROWS = """INSERT INTO "Types" SELECT * FROM VALUES
    (1, 1.25, 1.5, 'it''s', true, '2024-02-29'::DATE, '12:34:56.789'::TIME,
     '2024-02-29 12:34:56.789'::TIMESTAMP_NTZ, '2024-02-29 12:34:56.789+00:00'::TIMESTAMP_TZ, TO_BINARY('00FF', 'HEX')),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"""


def control(**asked):
    data = json.dumps(asked).encode()
    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/control", data).read()


def connect(**how):
    parts = dict(account="acct", user=USER, host="127.0.0.1", port=PORT, protocol="http",
                 database="CHECK_DB", schema="PUBLIC", login_timeout=10)
    return snowflake.connector.connect(**(parts | how))


def fails(error, action):
    try:
        action()
    except error:
        return
    raise AssertionError(f"{error} was expected")


fails(DatabaseError, lambda: connect(password="wrong"))
connect(authenticator="SNOWFLAKE_JWT", private_key_file=KEY).close()
for form in ("arrow", "json"):
    control(options={"format": form})
    connection = connect(password=PASSWORD)
    cursor = connection.cursor()
    cursor.execute("DROP TABLE IF EXISTS \"Types\"")
    cursor.execute(TYPES)
    cursor.execute(ROWS)
    cursor.execute("SELECT * FROM \"Types\" ORDER BY whole NULLS LAST")
    first, second = cursor.fetchall()
    at = datetime.datetime(2024, 2, 29, 12, 34, 56, 789000)
    assert first[:8] == (1, decimal.Decimal("1.25"), 1.5, "it's", True, datetime.date(2024, 2, 29),
                         datetime.time(12, 34, 56, 789000), at), first
    assert first[8].astimezone(datetime.timezone.utc).replace(tzinfo=None) == at, first
    assert bytes(first[9]) == b"\x00\xff" and second == (None,) * 10, second
    # Several chunks, of several widths.
    cursor.execute("SELECT seq4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 1)) WHERE 1 = 0")
    assert cursor.fetchall() == []
    cursor.execute("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
                   "SELECT i, i * 1.01, i * 1000000 FROM n ORDER BY i")
    rows = cursor.fetchall()
    assert len(rows) == 1000 and rows[-1][0] == 1000 and rows[999][1] == decimal.Decimal("1010.00"), rows[-1]
    control(expire=True)
    assert cursor.execute("SELECT 5 AS n").fetchall() == [(5,)]
    # Sessions have virtual warehouses of their own.
    with connect(password=PASSWORD, warehouse="WH_L") as other:
        large = other.cursor()
        assert large.execute("SELECT CURRENT_WAREHOUSE() AS w").fetchall() == [("WH_L",)]
        assert cursor.execute("SELECT CURRENT_WAREHOUSE() AS w").fetchall() == [(None,)]
        cursor.execute("USE WAREHOUSE wh_s")
        assert cursor.execute("SELECT CURRENT_WAREHOUSE() AS w").fetchall() == [("WH_S",)]
        assert large.execute("SELECT CURRENT_WAREHOUSE() AS w").fetchall() == [("WH_L",)]
    fails(ProgrammingError, lambda: cursor.execute("SELECT 1 / 0 AS n").fetchall())
    connection.close()
control(options={"format": "arrow"})
print("the connector agrees")
