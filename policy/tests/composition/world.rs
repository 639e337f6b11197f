//! Random worlds: a few tables with rows, and rules about them, which print as a bundle.

use std::fmt::{self, Display, Formatter};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub struct Shape {
    pub schema: &'static str,
    pub name: &'static str,
    pub columns: &'static [&'static str],
}

/// `k` and `v` are text, `id` and `n` are numbers.
///
/// From [`VIEWS`] on they are views, of which each world says what they read.
pub const TABLES: [Shape; 5] = [
    Shape { schema: "s", name: "a", columns: &["id", "k", "n", "v"] },
    Shape { schema: "s", name: "b", columns: &["id", "k", "n"] },
    Shape { schema: "t", name: "a", columns: &["k", "n"] },
    Shape { schema: "w", name: "a", columns: &["k", "n"] },
    Shape { schema: "w", name: "b", columns: &["k", "n"] },
];
pub const VIEWS: usize = 3;
pub const ROLES: usize = 4;

/// A caller; the attribute is called `k`.
#[derive(Debug)]
pub struct User {
    pub name: &'static str,
    pub attribute: Option<Vec<String>>,
}

pub fn users() -> [User; 4] {
    let list = |values: &[&str]| Some(values.iter().map(|value| (*value).to_owned()).collect());
    [
        User { name: "one", attribute: list(&["xyz"]) },
        User { name: "two", attribute: list(&["xyz", "q"]) },
        User { name: "empty", attribute: list(&[]) },
        User { name: "none", attribute: None },
    ]
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Null,
    Text(String),
    Number(i64),
}

#[derive(Debug, Clone)]
pub enum Grantee {
    Role(usize),
    User(&'static str),
    Public,
}

#[derive(Debug, Clone, Copy)]
pub enum Action {
    Grant,
    Deny,
}

#[derive(Debug, Clone)]
pub enum Target {
    Table(usize),
    Schema(&'static str),
    WithColumn(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub enum RowKind {
    Permissive,
    Restrictive,
}

#[derive(Debug, Clone)]
pub enum Cond {
    Constant(Option<bool>),
    TextIs(String),
    NumberBelow(i64),
    TextIsNull,
    /// In a mask's WHEN only.
    ValueIsNull,
    TextIsAttribute,
    TextAmongAttributes,
    HasRole(usize),
    /// In row policies only, under AND and OR.
    Lookup,
    Not(Box<Cond>),
    And(Box<Cond>, Box<Cond>),
    Or(Box<Cond>, Box<Cond>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum MaskExpr {
    Null,
    Redact,
    Zero,
    Hash,
    Partial,
    Exclaim,
    Bucket,
    Value,
}

#[derive(Debug, Clone)]
pub enum MaskOn {
    Column(usize, &'static str),
    Tag(&'static str),
}

/// What an access rule demands.
#[derive(Debug, Clone, Copy)]
pub enum Demand {
    /// An address range that the caller is in, or not.
    From(bool),
    Mfa,
    /// The purpose that the caller has, or another one.
    Purpose(bool),
    /// A date that is past, or not.
    Until(bool),
}

#[derive(Debug, Clone)]
pub enum Rule {
    Switch {
        to: Vec<Grantee>,
        demand: Demand,
    },
    Member {
        role: usize,
        of: Grantee,
    },
    Access {
        action: Action,
        target: Target,
        columns: Option<Vec<&'static str>>,
        to: Vec<Grantee>,
    },
    Tag {
        tag: &'static str,
        schema: Option<&'static str>,
        table: Option<&'static str>,
        column: &'static str,
    },
    Rows {
        kind: RowKind,
        target: Target,
        to: Vec<Grantee>,
        using: Cond,
    },
    Mask {
        on: MaskOn,
        using: MaskExpr,
        except: Option<(Vec<usize>, Option<Cond>)>,
    },
}

/// `SELECT k, n FROM reads [WHERE n < below]`; `reads` stands before it in [`TABLES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub reads: usize,
    pub below: Option<i64>,
}

/// Rows per table, the mapping table, the views and the rules.
#[derive(Clone)]
pub struct World {
    pub views: [View; 2],
    pub rows: Vec<Vec<Vec<Value>>>,
    pub mapping: Vec<(Value, &'static str)>,
    pub rules: Vec<Rule>,
}

fn text() -> impl Strategy<Value = Value> {
    select(vec![
        Value::Null,
        Value::Text("xyz".to_owned()),
        Value::Text("yes".to_owned()),
        Value::Text("q".to_owned()),
    ])
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![1 => Just(Value::Null), 4 => (-2_i64..4).prop_map(Value::Number)]
}

fn row(columns: &'static [&'static str]) -> impl Strategy<Value = Vec<Value>> {
    columns
        .iter()
        .map(|column| if is_text(column) { text().boxed() } else { number().boxed() })
        .collect::<Vec<_>>()
}

fn is_text(column: &str) -> bool {
    matches!(column, "k" | "v")
}

fn grantee() -> impl Strategy<Value = Grantee> {
    prop_oneof![
        4 => (0..ROLES).prop_map(Grantee::Role),
        1 => select(vec!["one", "two", "empty", "none"]).prop_map(Grantee::User),
        1 => Just(Grantee::Public),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        3 => (0..TABLES.len()).prop_map(Target::Table),
        1 => select(vec!["s", "t", "w"]).prop_map(Target::Schema),
        1 => select(vec!["id", "k", "v"]).prop_map(Target::WithColumn),
    ]
}

fn cond() -> impl Strategy<Value = Cond> {
    let leaf = prop_oneof![
        select(vec![Some(true), Some(false), None]).prop_map(Cond::Constant),
        select(vec!["xyz", "yes"]).prop_map(|text| Cond::TextIs(text.to_owned())),
        (-1_i64..4).prop_map(Cond::NumberBelow),
        Just(Cond::TextIsNull),
        Just(Cond::TextIsAttribute),
        Just(Cond::TextAmongAttributes),
        (0..ROLES).prop_map(Cond::HasRole),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|cond| Cond::Not(Box::new(cond))),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| Cond::And(Box::new(l), Box::new(r))),
            (inner.clone(), inner).prop_map(|(l, r)| Cond::Or(Box::new(l), Box::new(r))),
        ]
    })
}

fn row_cond() -> impl Strategy<Value = Cond> {
    let lookup = || Box::new(Cond::Lookup);
    prop_oneof![
        6 => cond(),
        1 => Just(Cond::Lookup),
        1 => cond().prop_map(move |cond| Cond::And(Box::new(cond), lookup())),
        1 => cond().prop_map(move |cond| Cond::Or(lookup(), Box::new(cond))),
    ]
}

fn access() -> impl Strategy<Value = Rule> {
    let named = (0..TABLES.len()).prop_flat_map(|table| {
        let columns = TABLES[table].columns;
        let some = proptest::sample::subsequence(columns.to_vec(), 1..=columns.len());
        (Just(Target::Table(table)), option::of(some))
    });
    let what = prop_oneof![3 => named, 1 => target().prop_map(|target| (target, None))];
    let action = prop_oneof![3 => Just(Action::Grant), 1 => Just(Action::Deny)];
    (action, what, vec(grantee(), 1..3)).prop_map(|(action, (target, columns), to)| Rule::Access {
        action,
        target,
        columns,
        to,
    })
}

fn member() -> impl Strategy<Value = Rule> {
    let of = prop_oneof![
        3 => select(vec!["one", "two", "empty", "none"]).prop_map(Grantee::User),
        1 => Just(Grantee::Public),
        4 => (0..ROLES).prop_map(Grantee::Role),
    ];
    // Only lower roles are members of higher ones, so there are no cycles.
    (0..ROLES, of).prop_map(|(role, of)| match of {
        Grantee::Role(member) if member >= role => Rule::Member { role, of: Grantee::User("one") },
        of => Rule::Member { role, of },
    })
}

fn switch() -> impl Strategy<Value = Rule> {
    let demand = prop_oneof![
        any::<bool>().prop_map(Demand::From),
        Just(Demand::Mfa),
        any::<bool>().prop_map(Demand::Purpose),
        any::<bool>().prop_map(Demand::Until),
    ];
    (vec(grantee(), 1..3), demand).prop_map(|(to, demand)| Rule::Switch { to, demand })
}

fn rows_rule() -> impl Strategy<Value = Rule> {
    let kind = select(vec![RowKind::Permissive, RowKind::Restrictive]);
    // A view's policy can't look up, so most of those that may be for a view don't try.
    let what = prop_oneof![
        8 => (target(), cond()),
        4 => ((0..VIEWS).prop_map(Target::Table), row_cond()),
        1 => (target(), row_cond()),
    ];
    (kind, what, vec(grantee(), 1..3)).prop_map(|(kind, (target, using), to)| Rule::Rows {
        kind,
        target,
        to,
        using,
    })
}

/// Tag `words` is on columns of text, `counts` on columns of numbers.
fn tag() -> impl Strategy<Value = Rule> {
    let places = vec![
        (None, None),
        (Some("s"), None),
        (None, Some("a")),
        (Some("t"), Some("a")),
        (Some("w"), Some("b")),
    ];
    (select(places), select(vec!["k", "n"])).prop_map(|((schema, table), column)| Rule::Tag {
        tag: if is_text(column) { "words" } else { "counts" },
        schema,
        table,
        column,
    })
}

fn mask() -> impl Strategy<Value = Rule> {
    let column = (0..TABLES.len()).prop_flat_map(|table| {
        select(TABLES[table].columns.to_vec()).prop_map(move |column| MaskOn::Column(table, column))
    });
    let on = prop_oneof![2_u32 => column, 1_u32 => select(vec!["words", "counts"]).prop_map(MaskOn::Tag)];
    let when = option::of(prop_oneof![4 => cond(), 1 => Just(Cond::ValueIsNull)]);
    let except = option::weighted(0.7, (vec(0..ROLES, 1..3), when));
    let words = select(vec![
        MaskExpr::Null,
        MaskExpr::Redact,
        MaskExpr::Hash,
        MaskExpr::Partial,
        MaskExpr::Exclaim,
        MaskExpr::Value,
    ]);
    let counts = select(vec![MaskExpr::Null, MaskExpr::Zero, MaskExpr::Bucket, MaskExpr::Value]);
    (on, words, counts, except).prop_map(|(on, words, counts, except)| {
        let of_text = match &on {
            MaskOn::Column(_, column) => is_text(column),
            MaskOn::Tag(tag) => *tag == "words",
        };
        Rule::Mask { on, using: if of_text { words } else { counts }, except }
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    prop_oneof![
        3 => member(), 1 => switch(), 4 => access(), 3 => rows_rule(), 1 => tag(), 3 => mask(),
    ]
}

/// A change of a bundle; rules are counted around.
#[derive(Debug, Clone)]
pub enum Edit {
    Add(Rule),
    Drop(usize),
    Replace(usize, Rule),
    /// Another part of a row policy's condition: with AND, or with OR.
    Part(usize, Cond, bool),
    /// What one of the views reads, and which rows of it.
    View(usize, View),
}

/// The view of that number: it reads any table or view before it.
fn view(number: usize) -> impl Strategy<Value = View> {
    (0..VIEWS + number, option::of(-1_i64..4)).prop_map(|(reads, below)| View { reads, below })
}

pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        2 => rule().prop_map(Edit::Add),
        2 => any::<usize>().prop_map(Edit::Drop),
        1 => (any::<usize>(), rule()).prop_map(|(at, rule)| Edit::Replace(at, rule)),
        1 => (any::<usize>(), cond(), any::<bool>())
            .prop_map(|(at, cond, and)| Edit::Part(at, cond, and)),
        1 => (0..2_usize).prop_flat_map(|at| view(at).prop_map(move |view| Edit::View(at, view))),
    ];
    vec(edit, 1..4)
}

impl World {
    /// The same with other rules. What stays keeps its number, and so its name.
    pub fn edited(&self, edits: &[Edit]) -> Self {
        let mut world = self.clone();
        for edit in edits {
            let count = world.rules.len();
            match edit {
                Edit::Add(rule) => world.rules.push(rule.clone()),
                Edit::Drop(at) => {
                    // In its place stands a rule that is for nobody here.
                    let nobody = Grantee::User("nobody");
                    world.rules[at % count] = Rule::Member { role: 0, of: nobody };
                }
                Edit::Replace(at, rule) => world.rules[at % count] = rule.clone(),
                Edit::View(at, view) => world.views[*at] = *view,
                Edit::Part(at, cond, and) => {
                    // From there on the first policy that has a condition.
                    let policies = (0..count).map(|step| (at % count + step) % count);
                    let mut policies = policies.filter_map(|at| match &world.rules[at] {
                        Rule::Rows { using, .. } => Some((at, using.clone())),
                        _ => None,
                    });
                    let Some((at, old)) = policies.next() else { continue };
                    let (old, new) = (Box::new(old), Box::new(cond.clone()));
                    let Rule::Rows { using, .. } = &mut world.rules[at] else { unreachable!() };
                    *using = if *and { Cond::And(new, old) } else { Cond::Or(new, old) };
                }
            }
        }
        world
    }
}

pub fn world() -> impl Strategy<Value = World> {
    let rows = TABLES[..VIEWS].iter().map(|shape| vec(row(shape.columns), 0..5));
    let rows = rows.collect::<Vec<_>>();
    let mapping = vec((text(), select(vec!["one", "two", "none"])), 0..4);
    // Tags that are on nothing are refused: each is on something, as far as it is needed.
    let tags = ["words", "counts"].map(|tag| Rule::Tag {
        tag,
        schema: Some("s"),
        table: Some("b"),
        column: if tag == "words" { "k" } else { "n" },
    });
    let views = (view(0), view(1));
    (rows, mapping, views, vec(rule(), 1..14)).prop_map(move |(rows, mapping, views, mut rules)| {
        rules.extend(tags.clone());
        World { rows, mapping, views: views.into(), rules }
    })
}

struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

struct Role(usize);

impl Display for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl Display for Grantee {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "ROLE {}", Role(*role)),
            Self::User(user) => write!(f, "USER '{user}'"),
            Self::Public => f.write_str("PUBLIC"),
        }
    }
}

impl Display for Shape {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl Display for View {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "SELECT k, n FROM {}", TABLES[self.reads])?;
        self.below.map_or(Ok(()), |below| write!(f, " WHERE n < {below}"))
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(table) => TABLES[*table].fmt(f),
            Self::Schema(schema) => write!(f, "ALL TABLES IN SCHEMA {schema}"),
            Self::WithColumn(column) => write!(f, "ALL TABLES WITH COLUMN ({column})"),
        }
    }
}

impl Display for Cond {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(None) => f.write_str("NULL"),
            Self::Constant(Some(constant)) => write!(f, "{constant}"),
            Self::TextIs(text) => write!(f, "k = '{text}'"),
            Self::NumberBelow(bound) => write!(f, "n < {bound}"),
            Self::TextIsNull => f.write_str("k IS NULL"),
            Self::ValueIsNull => f.write_str("value IS NULL"),
            Self::TextIsAttribute => f.write_str("k = principal_attr('k')"),
            Self::TextAmongAttributes => f.write_str("k = ANY(principal_attrs('k'))"),
            Self::HasRole(role) => write!(f, "has_role('{}')", Role(*role)),
            Self::Lookup => {
                f.write_str("k IN (SELECT key FROM m.map WHERE who = principal_name())")
            }
            Self::Not(cond) => write!(f, "NOT ({cond})"),
            Self::And(left, right) => write!(f, "({left} AND {right})"),
            Self::Or(left, right) => write!(f, "({left} OR {right})"),
        }
    }
}

impl Display for MaskExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL",
            Self::Redact => "mask_redact(value)",
            Self::Zero => "0",
            Self::Hash => "mask_hash(value)",
            Self::Partial => "mask_partial(value, 1)",
            Self::Exclaim => "value || '!'",
            Self::Bucket => "mask_bucket(value, 2)",
            Self::Value => "value",
        })
    }
}

impl Rule {
    fn sql(&self, number: usize) -> String {
        match self {
            Self::Switch { to, demand } => {
                let demand = match demand {
                    Demand::From(true) => "FROM ('192.0.2.1', '10.0.0.0/8')",
                    Demand::From(false) => "FROM ('192.0.2.1', '10.1.3.0/24')",
                    Demand::Mfa => "REQUIRE MFA",
                    Demand::Purpose(true) => "PURPOSE IN ('billing', 'research')",
                    Demand::Purpose(false) => "PURPOSE IN ('billing')",
                    Demand::Until(true) => "VALID UNTIL '2026-06-14'",
                    Demand::Until(false) => "VALID UNTIL '2026-06-15'",
                };
                format!("CREATE ACCESS RULE p{number} TO {} {demand};", List(to))
            }
            Self::Member { role, of } => format!("GRANT ROLE {} TO {of};", Role(*role)),
            Self::Access { action, target, columns, to } => {
                let action = match action {
                    Action::Grant => "GRANT",
                    Action::Deny => "DENY",
                };
                let columns =
                    columns.as_ref().map(|c| format!(" ({})", List(c))).unwrap_or_default();
                format!("{action} SELECT{columns} ON {target} TO {};", List(to))
            }
            Self::Tag { tag, schema, table, column } => {
                let (schema, table) = (schema.unwrap_or("*"), table.unwrap_or("*"));
                format!("TAG COLUMN {schema}.{table}.{column} AS {tag};")
            }
            Self::Rows { kind, target, to, using } => {
                let kind = match kind {
                    RowKind::Permissive => "PERMISSIVE",
                    RowKind::Restrictive => "RESTRICTIVE",
                };
                let to = List(to);
                format!(
                    "CREATE ROW POLICY p{number} ON {target} AS {kind} TO {to} USING ({using});"
                )
            }
            Self::Mask { on, using, except } => {
                let on = match on {
                    MaskOn::Column(table, column) => {
                        format!("{} ({column})", Target::Table(*table))
                    }
                    MaskOn::Tag(tag) => format!("TAG {tag}"),
                };
                let except = except.as_ref().map(|(roles, when)| {
                    let roles: Vec<_> = roles.iter().copied().map(Role).collect();
                    let when = when.as_ref().map(|w| format!(" WHEN ({w})")).unwrap_or_default();
                    format!(" EXCEPT ROLE {}{when}", List(&roles))
                });
                let except = except.unwrap_or_default();
                format!("CREATE MASKING POLICY p{number} ON {on} USING ({using}){except};")
            }
        }
    }
}

impl World {
    /// The view of that index in [`TABLES`], if it is one.
    pub fn view(&self, table: usize) -> Option<&View> {
        self.views.get(table.checked_sub(VIEWS)?)
    }

    /// The table whose rows a view shows in the end; a table's own.
    pub fn root(&self, table: usize) -> usize {
        self.view(table).map_or(table, |view| self.root(view.reads))
    }

    /// The rules as a bundle, one on each line, behind a first line that creates roles and views.
    pub fn sql(&self) -> String {
        let roles: String =
            (0..ROLES).map(|role| format!("CREATE ROLE {}; ", Role(role))).collect();
        let views = TABLES[VIEWS..].iter().zip(&self.views);
        let views: String =
            views.map(|(shape, view)| format!("CREATE VIEW {shape} AS {view}; ")).collect();
        let rules: Vec<_> =
            self.rules.iter().enumerate().map(|(number, rule)| rule.sql(number)).collect();
        format!("{roles}{views}\n{}", rules.join("\n"))
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.sql())?;
        for (shape, rows) in TABLES.iter().zip(&self.rows) {
            writeln!(f, "-- {shape} {:?}: {rows:?}", shape.columns)?;
        }
        write!(f, "-- m.map: {:?}", self.mapping)
    }
}
