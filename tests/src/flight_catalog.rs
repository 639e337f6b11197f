//! Calls for metadata over Flight SQL are recorded, as statements that query the system catalogs are.

use std::path::Path;

use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
    CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes,
    CommandGetTables, CommandGetXdbcTypeInfo,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::flight::{own, receipts, until};
use crate::harness::flight::{Flight, command};
use crate::harness::gateway::PASSWORD;
use crate::harness::postgres::Postgres;
use crate::harness::run;
use crate::harness::served::{Site, rows, write};

fn decisions(audit: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(audit).unwrap();
    let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records.filter(|record| record["record"] == "decision").collect()
}

#[test]
fn each_call_for_metadata_leaves_a_decision_and_a_receipt() {
    run(async {
        let (running, audit) = own("flight-catalog").await;
        let mut ana = Flight::connect(running.flight, "ana", PASSWORD).await.unwrap();
        let crm = || Some("crm".to_owned());
        let keys = |table: &str| (Some("tollgate".to_owned()), crm(), table.to_owned());
        let (catalog, db_schema, table) = keys("customers");
        let primary = CommandGetPrimaryKeys { catalog, db_schema, table };
        let (catalog, db_schema, table) = keys("it's");
        let exported = CommandGetExportedKeys { catalog, db_schema, table };
        let imported = CommandGetImportedKeys { table: "orders".to_owned(), ..Default::default() };
        let cross = CommandGetCrossReference {
            pk_table: "customers".to_owned(),
            fk_db_schema: crm(),
            fk_table: "orders".to_owned(),
            ..Default::default()
        };
        let hidden = CommandGetTables {
            db_schema_filter_pattern: Some("h_".to_owned()),
            table_name_filter_pattern: Some("salar%".to_owned()),
            table_types: ["VIEW", "TABLE", "SYNONYM", "VIEW", "it's"].map(str::to_owned).into(),
            include_schema: true,
            ..Default::default()
        };
        let asked = [
            (command(&CommandGetCatalogs {}), "GetCatalogs()", 1),
            (command(&CommandGetDbSchemas::default()), "GetDbSchemas()", 1),
            (command(&CommandGetTables::default()), "GetTables()", 3),
            (
                command(&hidden),
                "GetTables(db_schema_filter_pattern = 'h_', table_name_filter_pattern = 'salar%', \
                 table_type = 'TABLE', table_type = 'VIEW', other_table_types = 2, include_schema)",
                0,
            ),
            (command(&CommandGetTableTypes {}), "GetTableTypes()", 2),
            (
                command(&primary),
                "GetPrimaryKeys(catalog = 'tollgate', db_schema = 'crm', table = 'customers')",
                1,
            ),
            (
                command(&exported),
                "GetExportedKeys(catalog = 'tollgate', db_schema = 'crm', table = 'it''s')",
                0,
            ),
            (command(&imported), "GetImportedKeys(table = 'orders')", 1),
            (
                command(&cross),
                "GetCrossReference(pk_table = 'customers', fk_db_schema = 'crm', fk_table = 'orders')",
                1,
            ),
            (command(&CommandGetSqlInfo { info: vec![8, 4, 8] }), "GetSqlInfo(4, 8)", 2),
            (command(&CommandGetXdbcTypeInfo { data_type: Some(12) }), "GetXdbcTypeInfo(12)", 1),
        ];
        for (number, (descriptor, text, rows)) in (1..).zip(asked) {
            // What has the columns only says nothing, so it isn't recorded.
            ana.info(descriptor.clone()).await.unwrap();
            assert_eq!(ana.run(descriptor).await.unwrap().count(), rows, "{text}");
            until(|| receipts(&audit).len() == number).await;
            let (decision, receipt) =
                (decisions(&audit).pop().unwrap(), receipts(&audit).pop().unwrap());
            assert_eq!(decisions(&audit).len(), number, "{text}");
            assert_eq!(decision["sql"], text);
            assert_eq!(
                (&decision["dialect"], &decision["principal"]),
                (&json!("flight sql"), &json!("ana"))
            );
            assert_eq!(
                (&decision["outcome"], &decision["roles"]),
                (&json!("permitted"), &json!(["analyst"]))
            );
            assert_eq!((&decision["tenant"], &decision["tables"]), (&json!("acme"), &json!([])));
            assert_eq!(decision["id"], receipt["id"]);
            assert_eq!((&receipt["outcome"], &receipt["rows"]), (&json!("complete"), &json!(rows)));
            assert_eq!(receipt["roles"], json!(["analyst"]));
            assert!(receipt["bytes"].as_u64().unwrap() > 50, "{receipt}");
        }

        // A stream that nobody reads to its end, and filters that no name has.
        let tables = CommandGetTables { include_schema: true, ..Default::default() };
        let info = ana.info(command(&tables)).await.unwrap();
        let request = ana.request(info.endpoint[0].ticket.clone().unwrap());
        let mut stream = ana.inner.do_get(request).await.unwrap().into_inner();
        stream.message().await.unwrap().unwrap();
        drop((stream, ana));
        until(|| receipts(&audit).len() == 12).await;
        let mut ana = Flight::connect(running.flight, "ana", PASSWORD).await.unwrap();
        let long = CommandGetDbSchemas {
            db_schema_filter_pattern: Some("%".repeat(4097)),
            ..Default::default()
        };
        let refused = ana.run(command(&long)).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(refused.message().contains("a filter is longer than 4096 bytes"), "{refused}");
        let many = CommandGetTables {
            catalog: Some("c".repeat(4096)),
            table_name_filter_pattern: Some("'".repeat(2048)),
            ..Default::default()
        };
        let refused = ana.run(command(&many)).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(refused.message().contains("filters are longer than 8192 bytes"), "{refused}");
        assert_eq!(decisions(&audit).len(), 12);
    });
}

/// What a call says can be read from its record by whoever speaks PostgreSQL's protocol.
#[test]
fn zero_bytes_never_reach_a_record() {
    run(async {
        let folder = Postgres::shared().await.scratch("flight_catalog_zero");
        let keys = ["flight.listen = \"127.0.0.1:0\"", "ledger.max_size = \"16 MiB\""];
        let site = Site::new(folder, &keys);
        write(&site.data().join("items.parquet"), &rows(0..3), 3);
        let server = site.serve().await;
        let mut ana = Flight::connect(server.flight().unwrap(), "ana", PASSWORD).await.unwrap();
        let zero = || Some("a\0b".to_owned());
        let text = || "a\0b".to_owned();
        let shop = || "items".to_owned();
        for asked in [
            command(&CommandGetDbSchemas { catalog: zero(), ..Default::default() }),
            command(&CommandGetDbSchemas {
                db_schema_filter_pattern: zero(),
                ..Default::default()
            }),
            command(&CommandGetTables { catalog: zero(), ..Default::default() }),
            command(&CommandGetTables { db_schema_filter_pattern: zero(), ..Default::default() }),
            command(&CommandGetTables { table_name_filter_pattern: zero(), ..Default::default() }),
            command(&CommandGetTables { table_types: vec![text()], ..Default::default() }),
            command(&CommandGetPrimaryKeys {
                catalog: zero(),
                table: shop(),
                ..Default::default()
            }),
            command(&CommandGetPrimaryKeys { table: text(), ..Default::default() }),
            command(&CommandGetExportedKeys {
                db_schema: zero(),
                table: shop(),
                ..Default::default()
            }),
            command(&CommandGetImportedKeys { table: text(), ..Default::default() }),
            command(&CommandGetCrossReference { pk_table: text(), ..Default::default() }),
            command(&CommandGetCrossReference { fk_table: text(), ..Default::default() }),
        ] {
            let refused = ana.run(asked).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
            assert!(refused.message().contains("(SQLSTATE 22021)"), "{refused}");
        }
        let tables = CommandGetTables::default();
        assert!(ana.run(command(&tables)).await.unwrap().count() > 0);
        let own = "SELECT statement FROM tollgate.my_queries ORDER BY started";
        let own = site.connect("ana").await.simple(own).await;
        let texts: Vec<_> = own.rows().iter().map(|row| row[0].text()).collect();
        assert_eq!(texts.first().map(String::as_str), Some("GetTables()"), "{texts:?}");
        server.stop().await;
    });
}

/// What can't be recorded is not answered.
#[test]
fn no_metadata_leaves_a_full_ledger() {
    run(async {
        let folder = Postgres::shared().await.scratch("flight_catalog_full");
        let keys = ["flight.listen = \"127.0.0.1:0\"", "ledger.max_size = \"300 KB\""];
        let site = Site::new(folder, &keys);
        write(&site.data().join("items.parquet"), &rows(0..3), 3);
        let server = site.serve().await;
        let mut ana = Flight::connect(server.flight().unwrap(), "ana", PASSWORD).await.unwrap();
        let long = CommandGetTables {
            table_name_filter_pattern: Some("x".repeat(4000)),
            ..Default::default()
        };
        let mut answered = 0;
        let refused = loop {
            match ana.run(command(&long)).await {
                Ok(rows) => assert_eq!(rows.count(), 0),
                Err(status) => break status,
            }
            answered += 1;
            assert!(answered < 300, "it never fills");
        };
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(refused.message().contains("the query can't be recorded"), "{refused}");
        server.stop().await;
    });
}
