//! A Flight SQL client whose every answer is kept.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any,
    CommandPreparedStatementQuery, CommandStatementQuery, DoPutPreparedStatementResult,
    ProstMessageExt,
};
use arrow_flight::{Action, FlightDescriptor, FlightInfo, HandshakeRequest, IpcMessage, Ticket};
use base64::Engine as _;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use prost::Message;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tollgate_proxy::pg::encode::Format;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::client::{Answer, Fields};
use super::value::Value;
use crate::encode_diff::encode_one;

/// A client that has logged in.
#[derive(Clone)]
pub struct Flight {
    pub inner: FlightServiceClient<Channel>,
    pub token: String,
    /// Sent with each call unless it is empty.
    pub cookie: String,
}

/// What an action on a session's options answers: its body, and the token and the cookie in its headers.
#[derive(Debug)]
pub struct Session {
    pub body: Bytes,
    pub token: Option<String>,
    pub cookie: Option<String>,
}

/// A prepared statement's handle and schemas.
pub struct Prepared {
    pub handle: Bytes,
    pub rows: Schema,
    pub parameters: Schema,
}

/// What a query gave: the schema that was announced, the one that came, and the rows.
#[derive(Debug)]
pub struct Rows {
    pub announced: Schema,
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

impl Rows {
    /// The rows as tests compare them.
    pub fn values(&self) -> Vec<Vec<Value>> {
        let mut rows = Vec::new();
        for batch in &self.batches {
            for row in 0..batch.num_rows() {
                let value = |array: &ArrayRef| {
                    let text = encode_one(array, row, Format::Text);
                    let text = text.map(|text| String::from_utf8(text).unwrap());
                    Value::from_text(text.as_deref())
                };
                rows.push(batch.columns().iter().map(value).collect());
            }
        }
        rows
    }

    pub fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// A schema from the bytes of a message.
pub fn schema(bytes: &Bytes) -> Schema {
    Schema::try_from(IpcMessage(bytes.clone())).unwrap()
}

pub fn command(command: &impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

impl Flight {
    /// A connection that hasn't logged in.
    pub async fn stranger(address: SocketAddr) -> Flight {
        let channel = Channel::from_shared(format!("http://{address}")).unwrap();
        let inner = FlightServiceClient::new(channel.connect().await.unwrap())
            .max_decoding_message_size(64 << 20);
        Flight { inner, token: String::new(), cookie: String::new() }
    }

    /// A connection through TLS that hasn't logged in: it trusts an authority, and may show a certificate
    /// of its own, of a file with it and one with its key.
    pub async fn over_tls(to: SocketAddr, ca: &Path, own: Option<(PathBuf, PathBuf)>) -> Flight {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_file_iter(certificate).unwrap();
                let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
                let key = PrivateKeyDer::from_pem_file(key).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        // The client speaks in plain text to who hands it on.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(to).await.unwrap();
            let name = "localhost".try_into().unwrap();
            let far = TlsConnector::from(Arc::new(config)).connect(name, far).await;
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far.unwrap()).await;
        });
        Self::stranger(near).await
    }

    /// Logs in.
    pub async fn connect(
        address: SocketAddr,
        user: &str,
        password: &str,
    ) -> Result<Flight, Status> {
        let mut flight = Self::stranger(address).await;
        flight.log_in(user, password).await?;
        Ok(flight)
    }

    /// Logs in on this connection; the cookie that comes with the token, if one does.
    pub async fn log_in(&mut self, user: &str, password: &str) -> Result<Option<String>, Status> {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.token = format!("Basic {basic}");
        let request = self.request(futures::stream::iter([HandshakeRequest::default()]));
        let response = self.inner.handshake(request).await?;
        let header = |name| Some(response.metadata().get(name)?.to_str().unwrap().to_owned());
        self.token = header("authorization").expect("no token in the headers");
        Ok(header("set-cookie"))
    }

    /// Asks for a session's options, sets some, or closes it.
    pub async fn session(
        &mut self,
        action: &str,
        options: &[(&str, &str)],
    ) -> Result<Session, Status> {
        // A map of names to messages with a text, as the protocol has it.
        let field = |tag: u8, bytes: &[u8]| {
            let length = u8::try_from(bytes.len()).unwrap();
            [&[tag, length], bytes].concat()
        };
        let mut body = Vec::new();
        for (name, value) in options {
            let text = field(0x0a, value.as_bytes());
            let entry = [field(0x0a, name.as_bytes()), field(0x12, &text)].concat();
            body.extend(field(0x0a, &entry));
        }
        let request = self.request(Action { r#type: action.to_owned(), body: body.into() });
        let response = self.inner.do_action(request).await?;
        let header = |name| Some(response.metadata().get(name)?.to_str().unwrap().to_owned());
        let (token, cookie) = (header("authorization"), header("set-cookie"));
        let body = response.into_inner().message().await?.expect("no answer").body;
        Ok(Session { body, token, cookie })
    }

    /// A request with the token.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if !self.token.is_empty() {
            request.metadata_mut().insert("authorization", self.token.parse().unwrap());
        }
        if !self.cookie.is_empty() {
            request.metadata_mut().insert("cookie", self.cookie.parse().unwrap());
        }
        request
    }

    pub async fn info(&mut self, descriptor: FlightDescriptor) -> Result<FlightInfo, Status> {
        let request = self.request(descriptor);
        Ok(self.inner.get_flight_info(request).await?.into_inner())
    }

    pub async fn get(&mut self, ticket: Ticket) -> Result<(SchemaRef, Vec<RecordBatch>), Status> {
        let request = self.request(ticket);
        let messages = self.inner.do_get(request).await?.into_inner();
        let mut stream =
            FlightRecordBatchStream::new_from_flight_data(messages.map_err(Into::into));
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            batches.push(batch.map_err(Status::from)?);
        }
        Ok((stream.schema().expect("there was no schema").clone(), batches))
    }

    /// All that a command names.
    pub async fn run(&mut self, descriptor: FlightDescriptor) -> Result<Rows, Status> {
        let info = self.info(descriptor).await?;
        let announced = schema(&info.schema);
        let [endpoint] = info.endpoint.as_slice() else {
            panic!("{} endpoints", info.endpoint.len())
        };
        assert!(endpoint.location.is_empty(), "a location is advertised");
        let (schema, batches) = self.get(endpoint.ticket.clone().unwrap()).await?;
        Ok(Rows { announced, schema, batches })
    }

    /// A statement by its text.
    pub async fn statement(&mut self, sql: &str) -> Result<Rows, Status> {
        self.run(command(&CommandStatementQuery { query: sql.to_owned(), transaction_id: None }))
            .await
    }

    pub async fn action(&mut self, name: &str, body: Bytes) -> Result<Vec<Bytes>, Status> {
        let request = self.request(Action { r#type: name.to_owned(), body });
        let results = self.inner.do_action(request).await?.into_inner();
        results.map_ok(|result| result.body).try_collect().await
    }

    pub async fn prepare(&mut self, sql: &str) -> Result<Prepared, Status> {
        let request =
            ActionCreatePreparedStatementRequest { query: sql.to_owned(), transaction_id: None };
        let body = request.as_any().encode_to_vec().into();
        let results = self.action("CreatePreparedStatement", body).await?;
        let any = Any::decode(results[0].as_ref()).unwrap();
        let result: ActionCreatePreparedStatementResult = any.unpack().unwrap().unwrap();
        Ok(Prepared {
            handle: result.prepared_statement_handle,
            rows: schema(&result.dataset_schema),
            parameters: schema(&result.parameter_schema),
        })
    }

    /// Binds a row; the handle that holds it.
    pub async fn bind(&mut self, handle: &Bytes, row: RecordBatch) -> Result<Bytes, Status> {
        let query = CommandPreparedStatementQuery { prepared_statement_handle: handle.clone() };
        let messages: Vec<_> = FlightDataEncoderBuilder::new()
            .with_flight_descriptor(Some(command(&query)))
            .build(futures::stream::iter([Ok(row)]))
            .try_collect()
            .await
            .unwrap();
        let request = self.request(futures::stream::iter(messages));
        let mut results = self.inner.do_put(request).await?.into_inner();
        let result = results.message().await?.expect("no result");
        let result = DoPutPreparedStatementResult::decode(result.app_metadata).unwrap();
        Ok(result.prepared_statement_handle.expect("no handle"))
    }

    /// A prepared statement, with a row of parameters if it takes any.
    pub async fn prepared(&mut self, sql: &str, row: Option<RecordBatch>) -> Result<Rows, Status> {
        let mut handle = self.prepare(sql).await?.handle;
        if let Some(row) = row {
            handle = self.bind(&handle, row).await?;
        }
        self.redeem(&handle).await
    }

    /// Executes what a handle stands for.
    pub async fn redeem(&mut self, handle: &Bytes) -> Result<Rows, Status> {
        let query = CommandPreparedStatementQuery { prepared_statement_handle: handle.clone() };
        self.run(command(&query)).await
    }
}

/// A result as other clients of the harness give it.
pub fn answer(result: Result<Rows, Status>) -> Answer {
    match result {
        Ok(rows) => Answer::Rows {
            columns: rows.schema.fields().iter().map(|field| field.name().clone()).collect(),
            rows: rows.values(),
        },
        Err(status) => {
            let text = status.message();
            let (message, rest) = text.split_once(" (SQLSTATE ").unwrap_or((text, "client"));
            let mut fields = Fields::new();
            fields.insert("code", rest.chars().take_while(|c| *c != ')').collect());
            fields.insert("message", message.to_owned());
            fields.insert("where", text.to_owned());
            Answer::Error { fields, before: Vec::new() }
        }
    }
}
