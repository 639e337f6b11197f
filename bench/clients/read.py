"""Reads a query's rows with ADBC's Flight SQL driver, once for each line of its input.

Arguments: URI, user (may be empty; the password is `demo`), query, and a file to keep the batches of the first
time in, as an Arrow stream. For each line: rows, bytes, seconds, and seconds to the first batch. Connecting
isn't counted, preparing is.
"""

import sys
import time

import adbc_driver_flightsql.dbapi as flight
import pyarrow

URI, USER, QUERY = sys.argv[1:4]
KEEP = sys.argv[4] if len(sys.argv) > 4 else None

options = {"username": USER, "password": "demo"} if USER else {}
options["adbc.flight.sql.client_option.with_max_msg_size"] = str(64 << 20)

with flight.connect(URI, db_kwargs=options, autocommit=True) as connection:
    for _ in sys.stdin:
        rows, size, first = 0, 0, None
        sink = None
        start = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
            reader = cursor.fetch_record_batch()
            if KEEP:
                sink = pyarrow.ipc.new_stream(KEEP, reader.schema)
            for batch in reader:
                if first is None:
                    first = time.perf_counter() - start
                rows += batch.num_rows
                size += batch.nbytes
                if sink:
                    sink.write_batch(batch)
        end = time.perf_counter() - start
        if sink:
            sink.close()
            KEEP = None
        print(rows, size, end, end if first is None else first, flush=True)
