"""Reads a query's rows with ADBC's Snowflake driver, once for each line of its input.

Arguments: the emulator's port, user, password, and query. For each line what `read.py` says.
"""

import sys
import time

import adbc_driver_snowflake.dbapi as snowflake

PORT, USER, PASSWORD, QUERY = sys.argv[1:5]

OPTION = "adbc.snowflake.sql."
options = {
    "username": USER,
    "password": PASSWORD,
    OPTION + "account": "acct",
    OPTION + "uri.protocol": "http",
    OPTION + "uri.host": "127.0.0.1",
    OPTION + "uri.port": PORT,
    OPTION + "db": "BENCH",
    OPTION + "schema": "SHOP",
    OPTION + "client_option.disable_telemetry": "true",
}
with snowflake.connect(db_kwargs=options, autocommit=True) as connection:
    for _ in sys.stdin:
        rows, size, first = 0, 0, None
        start = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
            for batch in cursor.fetch_record_batch():
                if first is None:
                    first = time.perf_counter() - start
                rows += batch.num_rows
                size += batch.nbytes
        end = time.perf_counter() - start
        print(rows, size, end, end if first is None else first, flush=True)
