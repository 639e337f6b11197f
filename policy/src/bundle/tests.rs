//! Hash, names and visibility.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use crate::testing::{Functions, load, principal, snapshot};
use crate::{Bundle, MaskSecret, SourceFile};
use tollgate_catalog::TableName;

fn hash(files: &[(&str, &str)]) -> String {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() })
        .collect();
    let secret = MaskSecret::new([0; 32]);
    Bundle::load(&files, &snapshot(), &Functions, &secret).unwrap().hash().to_owned()
}

#[test]
fn the_hash_is_that_of_the_texts() {
    let one = hash(&[("a", "CREATE ROLE a;\n"), ("b", "CREATE ROLE b;")]);
    assert_eq!(one.len(), 64);
    assert_eq!(one, hash(&[("z/b", "CREATE ROLE b;"), ("z/a", "CREATE ROLE a;\r\n")]));
    assert_ne!(one, hash(&[("a", "CREATE ROLE a;")]));
    assert_ne!(one, hash(&[("a", "CREATE ROLE a;\nCREATE ROLE b;")]));
}

#[test]
fn names_and_visibility() {
    let bundle = load("CREATE ROLE b; CREATE ROLE a; GRANT ROLE a TO USER 'zoe'; GRANT SELECT (amount) ON hr.salaries TO USER 'ana';").unwrap();
    assert_eq!(bundle.roles().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(bundle.users().collect::<Vec<_>>(), ["ana", "zoe"]);
    let snapshot = snapshot();
    let table = snapshot.table(&TableName::new("hr", "salaries")).unwrap();
    assert_eq!(bundle.visible(&principal("ana"), table), Some(vec![1]));
    assert_eq!(bundle.visible(&principal("bob"), table), None);
}
