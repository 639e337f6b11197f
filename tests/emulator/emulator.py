"""Snowflake's protocol over fakesnow, for the tests.

fakesnow runs the SQL (on DuckDB); this file adds what the protocol has and fakesnow hasn't: checked
credentials, session tokens that expire and are renewed, results in chunks behind URLs of their own,
replies that say that a query is still running, real cancellation, statement timeouts, whole numbers
and decimals as scaled integers whose width differs from chunk to chunk, and faults on demand. What
it answers is held to what the official connector reads (check_connector.py).

    emulator.py '{"user": "TOLLGATE", "password": "…", "token": "…", "key_file": "…"}'

A new private key is written to key_file. The first line on its output is the port. POST /control takes the faults and options below; GET
/control says what was asked.
"""

import asyncio
import base64
import binascii
import datetime
import gzip
import hashlib
import json
import os
import re
import secrets
import socket
import sys
import threading
import time
import uuid
from decimal import Decimal
from string import Template

import duckdb
import fakesnow.macros
import fakesnow.transforms
import jwt
import pyarrow as pa
import pyarrow.compute as pc
import snowflake.connector.errors
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fakesnow.instance import FakeSnow
from sqlglot import exp, parse_one
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

UTC = datetime.timezone.utc
# sqlglot recurses over what stands in each other.
sys.setrecursionlimit(10_000)
EPOCH = datetime.datetime(1970, 1, 1)


# Where the engine's FLATTEN would fail or number rows otherwise: a value without elements has no rows, or one. What
# MODE leaves whole has none; before the paths stands that of what is flattened.
ELEMENTS = """(CASE
    WHEN json_type(TO_JSON(input)) = 'OBJECT' AND mode <> 'ARRAY' THEN
        list_transform(json_keys(TO_JSON(input)), lambda x: struct_pack(
            k := x, i := NULL::BIGINT,
            v := CAST(TO_JSON(input) -> ('/' || replace(replace(x, '~', '~0'), '/', '~1')) AS JSON)))
    WHEN json_type(TO_JSON(input)) = 'ARRAY' AND mode <> 'OBJECT' THEN
        list_transform(CAST(TO_JSON(input) AS JSON[]), lambda x, i: struct_pack(
            k := NULL::VARCHAR, i := (i - 1)::BIGINT, v := x))
    END)"""
NOTHING = "[struct_pack(k := NULL::VARCHAR, i := NULL::BIGINT, v := NULL::JSON)]"
# All that is in a value, with the engine's own names: "$.a[0]", in quotes where a key has other letters.
TREE = """json_tree(TO_JSON(input)) AS e WHERE e.fullkey <> '$$'
    AND (mode <> 'OBJECT' OR NOT contains(regexp_replace(e.fullkey, '"[^"]*"', '', 'g'), '['))
    AND (mode <> 'ARRAY' OR NOT contains(e.fullkey, '.'))"""


def flatten_macro(name, elements):
    return f"""
CREATE OR REPLACE MACRO ${{catalog}}.{name}(input, before, mode) AS TABLE
    SELECT 0 AS SEQ, e.k AS KEY,
           COALESCE(before || IF(before = '', '', '.') || e.k, before || '[' || e.i || ']', '') AS PATH,
           e.i AS INDEX, e.v AS VALUE, TO_JSON(input) AS THIS
    FROM (SELECT UNNEST({elements}, recursive := true)) AS e(k, i, v)
"""


def tree_macro(name, outer):
    return f"""
CREATE OR REPLACE MACRO ${{catalog}}.{name}(input, before, mode) AS TABLE
    SELECT 0 AS SEQ, IF(e.fullkey LIKE '%]', NULL, e.key) AS KEY,
           IF(before = '', ltrim(p, '.'), before || p) AS PATH,
           IF(e.fullkey LIKE '%]', e.key::BIGINT, NULL) AS INDEX,
           CAST(e.value AS JSON) AS VALUE, TO_JSON(input) -> e.path AS THIS
    FROM (SELECT *, regexp_replace(substr(e.fullkey, 2), '\\."([^"]*)"', '[''\\1'']', 'g') AS p FROM {TREE}) AS e
    {outer}
"""


fakesnow.macros.FS_FLATTEN = Template(
    ";".join(
        [
            flatten_macro("_fs_flatten", ELEMENTS),
            flatten_macro(
                "_fs_flatten_outer",
                f"(CASE WHEN COALESCE(len({ELEMENTS}), 0) = 0 THEN {NOTHING} ELSE {ELEMENTS} END)",
            ),
            tree_macro("_fs_flatten_tree", ""),
            tree_macro(
                "_fs_flatten_tree_outer",
                f"UNION ALL SELECT 0, NULL, '', NULL, NULL, TO_JSON(input) WHERE NOT EXISTS (SELECT 1 FROM {TREE})",
            ),
        ]
    )
)


def flatten(tree):
    if isinstance(tree, (exp.Lateral, exp.TableFromRows)) and isinstance(tree.this, exp.Explode):
        named = [tree.this.this, *tree.this.expressions]
        named = {of.this.name.upper(): of.expression for of in named if isinstance(of, exp.Kwarg)}
        given = lambda name: named.get(name) is not None and bool(named[name].this)
        name = f"_fs_flatten{'_tree' * given('RECURSIVE')}{'_outer' * given('OUTER')}"
        value, before = named["INPUT"], exp.Literal.string("")
        if given("PATH"):
            before = named["PATH"]
            steps = re.findall(r"[^.\[\]]+", before.this)
            value = exp.Anonymous(this="json_extract", expressions=[value, exp.Literal.string("/" + "/".join(steps))])
        mode = exp.Literal.string(named["MODE"].this.upper() if "MODE" in named else "BOTH")
        made = exp.Anonymous(this=name, expressions=[value, before, mode])
        return exp.Table(this=made, alias=tree.args.get("alias"))
    return tree


fakesnow.transforms.flatten = flatten


class Refused(Exception):
    """What the service answers with success: false, and HTTP 200."""

    def __init__(self, code, message, state=None):
        super().__init__(message)
        self.code, self.message, self.state = code, message, state


class Session:
    def __init__(self, conn, warehouse):
        self.conn, self.warehouse = conn, warehouse
        self.token = secrets.token_urlsafe(24)
        self.master = secrets.token_urlsafe(24)
        self.expired = False
        self.lock = threading.Lock()


class Query:
    """One statement, known by its requestId: who asks again gets the same answer."""

    def __init__(self, session, body):
        self.session, self.body = session, body
        self.id = str(uuid.uuid4())
        self.canceled = None
        self.done = None
        # Held to interrupt, so that the session's next statement isn't.
        self.ending = threading.Lock()
        self.ended = False


class State:
    def __init__(self, account):
        self.account = account
        self.fs = FakeSnow()
        self.reset()

    def reset(self):
        self.sessions = {}
        self.queries = {}
        self.chunks = {}
        self.faults = []
        self.log = []
        self.options = {"inline": 50, "chunk": 200, "async_after": 45.0, "format": "arrow", "scale": 9}

    def fault(self, at):
        for fault in self.faults:
            if fault["at"] == at and fault.get("after", 0) > 0:
                fault["after"] -= 1
                return None
            if fault["at"] == at and fault["times"] > 0:
                fault["times"] -= 1
                return fault["kind"]
        return None


state = None


def answer(data):
    return JSONResponse({"data": data, "code": None, "message": None, "success": True})


def refused(error):
    data = {"errorCode": error.code, "sqlState": error.state}
    return JSONResponse(
        {"data": data, "code": error.code, "message": error.message, "success": False}
    )


async def body_of(request):
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return json.loads(body) if body else {}


def faulty(at):
    """Decorates a handler with the faults that are wanted at it."""

    def wrap(handler):
        async def handle(request):
            request.state.entry = {"at": at, "query": dict(request.query_params)}
            state.log.append(request.state.entry)
            kind = state.fault(at)
            if kind in ("503", "429", "500", "404", "403"):
                return Response("busy", status_code=int(kind))
            if kind == "html":
                return Response("<html>a proxy's page</html>")
            if kind == "before":
                # The answer is lost before anything is done.
                return Response("")
            if kind == "hang":
                await asyncio.sleep(3600)
            try:
                response = await handler(request)
            except Refused as error:
                response = refused(error)
            if kind == "slow":
                return drip(response)
            if kind == "truncate":
                # The length is promised, and not kept: the connection just ends.
                return Cut(response)
            return response

        return handle

    return wrap


def drip(response):
    async def parts():
        for start in range(0, len(response.body), 1000):
            await asyncio.sleep(0.02)
            yield response.body[start : start + 1000]

    headers = {k: v for k, v in response.headers.items() if k != "content-length"}
    return StreamingResponse(parts(), response.status_code, headers)


class Cut:
    def __init__(self, response):
        self.response = response

    async def __call__(self, scope, receive, send):
        start = {"type": "http.response.start", "status": self.response.status_code}
        await send({**start, "headers": self.response.raw_headers})
        half = self.response.body[: len(self.response.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        raise ConnectionResetError("cut, as asked for")


# Sessions


def check(data):
    account, kind = state.account, data.get("AUTHENTICATOR", "SNOWFLAKE").upper()
    wrong = Refused("390100", "Incorrect username or password was specified.", "08001")
    if data.get("LOGIN_NAME", "").upper() != account["user"].upper():
        raise wrong
    if kind == "SNOWFLAKE":
        if data.get("PASSWORD") != account["password"]:
            raise wrong
    elif kind == "SNOWFLAKE_JWT":
        check_jwt(data.get("TOKEN", ""), data.get("ACCOUNT_NAME", ""))
    elif kind in ("OAUTH", "PROGRAMMATIC_ACCESS_TOKEN"):
        if data.get("TOKEN") != account.get("token"):
            raise Refused("390303", "Invalid OAuth access token.", "08001")
    else:
        raise Refused("390144", f"unknown authenticator {kind}", "08001")


def check_jwt(token, account):
    invalid = Refused("390144", "JWT token is invalid.", "08001")
    key = state.account["key"].public_key()
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    print_of = "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()
    who = f"{account.split('.')[0].upper()}.{state.account['user'].upper()}"
    try:
        claims = jwt.decode(token, key, algorithms=["RS256"], leeway=5)
    except jwt.PyJWTError as error:
        raise invalid from error
    if claims.get("sub") != who or claims.get("iss") != f"{who}.{print_of}":
        raise invalid
    if not 0 < claims["exp"] - claims["iat"] <= 3600:
        raise invalid


@faulty("login")
async def login(request):
    data = (await body_of(request))["data"]
    check(data)
    given = request.query_params.get
    name = lambda key: given(key) and given(key).strip('"').upper()
    # By its real name: in quotes, capitals matter.
    warehouse = given("warehouse")
    if warehouse:
        warehouse = warehouse[1:-1] if warehouse.startswith('"') else warehouse.upper()
    # As if the account had sent the session elsewhere.
    warehouse = "ELSEWHERE" if state.fault("elsewhere") else warehouse
    conn = await run_in_threadpool(state.fs.connect, name("databaseName"), name("schemaName"))
    session = Session(conn, warehouse)
    state.sessions[session.token] = session
    return answer(
        {
            "token": session.token,
            "masterToken": session.master,
            "validityInSeconds": 3600,
            "masterValidityInSeconds": 14400,
            "serverVersion": "9.0.0",
            "sessionId": 1,
            "parameters": [{"name": "AUTOCOMMIT", "value": True}],
            "sessionInfo": {
                "databaseName": name("databaseName"),
                "schemaName": name("schemaName"),
                "warehouseName": warehouse,
                "roleName": name("roleName"),
            },
        }
    )


def token_of(request):
    match = re.fullmatch(r'Snowflake Token="(.*)"', request.headers.get("Authorization", ""))
    if not match:
        raise Refused("390103", "Session token not found in the request data.", "08001")
    return match[1]


def session_of(request):
    session = state.sessions.get(token_of(request))
    if session is None:
        raise Refused("390114", "Authentication token has expired. Please authenticate again.", "08001")
    if session.expired:
        raise Refused("390112", "Session token has expired.", "08001")
    return session


@faulty("renew")
async def renew(request):
    body, master = await body_of(request), token_of(request)
    session = state.sessions.get(body.get("oldSessionToken"))
    if session is None or session.master != master or body.get("requestType") != "RENEW":
        raise Refused("390114", "Authentication token has expired. Please authenticate again.", "08001")
    del state.sessions[session.token]
    session.token, session.master = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    session.expired = False
    state.sessions[session.token] = session
    return answer(
        {
            "sessionToken": session.token,
            "masterToken": session.master,
            "validityInSecondsST": 3600,
            "validityInSecondsMT": 14400,
        }
    )


@faulty("heartbeat")
async def heartbeat(request):
    session_of(request)
    return answer(None)


@faulty("close")
async def close(request):
    session = session_of(request)
    del state.sessions[session.token]
    return answer(None)


# Queries


@faulty("query")
async def query(request):
    session, body = session_of(request), await body_of(request)
    request_id = request.query_params["requestId"]
    known = state.queries.get(request_id)
    if known is None:
        known = state.queries[request_id] = Query(session, body)
        if state.fault("statement") == "expire":
            session.expired = True
        request.state.entry.update(
            sql=body["sqlText"],
            parameters=body.get("parameters") or {},
            bindings=body.get("bindings") or {},
            describe=bool(body.get("describeOnly")),
            warehouse=session.warehouse,
        )
        known.entry = request.state.entry
        known.done = asyncio.get_running_loop().run_in_executor(None, run, known)
    return await reply(known, state.options["async_after"], "333333")


@faulty("result")
async def result(request):
    session_of(request)
    known = [q for q in state.queries.values() if q.id == request.path_params["id"]]
    if not known:
        raise Refused("000709", "Statement not found.", "02000")
    return await reply(known[0], min(1.0, state.options["async_after"]), "333334")


async def reply(known, patience, code):
    try:
        data = await asyncio.wait_for(asyncio.shield(known.done), patience)
    except TimeoutError:
        data = {
            "queryId": known.id,
            "getResultUrl": f"/queries/{known.id}/result",
            "queryAbortsAfterSecs": 300,
        }
        message = "Query execution in progress."
        return JSONResponse({"data": data, "code": code, "message": message, "success": True})
    if "chunks" in data:
        data = dict(data)
        data["chunks"] = [dict(chunk, url=state.base + chunk["url"]) for chunk in data["chunks"]]
    return answer(data)


@faulty("abort")
async def abort(request):
    session_of(request)
    known = state.queries.get((await body_of(request)).get("requestId"))
    if known is None or known.done is None or known.done.done():
        raise Refused("000605", "Identified SQL statement is not currently executing.", "02000")
    stop(known, Refused("000604", "SQL execution canceled", "57014"))
    return answer(None)


def stop(known, why):
    known.canceled = why
    threading.Thread(target=interrupt, args=[known], daemon=True).start()


def interrupt(known):
    """Again and again: an interrupt that comes before the engine has begun is lost."""
    while True:
        with known.ending:
            if known.ended:
                return
            known.session.conn._duck_conn.interrupt()
        time.sleep(0.02)


def run(known):
    """Runs a statement on a thread; an error is raised as what the service would say."""
    body, session = known.body, known.session
    with session.lock:
        if known.canceled:
            known.ended = True
            raise known.canceled
        limit = (body.get("parameters") or {}).get("STATEMENT_TIMEOUT_IN_SECONDS")
        timer = None
        if limit and int(limit) > 0:
            late = Refused("000630", "Statement reached its statement or warehouse timeout.", "57014")
            timer = threading.Timer(int(limit), stop, [known, late])
            timer.start()
        try:
            table = execute(session, body)
        except Refused:
            raise
        except Exception as error:
            known.entry["error"] = str(error).partition("\n")[0]
            raise known.canceled or said(error) from error
        finally:
            with known.ending:
                known.ended = True
            if timer:
                timer.cancel()
    return result_of(known, table)


def said(error):
    text = str(error)
    if "Division by zero" in text:
        return Refused("100051", "Division by zero", "22012")
    if "INTERRUPT" in text or isinstance(error, duckdb.InterruptException):
        return Refused("000604", "SQL execution canceled", "57014")
    if "Malformed JSON" in text:
        return Refused("100069", text, "22P02")
    if isinstance(error, duckdb.ConversionException) or "Conversion Error" in text:
        return Refused("100038", text, "22018")
    if isinstance(error, duckdb.OutOfRangeException) or "Out of Range" in text:
        return Refused("100132", text, "22003")
    if "More than one row" in text:
        return Refused("090150", text, "21000")
    if isinstance(error, snowflake.connector.errors.ProgrammingError):
        return Refused(f"{error.errno:06d}", error.msg, error.sqlstate)
    return Refused("001003", f"SQL compilation error: {text}", "42000")


PIECE = re.compile(r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"]|"")*"|:(\d+)|\?""", re.DOTALL)


def literal(text):
    if text is None:
        return "NULL"
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def bound(sql, bindings):
    """The statement with the bound values in it."""
    asked = iter(range(1, len(bindings) + 1))

    def value(match):
        if match[0][0] in "'\"":
            return match[0]
        binding = bindings[match[1] or str(next(asked))]
        text = binding["value"]
        if text is None:
            return "NULL"
        if binding["type"] in ("FIXED", "REAL", "BOOLEAN"):
            return text
        return literal(text)

    return PIECE.sub(value, sql) if bindings else sql


# Arguments that DuckDB wants as integers, where Snowflake takes any number.
COUNTS = {
    exp.Left: ["expression"],
    exp.Right: ["expression"],
    exp.Substring: ["start", "length"],
    exp.Pad: ["expression"],
    exp.SplitPart: ["part_index"],
    exp.Round: ["decimals"],
}


def corrected(tree):
    """Where DuckDB would answer something else than Snowflake."""
    if isinstance(tree, exp.Div):
        zero = exp.Anonymous(this="error", expressions=[exp.Literal.string("Division by zero")])
        test = exp.EQ(this=exp.paren(tree.expression.copy()), expression=exp.Literal.number(0))
        safe = exp.Case(ifs=[exp.If(this=test, true=zero)], default=tree.expression.copy())
        tree.set("expression", exp.paren(safe))
    if isinstance(tree, exp.GetExtract) and isinstance(tree.expression, exp.Cast):
        # A key is a key: DuckDB would read some as a path, as "$.a" and "*"; a pointer says what is meant.
        name = tree.expression.this.this.replace("~", "~0").replace("/", "~1")
        tree.set("expression", exp.Literal.string(f"/{name}"))
    if isinstance(tree, exp.Cast) and not tree.to.is_type("variant"):
        # Of a semi-structured text DuckDB would show the quotes, too.
        inner = tree.this
        if isinstance(inner, exp.Cast) and inner.to.is_type("variant"):
            text = exp.Anonymous(this="json_extract_string", expressions=[inner, exp.Literal.string("$")])
            tree.set("this", text)
    if isinstance(tree, exp.TryCast) and tree.to.is_type("timestampntz", "timestamp"):
        # To the type of this other name the engine's cast tries, to that of the usual one it fails.
        tree.set("to", exp.DataType.build("DATETIME", dialect="snowflake"))
    for kind, names in COUNTS.items():
        if isinstance(tree, kind):
            for name in names:
                count = tree.args.get(name)
                # A number is one already, and of a decimal it must be: a cast makes a BIGINT of it.
                if count is not None and not count.is_number:
                    tree.set(name, exp.cast(count, "INT"))
    return tree


def call(name, *arguments):
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def described(tree):
    """What Snowflake tells of semi-structured values, in words that the engine knows. Innermost first."""
    kinds = (exp.ArrayContains, exp.ArraySize, exp.IsNullValue, exp.JSONKeys, exp.Typeof)
    for node in reversed(list(tree.find_all(*kinds))):
        value = node.this
        text = exp.Literal.string
        is_a = lambda kind: exp.EQ(this=call("json_type", value), expression=text(kind))
        if isinstance(node, exp.ArrayContains):
            value = value.expressions[0]
            element = call("to_json", node.expression.this)
            listed = call("from_json", value, text('["JSON"]'))
            made = exp.If(this=is_a("ARRAY"), true=call("list_contains", listed, element))
            made = exp.Case(ifs=[made])
        elif isinstance(node, exp.ArraySize):
            made = exp.Case(ifs=[exp.If(this=is_a("ARRAY"), true=call("json_array_length", value))])
        elif isinstance(node, exp.IsNullValue):
            made = is_a("NULL")
        elif isinstance(node, exp.JSONKeys):
            fails = call("error", text("Conversion Error: not an object"))
            ifs = [
                exp.If(this=exp.Is(this=value.copy(), expression=exp.Null()), true=exp.Null()),
                exp.If(this=is_a("OBJECT"), true=call("to_json", call("json_keys", value))),
            ]
            made = exp.Case(ifs=ifs, default=fails)
        else:
            names = {"NULL": "NULL_VALUE", "UBIGINT": "INTEGER", "BIGINT": "INTEGER", "DOUBLE": "DECIMAL"}
            ifs = [exp.If(this=text(kind), true=text(name)) for kind, name in names.items()]
            made = exp.Case(this=call("json_type", value), ifs=ifs, default=call("json_type", value))
        node.replace(exp.paren(made))
    return tree


def execute(session, body):
    sql = bound(body["sqlText"], body.get("bindings") or {})
    if body.get("describeOnly") and state.fault("compile"):
        raise Refused("002031", "SQL compilation error: Unsupported subquery type cannot be evaluated", "0A000")
    head = sql.lstrip().upper()
    if head.startswith("ALTER SESSION"):
        return pa.table({"status": ["Statement executed successfully."]})
    if shown := re.fullmatch(r'SHOW (PRIMARY|IMPORTED) KEYS IN SCHEMA "([^"]+)"."([^"]+)"', sql.strip()):
        return keys(session, *shown.groups())
    if use := re.fullmatch(r'USE WAREHOUSE (\w+|"[^"]+")\s*', sql, re.IGNORECASE):
        session.warehouse = use[1].strip('"').upper()
        return pa.table({"status": ["Statement executed successfully."]})
    if head.startswith("EXPLAIN USING JSON"):
        plan = {"GlobalStats": {"partitionsTotal": 2, "partitionsAssigned": 1, "bytesAssigned": 4096}}
        return pa.table({"content": [json.dumps(plan)]})
    if head.startswith(("SELECT", "WITH", "(")):
        # The engine knows of none.
        sql = re.sub(r"\bCURRENT_WAREHOUSE\(\)", literal(session.warehouse), sql)
        sql = parse_one(sql, read="snowflake").transform(corrected)
        sql = described(sql).sql("snowflake")
    cursor = session.conn.cursor()
    cursor.execute(sql, server=True)
    table = cursor._arrow_table
    session.conn.results_cache.clear()
    return table.slice(0, 0) if body.get("describeOnly") else table


REFERENCES = re.compile(r'REFERENCES (?:"?([^".(]+)"?\.)?"?([^".(]+)"?\s*\(')


def keys(session, kind, database, schema):
    """Keys as the engine has them: fakesnow names none, tells no order and no foreign ones."""
    if state.fault("keys"):
        raise Refused("003001", "SQL access control error: Insufficient privileges", "42501")
    duck = "PRIMARY KEY" if kind == "PRIMARY" else "FOREIGN KEY"
    found = session.conn._duck_conn.cursor().execute(
        "SELECT table_name, constraint_name, constraint_text, constraint_column_names, referenced_column_names"
        " FROM duckdb_constraints() WHERE constraint_type = ? AND database_name = ? AND schema_name = ?"
        " ORDER BY table_name, constraint_index",
        [duck, database, schema],
    ).fetchall()
    rows = []
    for table, name, text, columns, referenced in found:
        for at, column in enumerate(columns):
            key = {"key_sequence": at + 1, "rely": "false", "comment": None}
            if kind == "PRIMARY":
                key |= dict(database_name=database, schema_name=schema, table_name=table,
                            column_name=column, constraint_name=name)
            else:
                to = REFERENCES.search(text)
                key |= dict(fk_database_name=database, fk_schema_name=schema, fk_table_name=table,
                            fk_column_name=column, fk_name=name, pk_database_name=database,
                            pk_schema_name=to[1] or schema, pk_table_name=to[2],
                            pk_column_name=referenced[at])
            rows.append({"created_on": datetime.datetime(2024, 2, 29, tzinfo=UTC)} | key)
    # In no order: nobody may rely on one.
    rows.reverse()
    kinds = {"created_on": pa.timestamp("us", "UTC"), "key_sequence": pa.int64()}
    names = PRIMARY if kind == "PRIMARY" else FOREIGN
    described = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    return pa.Table.from_pylist(rows, schema=described)


PRIMARY = ["created_on", "database_name", "schema_name", "table_name", "column_name", "key_sequence",
           "constraint_name", "rely", "comment"]
FOREIGN = ["created_on", "pk_database_name", "pk_schema_name", "pk_table_name", "pk_column_name",
           "fk_database_name", "fk_schema_name", "fk_table_name", "fk_column_name", "key_sequence",
           "fk_name", "rely", "comment"]


# Results


def told(field):
    """What the service says about a column."""
    kind, precision, scale, length = field.type, None, None, None
    if pa.types.is_boolean(kind):
        name = "boolean"
    elif pa.types.is_integer(kind):
        name, precision, scale = "fixed", 38, 0
    elif pa.types.is_decimal(kind):
        name, precision, scale = "fixed", kind.precision, kind.scale
    elif pa.types.is_floating(kind):
        name = "real"
    elif pa.types.is_date(kind):
        name = "date"
    elif pa.types.is_time(kind):
        name, precision, scale = "time", 0, state.options["scale"]
    elif pa.types.is_timestamp(kind):
        name = "timestamp_tz" if kind.tz else "timestamp_ntz"
        precision, scale = 0, state.options["scale"]
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        name, length = "binary", 8388608
    else:
        name, length = "text", 16777216
    return {
        "name": field.name,
        "database": "",
        "schema": "",
        "table": "",
        "nullable": True,
        "type": name,
        "byteLength": length,
        "length": length,
        "scale": scale,
        "precision": precision,
        "collation": None,
    }


def result_of(known, table):
    columns = [told(field) for field in table.schema]
    data = {
        "parameters": [{"name": "TIMEZONE", "value": "UTC"}],
        "rowtype": columns,
        "total": table.num_rows,
        "returned": table.num_rows,
        "queryId": known.id,
        "statementTypeId": 4096,
        "finalDatabaseName": known.session.conn.database,
        "finalSchemaName": known.session.conn.schema,
        "finalWarehouseName": known.session.warehouse,
        "queryContext": {"entries": []},
    }
    plain = not known.body["sqlText"].lstrip().upper().startswith(("SELECT", "WITH", "("))
    if plain or state.options["format"] == "json":
        rows = texts(table, columns)
        data.update(queryResultFormat="json", rowset=rows[: state.options["inline"]])
        encode = lambda part: json.dumps(part)[1:-1].encode()
    else:
        inline = table.slice(0, state.options["inline"])
        inline = base64.b64encode(arrow(inline, columns)).decode() if inline.num_rows else ""
        data.update(queryResultFormat="arrow", rowsetBase64=inline)
        rows, encode = table, lambda part: arrow(part, columns)
    chunks, start = [], state.options["inline"]
    while start < table.num_rows:
        end = start + state.options["chunk"]
        part = rows[start:end] if isinstance(rows, list) else rows.slice(start, end - start)
        text, key = encode(part), secrets.token_urlsafe(8)
        state.chunks[key] = (known.id, gzip.compress(text))
        chunks.append(
            {
                "url": f"/chunks/{key}",
                "rowCount": len(part),
                "uncompressedSize": len(text),
                "compressedSize": len(state.chunks[key][1]),
            }
        )
        start = end
    if chunks:
        data.update(chunks=chunks, chunkHeaders={"x-chunk-key": known.id})
    return data


@faulty("chunk")
async def chunk(request):
    known = state.chunks.get(request.path_params["key"])
    if "Authorization" in request.headers:
        return Response("the storage of chunks is no place for a token", status_code=400)
    if known is None or request.headers.get("x-chunk-key") != known[0]:
        return Response("", status_code=403)
    return Response(known[1], media_type="binary/octet-stream")


def arrow(table, columns):
    fields, arrays = [], []
    for field, column, said in zip(table.schema, table.columns, columns, strict=True):
        array = encoded(column.combine_chunks(), said)
        text = {k: str(said[k] or 0) for k in ("precision", "scale")}
        text |= {"logicalType": said["type"].upper(), "charLength": str(said["length"] or 0)}
        if said["type"] == "fixed":
            text["precision"] = str(said["precision"])
        fields.append(pa.field(field.name, array.type, metadata=text))
        arrays.append(array)
    batch = pa.record_batch(arrays, schema=pa.schema(fields))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def encoded(array, said):
    kind, scale = said["type"], said["scale"]
    if kind == "fixed":
        values = [None if v is None else unscaled(v, scale) for v in array.to_pylist()]
        size = max((abs(v) for v in values if v is not None), default=0)
        for width in (pa.int8(), pa.int16(), pa.int32(), pa.int64()):
            if size < 2 ** (width.bit_width - 1):
                return pa.array(values, width)
        return pa.array([None if v is None else Decimal(v).scaleb(-scale) for v in values],
                        pa.decimal128(38, scale))
    if kind == "time":
        nanos = array.cast(pa.time64("ns")).cast(pa.int64())
        return pc.divide(nanos, 10 ** (9 - scale))
    if kind.startswith("timestamp"):
        return moments(array, kind, scale)
    if kind == "real":
        return array.cast(pa.float64())
    if kind == "binary":
        return array.cast(pa.binary())
    if kind == "text":
        return array.cast(pa.string())
    return array


def unscaled(value, scale):
    return int(Decimal(value).scaleb(scale).to_integral_exact())


def moments(array, kind, scale):
    micros = array.cast(pa.timestamp("us", array.type.tz)).cast(pa.int64()).to_pylist()
    if scale <= 6 and kind == "timestamp_ntz":
        return pa.array([None if v is None else v // 10 ** (6 - scale) for v in micros], pa.int64())
    # A field of a struct that is NULL holds anything: here it holds what would be seen.
    epoch = pa.array([0 if v is None else v // 10**6 for v in micros], pa.int64())
    fraction = pa.array([0 if v is None else v % 10**6 * 1000 for v in micros], pa.int32())
    arrays, names = [epoch, fraction], ["epoch", "fraction"]
    if kind == "timestamp_tz":
        arrays.append(pa.array([1440] * len(micros), pa.int32()))
        names.append("timezone")
    mask = pa.array([v is None for v in micros])
    return pa.StructArray.from_arrays(arrays, names=names, mask=mask)


def texts(table, columns):
    """Rows as the JSON format has them: a text for each value."""

    def one(value, said):
        kind = said["type"]
        if value is None:
            return None
        if kind == "boolean":
            return "1" if value else "0"
        if kind == "date":
            return str((value - EPOCH.date()).days)
        if kind == "time":
            at = datetime.datetime.combine(EPOCH.date(), value) - EPOCH
            return f"{at.seconds}.{at.microseconds * 1000:09d}"
        if kind.startswith("timestamp"):
            at = (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value) - EPOCH
            micros = at // datetime.timedelta(microseconds=1)
            sign, micros = ("-", -micros) if micros < 0 else ("", micros)
            text = f"{sign}{micros // 10**6}.{micros % 10**6 * 1000:09d}"
            return text + (" 1440" if kind == "timestamp_tz" else "")
        if kind == "binary":
            return binascii.hexlify(value).decode().upper()
        return str(value)

    rows = table.to_pylist() if len(set(table.column_names)) == table.num_columns else None
    if rows is None:
        lists = [column.to_pylist() for column in table.columns]
        return [[one(v, c) for v, c in zip(row, columns)] for row in zip(*lists)]
    return [[one(v, c) for v, c in zip(row.values(), columns)] for row in rows]


# The tests' own


async def control(request):
    asked = await body_of(request)
    if asked.get("reset"):
        base = state.base
        state.reset()
        state.base = base
    if asked.get("clear"):
        state.faults.clear()
    if asked.get("clear_log"):
        state.log.clear()
    state.faults.extend(asked.get("faults", []))
    state.options.update(asked.get("options", {}))
    for session in state.sessions.values():
        session.expired |= bool(asked.get("expire"))
    if asked.get("forget"):
        state.sessions.clear()
    try:
        for sql in asked.get("sql", []):
            conn = state.fs.connect(asked.get("database"), asked.get("schema"))
            await run_in_threadpool(conn.cursor().execute, sql)
        if asked.get("duck"):
            await run_in_threadpool(state.fs.duck_conn.execute, asked["duck"])
    except Exception as error:
        return Response(str(error), status_code=500)
    return answer(None)


async def look(request):
    running = [q.id for q in state.queries.values() if q.done is not None and not q.done.done()]
    return JSONResponse(
        {"sessions": len(state.sessions), "running": len(running), "log": state.log}
    )


@faulty("monitoring")
async def monitoring(request):
    session_of(request)
    known = [q for q in state.queries.values() if q.id == request.path_params["id"]]
    if not known:
        return answer({"queries": []})
    # The plan's figure is an upper bound.
    return answer({"queries": [{"status": "SUCCESS", "stats": {"scanBytes": 3000}}]})


ROUTES = [
    Route("/session/v1/login-request", login, methods=["POST"]),
    Route("/session/token-request", renew, methods=["POST"]),
    Route("/session/heartbeat", heartbeat, methods=["POST"]),
    Route("/session", close, methods=["POST"]),
    Route("/queries/v1/query-request", query, methods=["POST"]),
    Route("/queries/v1/abort-request", abort, methods=["POST"]),
    Route("/queries/{id}/result", result, methods=["GET"]),
    Route("/monitoring/queries/{id}", monitoring, methods=["GET"]),
    Route("/chunks/{key}", chunk, methods=["GET"]),
    Route("/control", control, methods=["POST"]),
    Route("/control", look, methods=["GET"]),
]


def main():
    global state
    state = State(json.loads(sys.argv[1]))
    key = state.account["key"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    with open(state.account["key_file"], "wb") as file:
        file.write(key.private_bytes(*form, serialization.NoEncryption()))
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    state.base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    config = uvicorn.Config(Starlette(routes=ROUTES), log_level="critical", timeout_keep_alive=60)
    print(sock.getsockname()[1], flush=True)

    def parent():
        # Whoever started this holds the other end of the input: when it ends, so does this.
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=parent, daemon=True).start()
    uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main()
