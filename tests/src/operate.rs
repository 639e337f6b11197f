//! The commands that operate policies, in this process: what they say of the examples.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::harness::{cases, golden};

fn example(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("examples").join(file).display().to_string()
}

fn other() -> PathBuf {
    cases().join("policy/ops/other.sql")
}

/// What a command prints, with paths that are the same everywhere, and how it ends.
fn tollgate(arguments: &[&str]) -> (ExitCode, String) {
    let mut out = Vec::new();
    let code = tollgate_proxy::cli::run_to(["tollgate"].iter().chain(arguments), &mut out);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let out = String::from_utf8(out).unwrap();
    (code, out.replace(&format!("{}/", root.display()), ""))
}

fn diff(more: &[&str]) -> (ExitCode, String) {
    let (config, old) = (example("tollgate.toml"), example("policies/crm.sql"));
    let new = other().display().to_string();
    tollgate(&[&["diff", &old, &new, "--config", &config], more].concat())
}

#[test]
fn a_difference_names_who_sees_more_and_where_it_is_written() {
    let (code, text) = diff(&[]);
    assert_eq!(code, ExitCode::SUCCESS, "{text}");
    golden("policy/ops/diff.txt", &text);
    let (code, text) = diff(&["--fail-on", "widens"]);
    assert_eq!(code, ExitCode::from(3), "{text}");
}

#[test]
fn the_same_policies_differ_in_nothing() {
    let (config, policies) = (example("tollgate.toml"), example("policies"));
    let arguments = ["diff", &policies, &policies, "--config", &config, "--fail-on", "widens"];
    let (code, text) = tollgate(&arguments);
    assert_eq!((code, text.as_str()), (ExitCode::SUCCESS, "0 widen, 0 narrow, 0 neutral\n"));
}

#[test]
fn a_difference_for_one_user_shows_some_rows() {
    let (code, text) = diff(&["--as", "ana"]);
    assert_eq!(code, ExitCode::SUCCESS, "{text}");
    golden("policy/ops/diff_ana.txt", &text);
    // nobody holds the role that this one is tried out with, so no line and no row is left but everyone's
    let (_, text) = diff(&["--as", "eve", "--rows", "1"]);
    assert!(!text.contains("role analyst") && !text.contains("become visible"), "{text}");
    // the role instead of the user, from elsewhere: switched off by the new access rule
    let role = ["--role", "analyst", "--attribute", "tenant_id=globex", "--rows", "1"];
    let (_, text) = diff(&role);
    assert!(text.contains("(id, tenant_id, full_name, email): 1 rows become visible\n"), "{text}");
    let (_, text) = diff(&[&role[..], &["--address", "192.0.2.1"]].concat());
    assert!(!text.contains("become visible"), "{text}");
}

#[test]
fn a_difference_can_be_read_by_programs() {
    let (_, text) = diff(&["--as", "ana", "--format", "json", "--rows", "1"]);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let changes = document["changes"].as_array().unwrap();
    let widens = changes.iter().filter(|change| change["class"] == "widens").count();
    assert_eq!(document["widens"], widens);
    let mask = changes.iter().find(|change| change["what"] == "mask").unwrap();
    assert_eq!(mask["who"], "everyone");
    assert_eq!(mask["columns"], serde_json::json!(["email"]));
    assert_eq!(mask["old"][0]["file"], "examples/policies/crm.sql");
    assert_eq!(mask["old"][0]["line"], 12);
    let samples = document["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 2);
    assert!(samples.iter().all(|sample| sample["rows"].as_array().unwrap().len() == 1));
}

#[test]
fn policies_that_do_not_load_are_told_whole() {
    let (config, old) = (example("tollgate.toml"), example("policies"));
    let (code, _) = tollgate(&["diff", &old, "nowhere", "--config", &config]);
    assert_eq!(code, ExitCode::FAILURE);
}

fn explain(user: &str, sql: &str, more: &[&str]) -> (ExitCode, String) {
    let config = example("tollgate.toml");
    tollgate(&[&["explain", "--as", user, sql, "--config", &config], more].concat())
}

#[test]
fn an_explanation_names_what_decides_and_where_it_is_written() {
    let sql = "SELECT id, email FROM crm.customers WHERE country = 'DE'";
    let (code, text) = explain("ana", sql, &[]);
    assert_eq!(code, ExitCode::SUCCESS, "{text}");
    golden("policy/ops/explain.txt", &text);
    let (_, text) = explain("ana", sql, &["--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["outcome"], "permitted");
    assert_eq!(document["tables"][0]["columns"][3]["masks"][0]["policy"]["line"], 12);
}

#[test]
fn a_denial_explains_itself_to_the_operator() {
    let (code, text) = explain("eve", "SELECT amount FROM crm.orders", &[]);
    assert_eq!(code, ExitCode::SUCCESS, "{text}");
    golden("policy/ops/explain_denied.txt", &text);
    // what nobody could ask is no matter of policies
    let (_, text) = explain("ana", "SELECT id FROM crm.order", &[]);
    assert!(text.contains("it would fail for everyone: relation \"crm.order\""), "{text}");
    let (_, text) = explain("ana", "SELECT nope(id) FROM crm.orders", &[]);
    assert!(text.starts_with("failed for ana: 42883 "), "{text}");
}

#[test]
fn an_explanation_names_what_leaves_aggregates_only() {
    let folder = std::env::temp_dir().join(format!("tollgate-aggregates-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("policies")).unwrap();
    std::fs::write(folder.join("users.toml"), "").unwrap();
    let policies = "CREATE ROLE planner;
GRANT SELECT ON crm.orders TO PUBLIC;
CREATE AGGREGATION POLICY few ON crm.orders TO ROLE planner ENTITY (customer_id) MIN GROUP SIZE 2
  DIMENSIONS (date_trunc('month', ordered_on)) JOIN crm.customers ON (id = customer_id) DIMENSIONS (country);";
    std::fs::write(folder.join("policies/p.sql"), policies).unwrap();
    let config = format!(
        "[pg]\ntls = \"optional\"\n[users]\nfile = \"users.toml\"\n[policies]\nfolder = \"policies\"\n\
         [warehouse]\nkind = \"embedded\"\ndata = {:?}\n[ledger]\nkind = \"none\"\n",
        example("data")
    );
    let path = folder.join("tollgate.toml");
    std::fs::write(&path, config).unwrap();
    let path = path.to_str().unwrap();
    let explain = |role: &[&str]| {
        let sql = "SELECT count(*) FROM crm.orders";
        tollgate(&[&["explain", "--as", "pam", sql, "--config", path], role].concat()).1
    };
    let rule = "ENTITY (customer_id) MIN GROUP SIZE 2 DIMENSIONS (date_trunc('month', ordered_on)) \
                JOIN crm.customers ON (id = customer_id) DIMENSIONS (country)\n";
    for (role, rows, whom) in [
        (&["--role", "planner"][..], "in aggregates only, of all", "applies"),
        (&[][..], "all", "is for others"),
    ] {
        let text = explain(role);
        let line = text.lines().skip_while(|line| !line.starts_with("  rows ")).take(2);
        let line: String = line.map(|line| format!("{line}\n")).collect();
        assert!(line.starts_with(&format!("  rows     {rows}\n")), "{text}");
        assert!(line.contains("           aggregation policy few at "), "{text}");
        assert!(line.ends_with(&format!("p.sql:3 {whom}: {rule}")), "{text}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_explanation_can_be_for_another_role_attribute_and_address() {
    let sql = "SELECT id FROM crm.orders";
    let (_, text) = explain("eve", sql, &["--role", "analyst", "--attribute", "tenant_id=acme"]);
    assert!(text.starts_with("permitted for eve\n"), "{text}");
    assert!(text.contains("tenant_id = 'acme'"), "{text}");
    let (_, text) = explain("eve", sql, &["--role", "analyst", "--address", "192.0.2.1"]);
    assert!(text.contains("address  192.0.2.1\n"), "{text}");
}

#[test]
fn a_simulation_shows_how_the_rows_differ() {
    let (config, other) = (example("tollgate.toml"), other().display().to_string());
    let simulate = |sql: &str, more: &[&str]| {
        let arguments = ["simulate", "--as", "ana", sql, "--bundle", &other, "--config", &config];
        tollgate(&[&arguments, more].concat())
    };
    let (code, text) = simulate("SELECT * FROM crm.customers", &[]);
    assert_eq!(code, ExitCode::SUCCESS, "{text}");
    golden("policy/ops/simulate.txt", &text);
    // one side may see nothing of it
    let (_, text) = simulate("SELECT country, count(*) FROM crm.customers GROUP BY 1", &[]);
    assert!(text.contains("+ fails: 42703 column \"country\" does not exist\n"), "{text}");
    assert!(text.contains("- ('DE', '1')"), "{text}");
    // rows are a multiset, and few are shown
    let (_, text) = simulate("SELECT 1 FROM crm.orders", &["--rows", "0"]);
    let expected = "rows of (?column?)\n+ and 1 more\n0 gone, 1 come, 2 the same ";
    assert!(text.contains(expected), "{text}");
    let (_, text) = simulate("SELECT id FROM crm.orders", &["--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["come"]["rows"], serde_json::json!([["12"]]));
    assert_eq!((&document["same"], &document["gone"]["count"]), (&2.into(), &0.into()));
}
