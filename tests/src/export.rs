//! What the ledger holds reaches systems elsewhere: real receivers that fail in all the ways that
//! receivers do, and a gateway that is killed at the worst moment.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::harness::postgres::Postgres;
use crate::harness::run;
use crate::harness::served::{Site, rows, write};
use crate::routing::until;

const TOKEN: &str = "the.receivers-token";

/// What a receiver does with a parcel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Takes it.
    Accept,
    /// Says that it can't.
    Status(u16),
    /// Says what nobody understands.
    Garbage,
    /// Reads it all and goes away.
    HangUp,
    /// Goes away without having read.
    Refuse,
    /// Reads it all and says nothing.
    Silence,
    /// Takes nothing that holds the word "poison".
    Dislike,
}

#[derive(Default)]
struct Got {
    answers: VecDeque<Answer>,
    /// The events of parcels that were taken.
    accepted: Vec<Value>,
    /// Those of all parcels.
    seen: Vec<Value>,
    heads: Vec<String>,
}

/// A receiver. It is gone when it is dropped.
struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Got>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
enum Speaks {
    Http,
    Syslog(Option<TlsAcceptor>),
}

impl Receiver {
    async fn start(speaks: Speaks, at: Option<SocketAddr>, answers: &[Answer]) -> Receiver {
        let at = at.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
        // The one before at the same place may not be gone yet.
        let listener = loop {
            match TcpListener::bind(at).await {
                Ok(listener) => break listener,
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => panic!("{error}"),
            }
        };
        let address = listener.local_addr().unwrap();
        let got = Got { answers: answers.iter().copied().collect(), ..Got::default() };
        let got = Arc::new(Mutex::new(got));
        let shared = Arc::clone(&got);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (speaks, got) = (speaks.clone(), Arc::clone(&shared));
                connections.spawn(async move {
                    match speaks {
                        Speaks::Http => http(socket, &got).await,
                        Speaks::Syslog(None) => syslog(socket, &got).await,
                        Speaks::Syslog(Some(tls)) => {
                            if let Ok(stream) = tls.accept(socket).await {
                                syslog(stream, &got).await;
                            }
                        }
                    }
                });
            }
        });
        Receiver { address, got, task }
    }

    fn answer(&self, answers: &[Answer]) {
        self.got.lock().unwrap().answers = answers.iter().copied().collect();
    }

    /// Waits until so many queries were taken, and says which: the ids, each as often as it came.
    async fn accepted(&self, count: usize) -> Vec<String> {
        loop {
            let ids: Vec<String> = self.got.lock().unwrap().accepted.iter().map(id).collect();
            if ids.iter().collect::<BTreeSet<_>>().len() >= count {
                return ids;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until something came, taken or not.
    async fn seen(&self) -> Vec<String> {
        loop {
            let ids: Vec<String> = self.got.lock().unwrap().seen.iter().map(id).collect();
            if !ids.is_empty() {
                return ids;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn id(event: &Value) -> String {
    let id = event.get("id").unwrap_or(&event["metadata"]["correlation_uid"]);
    id.as_str().unwrap().to_owned()
}

fn next_answer(got: &Mutex<Got>) -> Answer {
    let mut got = got.lock().unwrap();
    match got.answers.len() {
        0 => Answer::Accept,
        // The last one stays.
        1 => got.answers[0],
        _ => got.answers.pop_front().unwrap(),
    }
}

fn note(got: &Mutex<Got>, events: Vec<Value>, answer: Answer) {
    let mut got = got.lock().unwrap();
    got.seen.extend(events.iter().cloned());
    if answer == Answer::Accept {
        got.accepted.extend(events);
    }
}

async fn http(mut socket: TcpStream, got: &Mutex<Got>) {
    let answer = next_answer(got);
    if answer == Answer::Refuse {
        return;
    }
    let mut bytes = Vec::new();
    let (head, body) = loop {
        if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        });
        if body.len() >= length.unwrap_or(0usize) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let answer = match answer {
        Answer::Dislike if body.contains("poison") => Answer::Status(422),
        Answer::Dislike => Answer::Accept,
        other => other,
    };
    let Value::Array(events) = serde_json::from_str(&body).unwrap() else { panic!("{body}") };
    got.lock().unwrap().heads.push(head);
    note(got, events, answer);
    let text = match answer {
        Answer::Accept => "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Answer::Status(status) => {
            format!("HTTP/1.1 {status} No\r\nContent-Length: 3\r\n\r\nno\n")
        }
        Answer::Garbage => "\0\u{1}\u{2} HTTP, but not as you know it\r\n".to_owned(),
        Answer::HangUp | Answer::Refuse => return,
        Answer::Silence | Answer::Dislike => {
            std::future::pending::<()>().await;
            return;
        }
    };
    let _ = socket.write_all(text.as_bytes()).await;
}

/// Frames with counted octets, up to the sender's end; then it ends its own side.
async fn syslog<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, got: &Mutex<Got>) {
    let answer = next_answer(got);
    if answer == Answer::Refuse {
        // Something has come, and is never read.
        tokio::time::sleep(Duration::from_millis(200)).await;
        return;
    }
    let mut bytes = Vec::new();
    if stream.read_to_end(&mut bytes).await.is_err() {
        return;
    }
    let mut events = Vec::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&rest[..space]).unwrap().parse().unwrap();
        let message = std::str::from_utf8(&rest[space + 1..space + 1 + length]).unwrap();
        rest = &rest[space + 1 + length..];
        let parts: Vec<&str> = message.splitn(8, ' ').collect();
        assert!(matches!(parts[0], "<110>1" | "<109>1"), "{message}");
        assert_eq!((parts[2], &parts[3..7]), ("main", &["tollgate", "-", "query", "-"][..]));
        events.push(serde_json::from_str(parts[7]).unwrap());
    }
    note(got, events, answer);
    match answer {
        Answer::Silence => std::future::pending().await,
        Answer::Garbage => {
            let _ = stream.write_all(&vec![b'x'; 1 << 20]).await;
        }
        _ => {
            let _ = stream.shutdown().await;
        }
    }
}

/// A certificate for this machine: the server's side, and what its clients are to trust.
fn certificate() -> (TlsAcceptor, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let signed = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), signed.cert.pem())
}

async fn site(name: &str, keys: &[&str]) -> Site {
    let folder = Postgres::shared().await.scratch(name);
    let site = Site::new(folder, keys);
    write(&site.data().join("items.parquet"), &rows(0..9), 9);
    std::fs::write(site.folder.join("token"), format!("{TOKEN}\n")).unwrap();
    site
}

async fn query(site: &Site, count: usize) {
    let ana = site.connect("ana").await;
    for number in 0..count {
        let answer = ana.simple(&format!("SELECT id FROM shop.items WHERE id > {number}")).await;
        assert!(answer.error().is_none(), "{answer:?}");
    }
}

async fn metrics(server: &tollgate_proxy::serve::Server) -> String {
    let mut socket = TcpStream::connect(server.admin().unwrap()).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    text
}

fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{export=\"siem\"}} ")));
    line.unwrap_or_else(|| panic!("{name}: {text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn whatever_a_receiver_answers_nothing_is_lost() {
    run(async {
        let failing = [
            Answer::Status(500),
            Answer::Garbage,
            Answer::HangUp,
            Answer::Refuse,
            Answer::Status(413),
        ];
        let receiver = Receiver::start(Speaks::Http, None, &failing).await;
        let export = format!(
            "ledger.export = [{{ name = \"siem\", to = \"http://{}/in?a=b\", token_file = \"token\" }}]",
            receiver.address
        );
        let site = site("export-http", &[&export, "admin.listen = \"127.0.0.1:0\""]).await;
        let server = site.serve().await;
        // Queries go on, whatever happens to their records.
        query(&site, 5).await;
        while metric(&metrics(&server).await, "tollgate_export_failures_total") < 6.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let text = metrics(&server).await;
        assert!(metric(&text, "tollgate_export_pending_records") >= 2.0, "{text}");
        assert!(metric(&text, "tollgate_export_lag_seconds") > 0.0, "{text}");
        assert_eq!(metric(&text, "tollgate_export_active"), 1.0);
        receiver.answer(&[]);
        let ids = receiver.accepted(5).await;
        assert_eq!(ids.len(), 5, "each is taken once");
        let mut records = site.records();
        records.retain(|record| record["record"] == "decision");
        assert_eq!(
            records.iter().map(|record| record["id"].as_str().unwrap()).collect::<Vec<_>>(),
            ids
        );
        {
            let got = receiver.got.lock().unwrap();
            let head = &got.heads[0];
            assert!(head.starts_with("POST /in?a=b HTTP/1.1\r\n"), "{head}");
            assert!(head.contains(&format!("\r\nauthorization: Bearer {TOKEN}\r\n")), "{head}");
            assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
            let event = &got.accepted[0];
            assert_eq!((&event["class_uid"], &event["status_id"]), (&6005.into(), &1.into()));
            assert_eq!(event["actor"]["user"]["name"], "ana");
            assert_eq!(event["unmapped"]["rows"], 5);
        }
        while metric(&metrics(&server).await, "tollgate_export_pending_records") > 0.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let text = metrics(&server).await;
        assert_eq!(metric(&text, "tollgate_export_lag_seconds"), 0.0);
        assert_eq!(metric(&text, "tollgate_export_events_total"), 5.0);
        assert_eq!(metric(&text, "tollgate_export_missing_records_total"), 0.0);
        server.stop().await;
        // What was noted as delivered isn't sent again.
        let server = site.serve().await;
        query(&site, 1).await;
        assert_eq!(receiver.accepted(6).await.len(), 6);
        server.stop().await;
    });
}

/// Nobody can write a statement that keeps the trail from its receiver.
#[test]
fn a_statement_that_a_receiver_refuses_goes_without_its_text() {
    run(async {
        let receiver = Receiver::start(Speaks::Http, None, &[Answer::Dislike]).await;
        let export = format!(
            "ledger.export = [{{ name = \"siem\", to = \"http://{}/in\" }}]",
            receiver.address
        );
        let site = site("export-refused", &[&export, "ledger.statements = \"whole\""]).await;
        let server = site.serve().await;
        query(&site, 2).await;
        let poison = "SELECT 'poison' FROM shop.items LIMIT 1";
        assert!(site.connect("ana").await.simple(poison).await.error().is_none());
        query(&site, 2).await;
        assert_eq!(receiver.accepted(5).await.len(), 5);
        let accepted = receiver.got.lock().unwrap().accepted.clone();
        let texts: Vec<_> =
            accepted.iter().map(|event| event["query_info"]["query_string"].clone()).collect();
        let hidden = texts.iter().filter(|text| text.as_str().unwrap().starts_with("sha256:"));
        assert_eq!(hidden.count(), 1, "{texts:?}");
        assert_eq!(accepted[2]["src_endpoint"].get("svc_name"), None);
        assert_eq!(accepted[2]["actor"]["user"]["name"], "ana");
        server.stop().await;
    });
}

#[test]
fn a_receiver_of_syslog_that_dies_unread_gets_it_again() {
    run(async {
        let receiver =
            Receiver::start(Speaks::Syslog(None), None, &[Answer::Refuse, Answer::Garbage]).await;
        let address = receiver.address;
        let export = format!("ledger.export = [{{ name = \"siem\", to = \"tcp://{address}\" }}]");
        let site = site("export-syslog", &[&export, "admin.listen = \"127.0.0.1:0\""]).await;
        let server = site.serve().await;
        query(&site, 3).await;
        while metric(&metrics(&server).await, "tollgate_export_failures_total") < 3.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // It is killed while it holds a connection, and comes back at the same place.
        drop(receiver);
        let receiver = Receiver::start(Speaks::Syslog(None), Some(address), &[]).await;
        assert_eq!(receiver.accepted(3).await.len(), 3);
        server.stop().await;
    });
}

#[test]
fn syslog_goes_to_whom_the_certificates_prove() {
    run(async {
        let (other, _) = certificate();
        let (real, trusted) = certificate();
        let impostor = Receiver::start(Speaks::Syslog(Some(other)), None, &[]).await;
        let address = impostor.address;
        let export = format!(
            "ledger.export = [{{ name = \"siem\", to = \"tls://localhost:{}\", tls_ca = \"ca.pem\" }}]",
            address.port()
        );
        let site = site("export-tls", &[&export, "admin.listen = \"127.0.0.1:0\""]).await;
        std::fs::write(site.folder.join("ca.pem"), trusted).unwrap();
        let server = site.serve().await;
        query(&site, 2).await;
        while metric(&metrics(&server).await, "tollgate_export_failures_total") < 2.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(impostor.got.lock().unwrap().seen.len(), 0);
        drop(impostor);
        let receiver = Receiver::start(Speaks::Syslog(Some(real)), Some(address), &[]).await;
        assert_eq!(receiver.accepted(2).await.len(), 2);
        server.stop().await;
    });
}

#[test]
fn usage_is_told_as_it_is_billed() {
    run(async {
        let receiver = Receiver::start(Speaks::Http, None, &[Answer::HangUp, Answer::Accept]).await;
        let export = format!(
            "ledger.export = [{{ name = \"billing\", to = \"http://{}/usage\", events = \"usage\" }}]",
            receiver.address
        );
        let site = site("export-usage", &[&export]).await;
        let price =
            "CREATE PRICE p TO PUBLIC PER QUERY 0.01 PER MILLION ROWS RETURNED 7 CURRENCY 'EUR';";
        std::fs::write(site.folder.join("policies/prices.sql"), price).unwrap();
        let server = site.serve().await;
        query(&site, 2).await;
        let ana = site.connect("ana").await;
        assert!(ana.simple("SELECT * FROM shop.secret").await.error().is_some());
        receiver.accepted(2).await;
        server.stop().await;
        let got = receiver.got.lock().unwrap();
        assert_eq!(got.accepted.len(), 2, "what is denied uses nothing");
        let seen: BTreeSet<String> = got.seen.iter().map(id).collect();
        assert!(seen.len() < got.seen.len(), "the same id comes again: {seen:?}");
        let head = &got.heads[0];
        assert!(
            head.contains("\r\ncontent-type: application/cloudevents-batch+json\r\n"),
            "{head}"
        );
        let event = &got.accepted[0];
        assert_eq!((&event["specversion"], &event["subject"]), (&"1.0".into(), &"acme".into()));
        assert_eq!(event["data"]["amount"], "0.010035");
        assert_eq!(
            (&event["data"]["currency"], &event["data"]["rows"]),
            (&"EUR".into(), &5.into())
        );
    });
}

const FOLDER: &str = "TOLLGATE_EXPORT_FOLDER";

/// Not a test: the gateway that is killed.
#[test]
#[ignore = "run by the test below"]
fn serves_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    run(async {
        let config = folder.join("tollgate.toml");
        let loaded =
            tollgate_proxy::load::load(&config).unwrap_or_else(|errors| panic!("{errors}"));
        let _server = tollgate_proxy::serve::start(loaded).await.unwrap();
        std::future::pending::<()>().await;
    });
}

#[test]
fn a_gateway_that_is_killed_before_it_has_noted_the_delivery_sends_again() {
    run(async {
        let receiver = Receiver::start(Speaks::Http, None, &[Answer::Silence]).await;
        let export = format!(
            "ledger.export = [{{ name = \"siem\", to = \"http://{}\" }}]",
            receiver.address
        );
        let site = site("export-killed", &[&export]).await;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "export::serves_until_it_is_killed", "--ignored"])
            .env(FOLDER, &site.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(site.address).await.is_err() {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        query(&site, 4).await;
        // The receiver has it, and the gateway doesn't know.
        let sent = receiver.seen().await;
        child.kill().unwrap();
        child.wait().unwrap();
        receiver.answer(&[]);
        let server = site.serve().await;
        let ids: BTreeSet<String> = receiver.accepted(4).await.into_iter().collect();
        assert!(sent.iter().all(|id| ids.contains(id)), "{sent:?} of {ids:?}");
        server.stop().await;
    });
}

#[test]
fn of_replicas_that_share_a_ledger_one_exports_for_all() {
    run(async {
        let receiver = Receiver::start(Speaks::Http, None, &[]).await;
        let postgres = Postgres::shared().await;
        postgres.create("export-shared", &[]).await;
        let url = format!(
            "postgres://postgres@127.0.0.1:{}/export-shared?sslmode=disable",
            postgres.port
        );
        let key = postgres.scratch("export-shared").join("ledger.key");
        let mut sites = Vec::new();
        for name in ["a", "b"] {
            let keys = [
                "ledger.kind = \"postgres\"".to_owned(),
                "ledger.url_file = \"url\"".to_owned(),
                format!("ledger.replica = \"{name}\""),
                format!("ledger.key = \"{}\"", key.display()),
                format!(
                    "ledger.export = [{{ name = \"siem\", to = \"http://{}\" }}]",
                    receiver.address
                ),
            ];
            let site = site(&format!("export-{name}"), &keys.each_ref().map(String::as_str)).await;
            std::fs::write(site.folder.join("url"), &url).unwrap();
            sites.push(site);
        }
        let (a, b) = (sites[0].serve().await, sites[1].serve().await);
        query(&sites[0], 3).await;
        query(&sites[1], 3).await;
        // What was sent is noted before one goes: it would be sent again.
        let owner = postgres.connect("export-shared").await;
        let noted = async || {
            let all = "SELECT count(*) = 0 FROM chains c LEFT JOIN exports e ON e.chain = c.id \
                       WHERE e.seq IS DISTINCT FROM c.seq";
            until("it isn't noted", || async {
                owner.inner.query_one(all, &[]).await.unwrap().get::<_, bool>(0)
            })
            .await;
        };
        assert_eq!(receiver.accepted(6).await.len(), 6, "neither sends what the other does");
        noted().await;
        // Whichever it is: when it goes, the other one takes over.
        a.stop().await;
        query(&sites[1], 1).await;
        assert_eq!(receiver.accepted(7).await.len(), 7);
        noted().await;
        let a = sites[0].serve().await;
        b.stop().await;
        query(&sites[0], 1).await;
        assert_eq!(receiver.accepted(8).await.len(), 8);
        a.stop().await;
        let chains: BTreeSet<String> = receiver
            .got
            .lock()
            .unwrap()
            .accepted
            .iter()
            .map(|event| event["metadata"]["log_name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(chains.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    });
}
