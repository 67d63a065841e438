//! Roles, memberships, and who may own what on the target.

use std::collections::BTreeSet;

use super::RolePlan;
use crate::facts::{DatabaseFacts, Facts, Membership, ParameterPrivilege, Role, User, provider};
use crate::settings::Selection;

/// The roles to create, and the memberships to grant when they all exist.
pub(super) fn plan(facts: &Facts, selection: &Selection) -> (Vec<RolePlan>, Vec<Membership>) {
    let roles: Vec<_> = facts
        .source
        .roles
        .iter()
        .filter(|role| !is_system(&role.name) && !selection.excluded_roles.contains(&role.name))
        .filter(|role| !provider::owns_role(&role.name, &facts.source.roles))
        .map(|role| plan_role(role, facts))
        .collect();
    let planned = |name: &str| roles.iter().any(|plan| plan.role.name == name);
    let memberships = facts
        .source
        .memberships
        .iter()
        .filter(|it| planned(&it.member) || planned(&it.role))
        .filter(|it| [&it.member, &it.role].into_iter().all(|name| planned(name) || is_system(name)))
        .filter(|it| !is_system(&it.member) || facts.target.has_role(&it.member))
        .filter(|it| !facts.target.memberships.iter().any(|there| there.role == it.role && there.member == it.member))
        .cloned()
        .collect();
    (roles, memberships)
}

/// Roles of the source's managed service.
pub(super) fn skipped(facts: &Facts, selection: &Selection) -> Vec<String> {
    let all = &facts.source.roles;
    let of_service = all.iter().filter(|role| provider::owns_role(&role.name, all)).map(|role| &role.name);
    of_service.filter(|name| !selection.excluded_roles.contains(name)).cloned().collect()
}

/// Owners on the source that the target has and that its user may become a member of, and is not yet.
pub(super) fn joined(facts: &Facts) -> Vec<String> {
    let sources = facts.databases.iter().filter_map(|pair| pair.source.as_ref().ok());
    let owners: BTreeSet<&String> = sources.flat_map(|source| &source.owners).collect();
    owners.into_iter().filter(|owner| !is_member(facts, owner) && may_join(facts, owner)).cloned().collect()
}

/// Whether the target user has the rights of `role`, and may become it.
pub(super) fn is_member(facts: &Facts, role: &str) -> bool {
    let user = &facts.target.user;
    user.superuser || user.name == role || user.member_of.iter().any(|other| other == role)
}

/// Whether the target user may make itself a member of `role`, which is there: below 16 whoever may create roles does so, from
/// 16 on it takes ADMIN, as whoever created a role has it.
fn may_join(facts: &Facts, role: &str) -> bool {
    let target = &facts.target;
    if !target.roles.iter().any(|there| there.name == role && !there.superuser) {
        return false;
    }
    target.user.create_role && !target.version.qualifies_memberships() || administers(facts, role)
}

fn administers(facts: &Facts, role: &str) -> bool {
    let user = &facts.target.user.name;
    facts.target.memberships.iter().any(|it| it.admin && it.role == role && it.member == *user)
}

/// Whether the target user may grant `membership`.
pub(crate) fn may_grant(facts: &Facts, roles: &[RolePlan], membership: &Membership) -> bool {
    let (target, role) = (&facts.target, &membership.role);
    let created = roles.iter().any(|plan| plan.role.name == *role && !plan.exists);
    target.user.superuser
        || administers(facts, role)
        || target.user.create_role && (created || !target.version.qualifies_memberships() && !target.is_superuser(role))
}

/// Roles of the source that the target neither has nor gets.
pub(super) fn missing(facts: &Facts, roles: &[RolePlan]) -> BTreeSet<String> {
    let planned = |name: &str| roles.iter().any(|plan| plan.role.name == name);
    let all = facts.source.roles.iter().map(|role| &role.name).chain(&facts.source.system_roles);
    all.filter(|name| !facts.target.has_role(name) && !planned(name)).cloned().collect()
}

/// Privileges on parameters that the source's roles have and the target's do not; `missing` are those that it will not have.
pub(super) fn parameter_privileges(facts: &Facts, missing: &BTreeSet<String>) -> Vec<ParameterPrivilege> {
    let there = &facts.target.parameter_privileges;
    let has_grantee = |it: &&ParameterPrivilege| it.grantee.as_ref().is_none_or(|role| !missing.contains(role));
    let all = facts.source.parameter_privileges.iter().filter(has_grantee);
    all.filter(|it| !there.contains(it)).cloned().collect()
}

/// Owners of objects in `source` to whom the target user cannot give them; none for objects of the system's roles, and none
/// when it is a superuser, but for roles that are not there.
pub(super) fn lost_owners(facts: &Facts, roles: &[RolePlan], source: &DatabaseFacts) -> BTreeSet<String> {
    source.owners.iter().filter(|owner| !is_system(owner) && !may_own(facts, roles, owner)).cloned().collect()
}

/// Whether the target user can make `owner` the owner of something.
pub(crate) fn may_own(facts: &Facts, roles: &[RolePlan], owner: &str) -> bool {
    let user = &facts.target.user;
    // Whoever creates a role may become a member of it: below 16 CREATEROLE allows that for every role that is not a
    // superuser, from 16 on for the roles it created itself.
    let created = roles.iter().any(|plan| plan.role.name == owner && !plan.exists);
    if created {
        return user.superuser || user.create_role;
    }
    facts.target.has_role(owner) && (is_member(facts, owner) || may_join(facts, owner))
}

/// Roles of PostgreSQL itself.
pub(crate) fn is_system(role: &str) -> bool {
    role.starts_with("pg_")
}

fn plan_role(role: &Role, facts: &Facts) -> RolePlan {
    let exists = facts.target.has_role(&role.name);
    let mut role = role.clone();
    let mut left_out = Vec::new();
    if !exists {
        let user = &facts.target.user;
        let attributes_by_own = facts.target.version.grants_own_attributes();
        strip(&mut role.superuser, "SUPERUSER", user.superuser, &mut left_out);
        strip(&mut role.create_database, "CREATEDB", may_give_createdb(user, attributes_by_own), &mut left_out);
        let may_give = |own: bool| user.superuser || (attributes_by_own && own);
        strip(&mut role.replication, "REPLICATION", may_give(user.replication), &mut left_out);
        strip(&mut role.bypass_rls, "BYPASSRLS", may_give(user.bypass_rls), &mut left_out);
    }
    RolePlan { role, exists, left_out, password: None }
}

fn may_give_createdb(user: &User, attributes_by_own: bool) -> bool {
    user.superuser || !attributes_by_own || user.create_database
}

fn strip(attribute: &mut bool, name: &'static str, allowed: bool, left_out: &mut Vec<&'static str>) {
    if *attribute && !allowed {
        *attribute = false;
        left_out.push(name);
    }
}
