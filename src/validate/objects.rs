//! Objects that do not arrive as they are.

use super::reserved::COLLECT;
use super::{Case, Check, Found, list};
use crate::facts::TableKind;
use crate::sql::Ident;
use crate::sql::names::PREFIX;

pub(super) const CHECKS: &[Check] = &[
    Check::new("event-triggers", event_triggers),
    Check::new("subscriptions", subscriptions),
    Check::new("publications", publications),
    Check::new("foreign-tables", foreign_tables),
    Check::new("operator-families", operator_families),
];

fn event_triggers(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter(|(_, migration)| !migration.rights.event_triggers)
        .filter_map(|(database, _)| {
            let own = database.source.event_triggers.iter().filter(|trigger| trigger.extension.is_none());
            let names: Vec<_> = own.map(|trigger| Ident::new(&trigger.name)).collect();
            if names.is_empty() {
                return None;
            }
            let message = format!("event triggers are not created, because only superusers may: {}", list(names));
            Some(Found::warning(database.subject(), message).fix(COLLECT))
        })
        .collect()
}

fn subscriptions(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter_map(|(database, _)| {
            let others = database.source.subscriptions.iter().filter(|it| !it.name.starts_with(PREFIX));
            let names: Vec<_> = others.map(|it| Ident::new(&it.name)).collect();
            if names.is_empty() {
                return None;
            }
            let message = format!(
                "its subscriptions are not created on the target, where they would take changes from the same slots: {}",
                list(names)
            );
            Some(Found::warning(database.subject(), message).fix("create them on the target after the source is shut down"))
        })
        .collect()
}

fn publications(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter(|(_, migration)| migration.content.publications)
        .map(|(database, _)| {
            let others = || database.source.publications.iter().filter(|it| !it.name.starts_with(PREFIX));
            let names = list(others().map(|it| Ident::new(&it.name)));
            let message =
                format!("its publications are created at the finish, without the slots of their subscribers: {names}");
            if case.facts.target.user.superuser || !others().any(|it| it.all_tables) {
                return Found::info(database.subject(), message);
            }
            let refused = list(others().filter(|it| it.all_tables).map(|it| Ident::new(&it.name)));
            let message = format!("{message}; only superusers may create those FOR ALL TABLES: {refused}");
            Found::warning(database.subject(), message).fix(COLLECT)
        })
        .collect()
}

fn foreign_tables(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter_map(|(database, _)| {
            let foreign = database.source.tables.iter().filter(|table| table.kind == TableKind::Foreign);
            let names: Vec<_> = foreign.map(|table| &table.name).collect();
            if names.is_empty() {
                return None;
            }
            let message = format!("rows of foreign tables stay where they are: {}", list(names));
            Some(Found::info(database.subject(), message))
        })
        .collect()
}

/// No dump says what was changed of an extension's or of the system's objects, privileges apart.
fn operator_families(case: &Case<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (database, _) in case.migrations() {
        let additions = &database.source.family_additions;
        for of_family in additions.chunk_by(|one, other| one.family == other.family) {
            let Some(family) = of_family.first().map(|addition| &addition.family) else { continue };
            let members = || of_family.iter().map(|addition| addition.member.as_str());
            let message = format!(
                "what users added to operator family {family} of an extension or of the system is not carried, and indexes \
                 and constraints that need it fail: {}",
                list(members())
            );
            let all: Vec<_> = members().collect();
            let add = format!("ALTER OPERATOR FAMILY {family} ADD {}", all.join(", "));
            let fix = format!("once what this needs is there, as a superuser: {}", database.on_target(add));
            found.push(Found::warning(database.subject(), message).fix(fix));
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{EventTrigger, FamilyAddition, Publication, Subscription, TableKind, fixture};
    use crate::plan::example::Example;
    use crate::validate::tests::Change;
    use crate::validate::{Severity, validate};

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("event-triggers", |it| {
            Example::demote(&mut it.facts.target);
            it.source().event_triggers.push(EventTrigger { name: "log_ddl".to_owned(), extension: None });
        }),
        ("subscriptions", |it| {
            it.source().subscriptions.push(Subscription { name: "feed".to_owned(), enabled: true, slot: None });
        }),
        ("publications", |it| {
            it.source().publications.push(Publication { name: "cdc".to_owned(), all_tables: true, tables: Vec::new() });
        }),
        ("foreign-tables", |it| {
            let mut table = fixture::table("elsewhere");
            table.kind = TableKind::Foreign;
            it.source().tables.push(table);
        }),
        ("operator-families", |it| {
            let (family, member) =
                ("public.gist_int4_ops USING gist".to_owned(), "OPERATOR 9 public.@@@(integer,integer)");
            it.source().family_additions.push(FamilyAddition { family, member: member.to_owned() });
        }),
    ];

    #[test]
    fn a_publication_that_the_target_user_may_not_create_is_a_warning() {
        for (superuser, severity) in [(true, Severity::Info), (false, Severity::Warning)] {
            let mut example = Example::new();
            Example::demote(&mut example.facts.target);
            example.facts.target.user.superuser = superuser;
            let all = Publication { name: "cdc".to_owned(), all_tables: true, tables: Vec::new() };
            example.source().publications.push(all);
            let findings = validate(&example.facts, &example.settings, &example.plan());
            assert_eq!((findings[0].id, findings[0].severity), ("publications", severity));
        }
    }
}
