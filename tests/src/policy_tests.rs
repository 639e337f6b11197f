//! `tollgate test`, in this process: the examples' own tests pass, and what fails says how.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tollgate_identity::{Asker, Rehearsal};

use crate::harness::{golden, run, world};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples")
}

fn tollgate(arguments: &[&str]) -> (ExitCode, String) {
    let mut out = Vec::new();
    let code = tollgate_proxy::cli::run_to(["tollgate"].iter().chain(arguments), &mut out);
    (code, String::from_utf8(out).unwrap())
}

#[test]
fn the_tests_of_the_example_pass() {
    let config = example().join("tollgate.toml");
    let (code, out) = tollgate(&["test", "--config", config.to_str().unwrap()]);
    assert_eq!(code, ExitCode::SUCCESS, "{out}");
    assert!(out.ends_with("5 tests, 0 failed (a rehearsal: not recorded in an audit trail)\n"));
}

#[test]
fn the_tests_of_the_demo_pass() {
    let folder =
        std::env::temp_dir().join(format!("tollgate-demo-policies-{}", std::process::id()));
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let data = Some(folder.clone());
    let options = tollgate_proxy::demo::Options { pg: any, flight: any, admin: any, data };
    tollgate_proxy::demo::prepare(&options).map(drop).unwrap();
    let config = folder.join("tollgate.toml");
    let (code, out) = tollgate(&["test", "--config", config.to_str().unwrap()]);
    assert_eq!(code, ExitCode::SUCCESS, "{out}");
    assert!(out.contains("7 tests, 0 failed (recorded as a rehearsal in "), "{out}");
    std::fs::remove_dir_all(folder).unwrap();
}

const CONFIG: &str = "[pg]\ntls = \"optional\"\n[users]\nfile = \"users.toml\"\n[policies]\n\
                      folder = \"policies\"\n[warehouse]\nkind = \"embedded\"\ndata = \"none\"\n\
                      [audit]\nfile = \"audit.jsonl\"\n";

/// A folder with the example's users and policies, and these tests beside them.
fn folder_with(name: &str) -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("tollgate-policy-{name}-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("policies")).unwrap();
    let copy = |from: &str, to: &str| {
        std::fs::copy(example().join(from), folder.join(to)).unwrap();
    };
    copy("users.toml", "users.toml");
    copy("policies/crm.sql", "policies/crm.sql");
    let tests = crate::harness::case(&format!("policy/ops/{name}.sql"));
    std::fs::write(folder.join(format!("policies/{name}.sql")), tests).unwrap();
    std::fs::write(folder.join("tollgate.toml"), CONFIG).unwrap();
    folder
}

#[test]
fn tests_say_address_second_factor_and_purpose() {
    let folder = folder_with("access");
    let path = folder.join("tollgate.toml").display().to_string();
    let data = example().join("data").display().to_string();
    let (code, out) = tollgate(&["test", "--config", &path, "--data", &data]);
    assert_eq!(code, ExitCode::FAILURE);
    golden("policy/ops/access.txt", &out.replace(&folder.display().to_string(), ""));

    // the same can be explained, with words for what isn't met
    std::fs::write(folder.join("tollgate.toml"), CONFIG.replace("\"none\"", &format!("{data:?}")))
        .unwrap();
    let sql = "SELECT id FROM crm.customers";
    let explain = |more: &[&str]| {
        let basic = ["explain", "--config", &path, "--as", "kim", "--address", "10.1.2.3", sql];
        tollgate(&[&basic, more].concat()).1
    };
    let text = explain(&["--purpose", "other"]);
    assert!(text.starts_with("denied for kim: 28000 "), "{text}");
    assert!(text.contains("/policies/access.sql:6: REQUIRE MFA, PURPOSE IN\n"), "{text}");
    let text = explain(&["--mfa", "--purpose", "billing"]);
    assert!(text.starts_with("permitted for kim\n"), "{text}");
    assert!(text.contains("  proves   a second factor\n  purpose  billing\n"), "{text}");
    assert!(text.contains("restrictive row policy purposes"), "{text}");

    // what comes of a purpose, by simulation: the other policies hide nothing by it
    let policies = std::fs::read_to_string(folder.join("policies/access.sql")).unwrap();
    std::fs::create_dir_all(folder.join("other")).unwrap();
    let other = policies.replace("purpose() = 'billing' OR id = 2", "id < 3");
    std::fs::write(folder.join("other/access.sql"), other).unwrap();
    std::fs::copy(folder.join("policies/crm.sql"), folder.join("other/crm.sql")).unwrap();
    let other = folder.join("other").display().to_string();
    let who = ["--as", "kim", "--address", "10.1.2.3", "--mfa", "--attribute", "tenant_id=acme"];
    let simulate = |purpose: &str| {
        let what = ["simulate", "--config", &path, "--bundle", &other, sql, "--purpose", purpose];
        tollgate(&[&what[..], &who].concat()).1
    };
    let text = simulate("research");
    assert!(text.contains("rows of (id)\n+ ('1')\n0 gone, 1 come, 1 the same"), "{text}");
    let text = simulate("billing");
    assert!(text.contains("0 gone, 0 come, 2 the same"), "{text}");

    // and by the difference of the policies
    let old = folder.join("policies").display().to_string();
    let diff = |more: &[&str]| {
        let what = ["diff", &old, &other, "--config", &path];
        tollgate(&[&what[..], &who, more].concat()).1
    };
    let text = diff(&["--purpose", "research"]);
    assert!(text.contains("crm.customers (id, full_name): 1 rows become visible\n"), "{text}");
    assert!(!diff(&["--purpose", "billing"]).contains("become visible"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_failure_says_which_rows_differ() {
    let folder = folder_with("failing");
    let path = folder.join("tollgate.toml").display().to_string();
    let data = example().join("data").display().to_string();
    let (code, out) = tollgate(&["test", "--config", &path, "--data", &data]);
    assert_eq!(code, ExitCode::FAILURE);
    golden("policy/ops/failing.txt", &out.replace(&folder.display().to_string(), ""));
    assert!(!folder.join("audit.jsonl").exists(), "another folder's data were recorded");

    let (code, out) = tollgate(&["test", "--config", &path, "--data", &data, "--filter", "'ok'"]);
    assert_eq!(code, ExitCode::SUCCESS, "{out}");
    let (code, _) = tollgate(&["test", "--config", &path, "--data", &data, "--filter", "nothing"]);
    assert_eq!(code, ExitCode::FAILURE, "no test at all passed");

    // over the configuration's own data it is on record, and marked
    std::fs::write(
        folder.join("tollgate.toml"),
        CONFIG.replace("\"none\"", &format!("\"{data}\"")),
    )
    .unwrap();
    tollgate(&["test", "--config", &path]);
    let audit = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    assert!(audit.lines().count() > 2);
    for line in audit.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["rehearsal"], true, "{line}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_gateway_that_serves_refuses_a_rehearsed_principal() {
    run(async {
        let gateway = Arc::clone(&world().await.gateway.gateway);
        let rehearsal = Rehearsal::at_the_command_line();
        let mut ana = Asker::new("ana", [127, 0, 0, 1].into());
        ana.attributes = crate::harness::gateway::tenant("acme");
        let ana = rehearsal.principal(ana).unwrap();
        let startup = tollgate_gateway::StartupSettings {
            database: gateway.database().to_owned(),
            ..Default::default()
        };
        let error = tollgate_gateway::Session::new(gateway, ana, startup).err().unwrap();
        assert_eq!(error.kind().sqlstate(), "XX000");
    });
}
