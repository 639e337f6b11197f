//! The configuration: defaults, all errors at once, lines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use tollgate_catalog::{Column, Storage, Table, TableName};

use super::{Config, TlsMode, declare, schema_json};

const SMALL: &str = r#"
[pg]
tls = "optional"
[users]
file = "users.toml"
[policies]
folder = "policies"
[warehouse]
data = "/srv/data"
"#;

fn parse(text: &str) -> Result<Config, Vec<String>> {
    Config::parse(Path::new("/etc/tollgate/tollgate.toml"), text)
        .map_err(|errors| errors.iter().map(|e| format!("{}: {}", e.line, e.message)).collect())
}

#[test]
fn a_small_file_gets_defaults_and_paths_of_its_folder() {
    let config = parse(SMALL).unwrap();
    assert_eq!(config.database, "tollgate");
    assert_eq!(config.pg.listen.to_string(), "127.0.0.1:6432");
    assert_eq!(config.pg.tls, TlsMode::Optional);
    assert_eq!(config.users, PathBuf::from("/etc/tollgate/users.toml"));
    assert!(matches!(&config.warehouses[0].place,
        super::Place::Folder(data) if *data == std::path::Path::new("/srv/data")));
    assert_eq!(config.drain, Duration::from_secs(10));
    assert!(config.admin.is_none() && config.audit.is_none() && config.mask_key.is_none());
}

#[test]
fn keys_of_tokens_are_in_a_file_or_fetched() {
    let tokens =
        |keys: &str| parse(&format!("{SMALL}[tokens]\nissuer = \"i\"\naudience = \"a\"\n{keys}\n"));
    let config = tokens("keys = \"jwks.json\"").unwrap();
    assert_eq!(config.tokens.unwrap().file(), Some(Path::new("/etc/tollgate/jwks.json")));
    let config = tokens("jwks_url = \"https://id.example.com/jwks\"").unwrap();
    let super::KeyPlace::Address(fetching) = config.tokens.unwrap().keys else { panic!("a file") };
    assert_eq!(fetching.address.as_str(), "https://id.example.com/jwks");
    let minutes = [fetching.refresh, fetching.keep].map(|time| time.as_secs() / 60);
    assert_eq!((minutes, fetching.again.as_secs()), ([15, 60], 30));
    assert!(tokens("jwks_url = \"http://127.0.0.1:80/jwks\"").is_ok());
    for (keys, expected) in [
        ("", "10: \"tokens.keys\" is missing"),
        ("keys = \"k\"\nrefresh = \"1s\"", "14: \"tokens.refresh\" is nothing to keys in a file"),
        ("keys = \"k\"\njwks_url = \"https://h/\"", "14: both \"keys\" and \"jwks_url\" are given"),
        (
            "jwks_url = \"http://id.example.com/jwks\"",
            "13: \"http://id.example.com/jwks\" can't be fetched: a server on another machine needs TLS",
        ),
        ("jwks_url = \"https://h/\"\nrefetch = \"0s\"", "14: \"tokens.refetch\" is 0"),
        (
            "jwks_url = \"https://h/\"\nkeep = \"15min\"",
            "14: keys are not kept until they are fetched again",
        ),
    ] {
        assert_eq!(tokens(keys).unwrap_err(), [expected], "{keys}");
    }
}

#[test]
fn client_certificates_need_tls() {
    let keys = "[client_certificates]\nca = \"ca.pem\"\ncrl = \"crl.pem\"\nname = \"dns\"\n";
    let errors = parse(&format!("{SMALL}{keys}")).unwrap_err();
    assert_eq!(errors, ["10: client certificates need TLS, and the server has no certificate"]);
    let tls = SMALL.replace("tls = \"optional\"", "cert = \"c\"\nkey = \"k\"");
    let clients = parse(&format!("{tls}{keys}")).unwrap().clients.unwrap();
    assert_eq!(clients.ca, PathBuf::from("/etc/tollgate/ca.pem"));
    assert_eq!(clients.crl, Some(PathBuf::from("/etc/tollgate/crl.pem")));
    assert_eq!(clients.settings.name, tollgate_identity::CertificateName::Dns);
    assert!(!clients.settings.required && clients.settings.users.is_empty());
    let errors =
        parse(&format!("{tls}[client_certificates]\nca = \"c\"\nname = \"uid\"\n")).unwrap_err();
    assert!(errors[0].contains("unknown variant"), "{errors:?}");
}

#[test]
fn a_warehouse_has_the_keys_of_its_kind() {
    let server = "kind = \"postgres\"\nhost = \"db\"\ndatabase = \"d\"\nuser = \"u\"\n\
                  password_file = \"p\"\nschemas = [\"s\"]\n";
    let config = parse(&SMALL.replace("data = \"/srv/data\"\n", server)).unwrap();
    let super::Place::Postgres(found) = &config.warehouses[0].place else { panic!("a server") };
    assert_eq!((found.port, found.schemas.as_slice()), (5432, &["s".to_owned()][..]));
    assert!(matches!(&found.password,
        Some(super::Secret::File(file)) if *file == Path::new("/etc/tollgate/p")));
    for (said, pooled) in
        [("", None), ("pooled = true\n", Some(true)), ("pooled = false\n", Some(false))]
    {
        let server = format!("{server}{said}");
        let config = parse(&SMALL.replace("data = \"/srv/data\"\n", &server)).unwrap();
        let super::Place::Postgres(found) = &config.warehouses[0].place else { panic!("a server") };
        assert_eq!(found.pooled, pooled);
    }
    let both = parse(&SMALL.replace("data = ", "pooled = true\ndata = ")).unwrap_err();
    assert_eq!(both, ["9: \"warehouse.pooled\" is nothing to a warehouse of kind \"embedded\""]);
    let both = parse(&SMALL.replace("data = ", "host = \"db\"\ndata = ")).unwrap_err();
    assert_eq!(both, ["9: \"warehouse.host\" is nothing to a warehouse of kind \"embedded\""]);
    let bare = parse(&SMALL.replace("data = \"/srv/data\"", "kind = \"postgres\"")).unwrap_err();
    assert_eq!(bare.len(), 4, "{bare:?}");
}

#[test]
fn an_account_has_one_secret() {
    let account = |keys: &str| {
        let keys = format!(
            "kind = \"snowflake\"\naccount = \"xy\"\ndatabase = \"D\"\nuser = \"U\"\n\
             schemas = [\"s\"]\n{keys}\n"
        );
        parse(&SMALL.replace("data = \"/srv/data\"\n", &keys))
    };
    let config = account("authenticator = \"key_pair\"\nsecret_file = \"key.pem\"").unwrap();
    let super::Place::Snowflake(found) = &config.warehouses[0].place else { panic!("an account") };
    assert_eq!(found.address, "https://xy.snowflakecomputing.com");
    assert_eq!(found.authenticator, super::Authenticator::KeyPair);
    assert!(matches!(&found.secret,
        super::Secret::File(file) if *file == Path::new("/etc/tollgate/key.pem")));
    let example = parse(include_str!("../../../examples/snowflake.toml")).unwrap();
    assert!(matches!(example.warehouses[0].place, super::Place::Snowflake(_)));
    let config = account("secret_command = [\"show\", \"it\"]").unwrap();
    let super::Place::Snowflake(found) = &config.warehouses[0].place else { panic!("an account") };
    assert_eq!(found.authenticator, super::Authenticator::Password);
    assert!(matches!(&found.secret, super::Secret::Command(words) if words.len() == 2));
    for keys in ["", "secret_env = \"X\"\nsecret_file = \"y\"", "secret_command = []"] {
        let errors = account(keys).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].ends_with("the secret has to be in one place"), "{errors:?}");
    }
    let errors = account("secret_env = \"X\"\nhost = \"h\"\ndata = \"d\"").unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    let bare = parse(&SMALL.replace("data = \"/srv/data\"", "kind = \"snowflake\"")).unwrap_err();
    assert_eq!(bare.len(), 5, "{bare:?}");
    let foreign = parse(&SMALL.replace("data = ", "secret_env = \"X\"\ndata = ")).unwrap_err();
    assert_eq!(
        foreign,
        ["9: \"warehouse.secret_env\" is nothing to a warehouse of kind \"embedded\""]
    );
}

#[test]
fn a_virtual_warehouse_costs_by_its_size() {
    let account = |keys: &str| {
        let keys = format!(
            "kind = \"snowflake\"\naccount = \"xy\"\ndatabase = \"D\"\nuser = \"U\"\n\
             schemas = [\"s\"]\nsecret_env = \"S\"\n{keys}\n"
        );
        parse(&SMALL.replace("data = \"/srv/data\"\n", &keys))
    };
    let credits = |keys: &str| {
        let config = account(keys).unwrap();
        let super::Place::Snowflake(found) = &config.warehouses[0].place else {
            panic!("an account")
        };
        found.credits.clone().map(|c| (c.per_hour.to_string(), c.suspend.as_secs()))
    };
    assert_eq!(credits(""), None);
    for (size, per_hour) in [("XS", "1"), ("M", "4"), ("2XL", "32"), ("6XL", "512")] {
        assert_eq!(credits(&format!("size = \"{size}\"")), Some((per_hour.to_owned(), 60)));
    }
    let keys = "size = \"L\"\ncredits_per_hour = \"1.35\"\nauto_suspend = \"10min\"";
    assert_eq!(credits(keys), Some(("1.35".to_owned(), 600)));
    for wrong in ["0", "-1", "1e3", "many", "1000001", "0.0000000001"] {
        let errors = account(&format!("credits_per_hour = \"{wrong}\"")).unwrap_err();
        let wanted = format!("\"{wrong}\" is not a number of credits");
        assert!(errors.len() == 1 && errors[0].ends_with(&wanted), "{errors:?}");
    }
    let errors = account("auto_suspend = \"5min\"").unwrap_err();
    assert!(errors[0].ends_with("what the virtual warehouse costs is missing"), "{errors:?}");
    assert_eq!(account("size = \"huge\"").unwrap_err().len(), 1);
    let asked = |keys: &str| account(keys).map(|config| config.warehouses[0].attribution);
    assert_eq!(asked("size = \"XS\""), Ok(None));
    assert_eq!(asked("size = \"XS\"\nattribution = \"0s\""), Ok(None));
    let hour = Some(std::time::Duration::from_secs(3600));
    assert_eq!(asked("size = \"XS\"\nattribution = \"1h\""), Ok(hour));
    let kept = "size = \"XS\"\nattribution = \"1h\"\n[ledger]\nkeep = \"7 days\"";
    assert_eq!(asked(kept), Ok(hour));
    for (keys, wanted) in [
        ("attribution = \"1h\"", "what the virtual warehouse costs is missing"),
        ("size = \"XS\"\nattribution = \"true\"", "\"true\" is not a duration"),
        (
            "size = \"XS\"\nattribution = \"1h\"\n[ledger]\nkind = \"none\"",
            "there is no ledger to correct",
        ),
        (
            "size = \"XS\"\nattribution = \"1h\"\n[ledger]\nkeep = \"6 days\"",
            "receipts are kept too short a time for \"warehouse.attribution\"",
        ),
    ] {
        let errors = asked(keys).unwrap_err();
        assert!(errors.len() == 1 && errors[0].ends_with(wanted), "{errors:?}");
    }
    let foreign = parse(&SMALL.replace("data = ", "size = \"XS\"\ndata = ")).unwrap_err();
    assert_eq!(foreign, ["9: \"warehouse.size\" is nothing to a warehouse of kind \"embedded\""]);
}

#[test]
fn virtual_warehouses_go_by_role() {
    let account = |keys: &str| {
        let keys = format!(
            "kind = \"snowflake\"\naccount = \"xy\"\ndatabase = \"D\"\nuser = \"U\"\n\
             schemas = [\"s\"]\nsecret_env = \"S\"\n{keys}\n"
        );
        parse(&SMALL.replace("data = \"/srv/data\"\n", &keys))
    };
    let default = "virtual_warehouse = \"WH\"\nsize = \"XS\"\n";
    let rule = |keys: &str| format!("[[warehouse.virtual_warehouses]]\n{keys}\n");
    let large = rule("role = \"boss\"\nname = \"WH_L\"\nsize = \"L\"");
    let small = rule("role = \"all\"\nname = \"wh\"\nsize = \"XS\"");
    let config = account(&format!("{default}{large}{small}")).unwrap();
    let super::Place::Snowflake(found) = &config.warehouses[0].place else { panic!("an account") };
    let rules: Vec<_> = found.by_role.iter().map(|rule| (&*rule.role, &*rule.name)).collect();
    assert_eq!(rules, [("boss", "WH_L"), ("all", "wh")]);
    let before = account(default).unwrap();
    assert!(!config.warehouses[0].opens_as(&before.warehouses[0]));
    let other = account(&format!("{default}{small}{large}")).unwrap();
    assert!(!config.warehouses[0].opens_as(&other.warehouses[0]), "their order counts");
    let free = rule("role = \"free\"\nname = \"WH_F\"");
    let dear = rule("role = \"dear\"\nname = \"\\\"WH\\\"\"\nsize = \"XL\"");
    let slow = rule("role = \"all\"\nname = \"WH\"\nsize = \"XS\"\nauto_suspend = \"1h\"");
    for (keys, wanted) in [
        (format!("{default}{large}{large}"), "role \"boss\" has a virtual warehouse already"),
        (format!("{default}{free}"), "what a virtual warehouse costs is said of some only"),
        (
            format!("virtual_warehouse = \"WH\"\n{large}"),
            "what a virtual warehouse costs is said of some only",
        ),
        (
            format!("{default}{dear}"),
            "virtual warehouse \"\"WH\"\" is said to cost something else as well",
        ),
        (
            format!("{default}{slow}"),
            "virtual warehouse \"WH\" is said to cost something else as well",
        ),
        (format!("size = \"XS\"\n{large}"), "\"warehouse.virtual_warehouse\" is missing"),
        (
            format!("{default}{}", rule("name = \"WH\"\nsize = \"XS\"")),
            "\"warehouse.virtual_warehouses[0].role\" is missing",
        ),
        (
            format!("{default}{}", rule("role = \"r\"\nsize = \"XS\"")),
            "\"warehouse.virtual_warehouses[0].name\" is missing",
        ),
    ] {
        let errors = account(&keys).unwrap_err();
        assert!(errors.len() == 1 && errors[0].ends_with(wanted), "{keys}: {errors:?}");
    }
    let foreign = parse(&format!("{SMALL}{large}")).unwrap_err();
    assert_eq!(foreign.len(), 1, "{foreign:?}");
}

#[test]
fn all_errors_come_at_once_with_their_lines() {
    let errors = parse(
        "drain = \"soon\"\n[pg]\nlisten = \"here\"\nlisen = 1\ntls = \"maybe\"\ncert = \"c.pem\"\n\
         max_connections = \"many\"\n[warehouse]\nmemory_limit = \"lots\"\n[[tables]]\nname = \"t\"\n",
    )
    .unwrap_err();
    let expected = [
        "1: \"soon\" is not a duration",
        "1: \"users.file\" is missing",
        "1: \"policies.folder\" is missing",
        "3: \"here\" is not an address and port",
        "4: unknown field \"lisen\"",
        "5: unknown variant \"maybe\"",
        "6: \"pg.cert\" is given without \"pg.key\"",
        "7: invalid type: string \"many\"",
        "8: \"warehouse.data\" is missing",
        "9: \"lots\" is not a size",
        "11: \"t\" is not the name of a table",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error} / {expected}");
    }
}

#[test]
fn broken_toml_is_one_error_at_its_line() {
    let errors = parse("[pg]\nlisten = \n").unwrap_err();
    assert!(errors[0].starts_with("2: "), "{errors:?}");
}

#[test]
fn tls_is_required_unless_said_otherwise() {
    let errors = parse(&SMALL.replace("tls = \"optional\"", "")).unwrap_err();
    assert_eq!(errors, ["2: TLS is required, but there is no certificate"]);
    let errors = parse(&SMALL.replace("\"optional\"", "\"optional\"\nlisten = \"0.0.0.0:6432\""))
        .unwrap_err();
    assert_eq!(errors, ["4: queries and results would cross the network without TLS"]);
}

fn table(name: &str, columns: &[&str]) -> Table {
    let column = |name: &&str| Column {
        name: (*name).to_owned(),
        data_type: arrow::datatypes::DataType::Utf8,
        nullable: true,
        comment: None,
    };
    Table {
        name: TableName::new("crm", name),
        columns: columns.iter().map(column).collect(),
        primary_key: vec![],
        foreign_keys: vec![],
        cache_for: None,
        comment: None,
        row_count: None,
        bytes: None,
        warehouse: Some(tollgate_catalog::WarehouseName::default()),
        storage: Storage::Csv(vec![]),
    }
}

#[test]
fn declarations_reach_their_tables() {
    let declared = r#"
[[tables]]
name = "crm.orders"
comment = "orders"
primary_key = ["id"]
foreign_keys = [{ columns = ["customer_id"], references = "crm.customers", referenced_columns = ["id"] }]
[tables.columns.id]
comment = "the number"
"#;
    let mut tables = [table("customers", &["id"]), table("orders", &["customer_id", "id"])];
    declare(&parse(&format!("{SMALL}{declared}")).unwrap(), &mut tables).unwrap();
    assert_eq!(tables[1].primary_key, [1]);
    assert_eq!(tables[1].foreign_keys[0].columns, [0]);
    assert_eq!(tables[1].columns[1].comment.as_deref(), Some("the number"));
    assert_eq!(tables[1].comment.as_deref(), Some("orders"));
}

#[test]
fn declarations_of_unknown_names_are_errors() {
    let declared = r#"
[[tables]]
name = "crm.orders"
primary_key = ["nr"]
foreign_keys = [{ columns = ["id"], references = "crm.nobody" }]
[[tables]]
name = "crm.gone"
"#;
    let config = parse(&format!("{SMALL}{declared}")).unwrap();
    let errors = declare(&config, &mut [table("orders", &["id"])]).unwrap_err();
    let errors: Vec<_> = errors.iter().map(|e| format!("{}: {}", e.line, e.message)).collect();
    assert_eq!(
        errors,
        [
            "13: column \"nr\" of table \"crm.orders\" does not exist",
            "14: table \"crm.nobody\" does not exist",
            "16: table \"crm.gone\" does not exist",
        ]
    );
}

#[test]
fn the_schema_names_every_section() {
    let schema: serde_json::Value = serde_json::from_str(&schema_json()).unwrap();
    for section in
        ["pg", "flight", "users", "policies", "warehouse", "tables", "ledger", "audit", "secrets"]
    {
        assert!(!schema["properties"][section].is_null(), "{section}");
    }
}

#[test]
fn flight_is_served_where_it_is_named() {
    assert!(parse(SMALL).unwrap().flight.is_none());
    let config = parse(&format!("{SMALL}[flight]\nkey_file = \"flight.keys\"\n")).unwrap();
    let flight = config.flight.unwrap();
    assert_eq!(flight.listen.to_string(), "127.0.0.1:6433");
    assert_eq!(flight.token_lifetime, Duration::from_secs(12 * 3600));
    assert_eq!(flight.key_file.unwrap(), PathBuf::from("/etc/tollgate/flight.keys"));

    let errors = parse(&format!("{SMALL}[flight]\nlisten = \"0.0.0.0:6433\"\n")).unwrap_err();
    let expected = "11: passwords, queries and results would cross the network without TLS";
    assert_eq!(errors, [expected]);
    let errors = parse(&format!("{SMALL}[flight]\nlisten = \"127.0.0.1:6432\"\n")).unwrap_err();
    assert_eq!(errors, ["11: \"flight.listen\" is the same as another front end's"]);
}

#[test]
fn there_is_a_ledger_unless_it_is_turned_off() {
    let ledger = |text: &str| parse(&format!("{SMALL}[ledger]\n{text}")).map(|c| c.ledger);
    let default = parse(SMALL).unwrap().ledger;
    assert!(matches!(default.store,
        Some(super::LedgerStore::Sqlite { ref file, max_size: None })
            if *file == Path::new("/etc/tollgate/ledger.db")));
    assert_eq!(default.key, PathBuf::from("/etc/tollgate/ledger.key"));
    assert_eq!(default.texts.all, crate::audit::Statements::Redacted);
    assert!(ledger("kind = \"none\"\n").unwrap().store.is_none());
    assert_eq!(default.retention, None);
    let kept = ledger("keep = \"400 days\"\n").unwrap().retention.unwrap();
    assert_eq!([kept.keep, kept.every].map(|time| time.as_secs() / 3600), [9600, 24]);
    let shared = ledger("kind = \"postgres\"\nurl_env = \"U\"\nreplica = \"a-1\"\n").unwrap();
    assert_eq!(shared.replica, "a-1");
    assert!(matches!(shared.store, Some(super::LedgerStore::Postgres(_))));

    for (text, expected) in [
        ("max_size = \"much\"\n", "11: \"much\" is not a size"),
        ("url_env = \"U\"\n", "11: \"ledger.url_env\" is nothing to a ledger of this kind"),
        (
            "kind = \"none\"\nfile = \"l\"\n",
            "12: \"ledger.file\" is nothing to a ledger of this kind",
        ),
        ("kind = \"postgres\"\n", "10: one of \"url_file\" and \"url_env\" must be given"),
        (
            "kind = \"postgres\"\nurl_env = \"U\"\nreplica = \"a b\"\n",
            "13: \"a b\" is not a replica's name",
        ),
        ("texts = [{ store = \"hashed\" }]\n", "11: it isn't said which statements are meant"),
        ("texts = [{ roles = [\"a\"] }]\n", "11: it isn't said how much is recorded"),
        (
            "texts = [{ roles = [\"a\"], store = \"redacted\" }]\n",
            "11: \"redacted\" is no less than what is recorded of all statements, \"redacted\"",
        ),
        (
            "texts = [{ tables = [\"pay\"], store = \"hashed\" }]\n",
            "11: \"pay\" is neither a table nor all of a schema",
        ),
        ("keep = \"1 year\"\n", "11: \"1 year\" is not a duration"),
        ("keep = \"0 days\"\n", "11: \"ledger.keep\" is 0"),
        ("keep = \"1d\"\nprune_every = \"0s\"\n", "12: \"ledger.prune_every\" is 0"),
        ("prune_every = \"1h\"\n", "11: nothing says how old records may become"),
        ("kind = \"none\"\nkeep = \"1d\"\n", "12: there is no ledger to delete from"),
        (
            "[[ledger.export]]\nname = \"siem\"\nto = \"tcp://siem.example:601\"\n",
            "13: what is sent would cross the network without TLS",
        ),
        (
            "[[ledger.export]]\nname = \"siem\"\nto = \"tls://siem.example\"\ntoken_env = \"T\"\n",
            "11: syslog has no place for a token",
        ),
        (
            "[[ledger.export]]\nname = \"s\"\nto = \"tls://a\"\n\
             [[ledger.export]]\nname = \"s\"\nto = \"tls://b\"\n",
            "15: two exports are called \"s\"",
        ),
        (
            "[[ledger.export]]\nname = \"s\"\nto = \"tls://a\"\nevents = \"usage\"\n",
            "14: usage is not for syslog",
        ),
        (
            "kind = \"none\"\n[[ledger.export]]\nname = \"s\"\nto = \"tls://a\"\n",
            "12: there is no ledger that could be exported",
        ),
    ] {
        assert_eq!(ledger(text).unwrap_err(), [expected], "{text}");
    }
}

#[test]
fn traces_go_to_a_receiver_of_their_protocol() {
    let traces =
        |text: &str| parse(&format!("{SMALL}[traces]\n{text}")).map(|config| config.traces);
    let found = traces("to = \"https://otel.example:4317\"\nratio = 0.1\n").unwrap().unwrap();
    assert_eq!((found.to.host.as_str(), found.to.port, found.to.tls), ("otel.example", 4317, true));
    assert!(parse(SMALL).unwrap().traces.is_none());
    for (text, expected) in [
        (
            "to = \"http://otel.example:4317\"\n",
            "11: what is sent would cross the network without TLS",
        ),
        ("to = \"tls://a:1\"\n", "11: \"tls://a:1\" is not the address of a receiver of traces"),
        ("to = \"http://127.0.0.1:1\"\nratio = 2.0\n", "12: 2 is not a part"),
    ] {
        assert_eq!(traces(text).unwrap_err(), [expected], "{text}");
    }
}

#[test]
fn warehouses_stand_side_by_side() {
    let example = parse(include_str!("../../../examples/warehouses.toml")).unwrap();
    let names: Vec<_> = example.warehouses.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["files", "sales", "lake", "lake-test"]);
    let refresh: Vec<_> = example.warehouses.iter().map(|w| w.refresh).collect();
    assert_eq!(refresh, [None, Some(Duration::from_secs(300)), None, None]);
    assert_eq!(example.warehouses[1].key("host"), "warehouses[1].host");
    assert_eq!(example.max_concurrent(), 64);

    // The one of before is called main, and may stand beside others.
    let one = parse(SMALL).unwrap();
    assert_eq!((one.warehouses.len(), one.warehouses[0].name.as_str()), (1, "main"));
    let more = |text: &str| parse(&format!("{SMALL}schemas = [\"s\"]\n{text}"));
    let two = "[[warehouses]]\nname = \"b\"\ndata = \"b\"\nschemas = [\"t\"]\n";
    let names: Vec<_> =
        more(two).unwrap().warehouses.iter().map(|w| w.name.as_str().to_owned()).collect();
    assert_eq!(names, ["main", "b"]);
    for (text, expected) in [
        ("[[warehouses]]\ndata = \"b\"\n", "11: the name of a warehouse is missing"),
        (
            "[[warehouses]]\nname = \"a b\"\ndata = \"b\"\n",
            "12: \"a b\" is not the name of a warehouse",
        ),
        (
            "[[warehouses]]\nname = \"main\"\ndata = \"b\"\n",
            "12: warehouse \"main\" is there twice",
        ),
        ("[[warehouses]]\nname = \"b\"\n", "11: \"warehouses[0].data\" is missing"),
        (
            "[[warehouses]]\nname = \"b\"\ndata = \"b\"\nhost = \"h\"\n",
            "14: \"warehouses[0].host\" is nothing to a warehouse of kind \"embedded\"",
        ),
        (
            "[[warehouses]]\nname = \"b\"\ndata = \"b\"\nschemas = [\"t\", \"s\"]\n",
            "14: schema \"s\" is in warehouse \"main\" already",
        ),
        (
            "[[warehouses]]\nname = \"b\"\ndata = \"b\"\nschemas = [\"t\", \"t\"]\n",
            "14: schema \"t\" is in warehouse \"b\" already",
        ),
        (
            "[[warehouses]]\nname = \"b\"\ndata = \"b\"\nrefresh = \"often\"\n",
            "14: \"often\" is not a duration",
        ),
    ] {
        assert_eq!(more(text).unwrap_err(), [expected], "{text}");
    }
}

#[test]
fn what_is_opened_anew_is_what_has_changed() {
    let open = |keys: &str| parse(&format!("{SMALL}{keys}")).unwrap().warehouses.remove(0);
    let before = open("");
    assert!(before.opens_as(&open("refresh = \"1min\"\n")));
    for keys in ["max_concurrent = 3\n", "memory_limit = \"1 GiB\"\n", "schemas = [\"s\"]\n"] {
        assert!(!before.opens_as(&open(keys)), "{keys}");
    }
}
