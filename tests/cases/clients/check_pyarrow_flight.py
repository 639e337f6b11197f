"""pyarrow's own Flight client, with commands packed by hand. Arguments: URI, certificate file, password."""

import sys

import pyarrow.flight as flight

URI, CERTIFICATE, PASSWORD = sys.argv[1:4]


def field(number, value):
    """A length-delimited field of a message."""
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def command(name, body=b""):
    url = f"type.googleapis.com/arrow.flight.protocol.sql.{name}".encode()
    return flight.FlightDescriptor.for_command(field(1, url) + field(2, body))


def main():
    with open(CERTIFICATE, "rb") as file:
        client = flight.FlightClient(URI, tls_root_certs=file.read())
    token = client.authenticate_basic_token("ana", PASSWORD)
    options = flight.FlightCallOptions(headers=[token])

    def rows(descriptor):
        info = client.get_flight_info(descriptor, options)
        (endpoint,) = info.endpoints
        assert endpoint.locations == [], endpoint.locations
        assert client.get_schema(descriptor, options).schema == info.schema
        reader = client.do_get(endpoint.ticket, options)
        assert reader.schema.equals(info.schema, check_metadata=True), (reader.schema, info.schema)
        return reader.read_all()

    table = rows(command("CommandStatementQuery", field(1, b"SELECT * FROM crm.orders ORDER BY id")))
    assert table.num_rows == 120 and set(table["tenant_id"].to_pylist()) == {"acme"}
    for name in ("CommandGetCatalogs", "CommandGetDbSchemas", "CommandGetTables", "CommandGetTableTypes",
                 "CommandGetSqlInfo", "CommandGetXdbcTypeInfo"):
        assert rows(command(name)).num_rows > 0, name
    for name in ("CommandGetPrimaryKeys", "CommandGetExportedKeys", "CommandGetImportedKeys"):
        rows(command(name, field(3, b"customers")))
    assert {action.type for action in client.list_actions(options)} >= {"CancelFlightInfo", "CloseSession"}
    assert list(client.list_flights(options=options)) == []
    try:
        client.get_flight_info(command("CommandGetCatalogs"))
    except flight.FlightUnauthenticatedError:
        pass
    else:
        raise AssertionError("answered without a token")
    try:
        rows(command("CommandStatementQuery", field(1, b"SELECT * FROM hr.salaries")))
    except (KeyError, flight.FlightError, Exception) as error:
        assert "does not exist" in str(error), error
    client.close()


main()
print("ok")
