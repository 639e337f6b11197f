//! A gateway in this process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tollgate_catalog::Snapshot;
use tollgate_gateway::{Audit, AuditTarget, Gateway, GatewayParts, GatewaySettings};
use tollgate_identity::{UserStore, Verifier};
use tollgate_policy::{Bundle, MaskSecret, SourceFile};
use tollgate_proxy::listener::{self, Limits, Shared, TlsMode, TlsSettings};
use tollgate_rewriter::Registry;
use tollgate_warehouse::embedded::{self, Embedded};

use super::client::Client;

/// The password of every user.
pub const PASSWORD: &str = "a long and dull password";

/// The name of the database.
pub const DATABASE: &str = "tollgate";

/// A gateway that serves.
pub struct Running {
    pub address: SocketAddr,
    /// The certificate, PEM.
    pub certificate: String,
    /// Dropping it ends the gateway.
    _shutdown: watch::Sender<bool>,
}

impl Running {
    /// What a libpq client connects with.
    pub fn dsn(&self, user: &str) -> String {
        format!(
            "host=127.0.0.1 port={} user={user} password='{PASSWORD}' dbname={DATABASE} \
             sslmode=disable",
            self.address.port()
        )
    }

    /// Connects a user.
    pub async fn connect(&self, user: &str) -> Client {
        Client::connect(&self.dsn(user)).await.unwrap()
    }
}

/// Starts a gateway over a folder of data, with the policies of the corpus.
pub async fn start(data: &Path, audit: &Path) -> Running {
    let mut tables = embedded::discover(data).unwrap_or_else(|errors| panic!("{errors:?}"));
    for table in &mut tables {
        // The first column of every table is its key.
        table.primary_key = vec![0];
    }
    let snapshot = Arc::new(Snapshot::new(1, tables));
    let registry =
        Arc::new(Registry::new(&tollgate_gateway::Functions::new(Embedded::udf_source())));
    let bundle = Bundle::load(&policies(), &snapshot, &*registry, &MaskSecret::new([7; 32]))
        .unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    let gateway = Gateway::new(GatewayParts {
        snapshot,
        bundle: Arc::new(bundle),
        registry,
        warehouse: Arc::new(warehouse()),
        audit: Arc::new(Audit::open(AuditTarget::File(audit.to_owned())).unwrap()),
        settings: GatewaySettings {
            database: DATABASE.to_owned(),
            max_concurrent: 8,
            statement_timeout: None,
        },
    })
    .unwrap();

    let (tls, certificate) = certificate();
    let shared =
        Shared::new(gateway, Arc::new(users()), Some(tls), TlsMode::Optional, Limits::default());
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (shutdown, stopping) = watch::channel(false);
    tokio::spawn(listener::serve(socket, Arc::new(shared), stopping));
    Running { address, certificate, _shutdown: shutdown }
}

fn warehouse() -> Embedded {
    Embedded::open(&embedded::Options::default()).unwrap()
}

/// The policies of the corpus.
fn policies() -> Vec<SourceFile> {
    ["roles.sql", "crm.sql"]
        .map(|name| SourceFile {
            path: name.to_owned(),
            text: super::case(&format!("policy/corpus/{name}")),
        })
        .into()
}

fn users() -> UserStore {
    let verifier = Verifier::from_password(PASSWORD, 4096, b"salt of the tests").unwrap();
    let tenant = |tenant: &str| BTreeMap::from([("tenant_id".to_owned(), vec![tenant.to_owned()])]);
    UserStore::parse("")
        .unwrap()
        .with_user("ana", verifier.clone(), tenant("acme"))
        .with_user("bob", verifier.clone(), tenant("globex"))
        .with_user("root", verifier, BTreeMap::new())
}

fn certificate() -> (TlsSettings, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let signed = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
    let chain = vec![signed.cert.der().clone()];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (TlsSettings::new(config, signed.cert.der()), signed.cert.pem())
}
