//! Tables whose UPDATEs and DELETEs replication cannot carry as they are, and what the user wants done about them.
//!
//! Whatever the policy, a table that it does not fit is not published, and copied whole once more at the finish: one without
//! an index that could serve, one whose rows cannot be compared, one that is not ours to alter. Through aiven_extras nothing
//! is changed either: the publication, whose comment is the record of such changes, is not ours there.

use super::{Content, Transfer, content};
use crate::facts::{DatabaseFacts, ReplicaIdentity, Table, User};
use crate::settings::{IdentityPolicy, Settings};
use crate::sql::{Ident, QualifiedName};

/// A replica identity that is changed on the source until the replication ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityChange {
    /// The table.
    pub table: QualifiedName,
    /// The index that identifies its rows meanwhile; `None`: the whole row does.
    pub index: Option<Ident>,
    /// Whether the target's table is made from the source's definition, so that it has the change, too. One that the user
    /// has made keeps its own.
    pub on_target: bool,
}

/// Fills in what is published, and how.
pub(super) fn publish(
    content: &mut Content,
    settings: &Settings,
    user: &User,
    database: &str,
    (source, existing): (&DatabaseFacts, Option<&DatabaseFacts>),
    transfer: Transfer,
) {
    let existing = existing.map(DatabaseFacts::tables_by_name).unwrap_or_default();
    for table in content::replicable(&settings.selection, database, source) {
        let there = existing.contains_key(&table.name);
        match way(settings.replica_identity, user, table, transfer) {
            // What finds rows there is the user's, and need not be that index.
            Way::Changed { index: Some(_), .. } if there => {}
            Way::AsItIs => content.published.push(table.name.clone()),
            Way::Changed { index, oid } => {
                content.published.push(table.name.clone());
                content.identity_indexes.extend(oid);
                content.identity_changes.push(IdentityChange { table: table.name.clone(), index, on_target: !there });
            }
            Way::InsertOnly => {
                content.published.push(table.name.clone());
                content.insert_only.push(table.name.clone());
            }
            Way::Copied => {}
        }
    }
}

enum Way {
    AsItIs,
    Changed { index: Option<Ident>, oid: Option<u32> },
    InsertOnly,
    Copied,
}

fn way(policy: IdentityPolicy, user: &User, table: &Table, transfer: Transfer) -> Way {
    let candidate = match &table.replica_identity {
        ReplicaIdentity::Key | ReplicaIdentity::Full => return Way::AsItIs,
        ReplicaIdentity::Missing { candidate, .. } | ReplicaIdentity::Unusable { candidate, .. } => candidate,
    };
    let through_extras = matches!(transfer, Transfer::SubscriptionCopies { aiven_extras: true });
    if through_extras || !(table.owned || user.superuser) {
        return Way::Copied;
    }
    match (policy, candidate, &table.replica_identity) {
        (IdentityPolicy::Index, Some(index), _) => {
            Way::Changed { index: Some(index.name.clone()), oid: Some(index.oid) }
        }
        (IdentityPolicy::Full, _, ReplicaIdentity::Missing { full_serves: true, .. }) => {
            Way::Changed { index: None, oid: None }
        }
        (IdentityPolicy::InsertOnly, ..) => Way::InsertOnly,
        _ => Way::Copied,
    }
}
