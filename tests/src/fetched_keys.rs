//! Keys of tokens that are fetched over HTTPS: when, how often, and what counts if they can't be.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tollgate_proxy::serve::Server;
use tonic::Code;

use crate::harness::flight::Flight;
use crate::harness::gateway::{DATABASE, PASSWORD};
use crate::harness::issuer::now;
use crate::harness::psql::Psql;
use crate::harness::served::{self, Site};
use crate::harness::{self};

/// A key pair with a name.
struct Signer(&'static str, EcdsaKeyPair);

impl Signer {
    fn new(id: &'static str) -> Signer {
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Signer(id, EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref(), &random).unwrap())
    }

    fn jwk(&self) -> Value {
        let point = self.1.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..65]));
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.0, "x": x, "y": y })
    }

    /// A token for tess of acme.
    fn token(&self) -> String {
        let claims = json!({
            "iss": "https://id.example.com", "aud": "tollgate", "sub": "tess", "tenant": "acme",
            "exp": now() + 3600,
        });
        let part = |value: &Value| BASE64.encode(value.to_string());
        let header = json!({ "alg": "ES256", "kid": self.0 });
        let message = format!("{}.{}", part(&header), part(&claims));
        let signature = self.1.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64.encode(signature.as_ref()))
    }
}

fn set(signers: &[&Signer]) -> String {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// The head and body of an answer; nothing: it is not to come yet.
type Answer = Option<(String, String)>;

fn ok(body: String) -> Answer {
    Some(("200 OK".to_owned(), body))
}

fn status(head: &str) -> Answer {
    Some((head.to_owned(), String::new()))
}

/// An identity provider, as far as it publishes keys.
struct Provider {
    port: u16,
    certificate: String,
    answer: watch::Sender<Answer>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(answer: Answer) -> Provider {
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, answers) = watch::channel(answer);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
                let mut answers = answers.clone();
                tokio::spawn(async move {
                    let Ok(mut socket) = acceptor.accept(socket).await else { return };
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(socket.read_u8().await.unwrap());
                    }
                    assert!(request.starts_with(b"GET /jwks?v=1 HTTP/1.1\r\n"));
                    count.fetch_add(1, Ordering::SeqCst);
                    let answer = answers.wait_for(Option::is_some).await;
                    let Some((head, body)) = answer.ok().and_then(|answer| answer.clone()) else {
                        return;
                    };
                    let text = format!(
                        "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = socket.write_all(text.as_bytes()).await;
                    let _ = socket.shutdown().await;
                });
            }
        });
        Provider { port, certificate: signed.cert.pem(), answer, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until it was asked that often.
    async fn until_asked(&self, times: usize) {
        while self.asked() < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A gateway that fetches a provider's keys.
struct Gate {
    site: Site,
    server: Server,
}

impl Gate {
    async fn start(name: &str, provider: &Provider, keys: &[&str]) -> Gate {
        let folder: PathBuf = harness::world().await.postgres.scratch(name);
        std::fs::write(folder.join("provider.pem"), &provider.certificate).unwrap();
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("server.pem"), signed.cert.pem()).unwrap();
        std::fs::write(folder.join("server-key.pem"), signed.signing_key.serialize_pem()).unwrap();
        let url = format!("tokens.jwks_url = \"https://localhost:{}/jwks?v=1\"", provider.port);
        let always = [
            "pg.cert = \"server.pem\"",
            "pg.key = \"server-key.pem\"",
            "flight.listen = \"127.0.0.1:0\"",
            "policies.watch = \"0s\"",
            "tokens.issuer = \"https://id.example.com\"",
            "tokens.audience = \"tollgate\"",
            "tokens.attributes = { tenant_id = \"tenant\" }",
            url.as_str(),
        ];
        let ca = ["tokens.jwks_ca = \"provider.pem\""];
        let ca = if keys.iter().any(|key| key.contains("jwks_ca")) { &[][..] } else { &ca[..] };
        let site = Site::new(folder, &[&always[..], ca, keys].concat());
        let grant = "GRANT ROLE analyst TO USER 'tess';";
        std::fs::write(site.folder.join("policies/tokens.sql"), grant).unwrap();
        served::write(&site.data().join("items.parquet"), &served::rows(0..30), 10);
        let server = site.serve().await;
        Gate { site, server }
    }

    fn dsn(&self, user: &str) -> String {
        let port = self.site.address.port();
        format!("host=127.0.0.1 port={port} dbname={DATABASE} user={user} sslmode=require")
    }

    /// A session that a token opened.
    async fn session(&self, token: &str) -> Psql {
        Psql::start(&format!("{} options='-c tollgate.auth=token'", self.dsn("tess")), token).await
    }

    /// Whether a token is believed.
    async fn believes(&self, token: &str) -> bool {
        let output = tokio::process::Command::new("psql")
            .args(["-X", "-A", "-t", "-w", "-c", "SELECT count(*) FROM shop.items"])
            .arg(format!("{} options='-c tollgate.auth=token'", self.dsn("tess")))
            .env("PGPASSWORD", token)
            .output()
            .await
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let refused = text.contains("token authentication failed for user \"tess\"");
        assert!(refused || text.trim() == "20", "{text}");
        !refused
    }

    async fn until_believes(&self, token: &str, expected: bool) {
        while self.believes(token).await != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[test]
fn a_key_that_is_not_known_is_fetched() {
    harness::run(async {
        let (one, two, three) = (Signer::new("one"), Signer::new("two"), Signer::new("three"));
        let provider = Provider::start(ok(set(&[&one]))).await;
        let gate = Gate::start("keys-fetched", &provider, &["tokens.refetch = \"1ms\""]).await;
        assert!(gate.believes(&one.token()).await);
        assert_eq!(provider.asked(), 1);
        // The issuer signs with another one from now on.
        provider.answer.send_replace(ok(set(&[&one, &two])));
        assert!(gate.believes(&two.token()).await);
        assert_eq!(provider.asked(), 2);
        assert!(gate.believes(&one.token()).await && gate.believes(&two.token()).await);
        assert_eq!(provider.asked(), 2);
        // A key that it doesn't publish, or another one of the same name.
        assert!(!gate.believes(&three.token()).await);
        assert_eq!(provider.asked(), 3);
        assert!(!gate.believes(&Signer::new("two").token()).await);
        assert_eq!(provider.asked(), 3);
        gate.server.stop().await;
    });
}

#[test]
fn strangers_cannot_make_the_gateway_ask_often() {
    harness::run(async {
        let (one, two) = (Signer::new("one"), Signer::new("two"));
        let provider = Provider::start(None).await;
        let gate = Gate::start("keys-once", &provider, &["tokens.refetch = \"1h\""]).await;
        // All of them wait for the one request at start.
        let (first, second) = (one.token(), one.token());
        let waiting = futures::future::join4(
            gate.believes(&first),
            gate.believes(&second),
            gate.believes(&first),
            async {
                provider.until_asked(1).await;
                provider.answer.send_replace(ok(set(&[&one])));
            },
        );
        assert_eq!(waiting.await, (true, true, true, ()));
        // A key that isn't known is asked for, but not that soon.
        provider.answer.send_replace(ok(set(&[&one, &two])));
        for _ in 0..3 {
            assert!(!gate.believes(&two.token()).await);
        }
        assert!(gate.believes(&one.token()).await);
        assert_eq!(provider.asked(), 1);
        // A reload that changes nothing keeps what was fetched.
        provider.answer.send_replace(status("500 Internal Server Error"));
        gate.server.reload();
        assert!(gate.believes(&one.token()).await);
        assert_eq!(provider.asked(), 1);
        // One that changes where they are doesn't.
        let config =
            std::fs::read_to_string(gate.site.config()).unwrap() + "tokens.keep = \"2h\"\n";
        std::fs::write(gate.site.config(), config).unwrap();
        gate.server.reload();
        assert!(!gate.believes(&one.token()).await);
        assert_eq!(provider.asked(), 2);
        gate.server.stop().await;
    });
}

#[test]
fn without_the_issuer_the_gateway_starts_and_believes_no_token() {
    harness::run(async {
        let one = Signer::new("one");
        let provider = Provider::start(status("503 Service Unavailable")).await;
        let gate = Gate::start("keys-late", &provider, &["tokens.refetch = \"20ms\""]).await;
        assert!(!gate.believes(&one.token()).await);
        let mut ana = Psql::start(&gate.dsn("ana"), PASSWORD).await;
        assert_eq!(ana.ask("count(*) FROM shop.items").await, "20");
        for answer in [
            status("302 Found\r\nLocation: /other"),
            ok("<html>".to_owned()),
            ok(format!("{}{}", " ".repeat(256 << 10), set(&[&one]))),
            Some(("206 Partial Content".to_owned(), set(&[&one]))),
        ] {
            provider.answer.send_replace(answer.clone());
            provider.until_asked(provider.asked() + 2).await;
            assert!(!gate.believes(&one.token()).await, "{answer:?}");
        }
        provider.answer.send_replace(ok(set(&[&one])));
        gate.until_believes(&one.token(), true).await;
        gate.server.stop().await;
    });
}

#[test]
fn a_server_that_proves_nothing_is_not_asked() {
    harness::run(async {
        let one = Signer::new("one");
        let provider = Provider::start(ok(set(&[&one]))).await;
        let keys = ["tokens.refetch = \"20ms\"", "tokens.jwks_ca = \"server.pem\""];
        let gate = Gate::start("keys-foreign", &provider, &keys).await;
        assert!(!gate.believes(&one.token()).await && !gate.believes(&one.token()).await);
        assert_eq!(provider.asked(), 0);
        gate.server.stop().await;
    });
}

async fn ended(session: &mut Psql) {
    while !session.ask("'still here'").await.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn keys_outlive_a_failure_for_some_time_only() {
    harness::run(async {
        let (one, two) = (Signer::new("one"), Signer::new("two"));
        let provider = Provider::start(ok(set(&[&one]))).await;
        let keys =
            ["tokens.refresh = \"20ms\"", "tokens.refetch = \"20ms\"", "tokens.keep = \"20s\""];
        let gate = Gate::start("keys-kept", &provider, &keys).await;
        let mut session = gate.session(&one.token()).await;
        // What the issuer withdraws ends.
        provider.answer.send_replace(ok(set(&[&two])));
        gate.until_believes(&one.token(), false).await;
        ended(&mut session).await;
        let mut session = gate.session(&two.token()).await;
        // A failure doesn't, until the keys are too old.
        provider.answer.send_replace(ok("<html>".to_owned()));
        provider.until_asked(provider.asked() + 3).await;
        assert_eq!(session.ask("'here'").await, "here");
        gate.until_believes(&two.token(), false).await;
        ended(&mut session).await;
        provider.answer.send_replace(ok(set(&[&two])));
        gate.until_believes(&two.token(), true).await;
        gate.server.stop().await;
    });
}

#[test]
fn flight_waits_for_keys_too() {
    harness::run(async {
        let (one, two) = (Signer::new("one"), Signer::new("two"));
        let provider = Provider::start(ok(set(&[&one]))).await;
        let gate = Gate::start("keys-flight", &provider, &["tokens.refetch = \"1ms\""]).await;
        let ca = gate.site.folder.join("server.pem");
        let mut flight = Flight::over_tls(gate.server.flight().unwrap(), &ca, None).await;
        for (signer, keys) in [(&one, set(&[&one])), (&two, set(&[&one, &two]))] {
            provider.answer.send_replace(ok(keys));
            flight.token = format!("Bearer {}", signer.token());
            assert_eq!(flight.statement("SELECT id FROM shop.items").await.unwrap().count(), 20);
        }
        flight.token = format!("Bearer {}", Signer::new("three").token());
        let error = flight.statement("SELECT 1").await.unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated);
        gate.server.stop().await;
    });
}
