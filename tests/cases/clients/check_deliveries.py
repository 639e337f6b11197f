"""Drivers that fetch by cursors or copy: psycopg2, psycopg, ADBC for PostgreSQL, ConnectorX, ODBC and DuckDB.

Arguments: host, port, database, password."""

import decimal
import importlib.util
import io
import pathlib
import sys
import urllib.parse

import adbc_driver_postgresql.dbapi as adbc
import connectorx
import duckdb
import psycopg
import psycopg2
import pyodbc
import sqlalchemy

HOST, PORT, DATABASE, PASSWORD = sys.argv[1:5]
URI = f"postgresql://ana:{urllib.parse.quote(PASSWORD)}@{HOST}:{PORT}/{DATABASE}?sslmode=require"
IDS = "SELECT id, email FROM crm.customers WHERE id < {} ORDER BY id"


def psycopg2_cursors():
    connection = psycopg2.connect(URI)
    with connection.cursor(name="named") as cursor:
        cursor.itersize = 7
        cursor.execute(IDS.format("%s"), (20,))
        assert [row[0] for row in cursor] == list(range(1, 20))
    with connection.cursor(name="scrolled", scrollable=True) as cursor:
        cursor.execute(IDS.format(10))
        cursor.fetchmany(3)
        cursor.scroll(2)
        assert cursor.fetchone()[0] == 6
    connection.commit()
    connection.autocommit = True
    with connection.cursor(name="held", withhold=True) as cursor:
        cursor.itersize = 3
        cursor.execute(IDS.format(10))
        assert [row[0] for row in cursor] == list(range(1, 10))
    text = io.StringIO()
    connection.cursor().copy_expert(f"COPY ({IDS.format(3)}) TO STDOUT (FORMAT csv, HEADER)", text)
    lines = text.getvalue().splitlines()
    assert lines[0] == "id,email" and len(lines) == 3, lines
    engine = sqlalchemy.create_engine(URI.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.connect().execution_options(stream_results=True, max_row_buffer=10) as streamed:
        assert sum(1 for _ in streamed.execute(sqlalchemy.text("SELECT id FROM crm.customers"))) == 40


def psycopg_cursors():
    with psycopg.connect(URI) as connection:
        for binary in (False, True):
            with connection.cursor("server", binary=binary) as cursor:
                cursor.execute(IDS.format("%s"), (10,))
                assert [row[0] for row in cursor.fetchmany(2)] == [1, 2]
                cursor.scroll(2)
                assert [row[0] for row in cursor.fetchall()] == [5, 6, 7, 8, 9]
        # Often enough to be prepared.
        with connection.cursor("many") as cursor:
            cursor.itersize = 2
            cursor.execute(IDS.format(30))
            assert len([row for row in cursor]) == 29
        with connection.cursor("held", withhold=True) as cursor:
            cursor.execute(IDS.format(10))
            assert len(cursor.fetchmany(3)) == 3
            connection.commit()
            assert len(cursor.fetchall()) == 6
        for ids, rows in ((4, 3), (0, 0)):
            query = f"COPY (SELECT id, amount::numeric(9, 2), status FROM crm.orders WHERE id < {ids} ORDER BY id) TO STDOUT"
            with connection.cursor().copy(query + " (FORMAT binary)") as copy:
                copy.set_types(["int8", "numeric", "text"])
                found = list(copy.rows())
            assert len(found) == rows, found
            assert all(isinstance(row[1], decimal.Decimal) for row in found), found
            with connection.cursor().copy(query) as copy:
                assert [(int(row[0]), row[2]) for row in copy.rows()] == [(row[0], row[2]) for row in found]
        try:
            connection.execute("COPY crm.customers FROM STDIN")
            raise AssertionError("copied in")
        except psycopg.errors.ReadOnlySqlTransaction:
            connection.rollback()
        try:
            connection.execute("COPY crm.customers TO '/tmp/customers'")
            raise AssertionError("copied to a file")
        except psycopg.errors.InsufficientPrivilege:
            connection.rollback()


def adbc_copies():
    with adbc.connect(URI) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM crm.customers ORDER BY id")
        table = cursor.fetch_arrow_table()
        assert table.num_rows == 40 and "income" not in table.column_names, table.schema
        assert str(table.schema.field("id").type) == "int64", table.schema
        assert str(table.schema.field("email").type) == "string", table.schema
        assert set(table["tenant_id"].to_pylist()) == {"acme"}
        cursor.execute(IDS.format("$1"), (4,))
        assert [row[0] for row in cursor.fetchall()] == [1, 2, 3]
        (catalog,) = connection.adbc_get_objects(depth="all").read_all().to_pylist()
        schemas = {schema["db_schema_name"]: schema["db_schema_tables"] for schema in catalog["catalog_db_schemas"]}
        tables = {table["table_name"]: table for table in schemas["crm"]}
        assert sorted(tables) == ["customers", "orders", "tenants"], tables
        kinds = {found["constraint_type"]: found for found in tables["customers"]["table_constraints"]}
        assert kinds["PRIMARY KEY"]["constraint_column_names"] == ["id"], kinds
        schema = connection.adbc_get_table_schema("customers", db_schema_filter="crm")
        assert "email" in schema.names and "income" not in schema.names, schema


def connectorx_copies():
    for protocol in ("binary", "csv", "cursor", "simple"):
        table = connectorx.read_sql(URI, "SELECT id, tenant_id FROM crm.customers", protocol=protocol, return_type="arrow")
        assert table.num_rows == 40 and set(table["tenant_id"].to_pylist()) == {"acme"}, (protocol, table)
    parts = connectorx.read_sql(URI, "SELECT id FROM crm.customers", partition_on="id", partition_num=3, return_type="arrow")
    assert sorted(parts["id"].to_pylist()) == list(range(1, 41))


def odbc_fetches():
    for options in ("", "UseDeclareFetch=1;Fetch=7;", "UseDeclareFetch=1;Fetch=7;UseServerSidePrepare=0;"):
        connection = pyodbc.connect(
            f"Driver={{PostgreSQL Unicode}};Server={HOST};Port={PORT};Database={DATABASE};Uid=ana;Pwd={{{PASSWORD}}};"
            f"SSLmode=require;{options}",
            autocommit=True,
        )
        cursor = connection.cursor()
        rows = cursor.execute(IDS.format("?"), 30).fetchall()
        assert [row[0] for row in rows] == list(range(1, 30)), (options, rows)
        assert [row.table_name for row in cursor.tables(schema="crm")] == ["customers", "orders", "tenants"]
        columns = [row.column_name for row in cursor.columns(table="customers", schema="crm")]
        assert "email" in columns and "income" not in columns, columns
        connection.close()


def duckdb_attaches():
    package = importlib.util.find_spec("duckdb_extension_postgres_scanner")
    (file,) = pathlib.Path(package.origin).parent.glob("extensions/*/postgres_scanner.duckdb_extension")
    session = duckdb.connect()
    session.execute(f"LOAD '{file}'")
    target = f"host={HOST} port={PORT} dbname={DATABASE} user=ana password=''{PASSWORD}'' sslmode=require"
    session.execute(f"ATTACH '{target}' AS gateway (TYPE postgres, READ_ONLY)")
    found = session.sql("SELECT count(*), min(tenant_id), max(tenant_id) FROM gateway.crm.customers").fetchall()
    assert found == [(40, "acme", "acme")], found
    tables = {row[2] for row in session.sql("SHOW ALL TABLES").fetchall() if row[1] == "crm"}
    assert tables == {"customers", "orders", "tenants"}, tables


psycopg2_cursors()
psycopg_cursors()
adbc_copies()
connectorx_copies()
odbc_fetches()
duckdb_attaches()
print("ok")
