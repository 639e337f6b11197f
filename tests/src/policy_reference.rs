//! The reference of the policy language is true: its examples are one bundle that loads, whose tests hold
//! over a small catalog; what it says is refused is refused for that reason, and its list of functions is
//! whole.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tollgate_policy::{Bundle, FunctionSource, MaskSecret, SourceFile};
use tollgate_rewriter::Registry;
use tollgate_warehouse::embedded::{Embedded, discover};

fn reference() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("policy/README.md");
    std::fs::read_to_string(path).unwrap()
}

fn data() -> PathBuf {
    crate::harness::cases().join("policy/reference")
}

/// The blocks of one kind.
fn blocks(kind: &str) -> Vec<String> {
    let text = reference();
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            if found == kind {
                blocks.push(block.join("\n"));
            }
        }
    }
    blocks
}

fn registry() -> Registry {
    Registry::new(&tollgate_gateway::Functions::new(Embedded::udf_source()))
}

#[test]
fn the_examples_load_and_their_tests_hold() {
    let blocks = blocks("sql");
    assert!(blocks.len() >= 9, "{} examples", blocks.len());
    let folder = std::env::temp_dir().join(format!("tollgate-reference-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("policies")).unwrap();
    std::fs::write(folder.join("policies/reference.sql"), blocks.join("\n")).unwrap();
    std::fs::write(folder.join("users.toml"), "").unwrap();
    let config = format!(
        "[pg]\ntls = \"optional\"\n[users]\nfile = \"users.toml\"\n[policies]\nfolder = \"policies\"\n\
         [warehouse]\nkind = \"embedded\"\ndata = {:?}\n[ledger]\nkind = \"none\"\n",
        data().display().to_string()
    );
    let path = folder.join("tollgate.toml");
    std::fs::write(&path, config).unwrap();
    let mut out = Vec::new();
    let arguments = ["tollgate", "test", "--config", path.to_str().unwrap()];
    let code = tollgate_proxy::cli::run_to(arguments, &mut out);
    let out = String::from_utf8(out).unwrap();
    assert_eq!(code, ExitCode::SUCCESS, "{out}");
    assert!(out.lines().filter(|line| line.starts_with("ok ")).count() >= 15, "{out}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_called_refused_is() {
    let snapshot = tollgate_catalog::Snapshot::new(1, discover(&data()).unwrap());
    let mut wrong = Vec::new();
    let mut count = 0;
    for block in blocks("sql refused") {
        let mut reason = "";
        for line in block.lines() {
            if let Some(said) = line.strip_prefix("-- ") {
                reason = said;
                continue;
            }
            count += 1;
            let file = SourceFile { path: "r.sql".to_owned(), text: line.to_owned() };
            let secret = MaskSecret::new([7; 32]);
            match Bundle::load(&[file], &snapshot, &registry(), &secret) {
                Ok(_) => wrong.push(format!("{line}\n    loads")),
                Err(errors) => {
                    let found: Vec<_> = errors.iter().map(|error| error.message.clone()).collect();
                    if found != [reason] {
                        wrong.push(format!("{line}\n    {found:?}"));
                    }
                }
            }
        }
    }
    assert!(count >= 10);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names that the registry has, but that the policy language gives another meaning, or none.
const OTHERWISE: &[&str] =
    &["current_date", "current_time", "now", "position", "trim", "date_trunc"];

#[test]
fn the_list_of_functions_is_whole() {
    let text = reference();
    let (_, list) = text.split_once("\nFunctions: ").unwrap();
    let (list, _) = list.split_once(". All others").unwrap();
    let said: BTreeSet<_> = list.split('`').skip(1).step_by(2).collect();
    let registry = registry();
    let volatile = datafusion_expr::Volatility::Volatile;
    let found: BTreeSet<_> = registry
        .scalars()
        .map(|(name, _)| name)
        .filter(|name| {
            FunctionSource::scalar(&registry, name)
                .is_some_and(|udf| udf.signature().volatility != volatile)
        })
        .filter(|name| !OTHERWISE.contains(name))
        .collect();
    assert_eq!(said, found);
}
