//! Grants and denials, access rules, and tests.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::ScalarValue;

use super::Validator;
use crate::cases::PolicyTest;
use crate::convert::fit;
use crate::diagnostics::Location;
use crate::model::{
    Access, Action, Case, Demands, Grantee, Name, PolicyKind, PolicyRef, Privilege, Target,
};
use crate::standing::{AccessRule, Network};

const DAY: i64 = 86_400_000_000;

impl Validator<'_> {
    pub(super) fn access(
        &mut self,
        at: &Location,
        deny: bool,
        privileges: &[Privilege],
        target: &Target,
        to: &[Grantee],
    ) {
        let (verb, kind) =
            if deny { ("DENY", PolicyKind::Deny) } else { ("GRANT", PolicyKind::Grant) };
        let on = match target {
            Target::Table { name, .. } => name.to_string(),
            Target::Schema(schema) => format!("ALL TABLES IN SCHEMA {}", schema.text),
            Target::WithColumn(column) => format!("ALL TABLES WITH COLUMN ({})", column.text),
        };
        let to = self.subjects(to);
        let mut tables = self.targets(target);
        // The gateway's records are granted by their name or schema only; what restricts covers them.
        if let (false, Target::WithColumn(column)) = (deny, target) {
            let found = !tables.is_empty();
            tables.retain(|table| !table.is_record());
            if found && tables.is_empty() {
                self.error(
                    &column.at,
                    format!("only the gateway's own records have a column \"{}\"", column.text),
                    "grant them by name, as GRANT SELECT ON tollgate.audit",
                );
            }
        }
        for table in tables {
            for Privilege { action, columns } in privileges {
                let columns = match columns {
                    None => None,
                    Some(names) => {
                        let found: Vec<_> =
                            names.iter().filter_map(|name| self.column(table, name)).collect();
                        if found.len() < names.len() {
                            continue;
                        }
                        Some(found)
                    }
                };
                match action {
                    Action::Select => {}
                    // Checked, and then without effect: the gateway refuses every write.
                    Action::Insert | Action::Update | Action::Delete => continue,
                }
                let policy = PolicyRef::new(at, kind, format!("{verb} {action} ON {on}"));
                let access = Access { to: Arc::clone(&to), columns, policy: Arc::new(policy) };
                let rules = self.rules(table);
                if deny { rules.denials.push(access) } else { rules.grants.push(access) }
            }
        }
    }

    pub(super) fn access_rule(
        &mut self,
        at: &Location,
        name: &Name,
        to: &[Grantee],
        demands: &Demands,
    ) {
        let to = self.subjects(to);
        let networks = demands.networks.as_ref().map(|networks| {
            let parsed = networks.iter().filter_map(|network| self.network(network));
            parsed.collect()
        });
        let from = demands.from.as_ref().and_then(|from| self.moment(from, false));
        let until = demands.until.as_ref().and_then(|until| self.moment(until, true));
        if let (Some(from), Some(until), Some(written)) = (from, until, &demands.until)
            && until <= from
        {
            self.error(
                &written.at,
                "the rule ends before it begins",
                "correct one of the two dates",
            );
        }
        let purposes = demands.purposes.as_ref();
        let purposes = purposes.map(|list| list.iter().map(|name| name.text.clone()).collect());
        let policy = PolicyRef::new(at, PolicyKind::AccessRule, &name.text);
        let mfa = demands.mfa;
        self.access_rules.push(AccessRule { to, networks, mfa, from, until, purposes, policy });
    }

    fn network(&mut self, written: &Name) -> Option<Network> {
        match Network::parse(&written.text) {
            Ok(network) => Some(network),
            Err(problem) => {
                self.error(
                    &written.at,
                    format!("\"{}\" {problem}", written.text),
                    "write 10.0.0.0/8, 2001:db8::/32 or one address",
                );
                None
            }
        }
    }

    /// Microseconds since 1970 in UTC. A day as an end is meant to its end.
    pub(super) fn moment(&mut self, written: &Name, is_end: bool) -> Option<i64> {
        let text = ScalarValue::from(written.text.as_str());
        let is_date = written.text.len() == "2027-06-30".len();
        let moment = match fit(&text, &DataType::Timestamp(TimeUnit::Microsecond, None)) {
            Some(ScalarValue::TimestampMicrosecond(Some(moment), _)) if is_date && is_end => {
                moment.checked_add(DAY)
            }
            Some(ScalarValue::TimestampMicrosecond(moment, _)) => moment,
            Some(_) | None => None,
        };
        if moment.is_none() {
            self.error(
                &written.at,
                format!("\"{}\" is not a date", written.text),
                "write a date or a time in UTC: '2027-06-30' or '2027-06-30 18:00:00'",
            );
        }
        moment
    }

    pub(super) fn test(&mut self, at: &Location, case: &Case) {
        for role in case.roles.iter().flatten() {
            self.role(role);
        }
        self.tests.push(PolicyTest {
            file: at.file.to_string(),
            line: at.line,
            user: case.user.clone(),
            roles: case
                .roles
                .as_ref()
                .map(|roles| roles.iter().map(|role| role.text.clone()).collect()),
            attributes: case.attributes.clone(),
            address: case.address,
            mfa: case.mfa,
            purpose: case.purpose.clone(),
            sql: case.sql.clone(),
            expect: case.expect.clone(),
        });
    }
}
