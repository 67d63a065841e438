//! How entries are restored.

use crate::plan::{Creation, ExtensionPlan, Migration, Rights};
use crate::tools::Entry;

/// How entries are restored, the same for every half.
#[derive(Clone, Copy)]
pub(in crate::migrate) struct Manner<'a> {
    /// What the target user may do.
    pub(super) rights: &'a Rights,
    /// Extensions whose entries are left out.
    skipped_extensions: &'a [String],
    /// Extensions that are created in another version than the target would choose.
    pub(super) extension_versions: &'a [ExtensionPlan],
    /// Whether objects may be there already.
    pub(super) schema_existed: bool,
    /// Whether schema `public` gets the source's owner. One that a user has filled keeps its own.
    own_public: bool,
    /// Whether privileges that take rights from a table's owner wait for the end of replication.
    pub(super) spare_owners: bool,
    /// Tables, by their OIDs on the source, whose row level security waits for that, too.
    guarded: &'a [u32],
}

impl<'a> Manner<'a> {
    /// For a migration from its beginning.
    pub(in crate::migrate) fn new(migration: &'a Migration) -> Self {
        Self {
            rights: &migration.rights,
            skipped_extensions: &migration.skipped_extensions,
            extension_versions: &migration.extension_versions,
            schema_existed: matches!(migration.creation, Creation::UseFilled | Creation::UseEmpty { clean: true }),
            own_public: migration.rights.owners.kept && !matches!(migration.creation, Creation::UseFilled),
            spare_owners: migration.content.powerless_owners,
            guarded: &migration.content.guarded,
        }
    }

    /// For what comes last.
    pub(super) fn last(rights: &'a Rights) -> Self {
        Self {
            rights,
            skipped_extensions: &[],
            extension_versions: &[],
            schema_existed: true,
            own_public: false,
            spare_owners: false,
            guarded: &[],
        }
    }

    /// Whether an entry waits for the end of replication.
    fn makes_wait(&self, entry: &Entry) -> bool {
        guards(entry, self.guarded)
    }

    /// Whether an entry is restored at all, apart from those with a step of their own: privileges, statistics, publications,
    /// event triggers.
    pub(super) fn wants(&self, entry: &Entry) -> bool {
        !entry.is_privilege()
            && !entry.is_statistics()
            && !entry.is_publication()
            && !entry.is_subscription()
            && !entry.is_event_trigger()
            && !self.makes_wait(entry)
            && !entry.extension().is_some_and(|name| self.skipped_extensions.contains(&name))
            // The schema public is there already; what is left to restore of it is its owner.
            && (entry.is_property() || !entry.is_public_schema() || self.own_public)
    }
}

/// Whether an entry is the row level security of one of `tables`, by their OIDs on the source.
pub(super) fn guards(entry: &Entry, tables: &[u32]) -> bool {
    entry.is_row_security() && tables.contains(&entry.oid)
}
