//! A bundle: all rules, bound to one catalog snapshot, immutable, and with a hash.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use datafusion_expr::ScalarUDF;
use ring::digest;
use tollgate_catalog::{Snapshot, Table, TableName};
use tollgate_identity::Principal;

use crate::diagnostics::Diagnostics;
use crate::mask::MaskSecret;
use crate::model::{Caller, TableRules};
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

/// A validated, immutable set of policies.
pub struct Bundle {
    hash: String,
    members: Members,
    tables: HashMap<TableName, TableRules>,
}

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
        let (members, tables) =
            validate::validate(&statements, snapshot, functions, secret, &mut diagnostics);
        if diagnostics.is_empty() {
            Ok(Self { hash: hash(files), members, tables })
        } else {
            Err(Diagnostics::new(diagnostics))
        }
    }

    /// SHA-256 in hex over the texts. Paths, the order of files and line endings don't change it.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// All active roles of a principal: those granted to it, and all that these inherit.
    pub fn roles_of(&self, principal: &Principal) -> BTreeSet<String> {
        let direct = self.members.users.get(principal.name());
        let mut pending: Vec<&String> =
            direct.into_iter().flatten().chain(&self.members.public).collect();
        let mut active = BTreeSet::new();
        while let Some(role) = pending.pop() {
            if active.insert(role.clone()) {
                pending.extend(self.members.roles.get(role).into_iter().flatten());
            }
        }
        active
    }

    /// The users that the bundle names, in order.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.members.users.keys().map(String::as_str)
    }

    /// The roles, in order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.members.roles.keys().map(String::as_str)
    }

    /// The indexes of the columns that the principal may read; `None` if the table is invisible.
    pub fn visible(&self, principal: &Principal, table: &Table) -> Option<Vec<usize>> {
        let roles = self.roles_of(principal);
        let caller = Caller { user: principal.name(), roles: &roles };
        self.rules(table)?.visible(caller).map(|(columns, _)| columns)
    }

    /// The rules of a table, provided it is still the table they were validated against.
    pub(crate) fn rules(&self, table: &Table) -> Option<&TableRules> {
        let rules = self.tables.get(&table.name)?;
        let same =
            std::ptr::eq(rules.table.as_ref(), table) || rules.table.columns == table.columns;
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
