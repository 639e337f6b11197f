"""psycopg against a gateway. Arguments: host, port, database, password."""

import datetime
import sys
from decimal import Decimal

import psycopg
from psycopg.rows import dict_row

HOST, PORT, DATABASE, PASSWORD = sys.argv[1:5]


def connect(user, **options):
    return psycopg.connect(
        host=HOST, port=PORT, user=user, password=PASSWORD, dbname=DATABASE, sslmode="require", **options
    )


def check(user, tenant, rows):
    with connect(user, channel_binding="require", application_name="check") as connection:
        assert connection.info.server_version >= 150000, connection.info.server_version
        found = connection.execute("SELECT DISTINCT tenant_id FROM crm.customers").fetchall()
        assert found == [(tenant,)], found
        # The sixth execution and later are prepared at the server.
        for number in range(8):
            count = connection.execute(
                "SELECT count(*) FROM crm.orders WHERE amount > %s AND tenant_id = %s", (number, tenant)
            ).fetchone()
            assert count[0] > 0, count
        for binary in (False, True):
            with connection.cursor(row_factory=dict_row, binary=binary) as cursor:
                row = cursor.execute("SELECT * FROM crm.customers ORDER BY id LIMIT %s", (1,)).fetchone()
            assert "income" not in row and row["national_id"] is None, row
            assert isinstance(row["birth_date"], datetime.date), row
            assert isinstance(row["created_at"], datetime.datetime), row
        amount = connection.execute("SELECT amount FROM crm.orders ORDER BY id LIMIT 1").fetchone()[0]
        assert isinstance(amount, Decimal), amount
        connection.commit()
        with connection.pipeline():
            cursors = [connection.execute("SELECT count(*) FROM crm.customers WHERE id <> %s", (n,)) for n in range(5)]
        counts = [cursor.fetchone()[0] for cursor in cursors]
        # Ids start at 1 for ana and at 1001 for bob.
        expected = [rows] + [rows - (tenant == "acme")] * 4
        assert counts == expected, counts
        connection.commit()
        for hidden in ("SELECT * FROM hr.salaries", "SELECT * FROM nowhere.salaries"):
            try:
                connection.execute(hidden)
            except psycopg.errors.UndefinedTable as error:
                connection.rollback()
                text = str(error).replace("nowhere", "hr").split("LINE")[0].strip()
                assert text == 'relation "hr.salaries" does not exist', text
            else:
                raise AssertionError(hidden)
        # An error inside a block fails the block.
        try:
            connection.execute("SELECT 1 / 0")
            raise AssertionError("divided by zero")
        except psycopg.errors.DivisionByZero:
            pass
        try:
            connection.execute("SELECT 1")
            raise AssertionError("ran in a failed transaction")
        except psycopg.errors.InFailedSqlTransaction:
            connection.rollback()
        assert connection.execute("SELECT current_user").fetchone() == (user,)


def wrong_password():
    texts = []
    for user, password in (("ana", "wrong"), ("nobody", "wrong")):
        try:
            psycopg.connect(host=HOST, port=PORT, user=user, password=password, dbname=DATABASE, sslmode="require")
            raise AssertionError("a wrong password was accepted")
        except psycopg.OperationalError as error:
            texts.append(str(error).replace(f'"{user}"', '"?"'))
    assert texts[0] == texts[1], texts


check("ana", "acme", 40)
check("bob", "globex", 30)
wrong_password()
print("ok")
