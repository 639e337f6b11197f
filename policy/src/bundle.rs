//! A bundle: all rules, bound to one catalog snapshot, immutable, and with a hash.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use datafusion_expr::ScalarUDF;
use ring::digest;
use tollgate_catalog::{Column, Error, Snapshot, Table, View};
use tollgate_identity::Principal;

use crate::cases::PolicyTest;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::explain::RuleExplanation;
use crate::limits::{Limits, Price};
use crate::mask::MaskSecret;
use crate::model::{Located, PolicyRef, TableRules};
use crate::standing::{Caller, Circumstances, NoActiveRole, Standing, names, standing};
use crate::validate::Rules;
use crate::{parse, validate};

/// One policy file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The path to show in errors.
    pub path: String,
    /// The text.
    pub text: String,
}

/// The functions that policies may use besides the policy language's own.
pub trait FunctionSource {
    /// The function of that folded name, if it exists and is total: it can't fail on any value.
    fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>>;

    /// What the query of a view over a catalog yields: its columns, and what it reads.
    ///
    /// # Errors
    /// Whatever a user would be told who may see all of the catalog.
    fn view(&self, sql: &str, catalog: &Snapshot) -> Result<(Vec<Column>, View), Error> {
        let _ = (sql, catalog);
        Err(Error::not_supported("a view"))
    }
}

/// Who is a member of which role.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// Every role, with the roles it was granted.
    pub(crate) roles: BTreeMap<String, BTreeSet<String>>,
    /// Users named in the bundle, with the roles they were granted.
    pub(crate) users: BTreeMap<String, BTreeSet<String>>,
    /// The roles that everyone has.
    pub(crate) public: BTreeSet<String>,
}

impl Members {
    /// The roles of a principal and all that these inherit, but for those that are `off`.
    pub(crate) fn closure(&self, principal: &Principal, off: &BTreeSet<&str>) -> BTreeSet<String> {
        let direct = principal.rehearsed_roles().or_else(|| self.users.get(principal.name()));
        // A provider may name groups that are no roles here.
        let claimed = principal.claimed_roles().filter(|role| self.roles.contains_key(*role));
        self.inherited(direct.into_iter().flatten().chain(claimed), off)
    }

    /// These roles, those of everyone, and all that they inherit, but for those that are `off`.
    pub(crate) fn inherited<'a>(
        &'a self,
        direct: impl Iterator<Item = &'a String>,
        off: &BTreeSet<&str>,
    ) -> BTreeSet<String> {
        let mut pending: Vec<&String> = direct.chain(&self.public).collect();
        let mut roles = BTreeSet::new();
        while let Some(role) = pending.pop() {
            if !off.contains(role.as_str()) && roles.insert(role.clone()) {
                pending.extend(self.roles.get(role).into_iter().flatten());
            }
        }
        roles
    }
}

/// A validated, immutable set of policies.
pub struct Bundle {
    hash: String,
    /// As written, to be bound again to a newer catalog.
    statements: Arc<[Located]>,
    rules: Rules,
    /// The attribute of users that names who pays.
    payer: String,
}

/// The attribute of users that names who pays, unless something else is said.
const PAYER: &str = "tenant_id";

impl Bundle {
    /// Parses and validates `files` against `snapshot`.
    ///
    /// # Errors
    /// Every error in every file, sorted by file, line and column.
    pub fn load(
        files: &[SourceFile],
        snapshot: &Snapshot,
        functions: &dyn FunctionSource,
        secret: &MaskSecret,
    ) -> Result<Self, Diagnostics> {
        let mut diagnostics = Vec::new();
        let mut statements = Vec::new();
        for file in files {
            parse::parse_file(file, &mut statements, &mut diagnostics);
        }
        Self::bind(hash(files), statements.into(), snapshot, functions, secret, diagnostics)
    }

    /// The same policies over another catalog: patterns, schemas and tags cover what is new in it.
    ///
    /// # Errors
    /// What in the catalog no longer fits the policies; this bundle stays as it is.
    pub fn rebind(
        &self,
        snapshot: &Snapshot,
        functions: &dyn FunctionSource,
        secret: &MaskSecret,
    ) -> Result<Self, Diagnostics> {
        let statements = Arc::clone(&self.statements);
        let hash = self.hash.clone();
        let bound = Self::bind(hash, statements, snapshot, functions, secret, Vec::new())?;
        Ok(bound.paid_by(&self.payer))
    }

    fn bind(
        hash: String,
        statements: Arc<[Located]>,
        snapshot: &Snapshot,
        functions: &dyn FunctionSource,
        secret: &MaskSecret,
        mut diagnostics: Vec<Diagnostic>,
    ) -> Result<Self, Diagnostics> {
        let rules = validate::validate(&statements, snapshot, functions, secret, &mut diagnostics);
        if diagnostics.is_empty() {
            Ok(Self { hash, statements, rules, payer: PAYER.to_owned() })
        } else {
            Err(Diagnostics::new(diagnostics))
        }
    }

    /// With the attribute of users that names who pays: prices for tenants are for its value, of a user
    /// who has one.
    #[must_use]
    pub fn paid_by(self, attribute: &str) -> Self {
        Self { payer: attribute.to_owned(), ..self }
    }

    /// Whether there is a role of that name.
    pub fn has_role(&self, name: &str) -> bool {
        self.rules.members.roles.contains_key(name)
    }

    /// SHA-256 in hex over the texts. Paths, the order of files and line endings don't change it.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The roles of a principal, whatever the circumstances: for records, not for decisions.
    pub fn roles_of(&self, principal: &Principal) -> BTreeSet<String> {
        self.rules.members.closure(principal, &BTreeSet::new())
    }

    /// The roles of a principal in the circumstances of a connection or a statement.
    ///
    /// # Errors
    /// The access rules leave it no role.
    pub fn standing(
        &self,
        principal: &Principal,
        circumstances: &Circumstances,
    ) -> Result<Standing, NoActiveRole> {
        standing(&self.rules.members, &self.rules.access_rules, principal, circumstances)
    }

    /// All prices, for whomever, in the order in which they were read.
    pub fn prices(&self) -> impl Iterator<Item = &Price> {
        self.rules.prices.iter().map(AsRef::as_ref)
    }

    /// What a caller's statements may cost.
    pub(crate) fn limits(&self, principal: &Principal, standing: &Standing) -> Limits {
        let tenant = match principal.attributes().get(&self.payer).map(Vec::as_slice) {
            Some([tenant]) => Some(tenant.as_str()),
            Some([] | [_, _, ..]) | None => None,
        };
        let caller = Caller { user: principal.name(), standing };
        Limits::of(&self.rules.limits, &self.rules.prices, caller, tenant)
    }

    /// What a principal's statements may cost, and what they cost.
    pub fn limits_of(&self, principal: &Principal, standing: &Standing) -> Limits {
        self.limits(principal, standing)
    }

    /// The access rules that are for a principal with these roles, and whether they are met.
    pub(crate) fn access_rules(
        &self,
        principal: &Principal,
        circumstances: &Circumstances,
        held: &BTreeSet<String>,
    ) -> Vec<RuleExplanation> {
        let rules = self.rules.access_rules.iter();
        let own = rules.filter(|rule| names(&rule.to, principal.name(), held));
        let explained = own.map(|rule| {
            let unmet = rule.unmet(principal, circumstances);
            RuleExplanation { policy: rule.policy.clone(), met: unmet.is_empty(), unmet }
        });
        explained.collect()
    }

    /// A catalog with the views that the bundle declares.
    pub fn catalog(&self, snapshot: &Arc<Snapshot>) -> Arc<Snapshot> {
        if self.rules.views.is_empty() {
            return Arc::clone(snapshot);
        }
        Arc::new(snapshot.with(self.rules.views.iter().map(Arc::clone)))
    }

    /// The tests that stand beside the policies, in order.
    pub fn tests(&self) -> &[PolicyTest] {
        &self.rules.tests
    }

    /// The users that the bundle names, in order.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.rules.members.users.keys().map(String::as_str)
    }

    /// The roles, in order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.rules.members.roles.keys().map(String::as_str)
    }

    /// The indexes of the columns that the principal may read; `None` if the table is invisible.
    pub fn visible(
        &self,
        principal: &Principal,
        standing: &Standing,
        table: &Table,
    ) -> Option<Vec<usize>> {
        let caller = Caller { user: principal.name(), standing };
        self.sees(caller, table).map(|(columns, _)| columns)
    }

    /// The columns that a caller sees and the statements that say so; `None` if there are none. A
    /// denial is stronger than every grant, so one of what a view reads hides the view.
    pub(crate) fn sees(
        &self,
        caller: Caller<'_>,
        table: &Table,
    ) -> Option<(Vec<usize>, Vec<&PolicyRef>)> {
        let visible = self.rules(table)?.visible(caller)?;
        (!self.is_denied_below(caller, table)).then_some(visible)
    }

    fn is_denied_below(&self, caller: Caller<'_>, table: &Table) -> bool {
        table.view().is_some_and(|view| {
            view.reads.iter().any(|(read, columns)| {
                let denied = match self.rules(read) {
                    Some(rules) => rules.denies(caller, columns),
                    // Rules for another table than the view was declared over.
                    None => self.has_rules(read),
                };
                denied || self.is_denied_below(caller, read)
            })
        })
    }

    /// Whether a decision over the table, or over what a view reads, asks what time it is.
    pub(crate) fn reads_clock(&self, table: &Table) -> bool {
        self.rules.tables.get(&table.name).is_some_and(|rules| rules.reads_clock)
            || table
                .view()
                .is_some_and(|view| view.reads.iter().any(|(read, _)| self.reads_clock(read)))
    }

    /// All that it says, bound to the catalog.
    pub(crate) fn all_rules(&self) -> &Rules {
        &self.rules
    }

    /// As it was written.
    pub(crate) fn statements(&self) -> &[Located] {
        &self.statements
    }

    /// Whether anything is said about a table of that name.
    pub(crate) fn has_rules(&self, table: &Table) -> bool {
        self.rules.tables.contains_key(&table.name)
    }

    /// The rules of a table, provided it is still the table they were validated against.
    pub(crate) fn rules(&self, table: &Table) -> Option<&TableRules> {
        let rules = self.rules.tables.get(&table.name)?;
        let same = std::ptr::eq(rules.table.as_ref(), table)
            || (rules.table.columns == table.columns && rules.table.view() == table.view());
        same.then_some(rules)
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle").field("hash", &self.hash).finish_non_exhaustive()
    }
}

fn hash(files: &[SourceFile]) -> String {
    let mut digests: Vec<_> = files
        .iter()
        .map(|file| {
            let text = file.text.replace("\r\n", "\n");
            digest::digest(&digest::SHA256, text.trim_end().as_bytes()).as_ref().to_vec()
        })
        .collect();
    digests.sort();
    let whole = digest::digest(&digest::SHA256, &digests.concat());
    whole.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
