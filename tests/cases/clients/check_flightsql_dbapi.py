"""flightsql-dbapi: its DB API and its SQLAlchemy dialect. Arguments: URI, certificate file, password."""

import sys
from urllib.parse import quote

import flightsql.sqlalchemy
import pyarrow.flight as flight
from flightsql import FlightSQLClient, connect
from sqlalchemy import create_engine, inspect, text

URI, CERTIFICATE, PASSWORD = sys.argv[1:4]
HOST, PORT = URI.removeprefix("grpc+tls://").split(":")


def log_in(password):
    with open(CERTIFICATE, "rb") as file:
        return FlightSQLClient(host=HOST, port=int(PORT), user="ana", password=password, tls_root_certs=file.read())


def refused(call, expected):
    try:
        call()
    except Exception as error:
        assert expected in str(error), error
    else:
        raise AssertionError(f"not refused: {expected}")


def by_cursor(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT id, tenant_id, email, phone FROM crm.customers ORDER BY id")
    assert [name for name, _ in cursor.description] == ["id", "tenant_id", "email", "phone"]
    rows = cursor.fetchall()
    assert len(rows) == 40 and {row[1] for row in rows} == {"acme"}, rows
    # Masked; the client reads a column of NULLs as not a number.
    assert all(row[2] is None or row[2][1:5] == "***@" for row in rows), rows
    assert all(row[3] is None or row[3] != row[3] for row in rows), rows
    cursor.execute("SELECT count(*) FROM crm.orders")
    assert cursor.fetchone() == [120]
    refused(lambda: cursor.execute("SELECT * FROM hr.salaries"), 'relation "hr.salaries" does not exist')
    refused(lambda: cursor.execute("SELECT income FROM crm.customers"), 'column "income" does not exist')
    # It sends parameters as unions, and asks for rows of the handle that they aren't bound to.
    bound = "SELECT id FROM crm.customers WHERE id = $1"
    refused(lambda: cursor.execute(bound, [7]), "the statement needs 1 parameters")
    assert cursor.execute("SELECT 1").fetchone() == [1]


def by_metadata(connection):
    assert "crm" in connection.flightsql_get_schema_names() and "hr" not in connection.flightsql_get_schema_names()
    assert set(connection.flightsql_get_table_names("crm")) >= {"customers", "orders", "tenants"}
    columns = {column["name"] for column in connection.flightsql_get_columns("customers", "crm")}
    assert {"id", "email"} <= columns and "income" not in columns, columns
    assert [key["column_name"] for key in connection.flightsql_get_primary_keys("orders", "crm")] == ["id"]
    assert [key["pk_table_name"] for key in connection.flightsql_get_foreign_keys("orders", "crm")] == ["customers"]


def by_sqlalchemy():
    assert flightsql.sqlalchemy.DataFusionDialect.name == "datafusion"
    # Its address has no place for a certificate.
    engine = create_engine(
        f"datafusion+flightsql://ana:{quote(PASSWORD)}@{HOST}:{PORT}?disable_server_verification=true"
    )
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT DISTINCT tenant_id FROM crm.orders")).fetchall()
        assert [tuple(row) for row in rows] == [("acme",)], rows
        names = {"city": "none"}
        rows = connection.execute(text("SELECT count(*) FROM crm.customers WHERE city = :city"), names).fetchall()
        assert [tuple(row) for row in rows] == [(0,)], rows
    inspector = inspect(engine)
    assert "customers" in inspector.get_table_names("crm") and "hr" not in inspector.get_schema_names()
    assert "income" not in {column["name"] for column in inspector.get_columns("customers", "crm")}


def main():
    try:
        log_in("wrong")
    except flight.FlightUnauthenticatedError:
        pass
    else:
        raise AssertionError("a wrong password was taken")
    client = log_in(PASSWORD)
    connection = connect(client)
    by_cursor(connection)
    by_metadata(connection)
    by_sqlalchemy()
    client.close()


main()
print("ok")
