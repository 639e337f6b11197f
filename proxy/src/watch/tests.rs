//! A change is noticed once it has settled, and once only.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use super::Watch;

#[test]
fn a_change_counts_once_it_has_settled() {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    fs::create_dir_all(policies.join("teams")).unwrap();
    let config = folder.path().join("tollgate.toml");
    let file = policies.join("teams/a.sql");
    fs::write(&config, "").unwrap();
    fs::write(&file, "CREATE ROLE a;").unwrap();
    let mut watch = Watch {
        every: None,
        files: vec![config.clone(), folder.path().join("users.toml")],
        folder: policies.clone(),
        known: Vec::new(),
        seen: Vec::new(),
    };
    watch.known = watch.look();
    watch.seen = watch.known.clone();
    assert!(!watch.settled());

    fs::write(&file, "CREATE ROLE a; CREATE").unwrap();
    assert!(!watch.settled(), "it may still be written to");
    fs::write(&file, "CREATE ROLE a; CREATE ROLE b;").unwrap();
    assert!(!watch.settled(), "it was written to again");
    assert!(watch.settled());
    assert!(!watch.settled(), "once");

    fs::write(policies.join("notes.txt"), "not a policy").unwrap();
    assert!(!watch.settled() && !watch.settled());

    fs::write(folder.path().join("users.toml"), "[users]").unwrap();
    assert!(!watch.settled());
    assert!(watch.settled(), "a file that appears");
    fs::remove_file(&file).unwrap();
    assert!(!watch.settled());
    assert!(watch.settled(), "a file that goes");
}
