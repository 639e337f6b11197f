"""ADBC and pyarrow with client certificates. Arguments: URI, folder, password, and cases: the certificate's
file, with -user where that user logs in with the password; what is counted, or a part of the error."""

import sys

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_manager
import pyarrow
import pyarrow.flight as flight

URI, FOLDER, PASSWORD = sys.argv[1:4]


def read(name):
    with open(f"{FOLDER}/{name}.pem") as file:
        return file.read()


def by_adbc(certificate, user):
    option = "adbc.flight.sql.client_option."
    kwargs = {option + "tls_root_certs": read("ca")}
    if certificate:
        kwargs[option + "mtls_cert_chain"] = read(certificate)
        kwargs[option + "mtls_private_key"] = read(certificate + "-key")
    if user:
        kwargs.update(username=user, password=PASSWORD)
    with adbc.connect(URI, db_kwargs=kwargs, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM shop.items WHERE id >= $1", (0,))
            count = cursor.fetchone()[0]
        # Options of the session, whatever authenticated.
        connection.adbc_current_db_schema = "shop"
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM items")
            assert cursor.fetchone()[0] == count
        return str(count)


def by_pyarrow(certificate, user):
    kwargs = {"tls_root_certs": read("ca")}
    if certificate:
        kwargs.update(cert_chain=read(certificate), private_key=read(certificate + "-key"))
    client = flight.FlightClient(URI, **kwargs)
    headers = [client.authenticate_basic_token(user, PASSWORD)] if user else []
    options = flight.FlightCallOptions(headers=headers)
    url = b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery"
    sql = b"SELECT count(*) FROM shop.items"
    query = bytes([10, len(sql)]) + sql
    command = bytes([10, len(url)]) + url + bytes([18, len(query)]) + query
    info = client.get_flight_info(flight.FlightDescriptor.for_command(command), options)
    table = client.do_get(info.endpoints[0].ticket, options).read_all()
    return str(table.column(0)[0].as_py())


# What TLS refuses, clients say in words of their own.
TLS = ("tls", "ssl", "handshake", "certificate", "connection", "unavailable", "connect", "reset", "eof", "closed", "closing")

for case in sys.argv[4:]:
    who, expected = case.rsplit("=", 1)
    certificate, _, user = who.partition("-")
    for way in (by_adbc, by_pyarrow):
        try:
            found = way(certificate, user)
        except (adbc_driver_manager.Error, flight.FlightError, pyarrow.ArrowException, OSError) as error:
            found = str(error)
        if expected == "TLS":
            refused = "not authenticated" not in found and "password" not in found
            assert refused and any(word in found.lower() for word in TLS), (case, way, found)
        else:
            assert expected in found, (case, way, found)
print("ok")
