//! Descriptors, commands and tickets: which flight a client means, and what it is told about it.

use arrow::datatypes::Schema;
use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::sql::{
    Any, Command, CommandPreparedStatementQuery, CommandStatementQuery, ProstMessageExt,
    TicketStatementQuery,
};
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, Ticket};
use bytes::Bytes;
use prost::Message;

use crate::schema;
use crate::status::{Answer, unsupported, violation};

/// What a command or a ticket names.
pub(crate) enum Flight {
    /// A statement by its text.
    Statement(CommandStatementQuery),
    /// A prepared statement by its handle.
    Prepared(CommandPreparedStatementQuery),
    /// Metadata, which is its own ticket.
    Metadata(Command),
    /// A query's ticket.
    Ticket(Bytes),
}

/// Reads a packed Flight SQL command.
pub(crate) fn command(bytes: &[u8]) -> Answer<Command> {
    let malformed = || violation("this is not a Flight SQL command");
    let any = Any::decode(bytes).map_err(|_| malformed())?;
    Command::try_from(any).map_err(|_| malformed())
}

/// Reads a command or ticket that names a flight.
pub(crate) fn flight(bytes: &[u8]) -> Answer<Flight> {
    match command(bytes)? {
        Command::CommandStatementQuery(query) => {
            no_transaction(query.transaction_id.as_ref())?;
            Ok(Flight::Statement(query))
        }
        Command::CommandPreparedStatementQuery(query) => Ok(Flight::Prepared(query)),
        Command::TicketStatementQuery(ticket) => Ok(Flight::Ticket(ticket.statement_handle)),
        command @ (Command::CommandGetCatalogs(_)
        | Command::CommandGetCrossReference(_)
        | Command::CommandGetDbSchemas(_)
        | Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetPrimaryKeys(_)
        | Command::CommandGetSqlInfo(_)
        | Command::CommandGetTableTypes(_)
        | Command::CommandGetTables(_)
        | Command::CommandGetXdbcTypeInfo(_)) => Ok(Flight::Metadata(command)),
        Command::CommandStatementSubstraitPlan(_) => Err(unsupported("a Substrait plan")),
        Command::CommandStatementUpdate(_)
        | Command::CommandPreparedStatementUpdate(_)
        | Command::CommandStatementIngest(_)
        | Command::ActionBeginSavepointRequest(_)
        | Command::ActionBeginSavepointResult(_)
        | Command::ActionBeginTransactionRequest(_)
        | Command::ActionBeginTransactionResult(_)
        | Command::ActionCancelQueryRequest(_)
        | Command::ActionCancelQueryResult(_)
        | Command::ActionClosePreparedStatementRequest(_)
        | Command::ActionCreatePreparedStatementRequest(_)
        | Command::ActionCreatePreparedStatementResult(_)
        | Command::ActionCreatePreparedSubstraitPlanRequest(_)
        | Command::ActionEndSavepointRequest(_)
        | Command::ActionEndTransactionRequest(_)
        | Command::DoPutPreparedStatementResult(_)
        | Command::DoPutUpdateResult(_)
        | Command::Unknown(_) => Err(violation("this command names no flight")),
    }
}

/// The command of a descriptor.
pub(crate) fn of_descriptor(descriptor: &FlightDescriptor) -> Answer<Flight> {
    match descriptor.r#type() {
        DescriptorType::Cmd => flight(&descriptor.cmd),
        DescriptorType::Path | DescriptorType::Unknown => {
            Err(violation("a flight is named by a Flight SQL command, not by a path"))
        }
    }
}

/// Transactions are advertised as unsupported, so no id can be one of ours.
pub(crate) fn no_transaction(id: Option<&Bytes>) -> Answer<()> {
    match id {
        Some(id) if !id.is_empty() => Err(unsupported("a transaction over Flight SQL")),
        Some(_) | None => Ok(()),
    }
}

/// The packed ticket of a query's handle.
pub(crate) fn ticket(handle: Bytes) -> Bytes {
    TicketStatementQuery { statement_handle: handle }.as_any().encode_to_vec().into()
}

/// What a client is told: one endpoint, at the server that it talks to already. The descriptor that it asked by
/// is repeated to it unless that is the ticket.
pub(crate) fn describe(
    schema: &Schema,
    descriptor: Option<FlightDescriptor>,
    ticket: Bytes,
) -> FlightInfo {
    let endpoint = FlightEndpoint { ticket: Some(Ticket { ticket }), ..FlightEndpoint::default() };
    FlightInfo {
        schema: schema::encapsulated(schema),
        flight_descriptor: descriptor,
        endpoint: vec![endpoint],
        total_records: -1,
        total_bytes: -1,
        ordered: true,
        app_metadata: Bytes::new(),
    }
}
