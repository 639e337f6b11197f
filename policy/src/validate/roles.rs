//! Roles: who is a member of which, without cycles.

use std::collections::BTreeSet;

use crate::bundle::Members;
use crate::diagnostics::Diagnostic;
use crate::model::{Grantee, Located, Name, Statement};

/// The error for a role that no statement creates.
pub(super) fn unknown(role: &Name) -> Diagnostic {
    role.at.error(
        format!("role \"{}\" does not exist", role.text),
        format!("add CREATE ROLE {}, or correct the name", role.text),
    )
}

/// Reads `CREATE ROLE` and `GRANT ROLE`, and notes the users that other statements name.
pub(super) fn members(statements: &[Located], errors: &mut Vec<Diagnostic>) -> Members {
    let mut members = Members::default();
    for located in statements {
        if let Statement::CreateRole { name } = &located.statement {
            if name.text == "public" {
                errors.push(
                    name.at.error(
                        "\"public\" is not a role, everyone is PUBLIC",
                        "choose another name",
                    ),
                );
            } else if members.roles.insert(name.text.clone(), BTreeSet::new()).is_some() {
                errors.push(name.at.error(
                    format!("role \"{}\" exists already", name.text),
                    "remove one of the two statements",
                ));
            }
        }
    }
    let mut edges = Vec::new();
    for located in statements {
        match &located.statement {
            Statement::GrantRole { role, to } => {
                if !members.roles.contains_key(&role.text) {
                    errors.push(unknown(role));
                }
                for grantee in to {
                    grant(&mut members, &mut edges, role, grantee, errors);
                }
            }
            Statement::Access { to, .. }
            | Statement::RowPolicy { to, .. }
            | Statement::Aggregation { to, .. }
            | Statement::AccessRule { to, .. }
            | Statement::Limit { to, .. }
            | Statement::Price { to, .. } => {
                for grantee in to {
                    match grantee {
                        Grantee::User(user) => {
                            members.users.entry(user.clone()).or_default();
                        }
                        Grantee::Role(_) | Grantee::Public => {}
                    }
                }
            }
            Statement::CreateRole { .. }
            | Statement::Tag { .. }
            | Statement::Mask { .. }
            | Statement::View { .. }
            | Statement::Test(_) => {}
        }
    }
    find_cycles(&members, &edges, errors);
    members
}

fn grant<'a>(
    members: &mut Members,
    edges: &mut Vec<(&'a Name, &'a Name)>,
    role: &'a Name,
    grantee: &'a Grantee,
    errors: &mut Vec<Diagnostic>,
) {
    match grantee {
        Grantee::Public => {
            members.public.insert(role.text.clone());
        }
        Grantee::User(user) => {
            members.users.entry(user.clone()).or_default().insert(role.text.clone());
        }
        Grantee::Role(member) => match members.roles.get_mut(&member.text) {
            None => errors.push(unknown(member)),
            Some(inherits) => {
                inherits.insert(role.text.clone());
                edges.push((member, role));
            }
        },
    }
}

/// Reports every grant that is part of a cycle.
fn find_cycles(members: &Members, edges: &[(&Name, &Name)], errors: &mut Vec<Diagnostic>) {
    // Only roles that both inherit and are inherited, again and again, can be on a cycle.
    let mut left: Vec<&(&Name, &Name)> = edges.iter().collect();
    loop {
        let inheriting: BTreeSet<&str> =
            left.iter().map(|(member, _)| member.text.as_str()).collect();
        let inherited: BTreeSet<&str> = left.iter().map(|(_, role)| role.text.as_str()).collect();
        let before = left.len();
        left.retain(|(member, role)| {
            inherited.contains(member.text.as_str()) && inheriting.contains(role.text.as_str())
        });
        if left.len() == before {
            break;
        }
    }
    for (member, role) in left {
        let mut pending = vec![role.text.as_str()];
        let mut seen = BTreeSet::new();
        while let Some(next) = pending.pop() {
            if seen.insert(next) {
                pending.extend(members.roles.get(next).into_iter().flatten().map(String::as_str));
            }
        }
        if seen.contains(member.text.as_str()) {
            errors.push(role.at.error(
                format!("granting role \"{}\" to \"{}\" closes a cycle", role.text, member.text),
                "remove one of the grants of the cycle: a role can't inherit from itself",
            ));
        }
    }
}
