"""A Flight SQL server that has one answer: the batches of an Arrow stream, from memory.

It is what `pyarrow.flight` does at its best: C++ sends the batches, and Python only names them. Arguments: the
port, and the file of the stream.
"""

import sys

import pyarrow
import pyarrow.flight as flight

PORT, FILE = sys.argv[1:3]
TYPE = b"type.googleapis.com/arrow.flight.protocol.sql."


def field(number, value):
    """A length-delimited field of a protobuf message."""
    length, size = b"", len(value)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


def packed(name, message):
    return field(1, TYPE + name) + field(2, message)


class Server(flight.FlightServerBase):
    def __init__(self, location):
        # Whoever finds the port open finds the rows.
        with pyarrow.OSFile(FILE) as file:
            self.table = pyarrow.ipc.open_stream(file.read_buffer()).read_all()
        super().__init__(location)

    def do_action(self, context, action):
        if action.type == "CreatePreparedStatement":
            schema = self.table.schema.serialize().to_pybytes()
            result = field(1, b"all") + field(2, schema)
            return [packed(b"ActionCreatePreparedStatementResult", result)]
        if action.type in ("ClosePreparedStatement", "CloseSession"):
            return []
        raise NotImplementedError(action.type)

    def get_flight_info(self, context, descriptor):
        if b"CommandPreparedStatementQuery" not in descriptor.command:
            raise NotImplementedError
        endpoint = flight.FlightEndpoint(b"all", [])
        return flight.FlightInfo(self.table.schema, descriptor, [endpoint], -1, -1)

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(self.table)


Server(f"grpc://127.0.0.1:{PORT}").serve()
