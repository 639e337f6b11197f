"""Data and queries of TPC-H and TPC-DS, by DuckDB's generators.

make.py FOLDER SCALE writes
  whole/h, whole/ds          all rows, as Parquet
  permitted/h, permitted/ds  what policies.sql lets ana see, computed here by DuckDB
  queries/h01.sql … ds99.sql
  whole.psql, permitted.psql each makes one of them in a PostgreSQL database
"""

import importlib.util
import pathlib
import sys

import duckdb

# What ana sees, in DuckDB's words: the rows of a table, and columns that are masked.
ROWS = {
    "h.customer": "c_mktsegment <> 'MACHINERY'",
    "h.orders": "o_custkey IN (SELECT c_custkey FROM h.customer WHERE c_mktsegment <> 'MACHINERY')",
    "h.lineitem": "l_shipmode <> 'RAIL' AND l_quantity < 49",
    "h.supplier": "s_nationkey <> 3",
    "ds.store_sales": "ss_quantity <= 95",
    "ds.store_returns": "sr_return_quantity <= 95",
    "ds.catalog_sales": "cs_quantity > 2",
    "ds.web_sales": "ws_quantity > 2",
    "ds.customer": "c_birth_month <> 7",
    "ds.customer_address": "ca_country IS NOT NULL",
    "ds.item": "i_category IN (SELECT i_category FROM ds.item WHERE i_manager_id < 99)",
}
MASKS = {
    "h.customer": {"c_name": "left(c_name, 12) || '***'", "c_address": "'REDACTED'"},
    "h.supplier": {"s_phone": "NULL"},
    "ds.customer": {
        "c_last_name": "CASE WHEN length(c_last_name) > 1 THEN left(c_last_name, 1) ELSE left(c_last_name, 0) END || '***'",
        "c_email_address": "NULL",
    },
    "ds.customer_address": {"ca_street_name": "'REDACTED'"},
}

# Without these PostgreSQL takes minutes.
INDEXES = [
    "h.lineitem (l_partkey, l_suppkey)",
    "h.partsupp (ps_partkey)",
    "ds.customer_address (ca_address_sk)",
    "ds.customer_demographics (cd_demo_sk)",
    "ds.date_dim (d_date_sk)",
    "ds.item (i_item_sk)",
    "ds.store_returns (sr_item_sk)",
]


def extension(connection, name):
    package = importlib.util.find_spec(f"duckdb_extension_{name}")
    folder = pathlib.Path(package.origin).parent
    (file,) = folder.glob(f"extensions/*/{name}.duckdb_extension")
    connection.execute(f"LOAD '{file}'")


def main(folder, scale):
    connection = duckdb.connect(config={"threads": 2})
    for schema, name, generate in [("h", "tpch", "dbgen"), ("ds", "tpcds", "dsdgen")]:
        extension(connection, name)
        connection.execute(f"CREATE SCHEMA {schema}; USE memory.{schema}; CALL {generate}(sf = {scale})")
        queries = connection.execute(f"SELECT query_nr, query FROM {name}_queries()").fetchall()
        (folder / "queries").mkdir(parents=True, exist_ok=True)
        for number, text in queries:
            (folder / "queries" / f"{schema}{number:02}.sql").write_text(text)
    for kind in ["whole", "permitted"]:
        load = ["BEGIN;"]
        for schema in ["h", "ds"]:
            connection.execute(f"USE memory.{schema}")
            (folder / kind / schema).mkdir(parents=True, exist_ok=True)
            load.append(f"CREATE SCHEMA {schema};")
            tables = connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = ? ORDER BY 1",
                [schema],
            ).fetchall()
            for (table,) in tables:
                load += write(connection, folder, kind, schema, table)
        load += [f"CREATE INDEX ON {on};" for on in INDEXES]
        load.append("COMMIT;\nANALYZE;")
        (folder / f"{kind}.psql").write_text("\n".join(load) + "\n")


def write(connection, folder, kind, schema, table):
    name = f"{schema}.{table}"
    columns = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
        [schema, table],
    ).fetchall()
    query = f"SELECT * FROM {name}"
    if kind == "permitted":
        masks = MASKS.get(name, {})
        items = [
            f"CAST({masks[column]} AS {data_type}) AS {column}" if column in masks else column
            for column, data_type in columns
        ]
        query = f"SELECT {', '.join(items)} FROM {name} WHERE {ROWS.get(name, 'true')}"
    parquet = folder / kind / schema / f"{table}.parquet"
    connection.execute(f"COPY ({query}) TO '{parquet}' (FORMAT parquet)")
    csv = folder / kind / schema / f"{table}.tsv"
    connection.execute(f"COPY ({query}) TO '{csv}' (FORMAT csv, DELIMITER '\t', HEADER false, NULL '\\N')")
    definition = ", ".join(f"{column} {data_type}" for column, data_type in columns)
    return [
        f"CREATE TABLE {name} ({definition});",
        f"\\copy {name} FROM '{csv.relative_to(folder)}' (FORMAT csv, DELIMITER E'\\t', NULL '\\N')",
    ]


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), float(sys.argv[2]))
