"""Runs statements as psycopg does: extended protocol, text and binary results.

Arguments: a connection string. Input: JSON lines {"id", "sql", "parameters"}. Output: one JSON line
for each statement and road, with raw values in hex, every field of an error, and the notices.
"""

import json
import sys

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus

FIELDS = {
    "code": DiagnosticField.SQLSTATE,
    "severity": DiagnosticField.SEVERITY,
    "message": DiagnosticField.MESSAGE_PRIMARY,
    "detail": DiagnosticField.MESSAGE_DETAIL,
    "hint": DiagnosticField.MESSAGE_HINT,
    "where": DiagnosticField.CONTEXT,
    "schema": DiagnosticField.SCHEMA_NAME,
    "table": DiagnosticField.TABLE_NAME,
    "column": DiagnosticField.COLUMN_NAME,
    "constraint": DiagnosticField.CONSTRAINT_NAME,
}


def text(value):
    return None if value is None else value.decode("utf-8", "replace")


def run(connection, sql, parameters, binary):
    values = [None if value is None else value.encode() for value in parameters]
    result = connection.pgconn.exec_params(sql.encode(), values, result_format=int(binary))
    if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY):
        columns = [[text(result.fname(j)), result.ftype(j)] for j in range(result.nfields)]
        rows = []
        for i in range(result.ntuples):
            raw = [result.get_value(i, j) for j in range(result.nfields)]
            rows.append([None if value is None else value.hex() for value in raw])
        return {"columns": columns, "rows": rows, "error": None}
    fields = {name: text(result.error_field(field)) for name, field in FIELDS.items()}
    error = {name: value for name, value in fields.items() if value is not None}
    if not error:
        error = {"code": "client", "message": f"{result.status}: {text(result.error_message)}"}
    return {"columns": [], "rows": [], "error": error}


def alive(connection):
    """Whether the session still works after a statement, and as if nothing had happened."""
    for sql in (b"ROLLBACK", b"DISCARD ALL"):
        result = connection.pgconn.exec_(sql)
        if result.status != ExecStatus.COMMAND_OK:
            return f"{sql.decode()}: {text(result.error_message)}"
    result = connection.pgconn.exec_(b"SELECT current_user")
    if result.status != ExecStatus.TUPLES_OK:
        return text(result.error_message)
    return text(result.get_value(0, 0))


def main():
    requests = [json.loads(line) for line in sys.stdin if line.strip()]
    for binary in (False, True):
        notices = []
        connection = psycopg.connect(sys.argv[1], autocommit=True)
        connection.add_notice_handler(lambda diag: notices.append(diag.message_primary or ""))
        for request in requests:
            notices.clear()
            answer = run(connection, request["sql"], request["parameters"], binary)
            answer["notices"] = list(notices)
            answer["id"] = request["id"]
            answer["binary"] = binary
            answer["alive"] = alive(connection)
            print(json.dumps(answer))
            if connection.pgconn.status != ConnStatus.OK:
                connection = psycopg.connect(sys.argv[1], autocommit=True)
                connection.add_notice_handler(lambda d: notices.append(d.message_primary or ""))
        connection.close()


main()
