//! Keys of the tables of a Snowflake: clients see them as far as their columns, and nothing rests on them.

use serde_json::json;

use crate::credits::over;
use crate::harness::client::Client;
use crate::harness::run;

const TABLES: [&str; 3] = [
    "CREATE TABLE SHOP.TENANTS (TENANT_ID VARCHAR PRIMARY KEY, NAME VARCHAR)",
    "CREATE TABLE SHOP.SALES (ID NUMBER(9,0), LINE NUMBER(9,0), TENANT_ID VARCHAR, AMOUNT NUMBER(9,2), \
     PRIMARY KEY (LINE, ID), FOREIGN KEY (TENANT_ID) REFERENCES SHOP.TENANTS (TENANT_ID))",
    "CREATE TABLE SHOP.REFUNDS (ID NUMBER(9,0) PRIMARY KEY, LINE NUMBER(9,0), SALE NUMBER(9,0), \
     FOREIGN KEY (LINE, SALE) REFERENCES SHOP.SALES (LINE, ID))",
];

/// What clerks see of it: not the whole key of a sale, and nothing of what tenants are called by.
const CLERKS: &str = "DENY SELECT (line) ON shop.sales TO ROLE analyst;
    CREATE MASKING POLICY hidden ON shop.tenants (tenant_id) USING ('x') EXCEPT ROLE owner;";

/// The keys that a client is shown: the table, its columns, and what they reference.
async fn keys(client: &Client) -> Vec<String> {
    let sql = "SELECT k.conrelid::regclass::text, k.contype, k.conkey, k.confrelid::regclass::text, k.confkey \
               FROM pg_constraint k WHERE k.contype IN ('p', 'f') ORDER BY 1, 2 DESC";
    let answer = client.simple(sql).await;
    assert_eq!(answer.error(), None);
    let row = |row: &Vec<crate::harness::value::Value>| {
        row.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" ")
    };
    answer.rows().iter().map(row).collect()
}

#[test]
fn keys_show_as_far_as_their_columns() {
    run(async {
        let (site, emulator) = over("snowflake-keys", &[], CLERKS).await;
        emulator.sql(&TABLES.map(str::to_owned));
        let server = site.serve().await;
        let (root, ana) = (site.connect("root").await, site.connect("ana").await);
        let told = "SELECT t.constraint_type, t.table_name, k.column_name, k.ordinal_position \
                    FROM information_schema.table_constraints t \
                    JOIN information_schema.key_column_usage k USING (constraint_name) \
                    WHERE t.constraint_type <> 'CHECK' ORDER BY 2, 1, 4";
        let texts = |answer: crate::harness::client::Answer| -> Vec<String> {
            let rows = answer.rows().iter();
            rows.map(|row| row.iter().map(|v| v.text()).collect::<Vec<_>>().join(" ")).collect()
        };
        assert_eq!(
            texts(root.simple(told).await),
            [
                "FOREIGN KEY refunds line 1",
                "FOREIGN KEY refunds sale 2",
                "PRIMARY KEY refunds id 1",
                "FOREIGN KEY sales tenant_id 1",
                "PRIMARY KEY sales line 1",
                "PRIMARY KEY sales id 2",
                "PRIMARY KEY tenants tenant_id 1",
            ]
        );
        assert_eq!(texts(ana.simple(told).await), ["PRIMARY KEY refunds id 1"]);
        assert_eq!((keys(&root).await.len(), keys(&ana).await.len()), (5, 1));

        // Nobody enforces them, so no grouping rests on them; on what the operator declares it does.
        let grouped = "SELECT id, line, amount FROM shop.sales GROUP BY line, id";
        assert_eq!(root.simple(grouped).await.error().map(|(code, _)| code), Some("42803"));
        let config = std::fs::read_to_string(site.config()).unwrap();
        let declared = "[[tables]]\nname = \"shop.sales\"\nprimary_key = [\"line\", \"id\"]\nforeign_keys = \
            [{ columns = [\"tenant_id\"], references = \"shop.tenants\", referenced_columns = [\"tenant_id\"] }]\n";
        std::fs::write(site.config(), format!("{config}{declared}")).unwrap();
        server.reload();
        assert_eq!(root.simple(grouped).await.error(), None);
        assert_eq!(keys(&root).await.len(), 5);

        // A role that may not see them finds the tables all the same.
        let fault = json!([{ "at": "keys", "kind": "refused", "times": 99 }]);
        emulator.control(json!({ "faults": fault }));
        std::fs::write(site.config(), &config).unwrap();
        server.reload();
        assert_eq!(keys(&root).await.len(), 0);
        assert_eq!(root.simple("SELECT id FROM shop.items").await.rows().len(), 10);
        server.stop().await;
    });
}
