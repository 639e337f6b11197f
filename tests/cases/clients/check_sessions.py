"""ADBC's session options, however it authenticates. Arguments: URI, certificate file, password, token."""

import sys
import time

import adbc_driver_flightsql.dbapi as flight
import adbc_driver_manager

URI, CERTIFICATE, PASSWORD, TOKEN = sys.argv[1:5]

with open(CERTIFICATE) as file:
    TLS = {"adbc.flight.sql.client_option.tls_root_certs": file.read()}


def schema(connection):
    """The schema, once the driver has it: it reads the headers of an answer beside the answer, so that the next call
    may go without what they carry."""
    for _ in range(200):
        try:
            return connection.adbc_current_db_schema
        except adbc_driver_manager.Error as error:
            assert "not supported" in str(error), error
            time.sleep(0.05)
    return None


def check(user, credentials):
    with flight.connect(URI, db_kwargs=TLS | credentials, autocommit=True) as connection:
        with connection.cursor() as cursor:
            try:
                cursor.execute("SELECT count(*) FROM customers")
                raise AssertionError("there is a schema already")
            except adbc_driver_manager.Error as error:
                assert "does not exist" in str(error), error
        connection.adbc_current_db_schema = "crm"
        assert schema(connection) == "crm"
        assert connection.adbc_current_catalog == "tollgate"
        for _ in range(2):
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*), min(current_schema()), min(current_user) FROM customers WHERE id >= $1", (0,))
                assert cursor.fetchone() == (40, "crm", user)


for user, credentials in (
    ("ana", {"username": "ana", "password": PASSWORD}),
    ("tess", {"adbc.flight.sql.authorization_header": f"Bearer {TOKEN}"}),
):
    for cookies in ("false", "true"):
        check(user, credentials | {"adbc.flight.sql.rpc.with_cookie_middleware": cookies})
print("ok")
