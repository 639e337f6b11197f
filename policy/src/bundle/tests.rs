//! Hash, names and visibility.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use crate::testing::{Functions, circumstances, load, principal, show, snapshot};
use crate::{Bundle, Expectation, MaskSecret, SourceFile, decide};
use std::sync::Arc;
use tollgate_catalog::{Snapshot, Table, TableName};

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
    let visible = |user: &str| {
        let principal = principal(user);
        let standing = bundle.standing(&principal, &circumstances()).unwrap();
        bundle.visible(&principal, &standing, table)
    };
    assert_eq!(visible("ana"), Some(vec![1]));
    assert_eq!(visible("bob"), None);
}

#[test]
fn patterns_cover_what_a_newer_catalog_brings() {
    let bundle = load(
        "GRANT SELECT ON ALL TABLES IN SCHEMA hr TO PUBLIC; TAG COLUMN *.*.email AS pii;
         CREATE MASKING POLICY m ON TAG pii USING (NULL);
         CREATE ROW POLICY p ON ALL TABLES WITH COLUMN (tenant_id) AS RESTRICTIVE TO PUBLIC USING (tenant_id = principal_attr('tenant_id'));",
    )
    .unwrap();
    let old = snapshot();
    let like = old.table(&TableName::new("crm", "customers")).unwrap();
    let mut new = Table::clone(like);
    new.name = TableName::new("hr", "people");
    let tables = old.tables().map(|table| Table::clone(table)).chain([new]);
    let newer = Snapshot::new(2, tables);
    let table = Arc::clone(newer.table(&TableName::new("hr", "people")).unwrap());
    let ana = principal("ana");
    let sees = |bundle: &Arc<Bundle>| {
        let permit = decide(bundle, &ana, &circumstances(), Over([Arc::clone(&table)]));
        permit.map(|permit| show(&permit.into_parts().tables[0]))
    };
    assert!(sees(&bundle).is_err());
    let secret = MaskSecret::new([7; 32]);
    let again = Arc::new(bundle.rebind(&newer, &Functions, &secret).unwrap());
    assert_eq!(again.hash(), bundle.hash());
    assert_eq!(
        sees(&again).unwrap(),
        "id, tenant_id, email=Utf8View(NULL), national_id, income, country, birth_date | tenant_id = Utf8(\"acme\")"
    );
    // What no longer fits is said, and nothing is in force that was only half understood.
    let gone =
        Snapshot::new(3, [Table::clone(old.table(&TableName::new("admin", "tenants")).unwrap())]);
    let errors = bundle.rebind(&gone, &Functions, &secret).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors}");
}

#[test]
fn tests_stand_beside_the_policies() {
    let bundle = load(
        "CREATE ROLE analyst;\nTEST POLICY AS USER 'ana' ROLES (analyst) WITH (tenant_id = 'acme', regions = ('eu', 'us'))
           SELECT DISTINCT tenant_id, 'expect ()' FROM crm.customers EXPECT ROWS ('acme', -1.5), (NULL, true);
         TEST POLICY AS USER 'o''hara' WITH a AS (SELECT 1) SELECT * FROM a EXPECT DENIED;
         TEST POLICY AS USER 'ana' SELECT 1 EXPECT ROWS ();
         TEST POLICY AS USER 'ana' PURPOSE 'care' MFA WITH (a = 'b') FROM '10.1.2.3' ROLES (analyst)
           WITH mfa AS (SELECT 1) SELECT purpose FROM mfa EXPECT NO ACCESS;",
    )
    .unwrap();
    let [first, second, third, fourth] = bundle.tests() else { panic!("{:?}", bundle.tests()) };
    assert_eq!(first.sql, "SELECT DISTINCT tenant_id, 'expect ()' FROM crm.customers");
    assert_eq!((first.line, first.roles.as_deref()), (2, Some(&["analyst".to_owned()][..])));
    assert_eq!(first.attributes["regions"], ["eu", "us"]);
    let text = |value: &str| Some(value.to_owned());
    let rows = vec![vec![text("acme"), text("-1.5")], vec![None, text("t")]];
    assert_eq!(first.expect, Expectation::Rows(rows));
    assert_eq!((second.user.as_str(), &second.roles), ("o'hara", &None));
    assert_eq!(second.sql, "WITH a AS (SELECT 1) SELECT * FROM a");
    assert_eq!(second.expect, Expectation::Denied);
    assert_eq!(third.expect, Expectation::Rows(Vec::new()));
    assert_eq!((third.address, third.mfa, &third.purpose), (None, false, &None));
    assert_eq!(fourth.address, Some([10, 1, 2, 3].into()));
    assert_eq!((fourth.mfa, fourth.purpose.as_deref()), (true, Some("care")));
    assert_eq!(
        (fourth.roles.as_ref().unwrap().len(), &fourth.attributes["a"][..]),
        (1, &["b".to_owned()][..])
    );
    assert_eq!(fourth.sql, "WITH mfa AS (SELECT 1) SELECT purpose FROM mfa");
    assert_eq!(fourth.expect, Expectation::NoAccess);
}

/// A statement over one table.
struct Over([Arc<Table>; 1]);

impl crate::NamesTables for Over {
    fn tables(&self) -> &[Arc<Table>] {
        &self.0
    }
}
