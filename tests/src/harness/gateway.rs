//! A gateway in this process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tollgate_catalog::{ForeignKey, Snapshot, Table, TableName};
use tollgate_flight::Flight;
use tollgate_gateway::audit::Statements;
use tollgate_gateway::{Audit, AuditTarget, Gateway, GatewayParts, GatewaySettings};
use tollgate_identity::{SealKeys, UserStore, Verifier};
use tollgate_policy::{Bundle, MaskSecret, SourceFile};
use tollgate_proxy::flight::{self, Front};
use tollgate_proxy::listener::{self, Limits, Shared, TlsMode, TlsSettings};
use tollgate_rewriter::Registry;
use tollgate_warehouse::Warehouse;
use tollgate_warehouse::embedded::{self, Embedded};
use tollgate_warehouse::warehouses::Warehouses;

use super::client::Client;

/// The password of every user.
pub const PASSWORD: &str = "a long and dull password";

/// The name of the database.
pub const DATABASE: &str = "tollgate";

/// A gateway that serves.
pub struct Running {
    pub address: SocketAddr,
    /// Where Flight clients connect: with TLS, and without.
    pub flight_tls: SocketAddr,
    pub flight: SocketAddr,
    /// The front end of both.
    pub flight_front: Flight,
    pub gateway: Arc<Gateway>,
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
    start_with(data, audit, &["policy/corpus/roles.sql", "policy/corpus/crm.sql"]).await
}

/// Starts a gateway over a folder of data, with the policies in some test cases.
pub async fn start_with(data: &Path, audit: &Path, policies: &[&str]) -> Running {
    start_caching(
        data,
        audit,
        policies,
        Caches { plans: 64 << 20, results: 0, ..Caches::default() },
    )
    .await
}

/// What is kept between queries, in bytes. With room for results, all tables say that they may be
/// kept.
#[derive(Clone, Copy, Default)]
pub struct Caches {
    pub plans: u64,
    pub results: u64,
    /// A table that says nothing.
    pub silent: &'static str,
}

/// Starts a gateway over a folder of data, with the policies in some test cases.
pub async fn start_caching(
    data: &Path,
    audit: &Path,
    policies: &[&str],
    caches: Caches,
) -> Running {
    let tables = embedded::discover(data).unwrap_or_else(|errors| panic!("{errors:?}"));
    start_over(tables, Arc::new(warehouse()), audit, policies, caches).await
}

/// Starts a gateway over what a warehouse has, with the policies in some test cases.
pub async fn start_over(
    mut tables: Vec<Table>,
    warehouse: Arc<dyn Warehouse>,
    audit: &Path,
    policies: &[&str],
    caches: Caches,
) -> Running {
    for table in &mut tables {
        // The first column of every table of the corpus is its key.
        if !matches!(table.name.schema.as_str(), "h" | "ds") {
            table.primary_key = vec![0];
            // Of how many rows a table has, hidden ones included, the planner knows the order of
            // magnitude; here it is the same, whatever is hidden.
            table.row_count = table.row_count.map(|_| 1000);
        }
        let says = caches.results > 0 && table.name.to_string() != caches.silent;
        table.cache_for = says.then_some(Duration::from_secs(3600));
        table.foreign_keys = foreign_key(table).into_iter().collect();
    }
    let snapshot = Arc::new(Snapshot::new(1, tables));
    let registry =
        Arc::new(Registry::new(&tollgate_gateway::Functions::new(Embedded::udf_source())));
    let bundle = Bundle::load(&files(policies), &snapshot, &*registry, &MaskSecret::new([7; 32]))
        .unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    let gateway = Gateway::new(GatewayParts {
        snapshot,
        bundle: Arc::new(bundle),
        registry,
        warehouses: Arc::new(Warehouses::only(warehouse, 8)),
        audit: Arc::new(
            Audit::open(AuditTarget::File(audit.to_owned()), "tenant_id", Statements::Whole)
                .unwrap(),
        ),
        purse: Arc::new(tollgate_gateway::limits::budget::MemoryPurse::default()),
        settings: GatewaySettings {
            database: DATABASE.to_owned(),
            max_concurrent: 8,
            statement_timeout: None,
            plan_cache: caches.plans,
            result_cache: caches.results,
            policy_readers: ["auditor".to_owned()].into(),
        },
    })
    .unwrap();

    let (tls, certificate) = certificate();
    let (shutdown, stopping) = watch::channel(false);
    let users = Arc::new(users());
    let flight_front = Flight::new(
        Arc::clone(&gateway),
        Arc::clone(&users),
        Arc::new(SealKeys::random().unwrap()),
        tollgate_flight::Settings::default(),
    );
    let mut addresses = Vec::new();
    for tls in [Some(flight::tls(&tls)), None] {
        let front = Front {
            flight: flight_front.clone(),
            tls,
            max_connections: 200,
            connections: std::sync::atomic::AtomicUsize::new(0),
            startup_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(1),
        };
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(socket.local_addr().unwrap());
        tokio::spawn(flight::serve(socket, Arc::new(front), stopping.clone()));
    }
    let shared =
        Shared::new(Arc::clone(&gateway), users, Some(tls), TlsMode::Optional, Limits::default());
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(listener::serve(socket, Arc::new(shared), stopping));
    Running {
        address,
        flight_tls: addresses[0],
        flight: addresses[1],
        flight_front,
        gateway,
        certificate,
        _shutdown: shutdown,
    }
}

/// The foreign keys of `clients/keys.sql`, and one of a hidden table.
fn foreign_key(table: &Table) -> Option<ForeignKey> {
    let (column, referenced) = match table.name.to_string().as_str() {
        "crm.orders" => ("customer_id", ["crm", "customers", "id"]),
        "crm.customers" => ("tenant_id", ["crm", "tenants", "tenant_id"]),
        "hr.salaries" => ("employee_id", ["crm", "customers", "id"]),
        _ => return None,
    };
    Some(ForeignKey {
        columns: vec![table.column_index(column)?],
        references: TableName::new(referenced[0], referenced[1]),
        referenced_columns: vec![referenced[2].to_owned()],
    })
}

fn warehouse() -> Embedded {
    Embedded::open(&embedded::Options::default()).unwrap()
}

fn files(policies: &[&str]) -> Vec<SourceFile> {
    policies
        .iter()
        .map(|name| SourceFile { path: (*name).to_owned(), text: super::case(name) })
        .collect()
}

/// The policies of the corpus.
pub fn policies() -> Vec<SourceFile> {
    files(&["policy/corpus/roles.sql", "policy/corpus/crm.sql"])
}

/// The verifier of every user's password.
pub fn verifier() -> Verifier {
    Verifier::from_password(PASSWORD, 4096, b"salt of the tests").unwrap()
}

/// The verifier of another one.
pub fn other_verifier() -> Verifier {
    Verifier::from_password("another password", 4096, b"salt of the tests").unwrap()
}

/// The attributes of a user of a tenant.
pub fn tenant(tenant: &str) -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([("tenant_id".to_owned(), vec![tenant.to_owned()])])
}

pub fn users() -> UserStore {
    let verifier = verifier();
    UserStore::parse("")
        .unwrap()
        .with_user("ana", verifier.clone(), tenant("acme"))
        .with_user("amy", verifier.clone(), tenant("acme"))
        .with_user("bob", verifier.clone(), tenant("globex"))
        .with_user("root", verifier, BTreeMap::new())
        .with_issuer(Some(super::issuer::issuer()))
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
