//! Good files, and every error of bad ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use super::*;

const VERIFIER: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

/// `V` stands for a good verifier.
fn check(file: &str, expected: &[&str]) {
    let errors = parse(&file.replace('V', &quote(VERIFIER))).map(|_| ()).unwrap_err();
    let shown: Vec<_> =
        errors.iter().map(|error| format!("{}: {}", error.line, error.message)).collect();
    assert_eq!(shown, expected);
    assert!(errors.iter().all(|error| !error.hint.is_empty()));
}

#[test]
fn reads_and_writes() {
    let file = format!(
        r#"mock_key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

[users."a \"b\"\\@c.d"]
verifier = "{VERIFIER}"

[users.ana]
verifier = "{VERIFIER}"
attributes = {{ empty = [], "odd key" = "tab\u0009", regions = ["eu", "us"], tenant_id = "acme" }}
"#
    );
    let Contents { users, mock_key } = parse(&file).unwrap();
    let mock_key = mock_key.unwrap();
    assert_eq!(mock_key[31], 31);
    let ana = &users["ana"];
    assert_eq!(ana.verifier.to_string(), VERIFIER);
    assert_eq!(ana.attributes["regions"], ["eu", "us"]);
    assert_eq!(ana.attributes["tenant_id"], ["acme"]);
    assert_eq!(ana.attributes["empty"], [""; 0]);
    assert_eq!(users.keys().collect::<Vec<_>>(), ["a \"b\"\\@c.d", "ana"]);
    assert_eq!(print(&users, &mock_key), file);
    assert!(parse("").unwrap().users.is_empty());
}

#[test]
fn all_errors_at_once() {
    check(
        r#"colour = "red"
mock_key = "short"
[users.ana]
verifier = V
[users.bob]
verifier = "md5"
attributes = { level = 3, tags = ["a", true] }
[users.eve]
password = "secret"
[users.ana]
verifier = V
[users."x\ny"]
verifier = 5
"#,
        &[
            "1: unknown key \"colour\"",
            "2: \"mock_key\" is not 32 bytes in base64",
            "6: verifier is not of the form \"SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>\"",
            "7: attribute \"level\" is neither a string nor a list of strings",
            "7: attribute \"tags\" is neither a string nor a list of strings",
            "8: user \"eve\" has no verifier",
            "9: unknown key \"password\" of user \"eve\"",
            "10: user \"ana\" is defined twice",
            "12: \"x\\u000Ay\" is not a user name",
            "13: verifier is not a string",
        ],
    );
}

#[test]
fn one_error_each() {
    check("[users.eve]\n", &["1: user \"eve\" has no verifier"]);
    check("users = 3", &["1: \"users\" is not a table"]);
    check("[users]\nana = 3", &["2: user \"ana\" is not a table"]);
    check(
        "[users]\nana = { verifier = V }\nana = { verifier = V }",
        &["3: user \"ana\" is defined twice"],
    );
    check("[users.ana]\nverifier = V\nverifier = V", &["3: \"verifier\" is set twice"]);
    check("[users.ana]\nverifier = V\nattributes = [1]", &["3: attributes are not a table"]);
    check("[users.ana]\nverifier = V\n[users.\"\"]\nverifier = V", &["3: \"\" is not a user name"]);
    check(
        "[users.ana]\nverifier = \"SCRAM-SHA-256$1:MDEyMzQ1Njc=$AAAA:AAAA\"",
        &["2: iterations must be between 4096 and 10000000"],
    );
}

#[test]
fn shows_line_and_hint() {
    let errors = parse("\n[users.eve]\n").map(|_| ()).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "line 2: error: user \"eve\" has no verifier\n  hint: write the user's verifier as PostgreSQL's pg_authid shows it"
    );
}

#[test]
fn broken_toml_has_lines_too() {
    let errors = parse("[users.ana]\nverifier = \n[users.bob\n").map(|_| ()).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 3]);
}
