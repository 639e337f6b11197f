//! The repository's example, and errors in every file at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::process::ExitCode;

use super::*;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/tollgate.toml")
}

#[test]
fn the_example_is_valid() {
    let loaded = load(&example()).unwrap_or_else(|errors| panic!("{errors}"));
    let summary = loaded.summary();
    assert!(summary.contains("users     1") && summary.contains("tables    2"), "{summary}");
    let path = example().display().to_string();
    assert_eq!(crate::cli::run(["tollgate", "check", "--config", &path]), ExitCode::SUCCESS);
}

#[test]
fn errors_in_all_files_come_at_once() {
    let folder = std::env::temp_dir().join(format!("tollgate-load-test-{}", std::process::id()));
    fs::create_dir_all(folder.join("policies")).unwrap();
    fs::create_dir_all(folder.join("data/crm")).unwrap();
    let write = |path: &str, text: &str| fs::write(folder.join(path), text).unwrap();
    write("data/crm/customers.csv", "id,tenant_id\n1,acme\n");
    write("policies/a.sql", "GRANT SELECT ON crm.nobody TO ROLE analyst;");
    write("users.toml", "[users.ana]\nverifier = \"secret\"\n");
    write("mask.key", "short");
    write(
        "tollgate.toml",
        "[pg]\ncert = \"none.pem\"\nkey = \"none.pem\"\n[users]\nfile = \"users.toml\"\n[policies]\n\
         folder = \"policies\"\nreaders = [\"analyst\"]\n[warehouse]\ndata = \"data\"\n[secrets]\nmask_key_file = \"mask.key\"\n",
    );
    let path = folder.join("tollgate.toml");
    let errors = load(&path).err().unwrap().to_string();
    for expected in
        ["users.toml:2: error", "tollgate.toml:12: error: the mask key", "tollgate.toml:2: error"]
    {
        assert!(errors.contains(expected), "{expected} is not in\n{errors}");
    }
    // policies are bound with the mask key, so they come once that is right
    write("mask.key", &"5a".repeat(32));
    let errors = load(&path).err().unwrap().to_string();
    assert!(errors.contains("a.sql:1:"), "{errors}");
    // and who may read them, once they can be read
    write("policies/a.sql", "CREATE ROLE analysts;");
    let errors = load(&path).err().unwrap().to_string();
    let expected = "tollgate.toml:8: error: role \"analyst\" does not exist";
    assert!(errors.contains(expected), "{errors}");
    // A rule for texts that is for nobody would let more be recorded than is wanted.
    let config = fs::read_to_string(&path).unwrap().replace("\"analyst\"", "");
    let rule = |rule: &str| {
        write("tollgate.toml", &format!("{config}[[ledger.texts]]\nstore = \"hashed\"\n{rule}"));
        load(&path).err().map(|errors| errors.to_string()).unwrap_or_default()
    };
    write(
        "policies/a.sql",
        "CREATE ROLE analysts; CREATE VIEW crm.v AS SELECT id FROM crm.customers;",
    );
    for (wrong, expected) in [
        ("roles = [\"analyst\"]\n", "15: error: role \"analyst\" does not exist"),
        ("tables = [\"crm.orders\"]\n", "15: error: table \"crm.orders\" does not exist"),
        ("tables = [\"hr.*\"]\n", "15: error: schema \"hr\" has no tables"),
    ] {
        let errors = rule(wrong);
        assert!(errors.contains(expected), "{wrong}: {errors}");
    }
    for right in ["roles = [\"analysts\"]\n", "tables = [\"crm.v\", \"crm.*\"]\n"] {
        assert!(!rule(right).contains("ledger.texts") && !rule(right).contains("does not"));
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn keys_are_sixty_four_digits() {
    assert_eq!(bytes(&"0f".repeat(32)), Some([15; 32]));
    for wrong in ["", "0f", &"0f".repeat(33), &"zz".repeat(32), &"+1".repeat(32)] {
        assert_eq!(bytes(wrong), None, "{wrong}");
    }
}
