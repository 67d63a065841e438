//! Definitions: one archive of the source's schema, restored in two halves around the rows.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::privileges::Lent;
use super::{Context, extensions, privileges};
use crate::error::{Error, Kind};
use crate::facts::Reserved;
use crate::logger;
use crate::plan::{Creation, ExtensionPlan, Migration, Rights};
use crate::sql::Sql;
use crate::sql::names::PREFIX;
use crate::tools::{self, DumpRequest, Entry, RelationStatistics, RestoreError, RestoreRequest, Script, Section, Toc};

/// Entries with statistics that are in memory at the same time; one may have some megabytes.
const STATISTICS_AT_ONCE: usize = 100;

/// A schema archive of one database. Its file goes with the run's directory.
pub(super) struct Archive {
    database: String,
    file: PathBuf,
    contents: Toc,
}

/// How entries are restored, the same for every half.
#[derive(Clone, Copy)]
pub(super) struct Manner<'a> {
    /// What the target user may do.
    rights: &'a Rights,
    /// Extensions whose entries are left out.
    skipped_extensions: &'a [String],
    /// Extensions that are created in another version than the target would choose.
    extension_versions: &'a [ExtensionPlan],
    /// Whether objects may be there already.
    schema_existed: bool,
    /// Whether schema `public` gets the source's owner. One that a user has filled keeps its own.
    own_public: bool,
    /// Whether privileges that take rights from a table's owner wait for the end of replication.
    spare_owners: bool,
    /// Index builds at the same time.
    jobs: usize,
}

impl<'a> Manner<'a> {
    /// For a migration from its beginning.
    pub(super) fn new(migration: &'a Migration, jobs: usize) -> Self {
        Self {
            rights: &migration.rights,
            skipped_extensions: &migration.skipped_extensions,
            extension_versions: &migration.extension_versions,
            schema_existed: matches!(migration.creation, Creation::UseFilled | Creation::UseEmpty { clean: true }),
            own_public: migration.rights.owners.kept && !matches!(migration.creation, Creation::UseFilled),
            spare_owners: migration.content.powerless_owners,
            jobs,
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
            jobs: 1,
        }
    }
}

impl Archive {
    /// Dumps the schema as `snapshot` shows it, or as it is now.
    pub(super) async fn dump(context: &Context, database: &str, snapshot: Option<&str>) -> Result<Self, Error> {
        let file = tempfile::Builder::new()
            .prefix("schema-")
            .suffix(".dump")
            .tempfile_in(&context.directory)
            .and_then(|file| file.into_temp_path().keep().map_err(|error| error.error))
            .map_err(|error| Error::new(Kind::Failed, "create a file for the schema archive").caused_by(error))?;
        let from = context.dump_from.in_database(database);
        let request = DumpRequest {
            snapshot,
            statistics: context.statistics,
            utf8: !context.not_utf8.contains(database),
            file: &file,
        };
        tools::dump_schema(&context.tools, &from, request, &context.cancel).await?;
        let contents = tools::contents(&context.tools, &file, &context.cancel).await?;
        Ok(Self { database: database.to_owned(), file, contents })
    }

    /// The database.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// Tables, types, functions: what rows need.
    pub(super) async fn restore_before_data(&self, context: &Context, manner: Manner<'_>) -> Result<(), Error> {
        // One job: pg_restore only builds indexes and loads data in parallel, and then counts errors exactly.
        let manner = Manner { jobs: 1, ..manner };
        // Schemas with their privileges first: foreign keys look into them with the rights of the tables' owners, and owners
        // need CREATE on them.
        self.restore(context, manner, Entry::is_schema).await?;
        self.grant(context, manner, Entry::is_schema).await?;
        let order = self.contents.entries.iter().filter(|entry| entry.is_extension()).filter_map(Entry::extension);
        extensions::create(context, &self.database, order, manner.extension_versions).await?;
        self.restore(context, manner, |entry| entry.section == Section::PreData && !entry.is_schema()).await
    }

    /// What a subscription needs to find rows: primary keys, unique constraints, and the indexes that serve as replica identity.
    pub(super) async fn restore_identities(
        &self,
        context: &Context,
        manner: Manner<'_>,
        identity_indexes: &[u32],
    ) -> Result<(), Error> {
        self.restore(context, manner, |entry| is_identity(entry, identity_indexes)).await
    }

    /// Indexes, constraints, triggers, rules, policies.
    pub(super) async fn restore_after_data(&self, context: &Context, manner: Manner<'_>) -> Result<(), Error> {
        self.restore(context, manner, |entry| {
            entry.section == Section::PostData && !entry.is_index_attach() && !is_for_the_end(entry)
        })
        .await?;
        self.attach_indexes(context, manner).await?;
        self.restore_foreign_keys(context, manner, &BTreeSet::new()).await
    }

    /// The same, less what [`Archive::restore_identities`] made and what [`Archive::restore_foreign_keys`] will make.
    pub(super) async fn restore_after_identities(
        &self,
        context: &Context,
        manner: Manner<'_>,
        identity_indexes: &[u32],
    ) -> Result<(), Error> {
        self.restore(context, manner, |entry| {
            entry.section == Section::PostData
                && !is_identity(entry, identity_indexes)
                && !entry.is_index_attach()
                && !is_for_the_end(entry)
        })
        .await?;
        self.attach_indexes(context, manner).await
    }

    /// Indexes of partitions become part of those of their partitioned tables, one after the other: of several at once each
    /// may miss that the others have made theirs valid, and an upper index then stays invalid for good.
    async fn attach_indexes(&self, context: &Context, manner: Manner<'_>) -> Result<(), Error> {
        self.restore(context, Manner { jobs: 1, ..manner }, Entry::is_index_attach).await
    }

    /// Foreign keys but those `there`, by their OIDs on the source; comments on whatever comes after the rows; privileges.
    pub(super) async fn restore_foreign_keys(
        &self,
        context: &Context,
        manner: Manner<'_>,
        there: &BTreeSet<u32>,
    ) -> Result<(), Error> {
        self.restore(context, manner, |entry| {
            entry.section == Section::PostData
                && is_for_the_end(entry)
                && !(entry.is_foreign_key() && there.contains(&entry.oid))
        })
        .await?;
        self.restore_privileges(context, manner).await
    }

    /// The source's own publications, which must not exist while rows still arrive.
    pub(super) async fn restore_publications(&self, context: &Context, rights: &Rights) -> Result<(), Error> {
        let list = self.contents.write_list(|entry| entry.is_publication() && !is_ours(entry));
        self.restore_list(context, Manner::last(rights), &list).await
    }

    /// Lists of all entries with statistics, each for [`Archive::statistics`].
    pub(super) fn lists_of_statistics(&self) -> Vec<String> {
        let list = self.contents.write_list(Entry::is_statistics);
        let lines: Vec<_> = list.split_inclusive('\n').collect();
        lines.chunks(STATISTICS_AT_ONCE).map(<[_]>::concat).collect()
    }

    /// What the source's planner knew.
    pub(super) async fn statistics(&self, context: &Context, list: &str) -> Result<Vec<RelationStatistics>, Error> {
        let script = tools::script(&context.tools, &self.file, list, &context.cancel).await?;
        Ok(script.into_statistics().collect())
    }

    /// Event triggers: after everything that they could fire for.
    pub(super) async fn restore_event_triggers(&self, context: &Context, rights: &Rights) -> Result<(), Error> {
        let list = self.contents.write_list(Entry::is_event_trigger);
        if rights.event_triggers {
            return self.restore_list(context, Manner::last(rights), &list).await;
        }
        let script = tools::script(&context.tools, &self.file, &list, &context.cancel).await?;
        self.leave(context, Reserved::EventTriggers, &script, "only superusers may create event triggers");
        Ok(())
    }

    /// Privileges, after the rows: whoever loads them may not have any.
    async fn restore_privileges(&self, context: &Context, manner: Manner<'_>) -> Result<(), Error> {
        self.grant(context, manner, |entry| !entry.is_schema()).await
    }

    /// The privileges that waited for the end of replication.
    pub(super) async fn restore_spared_privileges(&self, context: &Context, rights: &Rights) -> Result<(), Error> {
        let mut script = self.privileges(context, |entry| !entry.is_schema()).await?;
        script.entries.retain(|entry| takes_from_owner(entry));
        privileges::grant(context, &self.database, rights, &script).await
    }

    async fn grant(&self, context: &Context, manner: Manner<'_>, which: impl Fn(&Entry) -> bool) -> Result<(), Error> {
        let owns_public = manner.rights.owns_public;
        let mut script =
            self.privileges(context, |entry| which(entry) && (owns_public || !entry.is_public_schema())).await?;
        if manner.spare_owners {
            script.entries.retain(|entry| !takes_from_owner(entry));
        }
        privileges::grant(context, &self.database, manner.rights, &script).await?;
        if !owns_public && manner.rights.changes_public() {
            let left = self.privileges(context, |entry| which(entry) && entry.is_public_schema()).await?;
            self.leave(context, Reserved::Privileges, &left, "schema public belongs to somebody else");
        }
        Ok(())
    }

    async fn privileges(&self, context: &Context, which: impl Fn(&Entry) -> bool) -> Result<Script, Error> {
        let list = self.contents.write_list(|entry| entry.is_privilege() && which(entry));
        Ok(tools::script(&context.tools, &self.file, &list, &context.cancel).await?)
    }

    fn leave(&self, context: &Context, kind: Reserved, script: &Script, reason: &str) {
        for statement in script.statements() {
            context.leave(Some(&self.database), kind, &statement, reason.to_owned());
        }
    }

    async fn restore(&self, context: &Context, manner: Manner<'_>, half: impl Fn(&Entry) -> bool) -> Result<(), Error> {
        let wanted = |entry: &Entry| {
            half(entry)
                && !entry.is_privilege()
                && !entry.is_statistics()
                && !entry.is_publication()
                && !entry.is_subscription()
                && !entry.is_event_trigger()
                && !entry.extension().is_some_and(|name| manner.skipped_extensions.contains(&name))
                // The schema public is there already; what is left to restore of it is its owner.
                && (entry.is_property() || !entry.is_public_schema() || manner.own_public)
        };
        let list = self.contents.write_list(wanted);
        if list.is_empty() {
            return Ok(());
        }
        let builds = self.contents.entries.iter().filter(|entry| entry.section == Section::PostData && wanted(entry));
        let builds = builds.take(manner.jobs).count();
        // Databases build in the order in which they come to it: the parallel ones are those of all together.
        let permits = context.builds.acquire_many(u32::try_from(builds).unwrap_or(1)).await;
        let lent = Lent::lend(context, &self.database, manner.rights).await?;
        let restored = self.restore_list(context, Manner { jobs: builds.max(1), ..manner }, &list).await;
        drop(permits);
        lent.take_back().await?;
        restored
    }

    async fn restore_list(&self, context: &Context, manner: Manner<'_>, list: &str) -> Result<(), Error> {
        if list.is_empty() {
            return Ok(());
        }
        let to = context.restore_to.in_database(&self.database);
        // The database may have settings of its own already.
        let mut settings = vec![
            ("synchronous_commit", "off"),
            ("statement_timeout", "0"),
            ("lock_timeout", "0"),
            ("default_transaction_read_only", "off"),
        ];
        if context.target_superuser {
            // Errors are told apart by their words.
            settings.push(("lc_messages", "C"));
        }
        let request = RestoreRequest {
            archive: &self.file,
            list,
            jobs: manner.jobs,
            no_owner: !manner.rights.owners.kept,
            verbose: context.verbose,
            settings: &settings,
        };
        let outcome = tools::restore(&context.tools, &to, request, &context.cancel).await?;
        let judging =
            tools::Context { schema_existed: manner.schema_existed, announced: manner.rights.announced.clone() };
        let verdict = tools::classify(&outcome, &judging);
        for (row, error) in &verdict.harmless {
            tracing::debug!(target: logger::TARGET, "{}: harmless ({}): {}", logger::database(&self.database), row.name, error.message);
        }
        for (kind, error) in &verdict.refused {
            let statement = error.whole_command().map_or_else(|| not_whole(error), Sql::from_archive);
            context.leave(Some(&self.database), *kind, &statement, error.message.clone());
        }
        for error in &verdict.failures {
            tracing::error!(target: logger::TARGET, "{}: pg_restore: {error}", logger::database(&self.database));
        }
        if verdict.is_success() {
            return Ok(());
        }
        let message = match verdict.failures.as_slice() {
            [] => format!("pg_restore did not end well: {}", outcome.last_words.join("\n")),
            [only] => format!("pg_restore: {only}"),
            [first, rest @ ..] => format!("pg_restore: {first} (and {} more, see the log)", rest.len()),
        };
        Err(Error::new(Kind::Failed, message))
    }
}

fn is_identity(entry: &Entry, identity_indexes: &[u32]) -> bool {
    entry.section == Section::PostData
        && (entry.is_index_constraint() || entry.is_index() && identity_indexes.contains(&entry.oid))
}

fn is_for_the_end(entry: &Entry) -> bool {
    entry.is_foreign_key() || entry.is_property()
}

/// A comment for what cannot be shown.
fn not_whole(error: &RestoreError) -> Sql {
    let beginning = error.command.lines().next().unwrap_or_default();
    Sql::from_archive(format!("-- with its options, which may hold passwords and are not shown here: {beginning} …"))
}

/// Whether privileges take something from a table's owner: nobody else has rights that could be revoked from a role.
fn takes_from_owner(entry: &[String]) -> bool {
    entry.iter().any(|statement| {
        statement.starts_with("REVOKE ") && statement.contains(" ON TABLE ") && !statement.ends_with(" FROM PUBLIC;")
    })
}

/// Whether an entry is about a publication that a run of ours made. Listings show names unquoted; ours have no blanks.
fn is_ours(entry: &Entry) -> bool {
    entry.label.split(' ').any(|word| word.starts_with(PREFIX))
}
