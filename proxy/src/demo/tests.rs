//! The demo's data and policies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use super::*;

#[test]
fn the_demo_is_made_once_and_is_valid() {
    let folder = env::temp_dir().join(format!("tollgate-demo-test-{}", std::process::id()));
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let options = Options { pg: any, flight: any, admin: any, data: Some(folder.clone()) };
    let demo = prepare(&options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(demo.loaded.users.names().count(), 5);
    let tables = || demo.loaded.snapshot.tables().filter(|table| !table.is_record());
    assert_eq!(tables().count(), 11);
    let rows: u64 = tables().filter_map(|table| table.row_count).sum();
    assert_eq!(rows, 623_739);
    let keyed = tables().all(|table| !table.primary_key.is_empty());
    assert!(keyed, "a table has no primary key");

    let made = fs::metadata(folder.join("data/crm/orders.parquet")).unwrap().modified().unwrap();
    prepare(&options).unwrap_or_else(|error| panic!("{error}"));
    let then = fs::metadata(folder.join("data/crm/orders.parquet")).unwrap().modified().unwrap();
    assert_eq!(made, then);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_demo_stays_on_this_machine() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let options = Options { pg: "0.0.0.0:0".parse().unwrap(), flight: any, admin: any, data: None };
    assert!(prepare(&options).is_err());
}
