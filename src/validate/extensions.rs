//! Extensions and languages: whether the target has or can get them.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::natural::compare;
use super::{Case, Check, Database, Found, list, subject};
use crate::facts::{Extension, Language, Side, provider};
use crate::sql;
use crate::sql::Ident;

pub(super) const CHECKS: &[Check] = &[
    Check::new("languages-missing", languages_missing),
    Check::new("extension-unavailable", unavailable),
    Check::new("extension-too-old", too_old),
    Check::new("extension-installed-older", installed_older),
    Check::new("extension-superuser", superuser),
    Check::new("extension-left-behind", left_behind),
    Check::new("extension-needed", needed),
    Check::new("extension-privileges", privileges),
];

fn languages_missing(case: &Case<'_>) -> Vec<Found> {
    let target = &case.facts.target;
    let mut missing = BTreeSet::new();
    for database in case.databases() {
        // A language of an extension comes with it, or the check of extensions says why not.
        // One whose handler is in the dump comes with it, where we may create such a function.
        let of_the_server =
            |language: &&Language| language.extension.is_none() && !(language.own_handler && target.user.superuser);
        for language in database.source.languages.iter().filter(of_the_server) {
            let there = match database.target {
                Some(there) => there.languages.iter().any(|there| there.name == language.name),
                None => language.name == "plpgsql",
            };
            if !there && target.available_extension(&language.name).is_none() {
                missing.insert(language.name.as_str());
            }
        }
    }
    if missing.is_empty() {
        return Vec::new();
    }
    let names: Vec<_> = missing.into_iter().collect();
    vec![
        Found::error(Side::Target, format!("Languages not installed in target: {}", names.join(", ")))
            .fix("install their packages on the target's host"),
    ]
}

/// The extensions to migrate that the target database does not have yet.
fn to_install<'a>(case: &Case<'a>) -> impl Iterator<Item = (Database<'a>, &'a Extension)> {
    to_migrate(case).filter(|(database, extension)| {
        database.target.is_none_or(|target| target.extension(&extension.name).is_none())
            // Every new database has it.
            && !(database.target.is_none() && extension.name == "plpgsql")
    })
}

fn to_migrate<'a>(case: &Case<'a>) -> impl Iterator<Item = (Database<'a>, &'a Extension)> {
    let excluded = &case.settings.selection.excluded_extensions;
    case.databases()
        .flat_map(|database| database.source.extensions.iter().map(move |extension| (database, extension)))
        .filter(|(_, extension)| !excluded.contains(&extension.name))
}

fn about(extension: &Extension) -> String {
    subject("extension", &extension.name)
}

fn unavailable(case: &Case<'_>) -> Vec<Found> {
    to_install(case)
        .filter(|(_, it)| case.facts.target.available_extension(&it.name).is_none())
        .filter(|(_, it)| !provider::owns_extension(&it.name))
        .map(|(_, it)| {
            let message = format!("Extension '{}' is not available for installation in target", it.name);
            Found::error(about(it), message).fix(format!(
                "install its package on the target's host, or leave it out with --excluded-extensions {}",
                it.name
            ))
        })
        .collect()
}

fn too_old(case: &Case<'_>) -> Vec<Found> {
    to_install(case)
        .filter_map(|(_, it)| Some((it, case.facts.target.available_extension(&it.name)?)))
        .filter(|(it, available)| {
            compare(&available.default_version, &it.version) == Ordering::Less
                && !available.versions.contains(&it.version)
        })
        .map(|(it, available)| {
            let message = format!(
                "Extension '{}' version available for installation in target is too old, source version: {}, target \
                 version: {}",
                it.name, it.version, available.default_version
            );
            Found::error(about(it), message).fix(format!(
                "install version {} or newer of its package on the target's host, or leave it out with \
                 --excluded-extensions {}",
                it.version, it.name
            ))
        })
        .collect()
}

fn installed_older(case: &Case<'_>) -> Vec<Found> {
    to_migrate(case)
        .filter_map(|(database, it)| Some((database, it, database.target?.extension(&it.name)?)))
        .filter(|(_, it, there)| compare(&there.version, &it.version) == Ordering::Less)
        .map(|(database, it, there)| {
            let message = format!(
                "Installed extension '{}' in target database '{}' is older than in source, target version: {}, source \
                 version: {}",
                it.name, database.name, there.version, it.version
            );
            let update = sql!("ALTER EXTENSION {} UPDATE", Ident::new(&it.name));
            Found::error(database.subject(), message).fix(database.on_target(update))
        })
        .collect()
}

fn superuser(case: &Case<'_>) -> Vec<Found> {
    let target = &case.facts.target;
    to_install(case)
        .filter(|(_, it)| target.available_extension(&it.name).is_some_and(|available| !target.may_install(available)))
        .map(|(database, it)| {
            let message = format!("Installing extension '{}' in target requires superuser", it.name);
            let create = sql!("CREATE EXTENSION {}", Ident::new(&it.name));
            Found::error(about(it), message).fix(format!(
                "let a superuser type, in {}; or leave it out with --excluded-extensions {}",
                database.on_target(create),
                it.name
            ))
        })
        .collect()
}

/// Extensions that the user leaves out, and what that costs.
fn needed(case: &Case<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for database in case.databases() {
        let names: BTreeSet<_> = database.source.dependents.iter().map(|it| it.extension.as_str()).collect();
        let absent = |name: &&str| database.target.is_none_or(|target| target.extension(name).is_none());
        for name in names.into_iter().filter(absent) {
            let dependents = database.source.dependents.iter().filter(|it| it.extension == name);
            let message = format!(
                "extension {} is left out, and these need it and cannot be restored without it: {}",
                Ident::new(name),
                list(dependents.map(|it| &it.object))
            );
            let create = sql!("CREATE EXTENSION {}", Ident::new(name));
            let fix = format!("drop them on the source, or let somebody type, in {}", database.on_target(create));
            found.push(Found::warning(database.subject(), message).fix(fix));
        }
    }
    found
}

fn privileges(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter(|(_, migration)| !migration.rights.absent.is_empty())
        .map(|(database, migration)| {
            let objects = list(&migration.rights.absent);
            let message = format!("with their extensions, privileges on these are left out: {objects}");
            Found::info(database.subject(), message)
        })
        .collect()
}

fn left_behind(case: &Case<'_>) -> Vec<Found> {
    let left: BTreeSet<_> = to_install(case)
        .map(|(_, it)| it.name.as_str())
        .filter(|name| provider::owns_extension(name) && case.facts.target.available_extension(name).is_none())
        .collect();
    if left.is_empty() {
        return Vec::new();
    }
    let message =
        format!("it does not offer extensions that belong to the source's service, and goes without: {}", list(left));
    vec![Found::warning(Side::Target, message)]
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{AvailableExtension, Dependent, GrantedMember, Language, fixture};
    use crate::plan::example::Example;
    use crate::validate::tests::{Change, ids};
    use crate::validate::validate;

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("languages-missing", |it| it.source().languages.push(language(None))),
        ("languages-missing", |it| {
            it.source().languages.push(language(None));
            it.target();
        }),
        ("extension-unavailable", |it| it.source().extensions.push(fixture::extension("hstore", "1.8"))),
        ("extension-too-old", |it| {
            it.source().extensions.push(fixture::extension("hstore", "1.10"));
            it.facts.target.available_extensions.push(fixture::available("hstore", "1.9"));
        }),
        ("extension-installed-older", |it| {
            it.source().extensions.push(fixture::extension("hstore", "1.10"));
            it.target().extensions.push(fixture::extension("hstore", "1.9"));
        }),
        ("extension-superuser", |it| {
            Example::demote(&mut it.facts.target);
            it.source().extensions.push(fixture::extension("file_fdw", "1.0"));
            it.facts.target.available_extensions.push(untrusted());
        }),
        ("extension-needed", |it| {
            let object = "table public.orders".to_owned();
            it.source().dependents.push(Dependent { extension: "hstore".to_owned(), object });
        }),
        ("extension-privileges", |it| {
            let object = "FUNCTION public.akeys(hstore)".to_owned();
            it.source().granted_members.push(GrantedMember { extension: "hstore".to_owned(), object });
        }),
        ("extension-left-behind", |it| it.source().extensions.push(fixture::extension("rds_tools", "1.0"))),
    ];

    fn language(extension: Option<&str>) -> Language {
        Language {
            name: "plsample".to_owned(),
            trusted: true,
            extension: extension.map(str::to_owned),
            own_handler: false,
        }
    }

    fn untrusted() -> AvailableExtension {
        AvailableExtension { trusted: false, ..fixture::available("file_fdw", "1.0") }
    }

    /// Extension `file_fdw`, which only superusers may install, for an unprivileged target user.
    fn unprivileged() -> Example {
        let mut example = Example::new();
        Example::demote(&mut example.facts.target);
        example.source().extensions.push(fixture::extension("file_fdw", "1.0"));
        example.facts.target.available_extensions.push(untrusted());
        example
    }

    #[test]
    fn an_untrusted_extension_passes_where_the_service_allows_it() {
        let changes: [fn(&mut Example); 4] = [
            |it| it.facts.target.extension_allow_list = Some(vec!["file_fdw".to_owned()]),
            |it| it.facts.target.user.member_of.push("rds_superuser".to_owned()),
            |it| it.facts.target.available_extensions[1].superuser = false,
            |it| it.settings.selection.excluded_extensions.push("file_fdw".to_owned()),
        ];
        for change in changes {
            let mut example = unprivileged();
            change(&mut example);
            assert!(ids(&example).is_empty());
        }
    }

    #[test]
    fn an_extension_that_two_databases_lack_is_reported_once() {
        let mut example = unprivileged();
        example.add_database("shop");
        for pair in &mut example.facts.databases {
            pair.source.as_mut().unwrap().extensions.push(fixture::extension("hstore", "1.8"));
        }
        assert_eq!(ids(&example), ["extension-unavailable", "extension-superuser"]);
    }

    #[test]
    fn the_words_are_those_that_scripts_look_for() {
        let mut example = Example::new();
        example.source().languages.push(language(None));
        example.source().languages.push(language(Some("plsample")));
        for name in ["a", "b", "c"] {
            example.source().extensions.push(fixture::extension(name, "2.0"));
        }
        example.target().extensions.push(fixture::extension("b", "1.0"));
        example.facts.target.available_extensions.push(fixture::available("c", "1.9dev"));
        let findings = validate(&example.facts, &example.settings, &example.plan());
        let messages: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "Languages not installed in target: plsample",
                "Extension 'a' is not available for installation in target",
                "Extension 'c' version available for installation in target is too old, source version: 2.0, target \
                 version: 1.9dev",
                "Installed extension 'b' in target database 'app' is older than in source, target version: 1.0, source \
                 version: 2.0",
            ]
        );
    }
}
