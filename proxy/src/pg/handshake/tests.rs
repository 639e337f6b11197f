//! First packets, good and bad.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::*;

const SSL: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
const GSS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";
const STARTUP: &[u8] = b"\0\0\0\x12\0\x03\0\0user\0ana\0\0";

fn certificate() -> (TlsSettings, rustls::RootCertStore) {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
    let leaf = signed.cert.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.clone()], key.into())
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(leaf.clone()).unwrap();
    (TlsSettings::new(config, &leaf), roots)
}

fn start(tls: Option<TlsSettings>, tls_mode: TlsMode) -> (DuplexStream, JoinHandle<Opening>) {
    let (ours, theirs) = duplex(1 << 16);
    let opening = tokio::spawn(async move {
        let limits = Limits { stall: Duration::from_secs(5), ..Limits::default() };
        let door = Door { tls: tls.as_ref(), tls_mode, limits: &limits };
        open(Box::new(ours), &door).await
    });
    (theirs, opening)
}

async fn client_tls(
    socket: DuplexStream,
    roots: rustls::RootCertStore,
    alpn: Option<&[u8]>,
) -> std::io::Result<tokio_rustls::client::TlsStream<DuplexStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

/// The answer to a plain conversation: what the server wrote until it closed.
async fn answer(tls_mode: TlsMode, bytes: &[u8]) -> Vec<u8> {
    let (mut client, opening) = start(None, tls_mode);
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert!(matches!(opening.await.unwrap(), Opening::Nothing));
    got
}

fn has(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[tokio::test]
async fn requests_come_in_either_order_and_once() {
    for (first, second) in [(SSL, GSS), (GSS, SSL)] {
        let (mut client, opening) = start(None, TlsMode::Optional);
        for request in [first, second] {
            client.write_all(request).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'N');
        }
        client.write_all(STARTUP).await.unwrap();
        let opened = opening.await.unwrap();
        let Opening::Startup { encrypted, version, body, .. } = opened else { panic!("refused") };
        assert_eq!((encrypted, version, &body[..]), (false, 3 << 16, &b"user\0ana\0\0"[..]));
    }
    assert!(has(&answer(TlsMode::Optional, &[SSL, SSL].concat()).await, "C0A000"));
}

#[tokio::test]
async fn plain_text_is_refused_where_encryption_is_required() {
    let got = answer(TlsMode::Required, STARTUP).await;
    assert!(has(&got, "SFATAL") && has(&got, "C28000") && has(&got, "sslmode=require"));
}

#[tokio::test]
async fn cancel_requests_come_in_plain_text_too() {
    let (mut client, opening) = start(None, TlsMode::Required);
    client.write_all(b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07\x01\x02\x03\x04").await.unwrap();
    let opened = opening.await.unwrap();
    let Opening::Cancel { pid, secret, socket } = opened else { panic!("no cancel") };
    assert_eq!((pid, &secret[..]), (7, &[1, 2, 3, 4][..]));
    // The client is kept waiting until the request is carried out.
    assert!(client.read_u8().now_or_never().is_none(), "closed too early");
    drop(socket);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn bad_packets_are_fatal_and_bounded() {
    for (bytes, expected) in [
        (&b"\0\0\0\x08\0\x02\0\0"[..], "C0A000"),
        (b"\0\0\0\x07\0\x03\0\0", "C08P01"),
        (b"\0\0\0\0", "C08P01"),
        (b"\x7f\xff\xff\xff\0\x03\0\0", "C08P01"),
        (b"\xff\xff\xff\xff", "C08P01"),
        (b"GET / HTTP/1.1\r\n\r\n", "C08P01"),
    ] {
        let got = answer(TlsMode::Optional, bytes).await;
        assert!(has(&got, "SFATAL") && has(&got, expected), "{bytes:?}: {got:?}");
        assert!(!has(&got, "Z\0\0\0\x05"));
    }
    assert_eq!(answer(TlsMode::Optional, b"").await, b"");
    assert_eq!(answer(TlsMode::Optional, b"\0\0\0").await, b"");
    assert_eq!(answer(TlsMode::Optional, b"\x16\x03\x01").await, b"");
}

#[tokio::test]
async fn tls_after_a_request_and_directly() {
    let (settings, roots) = certificate();
    for direct in [false, true] {
        let (mut client, opening) = start(Some(settings.clone()), TlsMode::Required);
        if !direct {
            client.write_all(SSL).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'S');
        }
        let alpn = direct.then_some(ALPN);
        let mut client = client_tls(client, roots.clone(), alpn).await.unwrap();
        client.write_all(STARTUP).await.unwrap();
        client.flush().await.unwrap();
        assert!(matches!(opening.await.unwrap(), Opening::Startup { encrypted: true, .. }));
    }
}

#[tokio::test]
async fn direct_tls_needs_the_protocol_name() {
    let (settings, roots) = certificate();
    for alpn in [None, Some(&b"h2"[..])] {
        let (client, opening) = start(Some(settings.clone()), TlsMode::Required);
        if let Ok(mut client) = client_tls(client, roots.clone(), alpn).await {
            let _ = client.write_all(STARTUP).await;
            let _ = client.flush().await;
        }
        assert!(matches!(opening.await.unwrap(), Opening::Nothing));
    }
}

#[tokio::test]
async fn bytes_before_tls_are_never_taken_for_encrypted_ones() {
    let (settings, roots) = certificate();
    let (mut client, opening) = start(Some(settings), TlsMode::Required);
    client.write_all(&[SSL, STARTUP].concat()).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'S');
    assert!(client_tls(client, roots, None).await.is_err());
    assert!(matches!(opening.await.unwrap(), Opening::Nothing));
}
