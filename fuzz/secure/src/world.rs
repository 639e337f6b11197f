//! The road from a statement's text to a secured plan, in a small fixed world, and what must hold for
//! every text: it ends, it names nothing hidden that the text doesn't name itself, and what is
//! hidden gives the same answer, byte for byte, as what isn't there.
//!
//! Every hidden name of the world begins with `hidden_`, and no name begins with `absent_`. So a text
//! has a twin in which `absent` stands for `hidden`, and both must come to the same end.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_expr::LogicalPlan;
use tollgate_catalog::{Column, Error, ErrorKind, Snapshot, Storage, Table, TableName};
use tollgate_identity::{Principal, UserStore, Verifier};
use tollgate_policy::{Bundle, Circumstances, Denied, MaskSecret, SourceFile};
use tollgate_rewriter::statement::Body;
use tollgate_rewriter::{
    Parsed, Registry, Secured, SecuredSource, SessionFacts, SqlDialect, SystemSchemas,
    SystemSource, UdfSource, VisibleTable, VisibleTables, WorkTableSource,
};

const POLICIES: &str = "
CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
GRANT SELECT ON crm.tenants TO ROLE analyst;
GRANT SELECT (id, tenant_id, customer_id, amount, currency, status, ordered_at) ON crm.orders TO ROLE analyst;
GRANT SELECT (id, tenant_id, full_name, email, phone, national_id, country, city, birth_date, created_at)
  ON crm.customers TO ROLE analyst;
GRANT SELECT ON open.kinds TO ROLE analyst;
CREATE ROW POLICY tenant ON ALL TABLES WITH COLUMN (tenant_id) AS RESTRICTIVE
  TO ROLE analyst USING (tenant_id = principal_attr('tenant_id'));
CREATE ROW POLICY flagged ON crm.orders AS RESTRICTIVE TO ROLE analyst USING (hidden_flag IS NULL);
CREATE ROW POLICY mapped ON crm.tenants AS RESTRICTIVE TO ROLE analyst
  USING (tenant_id IN (SELECT hidden_tenant FROM crm.hidden_map));
CREATE MASKING POLICY m_email ON crm.customers (email) USING (mask_email(value));
CREATE MASKING POLICY m_phone ON crm.customers (phone) USING (NULL);
CREATE MASKING POLICY m_name ON crm.customers (full_name) USING (mask_hash(value));
";

/// The tables that ana may see, and how many of their columns.
const VISIBLE: [(&str, &str, usize); 4] =
    [("crm", "customers", 10), ("crm", "orders", 7), ("crm", "tenants", 3), ("open", "kinds", 17)];

fn tables() -> Vec<Table> {
    let (int, text) = (DataType::Int64, DataType::Utf8);
    let money = DataType::Decimal128(18, 2);
    let moment = DataType::Timestamp(TimeUnit::Microsecond, None);
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    let list = |of: &DataType| DataType::List(Arc::new(Field::new_list_field(of.clone(), true)));
    let mut customers: Vec<(&str, DataType)> =
        ["tenant_id", "full_name", "email", "phone", "national_id", "country", "city"]
            .map(|name| (name, text.clone()))
            .into();
    customers.insert(0, ("id", int.clone()));
    customers.extend([
        ("birth_date", DataType::Date32),
        ("hidden_income", money.clone()),
        ("created_at", moment.clone()),
    ]);
    let orders = vec![
        ("id", int.clone()),
        ("tenant_id", text.clone()),
        ("hidden_flag", DataType::Boolean),
        ("customer_id", int.clone()),
        ("amount", money.clone()),
        ("currency", text.clone()),
        ("status", text.clone()),
        ("ordered_at", moment.clone()),
    ];
    let kinds = vec![
        ("flag", DataType::Boolean),
        ("tiny", DataType::Int8),
        ("small", DataType::Int16),
        ("big", int.clone()),
        ("real", DataType::Float32),
        ("double", DataType::Float64),
        ("price", DataType::Decimal128(38, 10)),
        ("word", text.clone()),
        ("body", DataType::Binary),
        ("doc", tollgate_catalog::pg_type::document()),
        ("day", DataType::Date32),
        ("moment", DataType::Time64(TimeUnit::Microsecond)),
        ("at", moment),
        ("at_zone", zoned),
        ("span", DataType::Interval(IntervalUnit::MonthDayNano)),
        ("words", list(&text)),
        ("numbers", list(&int)),
    ];
    let tenants = ["tenant_id", "tenant_name", "partner_id"].map(|name| (name, text.clone()));
    let map = ["hidden_tenant", "hidden_user"].map(|name| (name, text.clone()));
    let salaries =
        [("hidden_employee", int.clone()), ("title", text.clone()), ("hidden_salary", money)];
    let visits = [("id", int.clone()), ("patient_id", int), ("hidden_diagnosis", text)];
    vec![
        table("crm", "customers", customers),
        table("crm", "orders", orders),
        table("crm", "tenants", tenants),
        table("crm", "hidden_map", map),
        table("open", "kinds", kinds),
        table("hidden_hr", "hidden_salaries", salaries),
        table("hidden_health", "hidden_visits", visits),
    ]
}

fn table<'a>(
    schema: &str,
    name: &str,
    columns: impl IntoIterator<Item = (&'a str, DataType)>,
) -> Table {
    let column = |(name, data_type): (&str, DataType)| Column {
        name: name.to_owned(),
        data_type,
        nullable: true,
        comment: None,
    };
    Table {
        name: TableName::new(schema, name),
        columns: columns.into_iter().map(column).collect(),
        primary_key: vec![0],
        foreign_keys: Vec::new(),
        cache_for: None,
        comment: None,
        row_count: None,
        bytes: None,
        warehouse: Some(tollgate_catalog::WarehouseName::default()),
        storage: Storage::Csv(Vec::new()),
    }
}

/// What every statement is run through.
pub struct World {
    snapshot: Snapshot,
    bundle: Arc<Bundle>,
    registry: Registry,
    system: Box<dyn SystemSchemas>,
    principal: Arc<Principal>,
    facts: SessionFacts,
    /// What the record says of each visible table, policies and all.
    described: Vec<String>,
}

/// How one statement ended, in all that a client may learn of it.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// No query, so nothing to secure.
    Command,
    Refused {
        kind: ErrorKind,
        texts: [Option<String>; 3],
        position: Option<usize>,
    },
    Secured {
        text: String,
        explained: String,
        output: String,
    },
}

impl World {
    /// The world, with these functions and system relations.
    ///
    /// # Panics
    /// The world doesn't fit together.
    pub fn new(functions: &dyn UdfSource, system: Box<dyn SystemSchemas>) -> Self {
        let snapshot = Snapshot::new(1, tables());
        let registry = Registry::new(functions);
        let file = SourceFile { path: "fuzz.sql".to_owned(), text: POLICIES.to_owned() };
        let bundle = Bundle::load(&[file], &snapshot, &registry, &MaskSecret::new([7; 32]))
            .unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        let verifier = Verifier::from_password("pencil", 4096, b"0123456789abcdef").unwrap();
        let attributes = BTreeMap::from([("tenant_id".to_owned(), vec!["acme".to_owned()])]);
        let users = UserStore::parse("").unwrap().with_user("ana", verifier, attributes);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut world = Self {
            snapshot,
            bundle: Arc::new(bundle),
            registry,
            system,
            principal: Arc::new(users.verify_password("ana", "pencil", address).unwrap()),
            facts: SessionFacts {
                user: "ana".to_owned(),
                database: "tollgate".to_owned(),
                search_path: vec!["$user".to_owned(), "public".to_owned(), "crm".to_owned()],
                version: "PostgreSQL 15.0".to_owned(),
                backend_pid: 7,
                settings: Arc::new(BTreeMap::new()),
            },
            described: Vec::new(),
        };
        world.described = VISIBLE
            .iter()
            .map(|(schema, table, _)| {
                let sql = format!("SELECT count(*) FROM {schema}.{table}");
                let parsed = tollgate_rewriter::parse(&sql).unwrap();
                let secured = world.road(&parsed[0]).unwrap().unwrap();
                let (_, described) = secured.secured_sql().split_once('\n').unwrap();
                format!("\n{described}")
            })
            .collect();
        world
    }

    /// Runs a text through in every dialect, and panics if what must hold doesn't. Returns how many
    /// statements were secured.
    pub fn check(&self, text: &str) -> usize {
        let dialects = SqlDialect::NAMES.iter().filter_map(|name| SqlDialect::from_name(name));
        dialects.map(|dialect| self.check_in(dialect, text)).sum()
    }

    fn check_in(&self, dialect: SqlDialect, text: &str) -> usize {
        let ends = self.ends(dialect, text);
        for end in &ends {
            self.names_nothing_hidden(end, text);
        }
        if text.to_ascii_lowercase().contains("hidden")
            && !text.to_ascii_lowercase().contains("absent")
        {
            let twins = self.ends(dialect, &absent(text));
            let ours = absent(&format!("{ends:#?}"));
            let theirs = format!("{twins:#?}");
            assert!(
                ours == theirs,
                "hidden and absent differ in {dialect:?}:\n{text}\n--- hidden\n{ours}\n--- absent\n{theirs}"
            );
        }
        ends.iter().filter(|end| matches!(end, End::Secured { .. })).count()
    }

    fn ends(&self, dialect: SqlDialect, text: &str) -> Vec<End> {
        match tollgate_rewriter::parse_in(dialect, text) {
            Err(error) => vec![refused(&error, text)],
            Ok(statements) => statements.iter().map(|parsed| self.end(parsed)).collect(),
        }
    }

    fn end(&self, parsed: &Parsed) -> End {
        let parsed: &Parsed = match parsed.body() {
            Body::Prepare { query, .. } | Body::Delivered { query, .. } => query,
            Body::Query(_)
            | Body::Explain(_)
            | Body::ExplainAccess(_)
            | Body::Command(_)
            | Body::Execute { .. } => parsed,
        };
        match self.road(parsed) {
            None => End::Command,
            Some(Err(error)) => refused(&error, parsed.sql()),
            Some(Ok(secured)) => {
                self.reads_only_what_is_permitted(&secured);
                let mut text = secured.secured_sql().to_owned();
                for (described, (schema, table, _)) in self.described.iter().zip(VISIBLE) {
                    if secured.tables().contains(&TableName::new(schema, table)) {
                        let at = text.rfind(described).expect("a relation isn't described");
                        text.replace_range(at..at + described.len(), "");
                    }
                }
                End::Secured {
                    text,
                    explained: secured.plan().display_indent().to_string(),
                    output: format!("{:?}", secured.output()),
                }
            }
        }
    }

    /// The road itself, with NULL for every parameter; `None` if it isn't a query.
    pub fn road(&self, parsed: &Parsed) -> Option<Result<Secured, Error>> {
        match parsed.body() {
            Body::Query(_) | Body::Explain(_) | Body::ExplainAccess(_) => {}
            Body::Command(_)
            | Body::Delivered { .. }
            | Body::Prepare { .. }
            | Body::Execute { .. } => return None,
        }
        let road = || {
            let resolved = tollgate_rewriter::resolve(
                parsed,
                &self.registry,
                &self.facts,
                self,
                self.system.as_ref(),
            )?;
            let permit = tollgate_policy::decide(&self.bundle, &self.principal, &now(), resolved)
                .map_err(|denied| match denied {
                Denied::Table(table) => Error::undefined_table(&table.to_string()),
                Denied::NoActiveRole => panic!("nobody switches a role off"),
            })?;
            let version = self.snapshot.version();
            let prepared = tollgate_rewriter::secure(permit, &self.registry, version, &[])?;
            let values = prepared.parameters().iter().map(ScalarValue::try_from);
            prepared.bind(values.collect::<Result<_, _>>().expect("a type without NULL"))
        };
        Some(road())
    }

    /// Every scan is a secured relation of a visible table with its visible columns, or a system
    /// relation.
    fn reads_only_what_is_permitted(&self, secured: &Secured) {
        let walk = |node: &LogicalPlan| {
            if let LogicalPlan::TableScan(scan) = node {
                if let Some(source) = scan.source.downcast_ref::<SecuredSource>() {
                    let name = &source.secured().table().name;
                    let visible = VISIBLE.iter().find(|(schema, table, _)| {
                        (name.schema.as_str(), name.table.as_str()) == (*schema, *table)
                    });
                    let (_, _, columns) = visible.expect("the plan reads a hidden table");
                    assert_eq!(source.secured().columns().len(), *columns, "{name}");
                    for field in scan.source.schema().fields() {
                        assert!(!field.name().starts_with("hidden_"), "{name}.{}", field.name());
                    }
                    assert!(source.barrier() != (name.schema == "open"), "{name} lost its barrier");
                } else {
                    let known =
                        scan.source.is::<SystemSource>() || scan.source.is::<WorkTableSource>();
                    assert!(known, "the plan reads an unknown source");
                }
            }
            Ok(TreeNodeRecursion::Continue)
        };
        secured.plan().apply_with_subqueries(walk).expect("the walk can't fail");
    }

    /// No text that a client can read holds a hidden name that the client didn't say itself.
    fn names_nothing_hidden(&self, end: &End, text: &str) {
        let said = text.to_ascii_lowercase();
        // The client may have said it with escapes.
        if said.contains('\\') {
            return;
        }
        let told = format!("{end:?}").to_ascii_lowercase();
        for table in self.snapshot.tables() {
            let names = table.columns.iter().map(|column| &column.name);
            for name in names.chain([&table.name.schema, &table.name.table]) {
                let leaks =
                    name.starts_with("hidden_") && told.contains(name) && !said.contains(name);
                assert!(!leaks, "{name} is told, for:\n{text}\n{told}");
            }
        }
    }
}

impl VisibleTables for World {
    fn table(&self, name: &TableName) -> Option<VisibleTable> {
        let table = self.snapshot.table(name)?;
        let standing = self.bundle.standing(&self.principal, &now()).ok()?;
        let columns = self.bundle.visible(&self.principal, &standing, table)?;
        Some(VisibleTable { table: Arc::clone(table), columns })
    }
}

fn now() -> Circumstances {
    Circumstances { now: 0, mfa: false, purpose: None }
}

fn refused(error: &Error, text: &str) -> End {
    assert!(!error.message().is_empty(), "an error says nothing: {error:?}");
    assert!(error.kind() != ErrorKind::Internal, "a defect: {error:?} in {text}");
    let texts =
        [Some(error.message()), error.detail(), error.hint()].map(|text| text.map(str::to_owned));
    End::Refused { kind: error.kind(), texts, position: error.position() }
}

/// The twin: `absent` in the place of `hidden`, letter by letter, so that the case stays.
fn absent(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut bytes = text.as_bytes().to_vec();
    for (at, found) in lower.match_indices("hidden") {
        for (byte, letter) in bytes[at..at + found.len()].iter_mut().zip(b"absent") {
            *byte = if byte.is_ascii_uppercase() { letter.to_ascii_uppercase() } else { *letter };
        }
    }
    String::from_utf8(bytes).expect("ASCII letters in the place of ASCII letters")
}
