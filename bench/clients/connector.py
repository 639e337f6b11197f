"""Reads a query's rows with Snowflake's official connector, once for each line of its input.

Arguments: the emulator's port, user, password, and query. For each line what `read.py` says.
"""

import sys
import time

import snowflake.connector

PORT, USER, PASSWORD, QUERY = sys.argv[1:5]

parts = dict(account="acct", user=USER, password=PASSWORD, host="127.0.0.1", port=int(PORT), protocol="http")
with snowflake.connector.connect(**parts, database="BENCH", schema="SHOP") as connection:
    for _ in sys.stdin:
        rows, size, first = 0, 0, None
        start = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
            for batch in cursor.fetch_arrow_batches():
                if first is None:
                    first = time.perf_counter() - start
                rows += batch.num_rows
                size += batch.nbytes
        end = time.perf_counter() - start
        print(rows, size, end, end if first is None else first, flush=True)
