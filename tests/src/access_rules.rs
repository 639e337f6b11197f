//! Access rules over a whole gateway: asked at connection and again at each statement.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tollgate_catalog::{Error, Snapshot};
use tollgate_gateway::audit::Statements;
use tollgate_gateway::{
    Audit, AuditTarget, CancelToken, Gateway, GatewayParts, GatewaySettings, Session,
    StartupSettings, State,
};
use tollgate_identity::{UserStore, Verifier};
use tollgate_policy::{Bundle, MaskSecret, SourceFile};
use tollgate_rewriter::Registry;
use tollgate_warehouse::embedded::{Embedded, Options, discover};
use tollgate_warehouse::warehouses::Warehouses;

const ROLES: &str = "CREATE ROLE a; CREATE ROLE b;
    GRANT ROLE a TO USER 'ana'; GRANT ROLE b TO USER 'ana';
    GRANT SELECT ON s.one TO ROLE a; GRANT SELECT ON s.two TO ROLE b;";

struct World {
    gateway: Arc<Gateway>,
    snapshot: Arc<Snapshot>,
    registry: Arc<Registry>,
}

impl World {
    fn new(folder: &Path) -> Self {
        let schema = folder.join("data/s");
        std::fs::create_dir_all(&schema).unwrap();
        for name in ["one", "two"] {
            std::fs::write(schema.join(format!("{name}.csv")), "id\n1\n").unwrap();
        }
        let tables = discover(&folder.join("data")).unwrap();
        let snapshot = Arc::new(Snapshot::new(1, tables));
        let registry =
            Arc::new(Registry::new(&tollgate_gateway::Functions::new(Embedded::udf_source())));
        let audit = Audit::open(
            AuditTarget::File(folder.join("audit.jsonl")),
            "tenant_id",
            Statements::Whole,
        )
        .unwrap();
        let gateway = Gateway::new(GatewayParts {
            snapshot: Arc::clone(&snapshot),
            bundle: bundle("", &snapshot, &registry),
            registry: Arc::clone(&registry),
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
        Self { gateway: gateway.unwrap(), snapshot, registry }
    }

    fn rules(&self, rules: &str) {
        let bundle = bundle(rules, &self.snapshot, &self.registry);
        let before = self.gateway.state();
        let warehouses = Arc::clone(&before.warehouses);
        let snapshot = Arc::clone(&self.snapshot);
        self.gateway.replace(State { snapshot, bundle, warehouses });
    }

    fn connect(&self) -> Result<Session, Error> {
        let verifier = Verifier::from_password("secret", 4096, b"salt of the tests").unwrap();
        let store = UserStore::parse("").unwrap().with_user("ana", verifier, BTreeMap::new());
        let principal = store.verify_password("ana", "secret", [10, 1, 2, 3].into()).unwrap();
        let startup = StartupSettings { database: "tollgate".to_owned(), ..Default::default() };
        Session::new(Arc::clone(&self.gateway), principal, startup).map(|(session, _)| session)
    }
}

fn bundle(rules: &str, snapshot: &Snapshot, registry: &Registry) -> Arc<Bundle> {
    let file = SourceFile { path: "p.sql".to_owned(), text: format!("{ROLES}{rules}") };
    let bundle = Bundle::load(&[file], snapshot, registry, &MaskSecret::new([7; 32]));
    Arc::new(bundle.unwrap_or_else(|errors| panic!("{errors}")))
}

fn told(error: &Error) -> String {
    let hint = error.hint().unwrap_or_default();
    format!("{} {} ({hint})", error.kind().sqlstate(), error.message())
}

const REFUSED: &str = "28000 access is not permitted for this connection \
    (ask the operator from where, when and how you may connect)";
const MISSING: &str = "42P01 relation \"s.one\" does not exist ()";

#[tokio::test]
async fn rules_hold_at_connection_and_at_each_statement() {
    let folder = std::env::temp_dir().join(format!("tollgate-access-{}", std::process::id()));
    let world = World::new(&folder);
    let mut session = world.connect().unwrap();
    let statement = session.parse("SELECT count(*) FROM s.one").unwrap().pop().unwrap();
    let catalog = "SELECT relname FROM pg_catalog.pg_class WHERE relname = 'one'";
    let catalog = session.parse(catalog).unwrap().pop().unwrap();
    let cancel = CancelToken::new();
    for (rules, connects, expected) in [
        ("", None, None),
        ("CREATE ACCESS RULE r TO ROLE a FROM ('10.0.0.0/8') VALID FROM '2020-01-01';", None, None),
        // The statement was prepared; the plan that is kept must not be used.
        ("CREATE ACCESS RULE r TO ROLE a FROM ('192.0.2.0/24');", None, Some(MISSING)),
        ("CREATE ACCESS RULE r TO ROLE a VALID UNTIL '2020-01-01';", None, Some(MISSING)),
        ("CREATE ACCESS RULE r TO ROLE b REQUIRE MFA;", None, None),
        ("CREATE ACCESS RULE r TO ROLE a, b REQUIRE MFA;", Some(REFUSED), Some(REFUSED)),
        ("CREATE ACCESS RULE r TO PUBLIC PURPOSE IN ('x');", Some(REFUSED), Some(REFUSED)),
        (
            "CREATE ACCESS RULE r TO USER 'ana' VALID FROM '2999-01-01';",
            Some(REFUSED),
            Some(REFUSED),
        ),
        ("CREATE ACCESS RULE r TO USER 'bob' REQUIRE MFA;", None, None),
    ] {
        world.rules(rules);
        let refused = world.connect().err().map(|error| told(&error));
        assert_eq!(refused.as_deref(), connects, "connecting: {rules}");
        let refused = session.execute(&statement, &[], Vec::new(), &cancel).await;
        let refused = refused.err().map(|error| told(&error));
        assert_eq!(refused.as_deref(), expected, "{rules}");
        // Whoever has no role gets nothing from the catalogs either.
        let refused = session.execute(&catalog, &[], Vec::new(), &cancel).await;
        let refused = refused.err().map(|error| told(&error));
        assert_eq!(refused.as_deref(), connects, "the catalogs: {rules}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
