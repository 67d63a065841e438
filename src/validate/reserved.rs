//! What the target user may not do, and an administrator has to.

use super::{Case, Check, Found, list};
use crate::facts::Reserved;
use crate::sql::Ident;

pub(super) const CHECKS: &[Check] = &[
    Check::new("left-to-administrator", left_to_administrator),
    Check::new("own-default-privileges", own_default_privileges),
];

/// Kinds that have a check of their own, which says more.
const ELSEWHERE: [Reserved; 3] = [Reserved::Owners, Reserved::EventTriggers, Reserved::Publications];

/// What to do about everything of that kind.
pub(super) const COLLECT: &str = "collect the statements with --admin-sql FILE, and let an administrator run them";

fn left_to_administrator(case: &Case<'_>) -> Vec<Found> {
    let user = Ident::new(&case.facts.target.user.name);
    case.migrations()
        .flat_map(|(database, migration)| migration.rights.announced.iter().map(move |found| (database, found)))
        .filter(|(_, (kind, _))| !ELSEWHERE.contains(kind))
        .map(|(database, (kind, names))| {
            let names = list(names);
            let message = match kind {
                Reserved::DefaultPrivileges => {
                    format!("user {user} may not change default privileges of roles that it is no member of: {names}")
                }
                Reserved::Privileges => format!(
                    "user {user} may not grant what others granted, or what is not its own; where it is refused, privileges \
                     are left to an administrator: {names}"
                ),
                Reserved::SecurityLabels => {
                    format!("security labels are carried only where the target has their provider: on {names}")
                }
                Reserved::ForeignDataWrappers => format!(
                    "user {user} may not create foreign-data wrappers, nor servers of those that it has no USAGE on: {names}"
                ),
                _ => format!("user {user} may not create {} on the target: {names}", kind.words()),
            };
            Found::warning(database.subject(), message).fix(COLLECT)
        })
        .collect()
}

fn own_default_privileges(case: &Case<'_>) -> Vec<Found> {
    let user = Ident::new(&case.facts.target.user.name);
    case.migrations()
        .filter(|(database, _)| database.target.is_some_and(|target| target.own_default_privileges))
        .map(|(database, _)| {
            let message = format!(
                "default privileges of {user} in this database of the target add to those of everything that is created"
            );
            Found::warning(database.subject(), message)
                .fix(database.on_target("ALTER DEFAULT PRIVILEGES … REVOKE …, which psql lists with \\ddp"))
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{Reserved, ReservedObject};
    use crate::plan::example::Example;
    use crate::validate::tests::{Change, ids};
    use crate::validate::{Severity, validate};

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("left-to-administrator", |it| {
            Example::demote(&mut it.facts.target);
            it.source().reserved.push(object(Reserved::Functions, "public.f(integer)", None));
        }),
        ("left-to-administrator", |it| {
            it.source().reserved.push(object(Reserved::SecurityLabels, "public.t", None));
        }),
        ("own-default-privileges", |it| it.target().own_default_privileges = true),
    ];

    fn object(kind: Reserved, identity: &str, role: Option<&str>) -> ReservedObject {
        ReservedObject { kind, identity: identity.to_owned(), role: role.map(str::to_owned) }
    }

    #[test]
    fn each_kind_is_announced_once_in_a_database() {
        let mut example = Example::new();
        Example::demote(&mut example.facts.target);
        example.source().reserved = vec![
            object(Reserved::Casts, "(text AS integer)", None),
            object(Reserved::Functions, "public.f()", None),
            object(Reserved::Functions, "public.g()", None),
        ];
        let findings = validate(&example.facts, &example.settings, &example.plan());
        let messages: Vec<_> = findings.iter().map(|finding| (finding.severity, finding.message.as_str())).collect();
        assert_eq!(
            messages,
            [
                (Severity::Warning, "user \"migrator\" may not create casts on the target: (text AS integer)"),
                (
                    Severity::Warning,
                    "user \"migrator\" may not create functions that need a superuser on the target: public.f(), public.g()"
                ),
            ]
        );
    }

    #[test]
    fn a_superuser_and_a_member_leave_nothing() {
        let mut example = Example::new();
        example.source().reserved = vec![
            object(Reserved::Functions, "public.f()", None),
            object(Reserved::Privileges, "public", None),
            object(Reserved::Privileges, "public.t", Some("app")),
        ];
        assert!(ids(&example).is_empty());
        Example::demote(&mut example.facts.target);
        example.source().reserved = vec![
            object(Reserved::DefaultPrivileges, "for role app on tables", Some("app")),
            object(Reserved::Privileges, "public", None),
        ];
        assert!(ids(&example).is_empty());
    }
}
