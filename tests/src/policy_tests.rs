//! `tollgate test`, in this process: the examples' own tests pass, and what fails says how.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tollgate_identity::Rehearsal;

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
    assert!(out.contains("6 tests, 0 failed (recorded as a rehearsal in "), "{out}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_failure_says_which_rows_differ() {
    let folder = std::env::temp_dir().join(format!("tollgate-policy-tests-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("policies")).unwrap();
    let copy = |from: &str, to: &str| {
        std::fs::copy(example().join(from), folder.join(to)).unwrap();
    };
    copy("users.toml", "users.toml");
    copy("policies/crm.sql", "policies/crm.sql");
    let failing = crate::harness::case("policy/ops/failing.sql");
    std::fs::write(folder.join("policies/failing.sql"), failing).unwrap();
    let config = "[pg]\ntls = \"optional\"\n[users]\nfile = \"users.toml\"\n[policies]\n\
                  folder = \"policies\"\n[warehouse]\nkind = \"embedded\"\ndata = \"none\"\n\
                  [audit]\nfile = \"audit.jsonl\"\n";
    std::fs::write(folder.join("tollgate.toml"), config).unwrap();
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
        config.replace("\"none\"", &format!("\"{data}\"")),
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
        let attributes = crate::harness::gateway::tenant("acme");
        let address = [127, 0, 0, 1].into();
        let ana = rehearsal.principal("ana", attributes, None, address).unwrap();
        let startup = tollgate_gateway::StartupSettings {
            database: gateway.database().to_owned(),
            ..Default::default()
        };
        let error = tollgate_gateway::Session::new(gateway, ana, startup).err().unwrap();
        assert_eq!(error.kind().sqlstate(), "XX000");
    });
}
