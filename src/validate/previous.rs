//! What earlier runs left on the two servers.

use super::{Case, Check, Found, list};
use crate::plan::{Creation, Work};
use crate::sql;
use crate::sql::Ident;

pub(super) const CHECKS: &[Check] = &[
    Check::new("ended-replication", ended),
    Check::new("unfinished-run", unfinished),
    Check::new("leftovers", leftovers),
    Check::new("running-replication", running),
];

fn ended(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter_map(|(database, _)| Some((database, database.target?.journal.as_ref()?)))
        .filter(|(_, journal)| journal.replicating)
        .map(|(database, journal)| {
            let message = format!(
                "Database '{}' was migrated by run {}, and its replication does not run any more (or --force-method dump \
                 stops it): beginning again would discard what the target has received since",
                database.name, journal.migration
            );
            let drop = sql!("DROP DATABASE {}", Ident::new(database.name));
            Found::error(database.subject(), message).fix(format!(
                "leave it out with --filtered-db {}; or, to begin again, target: {drop}",
                database.name
            ))
        })
        .collect()
}

fn unfinished(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter_map(|(database, migration)| {
            let journal = database.target?.journal.as_ref()?;
            let what = match &migration.creation {
                Creation::Recreate(_) => "the database, which it created, is dropped and created again".to_owned(),
                Creation::UseEmpty { clean: true } => "the objects in the database are dropped first".to_owned(),
                Creation::UseFilled { empty_first } if !empty_first.is_empty() => {
                    format!("the tables it filled are emptied first: {}", list(empty_first))
                }
                Creation::Create(_) | Creation::UseEmpty { clean: false } | Creation::UseFilled { .. } => return None,
            };
            let message = format!("an earlier run ({}) did not end on the target; {what}", journal.migration);
            Some(Found::warning(database.subject(), message))
        })
        .collect()
}

fn leftovers(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter(|(_, migration)| migration.drop_first)
        // Nothing is dropped where `ended` refuses.
        .filter(|(database, _)| {
            !database.target.and_then(|target| target.journal.as_ref()).is_some_and(|journal| journal.replicating)
        })
        .map(|(database, _)| {
            let names = &database.plan.names;
            let message = format!(
                "what is there of an earlier run's replication is dropped first: publication {} and slot {} on the \
                 source, subscription {} on the target",
                names.publication, names.slot, names.subscription
            );
            Found::warning(database.subject(), message)
        })
        .collect()
}

fn running(case: &Case<'_>) -> Vec<Found> {
    case.databases()
        .filter(|database| matches!(database.plan.work, Work::Continue { .. }))
        .map(|database| {
            let message = "an earlier run's replication keeps it up to date; nothing is copied again";
            Found::info(database.subject(), message)
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::{Journal, JournalOrigin};
    use crate::plan::example::Example;
    use crate::validate::tests::{Change, ids};

    fn journal(origin: JournalOrigin, replicating: bool) -> Option<Journal> {
        Some(Journal { migration: "zz99".to_owned(), origin, copied: [].into(), replicating })
    }

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("ended-replication", |it| it.target().journal = journal(JournalOrigin::Created, true)),
        ("unfinished-run", |it| it.target().journal = journal(JournalOrigin::Created, false)),
        ("unfinished-run", |it| it.target().journal = journal(JournalOrigin::Empty, false)),
        ("leftovers", |it| {
            it.replicate();
            it.source().publications.clear();
            it.target().tables.clear();
        }),
        ("running-replication", Example::replicate),
    ];

    #[test]
    fn a_dump_does_not_overwrite_what_replication_brought() {
        let mut example = Example::new();
        example.replicate();
        example.target().journal = journal(JournalOrigin::Created, true);
        example.settings.force_method = Some(crate::settings::Method::Dump);
        assert_eq!(ids(&example), ["target-rows", "ended-replication"]);
    }
}
