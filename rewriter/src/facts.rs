//! What the session contributes to a statement's meaning, and whether a statement asked for it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the session contributes to a statement's meaning.
#[derive(Debug, Clone)]
pub struct SessionFacts {
    /// The authenticated user.
    pub user: String,
    /// The one database there is.
    pub database: String,
    /// The schemas in which unqualified names are looked up; `$user` stands for the user.
    pub search_path: Vec<String>,
    /// What `version()` says.
    pub version: String,
    /// The connection's number in `pg_stat_activity`.
    pub backend_pid: i32,
    /// What `current_setting` says, by lower-case name.
    pub settings: Arc<BTreeMap<String, String>>,
}

impl SessionFacts {
    /// The search path with the user's name for `$user`.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        let path = self.search_path.iter().map(String::as_str);
        path.map(|schema| if schema == USER { &self.user } else { schema })
    }
}

/// What stands for the user's name in a search path.
pub const USER: &str = "$user";

/// The facts as the gate reads them. All but the search path and the database are noted when they
/// are asked for: the statement then means what it means in this session only.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    session: &'a SessionFacts,
    search_path: &'a [String],
    asked: &'a Cell<bool>,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(session: &'a SessionFacts, asked: &'a Cell<bool>) -> Self {
        Self { session, search_path: &session.search_path, asked }
    }

    /// The same without a search path.
    pub(crate) fn without_path(self) -> Self {
        Self { search_path: &[], ..self }
    }

    fn ask(&self) -> &'a SessionFacts {
        self.asked.set(true);
        self.session
    }

    /// The same for everyone.
    pub(crate) fn database(&self) -> &'a str {
        &self.session.database
    }

    /// As it was set.
    pub(crate) fn search_path(&self) -> &'a [String] {
        self.search_path
    }

    /// The schemas in which unqualified names are looked up.
    pub(crate) fn path(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let user = self.session.user.as_str();
        let path = self.search_path.iter().map(String::as_str);
        path.map(move |schema| if schema == USER { user } else { schema })
    }

    pub(crate) fn user(&self) -> &'a str {
        &self.ask().user
    }

    pub(crate) fn version(&self) -> &'a str {
        &self.ask().version
    }

    pub(crate) fn backend_pid(&self) -> i32 {
        self.ask().backend_pid
    }

    pub(crate) fn setting(&self, name: &str) -> Option<&'a String> {
        self.ask().settings.get(name)
    }

    /// The search path's first schema as it was set, which is shown.
    pub(crate) fn first_schema(&self) -> Option<&'a str> {
        let _ = self.ask();
        self.search_path.iter().map(String::as_str).find(|schema| *schema != USER)
    }
}
