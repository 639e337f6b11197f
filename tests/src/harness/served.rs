//! A gateway composed as the binary composes it: from a configuration, with bounds of the test's own.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;
use tollgate_identity::{UserStore, Verifier};
use tollgate_proxy::{load, serve};

use super::client::Client;
use super::free_port;
use super::gateway::{DATABASE, PASSWORD};
use super::raw::Raw;

/// A folder with data, users, policies and a configuration.
pub struct Site {
    pub folder: PathBuf,
    pub address: SocketAddr,
}

/// What ana may see of every table in `shop`: rows of her own tenant.
const POLICIES: &str = "
CREATE ROLE analyst;
CREATE ROLE owner;
GRANT ROLE analyst TO USER 'ana';
GRANT ROLE owner TO USER 'root';
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO ROLE analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO ROLE owner;
CREATE ROW POLICY tenant ON ALL TABLES WITH COLUMN (tenant_id) AS RESTRICTIVE
  TO ROLE analyst USING (tenant_id = principal_attr('tenant_id'));
";

impl Site {
    /// Prepares an empty folder; data goes below `data()`. `keys` are lines of the configuration such
    /// as `warehouse.memory_limit = "8 MiB"`.
    pub fn new(folder: PathBuf, keys: &[&str]) -> Site {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut config = format!(
            "database = \"{DATABASE}\"\npg.listen = \"{address}\"\npg.tls = \"optional\"\n\
             users.file = \"users.toml\"\npolicies.folder = \"policies\"\n\
             warehouse.kind = \"embedded\"\nwarehouse.data = \"data\"\naudit.file = \"audit.jsonl\"\n"
        );
        for key in keys {
            writeln!(config, "{key}").unwrap();
        }
        std::fs::write(folder.join("tollgate.toml"), config).unwrap();
        let verifier = Verifier::from_password(PASSWORD, 4096, b"salt of the tests").unwrap();
        let tenant = [("tenant_id".to_owned(), vec!["acme".to_owned()])];
        let users = UserStore::parse("")
            .unwrap()
            .with_user("ana", verifier.clone(), tenant.into())
            .with_user("root", verifier, [].into());
        std::fs::write(folder.join("users.toml"), users.to_toml()).unwrap();
        std::fs::create_dir_all(folder.join("policies")).unwrap();
        std::fs::write(folder.join("policies/all.sql"), POLICIES).unwrap();
        std::fs::create_dir_all(folder.join("data/shop")).unwrap();
        Site { folder, address }
    }

    /// The folder of the tables of schema `shop`.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data/shop")
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("tollgate.toml")
    }

    /// Starts it in this process; dropping the server ends it.
    pub async fn serve(&self) -> serve::Server {
        let loaded = load::load(&self.config()).unwrap_or_else(|errors| panic!("{errors}"));
        serve::start(loaded).await.unwrap()
    }

    /// A client.
    pub async fn connect(&self, user: &str) -> Client {
        let port = self.address.port();
        let dsn = format!(
            "host=127.0.0.1 port={port} user={user} password='{PASSWORD}' dbname={DATABASE} sslmode=disable"
        );
        Client::connect(&dsn).await.unwrap()
    }

    /// A client without a library.
    pub async fn raw(&self, user: &str) -> Raw {
        Raw::session(self.address, user).await
    }

    /// The records of the audit trail so far.
    pub fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("audit.jsonl")).unwrap();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// Rows `id, tenant_id, name, amount` for ids in `ids`; every third row is of another tenant.
pub fn rows(ids: std::ops::Range<i64>) -> RecordBatch {
    let tenant = |id: i64| if id % 3 == 2 { "globex" } else { "acme" };
    let name = |id: i64| match tenant(id) {
        "acme" => format!("name of the row with the number {id:08}"),
        _ => format!("CANARY of the row with the number {id:08}"),
    };
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(ids.clone().collect::<Int64Array>())),
        ("tenant_id", Arc::new(ids.clone().map(|id| Some(tenant(id))).collect::<StringArray>())),
        ("name", Arc::new(ids.clone().map(|id| Some(name(id))).collect::<StringArray>())),
        ("amount", Arc::new(ids.map(|id| id * 7919 % 1_000_003).collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Writes a Parquet file with row groups of `group` rows.
pub fn write(path: &Path, batch: &RecordBatch, group: usize) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}
