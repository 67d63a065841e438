//! Definitions: one archive of the source's schema, restored in two halves around the rows.

use std::path::PathBuf;

use super::Context;
use crate::error::{Error, Kind};
use crate::logger;
use crate::plan::Migration;
use crate::sql::names::PREFIX;
use crate::tools::{self, DumpRequest, Entry, RestoreRequest, Section, Toc};

/// A schema archive of one database. Its file goes with the run's directory.
pub(super) struct Archive {
    database: String,
    file: PathBuf,
    contents: Toc,
}

/// How entries are restored, the same for every half.
#[derive(Clone, Copy)]
pub(super) struct Manner<'a> {
    /// Extensions whose entries are left out.
    pub(super) skipped_extensions: &'a [String],
    /// Whether objects keep their owners.
    pub(super) keep_owners: bool,
    /// Whether event triggers are restored.
    pub(super) event_triggers: bool,
    /// Whether objects may be there already.
    pub(super) schema_existed: bool,
    /// Whether schema `public` gets the source's owner. One that a user has filled keeps its own.
    pub(super) own_public: bool,
    /// Index builds at the same time.
    pub(super) jobs: usize,
}

impl Migration {
    pub(super) fn manner(&self, jobs: usize) -> Manner<'_> {
        use crate::plan::Creation;
        Manner {
            skipped_extensions: &self.skipped_extensions,
            keep_owners: self.keep_owners,
            event_triggers: self.event_triggers,
            schema_existed: matches!(self.creation, Creation::UseFilled | Creation::UseEmpty { clean: true }),
            own_public: self.keep_owners && !matches!(self.creation, Creation::UseFilled),
            jobs,
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
        let request = DumpRequest { snapshot, file: &file, extra: &[] };
        tools::dump_schema(&context.tools, &from, request, &context.cancel).await?;
        let contents = tools::contents(&context.tools, &file, &context.cancel).await?;
        Ok(Self { database: database.to_owned(), file, contents })
    }

    /// Tables, types, functions: what rows need.
    pub(super) async fn restore_before_data(&self, context: &Context, manner: Manner<'_>) -> Result<(), Error> {
        // One job: pg_restore only builds indexes and loads data in parallel, and then counts errors exactly.
        let manner = Manner { jobs: 1, ..manner };
        // Unless a superuser asks, ALTER … OWNER TO wants the new owner to have CREATE on the schema, which pg_restore grants
        // after everything else.
        let schemas_first = manner.keep_owners && !context.target_superuser;
        if schemas_first {
            self.restore(context, manner, Entry::is_schema).await?;
        }
        self.restore(context, manner, |entry| {
            entry.section == Section::PreData && !(schemas_first && entry.is_schema())
        })
        .await
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
        self.restore(context, manner, |entry| entry.section == Section::PostData).await
    }

    /// The same, less what [`Archive::restore_identities`] made and what [`Archive::restore_foreign_keys`] will make.
    pub(super) async fn restore_after_identities(
        &self,
        context: &Context,
        manner: Manner<'_>,
        identity_indexes: &[u32],
    ) -> Result<(), Error> {
        self.restore(context, manner, |entry| {
            entry.section == Section::PostData && !is_identity(entry, identity_indexes) && !is_for_the_end(entry)
        })
        .await
    }

    /// Foreign keys, and comments on whatever comes after the rows.
    pub(super) async fn restore_foreign_keys(&self, context: &Context, manner: Manner<'_>) -> Result<(), Error> {
        self.restore(context, manner, |entry| entry.section == Section::PostData && is_for_the_end(entry)).await
    }

    /// The source's own publications.
    pub(super) async fn restore_publications(&self, context: &Context, keep_owners: bool) -> Result<(), Error> {
        let list = self.contents.write_list(|entry| entry.is_publication() && !is_ours(entry));
        let manner = Manner {
            skipped_extensions: &[],
            keep_owners,
            event_triggers: false,
            schema_existed: true,
            own_public: false,
            jobs: 1,
        };
        self.restore_list(context, manner, &list).await
    }

    async fn restore(&self, context: &Context, manner: Manner<'_>, half: impl Fn(&Entry) -> bool) -> Result<(), Error> {
        let list = self.contents.write_list(|entry| {
            half(entry)
                && !entry.is_publication()
                && !entry.is_subscription()
                && (manner.event_triggers || !entry.is_event_trigger())
                && !entry.extension().is_some_and(|name| manner.skipped_extensions.contains(&name))
                // The schema public is there already; what is left to restore of it is its owner.
                && (entry.is_property() || !entry.is_public_schema() || manner.own_public)
        });
        self.restore_list(context, manner, &list).await
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
            no_owner: !manner.keep_owners,
            role: None,
            verbose: context.verbose,
            settings: &settings,
        };
        let outcome = tools::restore(&context.tools, &to, request, &context.cancel).await?;
        let judging =
            tools::Context { schema_existed: manner.schema_existed, missing_roles: context.missing_roles.clone() };
        let verdict = tools::classify(&outcome, &judging);
        for (row, error) in &verdict.harmless {
            tracing::debug!(target: logger::TARGET, "{}: harmless ({}): {}", logger::database(&self.database), row.name, error.message);
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

/// Whether an entry is about a publication that a run of ours made. Listings show names unquoted; ours have no blanks.
fn is_ours(entry: &Entry) -> bool {
    entry.label.split(' ').any(|word| word.starts_with(PREFIX))
}
