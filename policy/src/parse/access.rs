//! Grants and denials, and the rules of access that switch roles off.

use datafusion_sql::sqlparser::tokenizer::Token;

use super::{Parsed, Reader};
use crate::model::{Action, Demands, Name, Privilege, Statement};

const DEMANDS: &str = "a rule demands one or more of FROM ('address range', …), REQUIRE MFA, \
    VALID FROM 'date', VALID UNTIL 'date' and PURPOSE IN ('purpose', …), each once";

impl Reader<'_> {
    pub(super) fn access(&mut self, deny: bool) -> Parsed<Statement> {
        let mut privileges: Vec<Privilege> = Vec::new();
        loop {
            let at = self.here();
            let action = if self.take(&["SELECT"]) {
                Action::Select
            } else if self.take(&["INSERT"]) {
                Action::Insert
            } else if self.take(&["UPDATE"]) {
                Action::Update
            } else if self.take(&["DELETE"]) {
                Action::Delete
            } else {
                return self.unexpected(
                    "SELECT, INSERT, UPDATE or DELETE",
                    "write the action, with columns in parentheses if not all are meant",
                );
            };
            if privileges.iter().any(|privilege| privilege.action == action) {
                return Err(at.error(
                    format!("{action} is named twice"),
                    format!("name it once: {action} (a, b) ON schema.table"),
                ));
            }
            let mut columns = None;
            if self.parser.peek_token_ref().token == Token::LParen {
                if action == Action::Delete {
                    return self.unexpected("ON", "rows are deleted whole: DELETE has no columns");
                }
                columns = Some(self.columns()?);
            }
            privileges.push(Privilege { action, columns });
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.expect(&["ON"], "say on what: ON schema.table, or ON ALL TABLES IN SCHEMA schema")?;
        let target = self.target()?;
        Ok(Statement::Access { deny, privileges, target, to: self.grantees()? })
    }

    pub(super) fn access_rule(&mut self) -> Parsed<Statement> {
        let name = self.name("the rule's name")?;
        let to = self.grantees()?;
        let mut demands = Demands::default();
        loop {
            let at = self.here();
            let again = if self.take(&["FROM"]) {
                let networks = self.literals("an address range", "FROM ('10.0.0.0/8', …)")?;
                demands.networks.replace(networks).is_some()
            } else if self.take(&["REQUIRE", "MFA"]) {
                std::mem::replace(&mut demands.mfa, true)
            } else if self.take(&["VALID", "FROM"]) {
                demands.from.replace(self.moment()?).is_some()
            } else if self.take(&["VALID", "UNTIL"]) {
                demands.until.replace(self.moment()?).is_some()
            } else if self.take(&["PURPOSE", "IN"]) {
                let purposes = self.literals("a purpose", "PURPOSE IN ('research', …)")?;
                demands.purposes.replace(purposes).is_some()
            } else {
                break;
            };
            if again {
                return Err(at.error("the rule demands this twice", DEMANDS));
            }
        }
        let Demands { networks, mfa, from, until, purposes } = &demands;
        if networks.is_none() && !mfa && from.is_none() && until.is_none() && purposes.is_none() {
            return self.unexpected("what the rule demands", DEMANDS);
        }
        Ok(Statement::AccessRule { name, to, demands })
    }

    pub(super) fn moment(&mut self) -> Parsed<Name> {
        let at = self.here();
        let hint = "write a date or a time in UTC: '2027-06-30' or '2027-06-30 18:00:00'";
        Ok(Name { text: self.literal("a date", hint)?, at })
    }
}
