//! Traces of statements reach a receiver of the OpenTelemetry protocol, and hold no texts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tonic::codegen::Service;

use crate::harness::postgres::Postgres;
use crate::harness::run;
use crate::harness::served::{Site, rows, write};

#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Receiver {
    fn spans(&self) -> Vec<Span> {
        let requests = self.0.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    async fn serve(&self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        while let Ok((socket, _)) = listener.accept().await {
            let (receiver, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => receiver.answer(socket).await,
                    Some(tls) => {
                        if let Ok(socket) = tls.accept(socket).await {
                            assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                            receiver.answer(socket).await;
                        }
                    }
                }
            });
        }
    }

    async fn answer(self, socket: impl AsyncRead + AsyncWrite + Unpin) {
        let service = TraceServiceServer::new(self);
        let answer = service_fn(move |request| service.clone().call(request));
        let connection = http2::Builder::new(TokioExecutor::new());
        let _ = connection.serve_connection(TokioIo::new(socket), answer).await;
    }
}

/// A certificate for "localhost", and whoever shows it.
fn certified() -> (String, TlsAcceptor) {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = signed.signing_key.serialize_der();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![signed.cert.der().clone()],
            rustls_pki_types::PrivateKeyDer::try_from(key).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    (signed.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// A gateway in a process of its own, which ends with this.
struct Process(Child);

impl Process {
    async fn start(site: &Site) -> Self {
        let log = std::fs::File::create(site.folder.join("log")).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "traces::serves_until_it_is_killed", "--ignored", "--nocapture"])
            .env(CONFIG, site.config())
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let mut process = Self(child.unwrap());
        while TcpStream::connect(site.address).await.is_err() {
            process.wait_a_bit().await;
        }
        process
    }

    async fn wait_a_bit(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "it has ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn statements(spans: &[Span]) -> Vec<Span> {
    spans.iter().filter(|span| span.name == "statement").cloned().collect()
}

const CONFIG: &str = "TOLLGATE_TRACES_CONFIG";

/// Not a test: the gateway with a log and traces of its own.
#[test]
#[ignore = "run by the test below"]
fn serves_until_it_is_killed() {
    let Some(config) = std::env::var_os(CONFIG).map(PathBuf::from) else { return };
    let config = config.display().to_string();
    tollgate_proxy::cli::run(["tollgate", "serve", "--config", &config]);
}

#[test]
fn a_statement_is_traced_stage_by_stage_without_its_text() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let receiver = Receiver::default();
        let serving = receiver.clone();
        let serving = tokio::spawn(async move { serving.serve(listener, None).await });
        let folder = Postgres::shared().await.scratch("traces");
        let site = Site::new(folder, &[&format!("traces.to = \"http://{to}\"")]);
        write(&site.data().join("items.parquet"), &rows(0..9), 9);
        let mut process = Process::start(&site).await;
        let ana = site.connect("ana").await;
        let query = "SELECT id FROM shop.items WHERE name <> 'a literal'";
        assert_eq!(ana.simple(query).await.rows().len(), 6);
        assert!(ana.simple("SELECT * FROM shop.secret").await.error().is_some());
        while statements(&receiver.spans()).len() < 2 {
            process.wait_a_bit().await;
        }
        drop(process);
        serving.abort();

        let spans = receiver.spans();
        let ids: BTreeSet<String> =
            site.records().iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect();
        let mut stages = Vec::new();
        for statement in statements(&spans) {
            let text = format!("{:?}", statement.attributes);
            assert!(ids.iter().any(|id| text.contains(id)), "{text}");
            let own = spans.iter().filter(|span| span.parent_span_id == statement.span_id);
            stages.push(own.map(|span| span.name.clone()).collect::<BTreeSet<_>>());
        }
        let all = ["admit", "decide", "record", "resolve", "secure", "start"].map(str::to_owned);
        assert!(stages.contains(&all.into()), "{stages:?}");
        let told = format!("{:?}", receiver.0.lock().unwrap());
        for hidden in ["literal", "items", "secret", "\"ana\"", "acme", "SELECT"] {
            assert!(!told.contains(hidden), "{hidden} is in {told}");
        }
        let log = std::fs::read_to_string(site.folder.join("log")).unwrap();
        assert!(log.contains("serving PostgreSQL clients"), "{log}");
        assert!(!log.contains("statement"), "spans are not for the log: {log}");
    });
}

/// Over TLS spans go to a receiver whose certificate is trusted, and to no other; who isn't is told in
/// the log, and statements run all the same.
#[test]
fn a_receiver_elsewhere_is_reached_with_tls() {
    run(async {
        let (pem, acceptor) = certified();
        let (other, _) = certified();
        for (name, trusted, arrives) in [("trusted", &pem, true), ("strange", &other, false)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = format!("https://localhost:{}", listener.local_addr().unwrap().port());
            let receiver = Receiver::default();
            let (serving, acceptor) = (receiver.clone(), acceptor.clone());
            let serving =
                tokio::spawn(async move { serving.serve(listener, Some(acceptor)).await });
            let folder = Postgres::shared().await.scratch(&format!("traces {name}"));
            let keys = [format!("traces.to = \"{to}\""), "traces.tls_ca = \"ca.pem\"".to_owned()];
            let site = Site::new(folder, &keys.each_ref().map(String::as_str));
            std::fs::write(site.folder.join("ca.pem"), trusted).unwrap();
            write(&site.data().join("items.parquet"), &rows(0..9), 9);
            let mut process = Process::start(&site).await;
            let ana = site.connect("ana").await;
            assert_eq!(ana.simple("SELECT id FROM shop.items").await.rows().len(), 6);
            let log = || std::fs::read_to_string(site.folder.join("log")).unwrap();
            if arrives {
                while statements(&receiver.spans()).is_empty() {
                    process.wait_a_bit().await;
                }
            } else {
                while !log().contains("traces could not be sent") {
                    process.wait_a_bit().await;
                }
                assert_eq!(receiver.spans().len(), 0);
            }
            assert_eq!(ana.simple("SELECT id FROM shop.items").await.rows().len(), 6);
            serving.abort();
        }
    });
}
