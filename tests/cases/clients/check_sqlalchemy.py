"""SQLAlchemy's inspector and core against a gateway. Arguments: host, port, database, password."""

import sys

import sqlalchemy as sa

HOST, PORT, DATABASE, PASSWORD = sys.argv[1:5]


def engine(driver, user):
    url = sa.URL.create(f"postgresql+{driver}", user, PASSWORD, HOST, int(PORT), DATABASE)
    return sa.create_engine(url, connect_args={"sslmode": "require"})


def check(user, tenant, rows):
    made = engine("psycopg", user)
    inspector = sa.inspect(made)
    schemas = inspector.get_schema_names()
    assert "crm" in schemas, schemas
    assert not {"hr", "health"} & set(schemas), schemas
    tables = sorted(inspector.get_table_names("crm"))
    assert tables == ["customers", "orders", "tenants"], tables
    assert inspector.get_table_names("hr") == []
    columns = [column["name"] for column in inspector.get_columns("customers", "crm")]
    assert "income" not in columns, columns
    assert columns == [
        "id", "tenant_id", "full_name", "email", "phone", "national_id", "country", "city", "birth_date", "created_at",
    ], columns
    key = inspector.get_pk_constraint("customers", "crm")
    assert key["constrained_columns"] == ["id"], key
    [key] = inspector.get_foreign_keys("customers", "crm")
    assert key["constrained_columns"] == ["tenant_id"], key
    assert (key["referred_schema"], key["referred_table"]) == ("crm", "tenants"), key
    assert inspector.get_foreign_keys("tenants", "crm") == []
    assert not inspector.has_table("salaries", "hr")
    for name in tables:
        inspector.get_indexes(name, "crm")
        inspector.get_unique_constraints(name, "crm")
        inspector.get_check_constraints(name, "crm")
        inspector.get_table_comment(name, "crm")
    assert inspector.get_view_names("crm") == []

    meta = sa.MetaData()
    meta.reflect(made, schema="crm")
    customers = meta.tables["crm.customers"]
    orders = meta.tables["crm.orders"]
    with made.connect() as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(customers)).scalar_one()
        assert count == rows, count
        query = (
            sa.select(customers.c.country, sa.func.sum(orders.c.amount).label("total"))
            .join(orders, orders.c.customer_id == customers.c.id)
            .where(orders.c.amount > 20)
            .group_by(customers.c.country)
            .order_by(customers.c.country)
        )
        assert connection.execute(query).fetchall()
        found = connection.execute(sa.select(customers.c.tenant_id).distinct()).scalars().all()
        assert found == [tenant], found


check("ana", "acme", 40)
check("bob", "globex", 30)
print("ok")
