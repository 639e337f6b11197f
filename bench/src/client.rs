//! A PostgreSQL client that does as little as a client can: it reads messages and counts rows.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::{BufMut, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use crate::Result;

/// A connection that is ready for queries.
pub(crate) struct Client {
    socket: TcpStream,
    input: BytesMut,
    chunk: Vec<u8>,
}

impl Client {
    /// Connects without TLS; the benchmark is about rows, and both peers are asked the same way.
    pub(crate) fn connect(
        address: &str,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let mut client = Self { socket, input: BytesMut::new(), chunk: vec![0; 1 << 18] };
        let mut out = BytesMut::new();
        frontend::startup_message([("user", user), ("database", database)], &mut out)?;
        client.socket.write_all(&out)?;
        loop {
            match client.message()? {
                Message::AuthenticationOk
                | Message::ParameterStatus(_)
                | Message::BackendKeyData(_)
                | Message::NoticeResponse(_) => {}
                Message::AuthenticationSasl(body) => client.scram(&body, password)?,
                Message::ReadyForQuery(_) => return Ok(client),
                Message::ErrorResponse(body) => return Err(error(&body).into()),
                _ => return Err("an unexpected message at start-up".into()),
            }
        }
    }

    fn scram(&mut self, body: &AuthenticationSaslBody, password: &str) -> Result<()> {
        if !body.mechanisms().any(|name| Ok(name == "SCRAM-SHA-256"))? {
            return Err("the server doesn't offer SCRAM-SHA-256".into());
        }
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        let mut out = BytesMut::new();
        frontend::sasl_initial_response("SCRAM-SHA-256", scram.message(), &mut out)?;
        self.socket.write_all(&out)?;
        let Message::AuthenticationSaslContinue(body) = self.message()? else {
            return Err("the server ended the authentication".into());
        };
        scram.update(body.data())?;
        out.clear();
        frontend::sasl_response(scram.message(), &mut out)?;
        self.socket.write_all(&out)?;
        match self.message()? {
            Message::AuthenticationSaslFinal(body) => Ok(scram.finish(body.data())?),
            Message::ErrorResponse(body) => Err(error(&body).into()),
            _ => Err("the server ended the authentication".into()),
        }
    }

    fn message(&mut self) -> Result<Message> {
        loop {
            if let Some(message) = Message::parse(&mut self.input)? {
                return Ok(message);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<()> {
        let count = self.socket.read(&mut self.chunk)?;
        if count == 0 {
            return Err("the server closed the connection".into());
        }
        self.input.put_slice(self.chunk.get(..count).unwrap_or_default());
        Ok(())
    }

    /// Prepares a statement under a name.
    pub(crate) fn prepare(&mut self, name: &str, sql: &str) -> Result<()> {
        let mut out = BytesMut::new();
        frontend::parse(name, sql, [], &mut out)?;
        frontend::sync(&mut out);
        self.socket.write_all(&out)?;
        self.drain().map(|_| ())
    }

    /// Executes a prepared statement with one 64-bit parameter, or none; gives the rows and bytes.
    pub(crate) fn execute(
        &mut self,
        name: &str,
        parameter: Option<i64>,
        binary: bool,
    ) -> Result<(u64, u64)> {
        let mut out = BytesMut::new();
        frontend::bind(
            "",
            name,
            [1],
            parameter,
            |value, buffer| {
                buffer.put_i64(value);
                Ok(postgres_protocol::IsNull::No)
            },
            [i16::from(binary)],
            &mut out,
        )
        .map_err(|_| "a parameter can't be encoded")?;
        frontend::execute("", 0, &mut out)?;
        frontend::sync(&mut out);
        self.socket.write_all(&out)?;
        self.drain()
    }

    /// Reads to ReadyForQuery without looking into rows.
    fn drain(&mut self) -> Result<(u64, u64)> {
        let (mut rows, mut bytes) = (0, 0);
        loop {
            let header = self.input.first_chunk::<5>().copied();
            let Some([tag, length @ ..]) = header else {
                self.fill()?;
                continue;
            };
            let length = usize::try_from(u32::from_be_bytes(length))? + 1;
            if tag == b'E' {
                match self.message()? {
                    Message::ErrorResponse(body) => return Err(error(&body).into()),
                    _ => return Err("a malformed error".into()),
                }
            }
            while self.input.len() < length {
                self.fill()?;
            }
            let _ = self.input.split_to(length);
            match tag {
                b'D' => {
                    rows += 1;
                    bytes += u64::try_from(length)?;
                }
                b'Z' => return Ok((rows, bytes)),
                _ => {}
            }
        }
    }
}

fn error(body: &postgres_protocol::message::backend::ErrorResponseBody) -> String {
    let mut fields = body.fields();
    let mut text = String::from("the server answered:");
    while let Ok(Some(field)) = fields.next() {
        if matches!(field.type_(), b'C' | b'M' | b'H') {
            text.push(' ');
            text.push_str(&String::from_utf8_lossy(field.value_bytes()));
        }
    }
    text
}
