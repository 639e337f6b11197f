"""ADBC and pyarrow over two gateways. Arguments: URI of what deals out connections, URI of what deals out
calls, password."""

import threading

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_manager
import pyarrow
import pyarrow.flight as flight
import sys

CONNECTIONS, CALLS, PASSWORD = sys.argv[1:4]
LONG = "SELECT a.id, b.id, c.status FROM crm.orders a, crm.orders b, crm.orders c"


def by_adbc(uri):
    """Every call of a connection goes to another gateway, or every connection."""
    for _ in range(2):
        kwargs = {"username": "ana", "password": PASSWORD}
        with adbc.connect(uri, db_kwargs=kwargs, autocommit=True) as connection:
            with connection.cursor() as cursor:
                for city in (None, "Paris"):
                    cursor.execute("SELECT count(*), min(tenant_id) FROM crm.customers")
                    assert cursor.fetchone() == (40, "acme")
                    cursor.execute("SELECT id FROM crm.customers WHERE id > $1 AND city = $2", (30, city))
                    assert sorted(cursor.fetchall()) == ([] if city is None else [(34,), (38,)])
                cursor.adbc_prepare("SELECT full_name FROM crm.customers WHERE id = $1")
                for number in range(1, 5):
                    cursor.execute("SELECT id + 0 FROM crm.customers WHERE id = $1", (number,))
                    assert cursor.fetchall() in ([(number,)], []), number
                schema = cursor.adbc_execute_schema("SELECT * FROM crm.customers")
                cursor.execute("SELECT * FROM crm.customers")
                assert cursor.fetch_arrow_table().schema == schema
            objects = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
            (catalog,) = objects
            names = [table["table_name"] for schema in catalog["catalog_db_schemas"] for table in schema["db_schema_tables"]]
            assert sorted(names) == ["customers", "orders", "tenants"], names
            connection.adbc_current_db_schema = "crm"
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM customers")
                assert cursor.fetchone() == (40,)
            # A query that is left, and one that is cancelled while it runs.
            with connection.cursor() as cursor:
                cursor.execute(LONG)
                assert cursor.fetch_record_batch().read_next_batch().num_rows > 0
            with connection.cursor() as cursor:
                timer = threading.Timer(0.5, cursor.adbc_cancel)
                timer.start()
                try:
                    # More rows than there is memory for: only a cancel ends it.
                    cursor.execute(LONG + ", crm.orders d, crm.orders e, crm.orders f")
                    while cursor.fetchone() is not None:
                        pass
                    raise SystemExit("the query ended by itself")
                except (adbc.Error, adbc_driver_manager.Error, pyarrow.ArrowException, OSError) as error:
                    assert "cancel" in str(error).lower(), error
                timer.join()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                assert cursor.fetchone() == (1,)


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, value):
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def fields(message):
    """The length-delimited fields of a message."""
    found, at = {}, 0
    while at < len(message):
        number, kind = message[at] >> 3, message[at] & 7
        at += 1
        length = shift = 0
        while True:
            length |= (message[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if message[at - 1] < 128:
                break
        if kind == 2:
            found[number] = message[at:at + length]
            at += length
    return found


def packed(name, body=b""):
    url = f"type.googleapis.com/arrow.flight.protocol.sql.{name}".encode()
    return field(1, url) + field(2, body)


def by_pyarrow(uri):
    """Several connections, each call by the next one."""
    clients = [flight.FlightClient(uri) for _ in range(4)]
    token = clients[0].authenticate_basic_token("ana", PASSWORD)
    options = flight.FlightCallOptions(headers=[token])
    turn = [0]

    def client():
        turn[0] += 1
        return clients[turn[0] % len(clients)]

    def rows(descriptor):
        info = client().get_flight_info(descriptor, options)
        (endpoint,) = info.endpoints
        assert client().get_schema(descriptor, options).schema == info.schema
        return client().do_get(endpoint.ticket, options).read_all()

    def command(name, body=b""):
        return flight.FlightDescriptor.for_command(packed(name, body))

    for _ in range(5):
        assert rows(command("CommandStatementQuery", field(1, b"SELECT id FROM crm.customers"))).num_rows == 40
        for name in ("CommandGetCatalogs", "CommandGetDbSchemas", "CommandGetTables", "CommandGetSqlInfo"):
            assert rows(command(name)).num_rows > 0, name
    sql = b"SELECT id FROM crm.customers WHERE id = $1"
    request = flight.Action("CreatePreparedStatement", packed("ActionCreatePreparedStatementRequest", field(1, sql)))
    (answer,) = client().do_action(request, options)
    handle = fields(fields(answer.body.to_pybytes())[2])[1]
    for number in (1, 2, 4):
        descriptor = command("CommandPreparedStatementQuery", field(1, handle))
        batch = pyarrow.record_batch({"1": pyarrow.array([number], pyarrow.int64())})
        writer, reader = client().do_put(descriptor, batch.schema, options)
        writer.write_batch(batch)
        writer.done_writing()
        bound = fields(reader.read().to_pybytes())[1]
        writer.close()
        found = rows(command("CommandPreparedStatementQuery", field(1, bound)))
        assert found["id"].to_pylist() in ([number], []), found
    for one in clients:
        one.close()


by_adbc(CALLS)
by_adbc(CONNECTIONS)
by_pyarrow(CONNECTIONS)
by_pyarrow(CALLS)
print("ok")
