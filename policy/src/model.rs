//! The statements of a bundle: first as they were written, then as rules bound to one table.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use datafusion_expr::Expr;
use datafusion_sql::sqlparser::ast::Expr as SqlExpr;
use serde::Serialize;
use tollgate_catalog::{Table, TableName};

use crate::aggregation::Aggregation;
use crate::cases::Expectation;
use crate::diagnostics::Location;
use crate::limits::{Every, Exceed, Period, Sharing};
use crate::standing::Caller;

/// A folded name and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) at: Location,
}

/// Whom a grant or policy is for, as written.
#[derive(Debug, Clone)]
pub(crate) enum Grantee {
    Role(Name),
    User(String),
    Public,
}

/// The tables a grant or policy is about, as written.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Table { name: TableName, at: Location },
    Schema(Name),
    WithColumn(Name),
}

/// The columns a masking policy is about, as written.
#[derive(Debug, Clone)]
pub(crate) enum MaskTarget {
    Tag(Name),
    Column { name: TableName, at: Location, column: Name },
}

/// One part of a column pattern: literal pieces, `None` standing for `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(pub(crate) Vec<Option<String>>);

impl Glob {
    /// The text, if there is no `*` in it.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Some(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether all of `text` fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        fn fits(pieces: &[Option<String>], text: &str) -> bool {
            match pieces.split_first() {
                None => text.is_empty(),
                Some((Some(piece), rest)) => {
                    text.strip_prefix(piece.as_str()).is_some_and(|text| fits(rest, text))
                }
                Some((None, rest)) => {
                    rest.is_empty()
                        || text
                            .char_indices()
                            .any(|(at, _)| text.get(at..).is_some_and(|text| fits(rest, text)))
                }
            }
        }
        fits(&self.0, text)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| f.write_str(piece.as_deref().unwrap_or("*")))
    }
}

/// Whether a row policy adds rows or takes rows away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    Permissive,
    Restrictive,
}

/// An expression and where its parenthesis opens.
#[derive(Debug, Clone)]
pub(crate) struct Using {
    pub(crate) expr: Box<SqlExpr>,
    pub(crate) at: Location,
}

/// Who is exempt from a mask, and on which rows.
#[derive(Debug, Clone)]
pub(crate) struct Except {
    pub(crate) roles: Vec<Name>,
    pub(crate) when: Option<Using>,
}

/// What a grant lets do. The gateway refuses every write, whoever was granted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Select,
    Insert,
    Update,
    Delete,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        })
    }
}

/// An action, and the columns if not all are meant.
#[derive(Debug, Clone)]
pub(crate) struct Privilege {
    pub(crate) action: Action,
    pub(crate) columns: Option<Vec<Name>>,
}

/// What a statement may do with a masked column besides showing it; what is later allows less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Predicates {
    /// Everything: it works on the masked values.
    Masked,
    /// Only ask whether two values are equal.
    Equality,
    /// Nothing that tests, orders or groups the values.
    Deny,
}

/// What an access rule demands, as written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Demands {
    pub(crate) networks: Option<Vec<Name>>,
    pub(crate) mfa: bool,
    pub(crate) from: Option<Name>,
    pub(crate) until: Option<Name>,
    pub(crate) purposes: Option<Vec<Name>>,
}

/// What a limit allows, as written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds {
    pub(crate) rows: Option<(Name, Exceed)>,
    pub(crate) bytes: Option<Name>,
    pub(crate) runtime: Option<Name>,
    pub(crate) concurrent: Option<Name>,
    pub(crate) rate: Option<(Name, Every, Sharing)>,
    pub(crate) budget: Option<(Name, Period)>,
}

/// What a price asks, as written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tariff {
    pub(crate) query: Option<Name>,
    pub(crate) gigabyte: Option<Name>,
    pub(crate) million_rows: Option<Name>,
    pub(crate) credit: Option<Name>,
    pub(crate) currency: Option<Name>,
    pub(crate) from: Option<Name>,
    pub(crate) until: Option<Name>,
}

/// A dimension as written: a column, and the unit of `date_trunc` if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) column: Name,
    pub(crate) unit: Option<Name>,
}

/// A join of an aggregation policy as written: to a table, by two columns in any order.
#[derive(Debug, Clone)]
pub(crate) struct JoinSpec {
    pub(crate) table: TableName,
    pub(crate) at: Location,
    pub(crate) on: (Name, Name),
    pub(crate) dimensions: Vec<Part>,
}

/// What an aggregation policy says, as written.
#[derive(Debug, Clone)]
pub(crate) struct Aggregates {
    pub(crate) entity: Vec<Name>,
    pub(crate) least: Name,
    pub(crate) share: Option<Name>,
    pub(crate) dimensions: Vec<Part>,
    pub(crate) measures: Vec<Name>,
    pub(crate) joins: Vec<JoinSpec>,
}

/// A test as written.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) user: String,
    pub(crate) roles: Option<Vec<Name>>,
    pub(crate) attributes: BTreeMap<String, Vec<String>>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) mfa: bool,
    pub(crate) purpose: Option<String>,
    pub(crate) sql: String,
    pub(crate) expect: Expectation,
}

/// A statement as written.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    CreateRole {
        name: Name,
    },
    GrantRole {
        role: Name,
        to: Vec<Grantee>,
    },
    Access {
        deny: bool,
        privileges: Vec<Privilege>,
        target: Target,
        to: Vec<Grantee>,
    },
    Tag {
        pattern: [Glob; 3],
        at: Location,
        tag: Name,
    },
    RowPolicy {
        name: Name,
        kind: RowKind,
        target: Target,
        to: Vec<Grantee>,
        using: Using,
    },
    Mask {
        name: Name,
        target: MaskTarget,
        using: Using,
        except: Option<Except>,
        predicates: Predicates,
    },
    Aggregation {
        name: Name,
        table: TableName,
        at: Location,
        to: Vec<Grantee>,
        rule: Box<Aggregates>,
    },
    AccessRule {
        name: Name,
        to: Vec<Grantee>,
        demands: Demands,
    },
    View {
        name: TableName,
        at: Location,
        sql: String,
    },
    Limit {
        name: Name,
        to: Vec<Grantee>,
        bounds: Bounds,
    },
    Price {
        name: Name,
        to: Vec<Grantee>,
        tenants: Vec<Name>,
        tariff: Tariff,
    },
    Test(Case),
}

/// A statement and where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) statement: Statement,
    pub(crate) at: Location,
}

/// What kind of statement a decision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// `GRANT`
    Grant,
    /// `DENY`
    Deny,
    /// `CREATE ROW POLICY … AS PERMISSIVE`
    PermissiveRowPolicy,
    /// `CREATE ROW POLICY … AS RESTRICTIVE`
    RestrictiveRowPolicy,
    /// `CREATE MASKING POLICY`
    MaskingPolicy,
    /// `CREATE AGGREGATION POLICY`
    AggregationPolicy,
    /// `CREATE ACCESS RULE`
    AccessRule,
    /// `CREATE LIMIT`
    Limit,
    /// `CREATE PRICE`
    Price,
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grant => "grant",
            Self::Deny => "deny",
            Self::PermissiveRowPolicy => "permissive row policy",
            Self::RestrictiveRowPolicy => "restrictive row policy",
            Self::MaskingPolicy => "masking policy",
            Self::AggregationPolicy => "aggregation policy",
            Self::AccessRule => "access rule",
            Self::Limit => "limit",
            Self::Price => "price",
        })
    }
}

/// The statement that a part of a decision rests on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PolicyRef {
    /// The file, as its path was given.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
    /// What kind of statement it is.
    pub kind: PolicyKind,
    /// The policy's name; for a grant or a denial what it says, without the columns.
    pub name: String,
}

impl PolicyRef {
    pub(crate) fn new(at: &Location, kind: PolicyKind, name: impl Into<String>) -> Self {
        let file = at.file.to_string();
        Self { file, line: at.line, column: at.column, kind, name: name.into() }
    }
}

/// Whom a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Role(String),
    User(String),
    Public,
}

/// A grant or denial of reading, on one table.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) to: Arc<[Subject]>,
    /// `None` is every column.
    pub(crate) columns: Option<Vec<usize>>,
    pub(crate) policy: Arc<PolicyRef>,
}

/// A row policy, bound to one table.
#[derive(Debug)]
pub(crate) struct RowRule {
    pub(crate) kind: RowKind,
    pub(crate) to: Arc<[Subject]>,
    pub(crate) predicate: Expr,
    pub(crate) policy: Arc<PolicyRef>,
}

/// How much a mask hides: what is later here hides more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// The value itself.
    None,
    /// Something computed from the value.
    Generalise,
    /// A part of the value.
    Partial,
    /// A keyed hash.
    Hash,
    /// A constant.
    Redact,
    /// NULL.
    Null,
}

/// A masking policy, bound to one column.
#[derive(Debug)]
pub(crate) struct MaskRule {
    pub(crate) strength: Strength,
    pub(crate) expr: Expr,
    pub(crate) except: Arc<[String]>,
    pub(crate) when: Option<Expr>,
    pub(crate) predicates: Predicates,
    pub(crate) policy: Arc<PolicyRef>,
}

/// An aggregation policy, bound to its table.
#[derive(Debug)]
pub(crate) struct AggregationRule {
    pub(crate) to: Arc<[Subject]>,
    pub(crate) rule: Aggregation,
    /// As it was written, behind whom it is for.
    pub(crate) says: String,
    pub(crate) policy: Arc<PolicyRef>,
}

/// Everything that is said about one table.
#[derive(Debug)]
pub(crate) struct TableRules {
    /// The table these rules were validated against.
    pub(crate) table: Arc<Table>,
    pub(crate) grants: Vec<Access>,
    pub(crate) denials: Vec<Access>,
    pub(crate) rows: Vec<RowRule>,
    /// Per column, in table order, the weakest mask first.
    pub(crate) masks: Vec<Vec<MaskRule>>,
    /// All of one entity.
    pub(crate) aggregations: Vec<AggregationRule>,
    /// Whether a row policy or mask asks what time it is.
    pub(crate) reads_clock: bool,
}

impl TableRules {
    pub(crate) fn new(table: Arc<Table>) -> Self {
        let masks = table.columns.iter().map(|_| Vec::new()).collect();
        Self {
            table,
            grants: Vec::new(),
            denials: Vec::new(),
            rows: Vec::new(),
            masks,
            aggregations: Vec::new(),
            reads_clock: false,
        }
    }

    /// Whether a denial for the caller covers one of the columns.
    pub(crate) fn denies(&self, caller: Caller<'_>, columns: &[usize]) -> bool {
        self.denials.iter().filter(|access| caller.is_bound_by(&access.to)).any(|access| {
            access
                .columns
                .as_ref()
                .is_none_or(|denied| denied.iter().any(|column| columns.contains(column)))
        })
    }

    /// The columns the caller may read, and the statements that say so; `None` if there are none.
    pub(crate) fn visible(&self, caller: Caller<'_>) -> Option<(Vec<usize>, Vec<&PolicyRef>)> {
        let mut allowed = vec![false; self.table.columns.len()];
        let mut policies = Vec::new();
        let grants = self.grants.iter().filter(|access| caller.may_use(&access.to));
        let denials = self.denials.iter().filter(|access| caller.is_bound_by(&access.to));
        // Denials last: no grant undoes one.
        for (access, allow) in
            grants.map(|access| (access, true)).chain(denials.map(|access| (access, false)))
        {
            policies.push(access.policy.as_ref());
            match &access.columns {
                None => allowed.fill(allow),
                Some(columns) => {
                    for column in columns {
                        *allowed.get_mut(*column)? = allow;
                    }
                }
            }
        }
        let columns: Vec<usize> =
            allowed.iter().enumerate().filter_map(|(index, ok)| ok.then_some(index)).collect();
        (!columns.is_empty()).then_some((columns, policies))
    }
}
