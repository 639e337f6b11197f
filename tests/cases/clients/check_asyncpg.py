"""asyncpg against a gateway. Arguments: host, port, database, password."""

import asyncio
import ssl
import sys

import asyncpg

HOST, PORT, DATABASE, PASSWORD = sys.argv[1:5]


async def connect(user, **options):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return await asyncpg.connect(
        host=HOST, port=int(PORT), user=user, password=PASSWORD, database=DATABASE, ssl=context, **options
    )


async def check(user, tenant, rows):
    connection = await connect(user)
    found = await connection.fetch("SELECT DISTINCT tenant_id FROM crm.customers")
    assert [row["tenant_id"] for row in found] == [tenant], found
    count = await connection.fetchval("SELECT count(*) FROM crm.customers WHERE id > $1", 0)
    assert count == rows, count
    # A cursor fetches in portions, inside a transaction.
    async with connection.transaction():
        seen = [row["id"] async for row in connection.cursor("SELECT id FROM crm.customers ORDER BY id", prefetch=7)]
    assert len(seen) == rows and seen == sorted(seen), seen
    statement = await connection.prepare("SELECT * FROM crm.customers WHERE city = $1")
    names = [attribute.name for attribute in statement.get_attributes()]
    assert "income" not in names and "email" in names, names
    row = await connection.fetchrow("SELECT * FROM crm.customers ORDER BY id LIMIT 1")
    assert row["phone"] is None and row["email"].startswith("C***@"), row
    assert row["birth_date"].year >= 1960 and row["created_at"].year == 2024, row
    for hidden in ("SELECT * FROM hr.salaries", "SELECT income FROM crm.customers"):
        try:
            await connection.fetch(hidden)
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
            pass
        else:
            raise AssertionError(hidden)
    # Counts of rows are bigints, whatever else is said of them.
    page = await connection.fetch("SELECT id FROM crm.customers ORDER BY id LIMIT $1 OFFSET $2", 3, 1)
    everything = await connection.fetch("SELECT id FROM crm.customers ORDER BY id LIMIT $1", None)
    assert page == everything[1:4] and len(everything) == rows, page
    # What a pool sends when a connection comes back.
    await connection.reset()
    assert await connection.fetchval("SELECT current_user") == user
    await connection.close()


async def pool():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with asyncpg.create_pool(
        host=HOST, port=int(PORT), user="ana", password=PASSWORD, database=DATABASE, ssl=context,
        min_size=2, max_size=4,
    ) as made:
        sums = await asyncio.gather(*(made.fetchval("SELECT sum(amount) FROM crm.orders") for _ in range(12)))
        assert len(set(sums)) == 1, sums


async def main():
    await check("ana", "acme", 40)
    await check("bob", "globex", 30)
    await pool()


asyncio.run(main())
print("ok")
