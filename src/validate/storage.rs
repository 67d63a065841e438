//! What of the source's storage the target does not get.

use super::{Case, Check, Found, list};
use crate::sql::Ident;

pub(super) const CHECKS: &[Check] =
    &[Check::new("tablespaces", tablespaces), Check::new("invalid-index", invalid_indexes)];

fn tablespaces(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter(|(database, _)| !database.source.storage.tablespaces.is_empty())
        .map(|(database, _)| {
            let names = list(database.source.storage.tablespaces.iter().map(Ident::new));
            let message = format!("tablespaces are not carried, all of it goes to the target's default one: {names}");
            Found::info(database.subject(), message)
        })
        .collect()
}

fn invalid_indexes(case: &Case<'_>) -> Vec<Found> {
    case.migrations()
        .filter(|(database, _)| !database.source.storage.invalid_indexes.is_empty())
        .map(|(database, _)| {
            let indexes = list(&database.source.storage.invalid_indexes);
            let message =
                format!("indexes that are not valid, because building them has failed, are not carried: {indexes}");
            Found::warning(database.subject(), message).fix("source: REINDEX INDEX CONCURRENTLY or DROP INDEX, each")
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use crate::facts::fixture;
    use crate::validate::tests::Change;

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("tablespaces", |it| it.source().storage.tablespaces.push("fast".to_owned())),
        ("invalid-index", |it| it.source().storage.invalid_indexes.push(fixture::public("orders_note"))),
    ];
}
