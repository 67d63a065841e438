//! Definitions: one archive of the source's schema, restored in two halves around the rows.
//!
//! Entries go in batches (`batches`), those of very many tables through several sessions (`parallel`); those of a batch that is
//! refused go one by one through pg_restore (`judged`), which decides whether that is harmless, announced or a failure.
//! Indexes are built while rows are still being copied (`builds`).

mod batches;
mod builds;
mod definition;
mod foreign_keys;
mod judged;
mod manner;
mod parallel;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(super) use self::builds::{Besides, Builds};
use self::judged::Failures;
pub(super) use self::manner::Manner;
use self::manner::guards;

use super::snapshot::{LOCK_TIMEOUT, Snapshot};
use super::{Context, extensions, journal, privileges};
use crate::error::{Error, Kind};
use crate::facts::Reserved;
use crate::logger;
use crate::pg::Client;
use crate::plan::{Content, Rights};
use crate::sql::names::PREFIX;
use crate::tools::{
    self, DumpRequest, Entry, Missing, Piece, RelationStatistics, Script, Section, SqlFile, Toc, write_list,
};

/// Bytes of a table. What comes after the rows of smaller ones is made by whole entries, many in one transaction: step by
/// step it would take longer.
const SMALL: u64 = 8 * 1024 * 1024;

/// For how long after the last step a session is taken to live if nobody has said otherwise. A firewall that drops a connection for
/// idleness says nothing, but waits for minutes first.
const TRUSTED: Duration = Duration::from_secs(5);

/// A schema archive of one database. Its file goes with the run's directory.
pub(super) struct Archive {
    database: String,
    file: PathBuf,
    contents: Toc,
    sql: SqlFile,
    /// Where each entry is in `sql`.
    pieces: BTreeMap<u32, usize>,
    /// What the target has refused so far.
    missing: Mutex<Missing>,
    session: tokio::sync::Mutex<Option<(Arc<Client>, Instant)>>,
}

impl Archive {
    /// Dumps the schema as `snapshot` shows it, or as it is now.
    pub(super) async fn dump(
        context: &Context,
        database: &str,
        snapshot: Option<&Snapshot<'_>>,
        rights: &Rights,
    ) -> Result<Self, Error> {
        let file = new_file(context, ".dump")?;
        let from = context.dump_from.in_database(database);
        let request = DumpRequest {
            snapshot: snapshot.map(Snapshot::name),
            labels: match snapshot {
                Some(snapshot) => snapshot.has_labels().await?,
                None => true,
            },
            statistics: context.statistics,
            utf8: !context.not_utf8.contains(database),
            lock_timeout: LOCK_TIMEOUT,
            file: &file,
        };
        tools::dump_schema(&context.tools, &from, request, &context.cancel).await?;
        let contents = tools::contents(&context.tools, &file, &context.cancel).await?;
        let list = contents.write_list(|entry| !entry.is_statistics());
        let path = new_file(context, ".sql")?;
        let sql = SqlFile::write(&context.tools, &file, &list, !rights.owners.kept, &path, &context.cancel).await?;
        let pieces = sql.pieces().iter().enumerate().map(|(at, piece)| (piece.dump_id, at)).collect();
        Ok(Self {
            database: database.to_owned(),
            file,
            contents,
            sql,
            pieces,
            missing: Mutex::default(),
            session: tokio::sync::Mutex::default(),
        })
    }

    /// The session in the target that does one thing after the other: creates objects, keeps the journal.
    /// Another one where that was lost while it was idle, even where only asking it tells so.
    pub(super) async fn session(&self, context: &Context) -> Result<Arc<Client>, Error> {
        let mut session = self.session.lock().await;
        let lives = match &*session {
            None => false,
            Some((client, _)) if client.is_closed() => false,
            Some((_, asked)) if asked.elapsed() < TRUSTED => true,
            Some((client, _)) => client.try_run("see whether the session lives", "select").await.is_ok(),
        };
        match &mut *session {
            Some((client, asked)) if lives => {
                *asked = Instant::now();
                Ok(Arc::clone(client))
            }
            _ => {
                let client = Arc::new(batches::open(context, &self.database).await?);
                *session = Some((Arc::clone(&client), Instant::now()));
                Ok(client)
            }
        }
    }

    /// Leaves the session, which nobody uses, to whoever needs one in the database; the next to ask for it gets what is kept
    /// then.
    pub(super) async fn leave_session(&self, context: &Context) {
        let mut session = self.session.lock().await;
        let Some((client, asked)) = session.take() else { return };
        match Arc::try_unwrap(client) {
            Ok(client) => context.target.keep(client),
            Err(in_use) => *session = Some((in_use, asked)),
        }
    }

    fn piece(&self, entry: &Entry) -> Option<&Piece> {
        self.piece_of(entry.dump_id)
    }

    fn piece_of(&self, dump_id: u32) -> Option<&Piece> {
        self.pieces.get(&dump_id).and_then(|&at| self.sql.pieces().get(at))
    }

    /// The database.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// Tables, types, functions: what rows need. Tables by up to `jobs` sessions.
    pub(super) async fn restore_before_data(
        &self,
        context: &Context,
        manner: Manner<'_>,
        jobs: usize,
    ) -> Result<(), Error> {
        // Schemas with their privileges first: foreign keys look into them with the rights of the tables' owners, and owners
        // need CREATE on them.
        self.restore(context, manner, Entry::is_schema).await?;
        self.grant(context, manner, Entry::is_schema).await?;
        let order = self.contents.entries.iter().filter(|entry| entry.is_extension()).filter_map(Entry::extension);
        extensions::create(context, &self.database, order, manner.extension_versions).await?;
        let wanted = self.wanted(manner, |entry| entry.section == Section::PreData && !entry.is_schema());
        let create = async {
            let mut failures = Failures::default();
            for stretch in parallel::divide(self, &wanted, jobs) {
                let left = parallel::create(context, self, stretch).await?;
                failures.add(self.create(context, manner, &left).await?);
            }
            Ok(failures)
        };
        self.lending(context, manner, create).await?.into_result(&self.database)
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

    /// What is left of indexes, constraints, triggers, rules and policies after `builds`.
    pub(super) async fn restore_after_data(
        &self,
        context: &Context,
        manner: Manner<'_>,
        builds: &Builds<'_>,
    ) -> Result<(), Error> {
        self.restore(context, manner, |entry| {
            entry.section == Section::PostData
                && !builds.has_built(entry)
                && !entry.is_index_attach()
                && !is_for_the_end(entry)
        })
        .await?;
        // Indexes of partitions become part of those of their partitioned tables.
        self.restore(context, manner, Entry::is_index_attach).await
    }

    /// Foreign keys but those `there`, by their OIDs on the source; comments on whatever comes after the rows.
    pub(super) async fn restore_foreign_keys(
        &self,
        context: &Context,
        manner: Manner<'_>,
        content: &Content,
        jobs: usize,
        there: &BTreeSet<u32>,
    ) -> Result<Failures, Error> {
        let wanted = self.wanted(manner, |entry| {
            entry.section == Section::PostData
                && is_for_the_end(entry)
                && !(entry.is_foreign_key() && there.contains(&entry.oid))
        });
        self.lending(context, manner, async {
            let left = foreign_keys::restore(context, self, content, jobs, wanted).await?;
            self.create(context, manner, &left).await
        })
        .await
    }

    /// What must not exist while rows still arrive or objects are created: the source's own publications, and event triggers.
    /// In the transaction that ends the journal: whatever ends the run, the next one knows whether they are there.
    pub(super) async fn end_with_last(
        &self,
        context: &Context,
        session: &Client,
        rights: &Rights,
    ) -> Result<(), Error> {
        let mut last = self.entries(|entry| entry.is_publication() && !is_ours(entry));
        let triggers = self.entries(Entry::is_event_trigger);
        if rights.event_triggers {
            last.extend(triggers);
        } else {
            let script = self.script(&triggers)?;
            self.leave(context, Reserved::EventTriggers, &script, "only superusers may create event triggers");
        }
        let mut failures = Failures::default();
        if batches::create_after(session, &journal::drop_statement(), self, &last).await? {
            self.narrate(context, &last);
        } else {
            journal::end(session).await?;
            failures = self.create(context, Manner::last(rights), &last).await?;
        }
        journal::flush(session).await?;
        failures.into_result(&self.database)
    }

    /// What the source's planner knew. A file of its own: few migrations need it, and once.
    pub(super) async fn statistics(&self, context: &Context) -> Result<Statistics, Error> {
        let list = self.contents.write_list(Entry::is_statistics);
        let path = new_file(context, ".statistics.sql")?;
        let sql = SqlFile::write(&context.tools, &self.file, &list, false, &path, &context.cancel).await?;
        Ok(Statistics { sql })
    }

    /// Privileges, after the rows: whoever loads them may not have any.
    pub(super) async fn restore_privileges(&self, context: &Context, manner: Manner<'_>) -> Result<(), Error> {
        self.grant(context, manner, |entry| !entry.is_schema()).await
    }

    /// The privileges that waited for the end of replication.
    pub(super) async fn restore_spared_privileges(&self, context: &Context, rights: &Rights) -> Result<(), Error> {
        let mut script = self.privileges(|entry| !entry.is_schema())?;
        script.entries.retain(|entry| takes_from_owner(entry));
        privileges::grant(context, &*self.session(context).await?, rights, &script).await
    }

    /// The row level security that waited for the end of replication.
    pub(super) async fn restore_row_security(
        &self,
        context: &Context,
        rights: &Rights,
        guarded: &[u32],
    ) -> Result<(), Error> {
        let entries = self.entries(|entry| guards(entry, guarded));
        self.create(context, Manner::last(rights), &entries).await?.into_result(&self.database)
    }

    async fn grant(&self, context: &Context, manner: Manner<'_>, which: impl Fn(&Entry) -> bool) -> Result<(), Error> {
        let owns_public = manner.rights.owns_public;
        let mut script = self.privileges(|entry| which(entry) && (owns_public || !entry.is_public_schema()))?;
        if manner.spare_owners {
            script.entries.retain(|entry| !takes_from_owner(entry));
        }
        privileges::grant(context, &*self.session(context).await?, manner.rights, &script).await?;
        if !owns_public && manner.rights.changes_public() {
            let left = self.privileges(|entry| which(entry) && entry.is_public_schema())?;
            self.leave(context, Reserved::Privileges, &left, "schema public belongs to somebody else");
        }
        Ok(())
    }

    fn privileges(&self, which: impl Fn(&Entry) -> bool) -> Result<Script, Error> {
        self.script(&self.entries(|entry| entry.is_privilege() && which(entry)))
    }

    fn script(&self, entries: &[&Entry]) -> Result<Script, Error> {
        let pieces = entries.iter().filter_map(|&entry| Some((entry, self.piece(entry)?)));
        let text = |(entry, piece)| self.definition(piece)?.ok_or_else(|| not_utf8(entry));
        let texts = pieces.map(text).collect::<Result<Vec<_>, Error>>()?;
        Ok(Script::of(texts.iter().map(String::as_str)))
    }

    fn leave(&self, context: &Context, kind: Reserved, script: &Script, reason: &str) {
        for statement in script.statements() {
            context.leave(Some(&self.database), kind, &statement, reason.to_owned());
        }
    }

    async fn restore(&self, context: &Context, manner: Manner<'_>, half: impl Fn(&Entry) -> bool) -> Result<(), Error> {
        let wanted = self.wanted(manner, half);
        if wanted.is_empty() {
            return Ok(());
        }
        let failures = self.lending(context, manner, self.create(context, manner, &wanted)).await?;
        failures.into_result(&self.database)
    }

    fn wanted(&self, manner: Manner<'_>, half: impl Fn(&Entry) -> bool) -> Vec<&Entry> {
        self.entries(|entry| half(entry) && manner.wants(entry))
    }

    fn entries(&self, which: impl Fn(&Entry) -> bool) -> Vec<&Entry> {
        self.contents.entries.iter().filter(|entry| which(entry)).collect()
    }

    /// Does `work` while owners of objects have what they need in order to own them.
    async fn lending<T>(
        &self,
        context: &Context,
        manner: Manner<'_>,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if !privileges::may_lend(context, manner.rights) {
            return work.await;
        }
        let lent = privileges::lend(context, &*self.session(context).await?, manner.rights).await?;
        let done = work.await;
        if lent {
            // Not the same one: others may have worked for long, while that was idle.
            privileges::take_back(&*self.session(context).await?).await?;
        }
        done
    }

    async fn create(&self, context: &Context, manner: Manner<'_>, entries: &[&Entry]) -> Result<Failures, Error> {
        let mut failures = Failures::default();
        for group in batches::divide(self, entries) {
            context.check()?;
            if batches::create(&*self.session(context).await?, self, &group).await? {
                self.narrate(context, &group);
            } else {
                failures.add(judged::restore(context, self, manner, &write_list(group)).await?);
            }
        }
        Ok(failures)
    }

    /// Says what pg_restore would say.
    fn narrate(&self, context: &Context, entries: &[&Entry]) {
        for entry in entries.iter().filter(|_| context.verbose) {
            tracing::info!(target: logger::MIGRATE, "{}: created {entry}", logger::database(&self.database));
        }
    }
}

/// The statistics of an archive.
pub(super) struct Statistics {
    sql: SqlFile,
}

impl Statistics {
    /// Relation by relation, read as they are asked for: those of one may have some megabytes. Left out are those that cannot be
    /// read.
    pub(super) fn relations(&self) -> impl Iterator<Item = Result<RelationStatistics, Error>> {
        let read = |piece| match self.sql.definition(piece) {
            Ok(text) => text.and_then(|text| RelationStatistics::read(&text)).map(Ok),
            Err(cause) => Some(Err(batches::unreadable(cause))),
        };
        self.sql.pieces().iter().filter_map(read)
    }
}

fn new_file(context: &Context, suffix: &str) -> Result<PathBuf, Error> {
    tempfile::Builder::new()
        .prefix("schema-")
        .suffix(suffix)
        .tempfile_in(&context.directory)
        .and_then(|file| file.into_temp_path().keep().map_err(|error| error.error))
        .map_err(|error| Error::new(Kind::Failed, "create a file for the schema archive").caused_by(error))
}

fn not_utf8(entry: &Entry) -> Error {
    Error::new(Kind::Failed, format!("{entry} has a name that is not UTF-8"))
        .hint("rename it, or give the source database an encoding: SQL_ASCII does not say what its bytes mean")
}

/// Whether a subscription needs an entry in order to find rows.
pub(super) fn is_identity(entry: &Entry, identity_indexes: &[u32]) -> bool {
    entry.section == Section::PostData
        && (entry.is_index_constraint() || entry.is_index() && identity_indexes.contains(&entry.oid))
}

fn is_for_the_end(entry: &Entry) -> bool {
    entry.is_foreign_key() || entry.is_property()
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
