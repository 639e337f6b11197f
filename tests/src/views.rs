//! Views of a bundle over a whole gateway: the author's rights, the caller's rows and masks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use tollgate_catalog::{Error, Snapshot};
use tollgate_gateway::audit::Statements;
use tollgate_gateway::{
    Audit, AuditTarget, CancelToken, Gateway, GatewayParts, GatewaySettings, Outcome, Session,
    StartupSettings,
};
use tollgate_identity::{UserStore, Verifier};
use tollgate_policy::{Bundle, Diagnostics, MaskSecret, SourceFile};
use tollgate_rewriter::Registry;
use tollgate_warehouse::embedded::{Embedded, Options, discover};
use tollgate_warehouse::warehouses::Warehouses;

const VIEWS: &str = "
    CREATE VIEW s.summary AS
      SELECT p.tenant, p.email, p.income, c.id AS call, 100 / c.length AS rate
      FROM s.people p JOIN s.calls c ON c.person = p.id;
    CREATE VIEW s.totals AS
      SELECT tenant, count(*) AS calls, max(email) AS email FROM s.summary GROUP BY tenant;
    CREATE VIEW s.top AS SELECT calls FROM s.totals;
    CREATE VIEW s.mine AS SELECT current_user AS me, id FROM s.calls;";

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn data() -> Folder {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("tollgate-views-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let schema = folder.join("data/s");
    std::fs::create_dir_all(&schema).unwrap();
    let people = "id,tenant,email,income\n1,acme,ann@acme.com,10\n2,acme,abe@acme.com,20\n3,globex,zoe@globex.com,30\n";
    let calls = "id,person,length\n1,1,1\n2,1,2\n3,2,4\n4,3,5\n";
    std::fs::write(schema.join("people.csv"), people).unwrap();
    std::fs::write(schema.join("calls.csv"), calls).unwrap();
    Folder(folder)
}

fn gateway(folder: &Path, rules: &str) -> Result<Arc<Gateway>, Diagnostics> {
    let snapshot = Arc::new(Snapshot::new(1, discover(&folder.join("data")).unwrap()));
    let registry =
        Arc::new(Registry::new(&tollgate_gateway::Functions::new(Embedded::udf_source())));
    let text = format!("CREATE ROLE a; GRANT ROLE a TO USER 'ana'; {VIEWS} {rules}");
    let file = SourceFile { path: "p.sql".to_owned(), text };
    let bundle = Bundle::load(&[file], &snapshot, &*registry, &MaskSecret::new([7; 32]))?;
    let audit =
        Audit::open(AuditTarget::File(folder.join("audit.jsonl")), "tenant_id", Statements::Whole)
            .unwrap();
    let gateway = Gateway::new(GatewayParts {
        snapshot,
        bundle: Arc::new(bundle),
        registry,
        warehouses: Arc::new(Warehouses::only(
            Arc::new(Embedded::open(&Options::default()).unwrap()),
            2,
        )),
        audit: Arc::new(audit),
        purse: Arc::new(tollgate_gateway::limits::budget::MemoryPurse::default()),
        settings: GatewaySettings {
            database: "tollgate".to_owned(),
            max_concurrent: 2,
            statement_timeout: None,
            plan_cache: 64 << 20,
            result_cache: 64 << 20,
            policy_readers: Default::default(),
        },
    });
    Ok(gateway.unwrap())
}

fn connect(gateway: &Arc<Gateway>, user: &str) -> Session {
    let verifier = Verifier::from_password("secret", 4096, b"salt of the tests").unwrap();
    let tenant = BTreeMap::from([("tenant".to_owned(), vec!["acme".to_owned()])]);
    let store = UserStore::parse("").unwrap().with_user(user, verifier, tenant);
    let principal = store.verify_password(user, "secret", [10, 1, 2, 3].into()).unwrap();
    let startup = StartupSettings { database: "tollgate".to_owned(), ..Default::default() };
    Session::new(Arc::clone(gateway), principal, startup).unwrap().0
}

/// The rows as text, or the error.
async fn ask(session: &mut Session, sql: &str) -> String {
    match rows(session, sql).await {
        Ok(rows) => rows.join(" "),
        Err(error) => format!("{} {}", error.kind().sqlstate(), error.message()),
    }
}

async fn rows(session: &mut Session, sql: &str) -> Result<Vec<String>, Error> {
    let statement = session.parse(sql)?.pop().unwrap();
    let cancel = CancelToken::new();
    let Outcome::Rows(mut stream) = session.execute(&statement, &[], Vec::new(), &cancel).await?
    else {
        panic!("{sql} returns no rows")
    };
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let options = FormatOptions::default().with_null("-");
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<_> =
                columns.iter().map(|column| column.value(row).to_string()).collect();
            rows.push(cells.join("|"));
        }
    }
    Ok(rows)
}

async fn check(rules: &str, cases: &[(&str, &str)]) {
    let folder = data();
    let gateway = gateway(&folder.0, rules).unwrap_or_else(|errors| panic!("{errors}"));
    let mut session = connect(&gateway, "ana");
    for (sql, expected) in cases {
        assert_eq!(ask(&mut session, sql).await, *expected, "{sql}\n{rules}");
    }
}

const TENANT: &str =
    "CREATE ROW POLICY t ON ALL TABLES WITH COLUMN (tenant) AS RESTRICTIVE TO PUBLIC
    USING (tenant = principal_attr('tenant'));";

#[tokio::test]
async fn a_view_reads_with_its_authors_rights() {
    check(
        "GRANT SELECT ON s.summary TO ROLE a; GRANT SELECT (tenant, calls) ON s.totals TO ROLE a; GRANT SELECT ON s.mine TO USER 'ana';",
        &[
            ("SELECT call, email, rate FROM s.summary ORDER BY call", "1|ann@acme.com|100 2|ann@acme.com|50 3|abe@acme.com|25 4|zoe@globex.com|20"),
            ("SELECT count(*) FROM s.summary x JOIN s.summary y USING (call)", "4"),
            ("SELECT * FROM s.totals ORDER BY tenant", "acme|3 globex|1"),
            ("SELECT DISTINCT me FROM s.mine", "ana"),
            ("SELECT email FROM s.totals", "42703 column \"email\" does not exist"),
            ("SELECT id FROM s.people", "42P01 relation \"s.people\" does not exist"),
            ("SELECT id FROM s.calls", "42P01 relation \"s.calls\" does not exist"),
            ("SELECT relname, relkind FROM pg_catalog.pg_class WHERE relname IN ('summary', 'people', 'calls')", "summary|v"),
            ("SELECT table_name FROM information_schema.tables WHERE table_schema = 's' AND table_type = 'VIEW' ORDER BY 1", "mine summary totals"),
            ("SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = 's'", "0"),
        ],
    )
    .await;
    check(
        "GRANT SELECT ON s.people TO ROLE a;",
        &[
            ("SELECT count(*) FROM s.people", "3"),
            ("SELECT call FROM s.summary", "42P01 relation \"s.summary\" does not exist"),
        ],
    )
    .await;
}

#[tokio::test]
async fn rows_and_masks_below_are_the_callers() {
    let grants = "GRANT SELECT ON s.summary TO ROLE a; GRANT SELECT ON s.totals TO ROLE a;";
    check(
        &format!("{grants} {TENANT} CREATE MASKING POLICY m ON s.people (email) USING (mask_partial(value, 1));"),
        &[
            ("SELECT call, email FROM s.summary ORDER BY call", "1|a*** 2|a*** 3|a***"),
            ("SELECT tenant, calls, email FROM s.totals", "acme|3|a***"),
            // An expression that fails on a hidden row must not tell of it.
            ("SELECT count(*) FROM s.summary WHERE 1 / (income - 30) < 9", "3"),
            ("SELECT count(*) FROM s.summary WHERE 1 / (call - 4) < 9 AND tenant = 'globex'", "0"),
            ("SELECT count(*) FROM s.summary WHERE email LIKE '%acme%'", "0"),
            ("SELECT count(*) FROM s.summary WHERE tenant = 'globex' OR call = 4", "0"),
            ("SELECT count(*) FROM s.summary WHERE rate > 20", "3"),
        ],
    )
    .await;
    // A view's own policies come on top.
    check(
        &format!(
            "{grants} CREATE ROW POLICY v ON s.summary AS RESTRICTIVE TO PUBLIC USING (call <> 2 AND rate > 20);
             CREATE MASKING POLICY m ON s.summary (income) USING (NULL);"
        ),
        &[
            ("SELECT call, income FROM s.summary ORDER BY call", "1|- 3|-"),
            ("SELECT count(*) FROM s.summary WHERE 1 / (call - 2) < 9 AND 1 / (call - 4) < 9", "2"),
            // Those of a view that another one reads hold there, too.
            ("SELECT tenant, calls FROM s.totals", "acme|2"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_denial_below_hides_the_view() {
    let grants = "GRANT SELECT ON s.summary TO ROLE a; GRANT SELECT ON s.totals TO ROLE a; GRANT SELECT ON s.mine TO ROLE a;";
    check(
        &format!("{grants} DENY SELECT (email) ON s.people TO ROLE a;"),
        &[
            ("SELECT call FROM s.summary", "42P01 relation \"s.summary\" does not exist"),
            ("SELECT calls FROM s.totals", "42P01 relation \"s.totals\" does not exist"),
            ("SELECT count(*) FROM s.mine", "4"),
            ("SELECT relname FROM pg_catalog.pg_class WHERE relname IN ('summary', 'totals', 'mine')", "mine"),
        ],
    )
    .await;
    check(
        &format!("{grants} DENY SELECT (length) ON s.calls TO USER 'bob'; DENY SELECT (tenant) ON s.totals TO ROLE a;"),
        &[
            ("SELECT count(*) FROM s.summary", "4"),
            ("SELECT * FROM s.totals ORDER BY calls", "1|zoe@globex.com 3|ann@acme.com"),
        ],
    )
    .await;
}

#[tokio::test]
async fn restrictions_of_predicates_leave_a_view_with_its_columns() {
    check(
        "GRANT SELECT ON s.summary TO ROLE a; GRANT SELECT ON s.top TO ROLE a;
         CREATE MASKING POLICY m ON s.people (email) USING (mask_partial(value, 1)) PREDICATES DENY;",
        &[
            ("SELECT email FROM s.summary WHERE call = 1", "a***"),
            ("SELECT call FROM s.summary WHERE email = 'a***'", "42501 column \"email\" can't be filtered, joined, grouped or sorted on"),
            ("SELECT call FROM (SELECT call, upper(email) AS e FROM s.summary) x ORDER BY e", "42501 column \"email\" can't be filtered, joined, grouped or sorted on"),
            ("SELECT calls FROM s.top", "42501 view \"s.top\" tests values that are masked"),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_view_is_said_at_load() {
    let folder = data();
    let mut deep = "CREATE VIEW s.v0 AS SELECT id FROM s.calls;".to_owned();
    for n in 1..17 {
        deep += &format!("CREATE VIEW s.v{n} AS SELECT id FROM s.v{};", n - 1);
    }
    let errors = gateway(&folder.0, &deep).err().unwrap();
    assert_eq!(errors.to_string().lines().count(), 2, "{errors}");
    assert!(errors.to_string().contains("view s.v16 reads views that are more than 16 deep"));
    for (view, expected) in [
        (
            "CREATE VIEW s.v AS SELECT nope FROM s.people;",
            "view s.v can't be declared: column \"nope\" does not exist",
        ),
        (
            "CREATE VIEW s.v AS SELECT id FROM people;",
            "view s.v can't be declared: relation \"people\" does not exist",
        ),
        (
            "CREATE VIEW s.v AS SELECT id FROM s.later; CREATE VIEW s.later AS SELECT id FROM s.people;",
            "view s.v can't be declared: relation \"s.later\" does not exist",
        ),
        (
            "CREATE VIEW s.v AS SELECT id, person AS id FROM s.calls;",
            "view s.v can't be declared: a view with two columns \"id\" is not supported",
        ),
        (
            "CREATE VIEW s.v AS SELECT id FROM s.calls WHERE id = $1;",
            "view s.v can't be declared: a parameter in a view is not supported",
        ),
        (
            "CREATE VIEW s.v AS SELECT relname FROM pg_catalog.pg_class;",
            "view s.v can't be declared: relation \"pg_catalog.pg_class\" does not exist",
        ),
        (
            "CREATE VIEW s.v AS SELECT 1 AS one;",
            "view s.v can't be declared: a view over no table is not supported",
        ),
        (
            "CREATE VIEW s.v AS SELECT c FROM s.calls c;",
            "view s.v can't be declared: a whole row or JSON as a column of a view is not supported",
        ),
        (
            "CREATE VIEW s.v AS SELECT json_agg(id) AS ids FROM s.calls;",
            "view s.v can't be declared: a whole row or JSON as a column of a view is not supported",
        ),
        ("CREATE VIEW s.people AS SELECT id FROM s.calls;", "relation s.people exists already"),
        (
            "CREATE ROW POLICY p ON s.summary AS RESTRICTIVE TO PUBLIC USING (call IN (SELECT id FROM s.calls));",
            "a subquery in a policy can't stand on a view, or read one",
        ),
        (
            "CREATE ROW POLICY p ON s.calls AS RESTRICTIVE TO PUBLIC USING (id IN (SELECT call FROM s.summary));",
            "a subquery in a policy can't stand on a view, or read one",
        ),
        (
            "GRANT SELECT (nope) ON s.summary TO PUBLIC;",
            "column \"nope\" of s.summary does not exist",
        ),
    ] {
        let errors = gateway(&folder.0, view).err().expect(view);
        let first = errors.iter().next().unwrap();
        assert_eq!(first.message, expected, "{view}");
        assert!(!first.hint.is_empty(), "{view}");
    }
}
