"""ADBC's Flight SQL driver against a gateway. Arguments: URI, certificate file, password."""

import datetime
import decimal
import sys

import adbc_driver_flightsql.dbapi as flight
import adbc_driver_manager
import pyarrow

URI, CERTIFICATE, PASSWORD = sys.argv[1:4]


def connect(user, password=PASSWORD, **more):
    options = {"username": user, "password": password}
    if URI.startswith("grpc+tls"):
        with open(CERTIFICATE) as file:
            options["adbc.flight.sql.client_option.tls_root_certs"] = file.read()
    return flight.connect(URI, db_kwargs=options | more, autocommit=True)


def refused(call, *words):
    try:
        call()
    except adbc_driver_manager.Error as error:
        for word in words:
            assert word in str(error), (word, str(error))
        return str(error)
    raise AssertionError("not refused")


def query(user, tenant, rows):
    with connect(user) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tenant_id FROM crm.customers")
        assert cursor.fetchall() == [(tenant,)]
        cursor.execute("SELECT * FROM crm.customers ORDER BY id")
        table = cursor.fetch_arrow_table()
        assert table.num_rows == rows and "income" not in table.column_names, table.schema
        first = table.slice(0, 1).to_pylist()[0]
        assert first["phone"] is None and first["email"].startswith("C***@"), first
        assert isinstance(first["birth_date"], datetime.date), first
        assert isinstance(first["created_at"], datetime.datetime), first
        for field in table.schema:
            assert field.type in (
                pyarrow.int64(), pyarrow.string(), pyarrow.date32(), pyarrow.timestamp("us"),
            ) or pyarrow.types.is_decimal(field.type) or pyarrow.types.is_timestamp(field.type), field
        cursor.execute("SELECT id FROM crm.orders ORDER BY id")
        seen = [row for batch in cursor.fetch_record_batch() for row in batch.column(0).to_pylist()]
        assert len(seen) == len(set(seen)) and seen == sorted(seen) and seen, len(seen)
        cursor.execute("SELECT id FROM crm.customers WHERE false")
        table = cursor.fetch_arrow_table()
        assert table.num_rows == 0 and table.schema.names == ["id"]


def parameters():
    with connect("ana") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM crm.customers WHERE id > $1 AND city = $2", (10, "Paris"))
        (count,) = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM crm.customers WHERE id > 10 AND city = 'Paris'")
        assert cursor.fetchone() == (count,) and count > 0
        cursor.execute(
            "SELECT $1::bigint + 1, upper($2), $3::date, $4::boolean, $5::numeric(10,2), $6::double precision, $7::text",
            (41, "x", datetime.date(2024, 2, 29), True, decimal.Decimal("1.50"), 2.5, None),
        )
        assert cursor.fetchone() == (
            42, "X", datetime.date(2024, 2, 29), True, decimal.Decimal("1.50"), 2.5, None,
        )
        # A number is compared, never rounded to the column's type.
        for value, rows in ((1.5, 39), (1, 39), (decimal.Decimal("39.5"), 1), (2**40, 0)):
            cursor.execute("SELECT id FROM crm.customers WHERE id > $1", (value,))
            assert len(cursor.fetchall()) == rows, (value, rows)
        cursor.execute("SELECT id FROM crm.customers WHERE created_at < $1", (datetime.datetime(2024, 1, 3, 12),))
        assert len(cursor.fetchall()) == 2
        # The same statement with other values, and an attempt to get out of a value.
        for city in ("Boston", "' OR 1 = 1 --"):
            cursor.execute("SELECT DISTINCT city FROM crm.customers WHERE city = $1", (city,))
            assert cursor.fetchall() in ([(city,)], [])
        refused(lambda: cursor.execute("SELECT $1::int", ()), "parameter")
        # Several rows of parameters: the rows of each, in their order, whatever chunks they come in.
        ids = pyarrow.table({"1": pyarrow.chunked_array([[39, 2], [1], []], pyarrow.int64())})
        cursor.execute("SELECT $1 + 0, count(*) FROM crm.customers WHERE id <= $1", ids)
        found = cursor.fetchall()
        assert [row[0] for row in found] == [39, 2, 1] and found[0][1] > found[2][1], found
        words = pyarrow.record_batch({"1": pyarrow.array(["b", "a", "b"]).dictionary_encode()})
        cursor.execute("SELECT upper($1::text)", words)
        assert cursor.fetchall() == [("B",), ("A",), ("B",)]
        refused(lambda: cursor.executemany("SELECT $1::int", [(1,), (2,)]), "returns rows", "run it as a query")
        refused(lambda: cursor.executemany("INSERT INTO crm.orders VALUES ($1)", [(1,), (2,)]))


def metadata():
    with connect("ana") as connection:
        assert connection.adbc_get_info()["vendor_name"] == "Tollgate"
        objects = connection.adbc_get_objects(depth="all").read_all().to_pylist()
        assert [catalog["catalog_name"] for catalog in objects] == ["tollgate"], objects
        (catalog,) = objects
        tables = {
            (schema["db_schema_name"], table["table_name"]): table
            for schema in catalog["catalog_db_schemas"]
            for table in schema["db_schema_tables"]
        }
        assert set(tables) == {("crm", "customers"), ("crm", "orders"), ("crm", "tenants")}, set(tables)
        columns = [column["column_name"] for column in tables["crm", "customers"]["table_columns"]]
        assert "income" not in columns and columns[:3] == ["id", "tenant_id", "full_name"], columns
        (key,) = [
            constraint for constraint in tables["crm", "customers"]["table_constraints"]
            if constraint["constraint_type"] == "PRIMARY KEY"
        ] or [None]
        assert key is None or key["constraint_column_names"] == ["id"], key
        schema = connection.adbc_get_table_schema("customers", db_schema_filter="crm")
        assert schema.names == columns, schema
        assert connection.adbc_get_table_types() == ["TABLE", "VIEW"]
        hidden = refused(lambda: connection.adbc_get_table_schema("salaries", db_schema_filter="hr"))
        missing = refused(lambda: connection.adbc_get_table_schema("salaries", db_schema_filter="no"))
        assert hidden.replace("hr", "no") == missing, (hidden, missing)
        with connection.cursor() as cursor:
            cursor.adbc_prepare("SELECT * FROM crm.customers WHERE id = $1")
            announced = cursor.adbc_execute_schema("SELECT * FROM crm.customers")
            cursor.execute("SELECT * FROM crm.customers")
            assert cursor.fetch_arrow_table().schema == announced


def schemas():
    with connect("ana") as connection:
        with connection.cursor() as cursor:
            refused(lambda: cursor.execute("SELECT count(*) FROM customers"), "does not exist")
        connection.adbc_current_db_schema = "crm"
        assert connection.adbc_current_db_schema == "crm"
        assert connection.adbc_current_catalog == "tollgate"
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM customers")
            assert cursor.fetchone() == (40,)
            cursor.execute("SELECT current_user, current_schema()")
            assert cursor.fetchone() == ("ana", "crm")


def incremental():
    sql = "SELECT id FROM crm.customers ORDER BY id"
    with connect("ana") as connection, connection.cursor() as cursor:
        # Fetched and polled in turns, and polled to the end before anything is fetched.
        for early in (False, True):
            statement = adbc_driver_manager.AdbcStatement(connection.adbc_connection)
            statement.set_options(**{"adbc.statement.exec.incremental": "true"})
            statement.set_sql_query(sql)
            partitions, _, _ = statement.execute_partitions()
            assert len(partitions) == 1, partitions
            assert statement.get_option_float("adbc.statement.exec.progress") == 0.0
            if early:
                assert statement.execute_partitions()[0] == []
            cursor.adbc_read_partition(partitions[0])
            assert len(cursor.fetchall()) == 40
            if not early:
                assert statement.execute_partitions()[0] == []
            statement.close()


def refusals():
    with connect("ana") as connection, connection.cursor() as cursor:
        for sql, words in (
            ("SELECT * FROM hr.salaries", ('relation "hr.salaries" does not exist', "42P01")),
            ("SELECT income FROM crm.customers", ('column "income" does not exist', "42703")),
            ("SELECT 1; SELECT 2", ("42601",)),
            (" -- nothing", ("empty",)),
            ("DELETE FROM crm.orders", ()),
            ("SET timezone = 'UTC'", ("0A000",)),
            ("SELECT 1/(id-1) FROM crm.customers", ("division by zero",)),
        ):
            refused(lambda: (cursor.execute(sql), cursor.fetchall()), *words)
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
    for user, password in (("ana", "wrong"), ("nobody", PASSWORD), ("nobody", "wrong")):
        text = refused(lambda: connect(user, password), "password authentication failed")
        assert text.replace("nobody", "ana") == refused(lambda: connect("ana", "wrong")), text


query("ana", "acme", 40)
query("bob", "globex", 30)
parameters()
metadata()
schemas()
incremental()
refusals()
print("ok")
