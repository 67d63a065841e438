//! Roles: whether they can be created as they are, and own what they own.

use super::reserved::COLLECT;
use super::{Case, Check, Found, list, subject};
use crate::facts::{Side, provider};
use crate::plan::{RolePlan, roles};
use crate::sql;
use crate::sql::{Ident, Sql};

pub(super) const CHECKS: &[Check] = &[
    Check::new("gatekeeper-roles", gatekeeper),
    Check::new("createrole-right", createrole_right),
    Check::new("role-attributes", attributes),
    Check::new("owners-lost", owners_lost),
    Check::new("database-owner", database_owner),
    Check::new("role-differs", differs),
    Check::new("placeholder-passwords", placeholder_passwords),
    Check::new("role-passwords-unused", passwords_unused),
    Check::new("deprecated-passwords", md5_passwords),
    Check::new("memberships", memberships),
    Check::new("forbidden-settings", forbidden_settings),
    Check::new("settings-of-all-roles", settings_of_all),
    Check::new("role-labels", role_labels),
    Check::new("provider-roles", provider_roles),
];

/// The roles that the run creates.
pub(super) fn created<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a RolePlan> {
    case.plan.roles.iter().filter(|plan| !plan.exists)
}

fn gatekeeper(case: &Case<'_>) -> Vec<Found> {
    let Some(gatekeeper) = &case.facts.target.gatekeeper else { return Vec::new() };
    let refused: Vec<_> = created(case)
        .filter(|plan| plan.role.superuser || plan.left_out.contains(&"SUPERUSER"))
        .map(|plan| plan.role.name.as_str())
        .filter(|name| !gatekeeper.reserved_roles.iter().any(|reserved| reserved == name))
        .collect();
    if refused.is_empty() {
        return Vec::new();
    }
    let names = refused.join(", ");
    let message = format!("Some superuser roles from source database ({names}) are not allowed in target database");
    let revoke: Vec<_> =
        refused.iter().map(|name| sql!("ALTER ROLE {} NOSUPERUSER", Ident::new(*name)).to_string()).collect();
    vec![Found::error(Side::Target, message).fix(format!(
        "leave them out with --excluded-roles {}, or source: {}",
        refused.join(","),
        revoke.join("; ")
    ))]
}

fn createrole_right(case: &Case<'_>) -> Vec<Found> {
    let user = &case.facts.target.user;
    let names: Vec<_> = created(case).map(|plan| Ident::new(&plan.role.name)).collect();
    if names.is_empty() || user.superuser || user.create_role {
        return Vec::new();
    }
    let user = Ident::new(&user.name);
    let message = format!("user {user} may not create roles; these will be reported as failed: {}", list(names));
    vec![Found::warning(Side::Target, message).fix(format!("target: {}", sql!("ALTER ROLE {} CREATEROLE", user)))]
}

fn attributes(case: &Case<'_>) -> Vec<Found> {
    created(case)
        .filter(|plan| !plan.left_out.is_empty())
        .map(|plan| {
            let left_out = plan.left_out.join(" ");
            let message = format!("it is created without {left_out}, which the target user may not give");
            Found::warning(subject("role", &plan.role.name), message)
                .fix(format!("let a superuser type, target: ALTER ROLE {} {left_out}", Ident::new(&plan.role.name)))
        })
        .collect()
}

fn owners_lost(case: &Case<'_>) -> Vec<Found> {
    if case.settings.no_owner {
        return Vec::new();
    }
    let target = &case.facts.target;
    let user = Ident::new(&target.user.name);
    case.migrations()
        .filter(|(_, migration)| !migration.rights.owners.lost.is_empty())
        .map(|(database, migration)| {
            let lost = &migration.rights.owners.lost;
            let owners = list(lost.iter().map(Ident::new));
            let message = format!(
                "user {user} cannot make these roles owners of anything on the target: {owners}; what they own will belong \
                 to {user}"
            );
            let (there, missing): (Vec<_>, Vec<_>) = lost.iter().partition(|owner| target.has_role(owner));
            let mut fix: Vec<_> =
                missing.into_iter().map(|owner| sql!("CREATE ROLE {}", Ident::new(owner)).to_string()).collect();
            // Nobody makes a user superuser for this.
            let there: Vec<_> = there.into_iter().filter(|owner| !target.is_superuser(owner)).map(Ident::new).collect();
            if !there.is_empty() {
                fix.push(sql!("GRANT {} TO {}", Sql::join(there, ", "), user).to_string());
            }
            let fix = match fix.as_slice() {
                [] => COLLECT.to_owned(),
                fix => format!("target: {}; or afterwards: {COLLECT}", fix.join("; ")),
            };
            Found::warning(database.subject(), message).fix(fix)
        })
        .collect()
}

fn database_owner(case: &Case<'_>) -> Vec<Found> {
    let user = Ident::new(&case.facts.target.user.name);
    case.migrations()
        .filter_map(|(database, migration)| {
            let owner = Ident::new(migration.rights.lost_database.as_ref()?);
            let alter = sql!("ALTER DATABASE {} OWNER TO {}", Ident::new(database.name), owner);
            Some(
                Found::warning(database.subject(), format!("it will belong to {user} instead of {owner}"))
                    .fix(format!("afterwards, target: {alter}")),
            )
        })
        .collect()
}

/// Roles that are there stay as they are, whatever the source says of them.
fn differs(case: &Case<'_>) -> Vec<Found> {
    let there = case.plan.roles.iter().filter(|plan| plan.exists).filter_map(|plan| {
        let target = case.facts.target.roles.iter().find(|role| role.name == plan.role.name)?;
        Some((&plan.role, target))
    });
    there
        .filter_map(|(source, target)| {
            let differing = [
                ("SUPERUSER", source.superuser != target.superuser),
                ("INHERIT", source.inherit != target.inherit),
                ("CREATEROLE", source.create_role != target.create_role),
                ("CREATEDB", source.create_database != target.create_database),
                ("LOGIN", source.login != target.login),
                ("REPLICATION", source.replication != target.replication),
                ("BYPASSRLS", source.bypass_rls != target.bypass_rls),
                ("CONNECTION LIMIT", source.connection_limit != target.connection_limit),
                ("VALID UNTIL", source.valid_until != target.valid_until),
                ("its settings", source.settings != target.settings),
            ];
            let names: Vec<_> = differing.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
            if names.is_empty() {
                return None;
            }
            let message =
                format!("it is on the target already, and stays as it is there; these differ: {}", names.join(", "));
            let name = Ident::new(&source.name);
            Some(
                Found::info(subject("role", &source.name), message)
                    .fix(format!("unless this is meant, target: ALTER ROLE {name} …")),
            )
        })
        .collect()
}

fn placeholder_passwords(case: &Case<'_>) -> Vec<Found> {
    let names: Vec<_> = created(case)
        .filter(|plan| {
            plan.role.login && plan.role.verifier.is_none() && !plan.role.without_password && plan.password.is_none()
        })
        .map(|plan| Ident::new(&plan.role.name))
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let message =
        format!("roles that log in and whose password the source does not show get a generated one: {}", list(names));
    vec![
        Found::info(Side::Target, message)
            .fix("see the generated ones with --show-passwords, or give your own with --role-passwords FILE"),
    ]
}

fn passwords_unused(case: &Case<'_>) -> Vec<Found> {
    let names: Vec<_> = case
        .settings
        .role_passwords
        .roles()
        .filter(|name| !created(case).any(|plan| plan.role.name == **name))
        .map(Ident::new)
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let message = format!("--role-passwords names roles that are not created: {}", list(names));
    vec![Found::warning(Side::Target, message).fix("those that exist keep their password: ALTER ROLE … PASSWORD …")]
}

fn md5_passwords(case: &Case<'_>) -> Vec<Found> {
    let names: Vec<_> = created(case)
        .filter(|plan| plan.role.md5 && plan.password.is_none())
        .map(|plan| Ident::new(&plan.role.name))
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let outlook =
        if case.facts.target.version.deprecates_md5() { " and tells every client that it is deprecated" } else { "" };
    let message = format!(
        "the passwords of these roles are stored with MD5, and carried so; the target lets them log in only where its \
         pg_hba.conf says md5{outlook}: {}",
        list(names)
    );
    vec![
        Found::warning(Side::Source, message).fix(
            "source, with password_encryption = 'scram-sha-256': ALTER ROLE … PASSWORD …; or --role-passwords FILE",
        ),
    ]
}

fn memberships(case: &Case<'_>) -> Vec<Found> {
    let user = Ident::new(&case.facts.target.user.name);
    let refused: Vec<_> = case
        .plan
        .memberships
        .iter()
        .filter(|membership| !roles::may_grant(case.facts, &case.plan.roles, membership))
        .map(|it| format!("{} in {}", Ident::new(&it.member), Ident::new(&it.role)))
        .collect();
    if refused.is_empty() {
        return Vec::new();
    }
    let message = format!("user {user} may not grant these memberships: {}", list(refused));
    vec![Found::warning(Side::Target, message).fix(COLLECT)]
}

/// Of roles that are created, and of databases.
fn forbidden_settings(case: &Case<'_>) -> Vec<Found> {
    let user = &case.facts.target.user;
    let forbidden = |name: &str| user.forbidden_settings.contains(&name.to_ascii_lowercase());
    let of_roles = created(case).flat_map(|plan| {
        let settings = plan.role.settings.iter().filter(|(name, _)| forbidden(name));
        settings.map(|(name, _)| format!("{name} of role {}", Ident::new(&plan.role.name)))
    });
    let of_databases = case.databases().filter_map(|database| Some((database, database.content()?))).flat_map(
        |(database, content)| {
            let settings = content.properties.settings.iter().filter(|it| forbidden(&it.name));
            settings.map(move |it| format!("{} of database {}", it.name, Ident::new(database.name)))
        },
    );
    let refused: Vec<_> = of_roles.chain(of_databases).collect();
    if refused.is_empty() {
        return Vec::new();
    }
    let user = Ident::new(&user.name);
    let message = format!("user {user} may not set these parameters: {}", list(refused));
    vec![Found::warning(Side::Target, message).fix(COLLECT)]
}

/// They would change what the target's other databases do: for its administrator to decide, like its configuration.
fn settings_of_all(case: &Case<'_>) -> Vec<Found> {
    let there = &case.facts.target.settings_of_all;
    let missing = case.facts.source.settings_of_all.iter().filter(|it| !there.contains(it));
    let names: Vec<_> = missing.filter_map(|it| it.split_once('=')).map(|(name, _)| name).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let message = format!("what ALTER ROLE ALL has set for every role is not carried: {}", list(&names));
    let all: Vec<_> = names.iter().map(|name| format!("ALTER ROLE ALL SET {name} TO …")).collect();
    vec![Found::warning(Side::Target, message).fix(format!("target: {}", all.join("; ")))]
}

fn role_labels(case: &Case<'_>) -> Vec<Found> {
    let names: Vec<_> =
        created(case).filter(|plan| !plan.role.labels.is_empty()).map(|plan| Ident::new(&plan.role.name)).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let message = format!("security labels of roles are carried only where it has their provider: {}", list(names));
    vec![Found::warning(Side::Target, message).fix(COLLECT)]
}

fn provider_roles(case: &Case<'_>) -> Vec<Found> {
    let all = &case.facts.source.roles;
    let names: Vec<_> =
        all.iter().filter(|role| provider::owns_role(&role.name, all)).map(|role| Ident::new(&role.name)).collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![Found::info(Side::Source, format!("roles of the managed service are left out: {}", list(names)))]
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{Gatekeeper, Membership, Role, SecurityLabel, fixture};
    use crate::plan::example::Example;
    use crate::settings::RolePasswords;
    use crate::validate::tests::{Change, ids};

    fn superuser(name: &str) -> Role {
        Role { superuser: true, ..fixture::role(name) }
    }

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("gatekeeper-roles", |it| {
            it.facts.target.gatekeeper = Some(Gatekeeper { reserved_roles: vec!["postgres".to_owned()] });
            it.facts.source.roles.push(superuser("boss"));
        }),
        ("createrole-right", |it| {
            Example::demote(&mut it.facts.target);
            it.facts.target.user.create_role = false;
            it.facts.target.roles.push(fixture::role("app"));
            it.facts.source.roles.push(fixture::role("reader"));
        }),
        ("role-attributes", |it| {
            Example::demote(&mut it.facts.target);
            it.facts.source.roles.push(superuser("boss"));
        }),
        ("owners-lost", |it| {
            it.source().owners.insert("gone".to_owned());
        }),
        ("owners-lost", |it| {
            Example::demote(&mut it.facts.target);
            it.source().owners.insert("ops".to_owned());
            it.facts.target.roles.push(fixture::role("ops"));
        }),
        ("database-owner", |it| it.facts.source.databases.last_mut().unwrap().owner = "gone".to_owned()),
        ("role-differs", |it| {
            it.facts.target.roles.push(Role { create_database: true, ..fixture::role("ops") });
            it.facts.source.roles.push(fixture::role("ops"));
        }),
        ("placeholder-passwords", |it| it.facts.source.roles[0].verifier = None),
        ("role-passwords-unused", |it| it.settings.role_passwords = RolePasswords::parse("nobody:x").unwrap()),
        ("deprecated-passwords", |it| it.facts.source.roles[0].md5 = true),
        ("memberships", |it| {
            Example::demote(&mut it.facts.target);
            it.facts.source.memberships.push(Membership {
                role: "pg_monitor".to_owned(),
                member: "app".to_owned(),
                admin: false,
                inherit: None,
                set: None,
            });
        }),
        ("forbidden-settings", |it| {
            it.facts.target.user.forbidden_settings.insert("log_statement".to_owned());
            it.facts.source.roles[0].settings.push(("log_statement".to_owned(), "all".to_owned()));
        }),
        ("settings-of-all-roles", |it| {
            it.facts.source.settings_of_all = vec!["work_mem=8MB".to_owned(), "app.key=hunter2".to_owned()];
            it.facts.target.settings_of_all = vec!["work_mem=8MB".to_owned()];
        }),
        ("role-labels", |it| {
            let label = SecurityLabel { provider: "anon".to_owned(), label: "MASKED".to_owned() };
            it.facts.source.roles[0].labels.push(label);
        }),
        ("provider-roles", |it| it.facts.source.roles.push(fixture::role("rdsadmin"))),
    ];

    #[test]
    fn reserved_and_excluded_superusers_pass_the_gatekeeper() {
        let mut example = Example::new();
        example.facts.target.gatekeeper = Some(Gatekeeper { reserved_roles: vec!["postgres".to_owned()] });
        example.facts.source.roles.extend([superuser("postgres"), superuser("boss")]);
        example.settings.selection.excluded_roles.push("boss".to_owned());
        assert!(ids(&example).is_empty());
    }

    #[test]
    fn owners_do_not_matter_when_the_user_asked_for_none() {
        let mut example = Example::new();
        example.source().owners.insert("gone".to_owned());
        example.settings.no_owner = true;
        assert!(ids(&example).is_empty());
    }
}
