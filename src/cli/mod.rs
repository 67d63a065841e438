//! The command line as typed. Nothing is decided here: [`crate::settings`] says what it means.

pub mod argv;
mod size;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const ENVIRONMENT_AND_EXIT_CODES: &str = "\
Environment:
  SOURCE_SERVICE_URI, TARGET_SERVICE_URI  stand in for --source and --target
  PG* variables and the password file     complete both connection strings, as libpq does

Exit codes:
  0 done, 1 a database or step failed, 2 usage, 3 validation found errors and nothing was changed,
  4 a server cannot be reached or refuses, 5 pg_dump or pg_restore missing or unfit, 6 the two sides
  differ, 7 a wait passed its limit, 129, 130 and 143 interrupted, after cleaning up

Long options may be shortened as long as they stay unambiguous.";

/// Moves all databases of one PostgreSQL server to another, by logical replication or one-time copy.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "pg_migrate",
    version,
    max_term_width = 100,
    args_override_self = true,
    disable_help_subcommand = true,
    override_usage = "pg_migrate -s CONNINFO -t CONNINFO [OPTIONS]\n       pg_migrate COMMAND",
    after_help = ENVIRONMENT_AND_EXIT_CODES
)]
pub struct Cli {
    /// What to do instead of migrating.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to migrate, without a command.
    #[command(flatten)]
    pub migrate: MigrateOptions,
}

/// What can be done instead of migrating.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Drop everything that earlier runs left on both servers: publications, subscriptions, slots, journals
    Cleanup(CleanupOptions),
    /// Compare everything that a migration carries on both servers, definitions and rows; change nothing
    Verify(VerifyOptions),
    /// Print a completion script for a shell
    Completions {
        /// Whose completions
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// Options of a migration.
#[derive(Clone, Debug, Args)]
pub struct MigrateOptions {
    /// The two servers.
    #[command(flatten)]
    pub servers: ServerOptions,

    /// How the target reaches the source, where that differs from how this machine does
    #[arg(long, value_name = "CONNINFO", help_heading = "Servers")]
    pub source_for_target: Option<String>,

    /// What to migrate.
    #[command(flatten)]
    pub selection: SelectionOptions,

    /// Only validate: report every problem and what cures it, change nothing
    #[arg(long, help_heading = "Validation")]
    pub validate: bool,

    /// Validate and print the plan: how each database would be migrated and why, and its largest tables, with --verbose
    /// all; change nothing
    #[arg(long, help_heading = "Validation")]
    pub dry_run: bool,

    /// Refuse when databases, counting selected tables only, are larger than this together; negative: no limit
    #[arg(long, value_name = "BYTES", value_parser = whole_number, allow_negative_numbers = true, help_heading = "Validation")]
    pub dbs_max_total_size: Option<i64>,

    /// Let the source be of a newer major version than the target, with a warning
    #[arg(long, help_heading = "Validation")]
    pub skip_db_version_check: bool,

    /// replication or dump: no automatic choice and no fall-back
    #[arg(long, value_name = "METHOD", value_parser = method, help_heading = "Method")]
    pub force_method: Option<ForcedMethod>,

    /// Copy connections over all databases together [default: from the servers' capacity]
    #[arg(long, value_name = "N", value_parser = positive_number, help_heading = "Method")]
    pub jobs: Option<NonZeroUsize>,

    /// Index builds, checks of foreign keys, ANALYZEs and sessions that create tables at the same time, over all databases
    /// together [default: like --jobs]
    #[arg(long, value_name = "N", value_parser = positive_number, help_heading = "Method")]
    pub index_jobs: Option<NonZeroUsize>,

    /// maintenance_work_mem of each index build (512MB, 2GB, …) [default: from the target's size and --index-jobs, never less
    /// than its own setting]
    #[arg(long, value_name = "SIZE", value_parser = size::size, help_heading = "Method")]
    pub index_memory: Option<u64>,

    /// max_parallel_maintenance_workers of each index build [default: the target's own setting, less where --index-jobs builds
    /// would share too few]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1024), help_heading = "Method")]
    pub index_workers: Option<u16>,

    /// How rows are sent: in binary where both servers certainly mean the same by it (auto), never (text), or also for types of
    /// users and of extensions that are not known to be safe (binary)
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        help_heading = "Method"
    )]
    pub copy_format: FormatOption,

    /// Copy tables that are larger than this in parts of at most this size, by all workers at once (512MB, 2GB, …; the source
    /// has to be 14 or newer) [default: from the sizes of all tables and --jobs]
    #[arg(long, value_name = "SIZE", value_parser = size::size, help_heading = "Method")]
    pub split_tables_larger_than: Option<u64>,

    /// Directory of pg_dump and pg_restore [default: in the usual places and PATH the oldest that fits, but with a target of
    /// 18 or newer one that carries statistics]
    #[arg(long, value_name = "DIR", help_heading = "Method")]
    pub pgbin: Option<PathBuf>,

    /// When databases replicate, wait until each is at most this many bytes behind; negative: do not wait
    #[arg(
        long,
        value_name = "BYTES", value_parser = whole_number,
        default_value_t = -1,
        allow_negative_numbers = true,
        help_heading = "Replication"
    )]
    pub max_replication_lag: i64,

    /// How long that wait may take
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value_t = 86_400, help_heading = "Replication")]
    pub lag_timeout: u64,

    /// Then finish: carry sequences and materialized views, drop subscriptions, slots and publications.
    /// Needs --max-replication-lag of 0 or more
    #[arg(long, help_heading = "Replication")]
    pub stop_replication: bool,

    /// Tables whose updates and deletes cannot be replicated: copy-at-finish, fail, or until the finish let the whole row
    /// (full) or a unique index (index) identify their rows on the source; insert-only loses updates, deletes and truncates
    #[arg(
        long,
        value_name = "POLICY",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        help_heading = "Replication"
    )]
    pub replica_identity: IdentityOption,

    /// Set sequences this many values beyond the source's, for writers that cannot all be stopped
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 0, help_heading = "Replication")]
    pub sequence_margin: u64,

    /// Name publications, subscriptions and slots after the MD5 of the database's name
    #[arg(short, long, help_heading = "Replication")]
    pub mangle: bool,

    /// Do not create databases; one that is missing on the target is an error
    #[arg(long, help_heading = "Target")]
    pub no_createdb: bool,

    /// Everything belongs to the user of --target
    #[arg(long, help_heading = "Target")]
    pub no_owner: bool,

    /// Passwords, or verifiers, for roles that are created: lines role:password, in a file that only you may read
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    pub role_passwords: Option<PathBuf>,

    /// Append what only an administrator of the target may do to this file, as SQL
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    pub admin_sql: Option<PathBuf>,

    /// Add to tables that already have rows on the target, instead of refusing
    #[arg(long, help_heading = "Target")]
    pub append: bool,

    /// Then verify: compare definitions (schema), also numbers of rows (counts), or also their contents (full)
    #[arg(
        long,
        value_name = "LEVEL",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "full",
        hide_possible_values = true,
        help_heading = "Verification"
    )]
    pub verify: Option<VerifyLevel>,

    /// Name up to this many keys of each table whose rows differ
    #[arg(long, value_name = "N", default_value_t = 0, requires = "verify", help_heading = "Verification")]
    pub verify_rows: usize,

    /// How to report.
    #[command(flatten)]
    pub output: OutputOptions,

    /// Show every object that is created, and pg_restore's --verbose output where it is needed
    #[arg(short, long, help_heading = "Output")]
    pub verbose: bool,

    /// Show the placeholder passwords of created roles
    #[arg(long, help_heading = "Output")]
    pub show_passwords: bool,
}

/// Options of `cleanup`.
#[derive(Clone, Debug, Args)]
pub struct CleanupOptions {
    /// The two servers.
    #[command(flatten)]
    pub servers: ServerOptions,
    /// How to report.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Options of `verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyOptions {
    /// The two servers.
    #[command(flatten)]
    pub servers: ServerOptions,

    /// What is compared: what a migration with the same options carries.
    #[command(flatten)]
    pub selection: SelectionOptions,

    /// How much to compare: definitions (schema), also numbers of rows (counts), or also their contents (full)
    #[arg(
        long,
        value_name = "LEVEL",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        help_heading = "Verification"
    )]
    pub level: VerifyLevel,

    /// Name up to this many keys of each table whose rows differ
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Verification")]
    pub verify_rows: usize,

    /// Do not compare owners
    #[arg(long, help_heading = "Verification")]
    pub no_owner: bool,

    /// Connections to each server that read rows [default: from the servers' capacity]
    #[arg(long, value_name = "N", value_parser = positive_number, help_heading = "Verification")]
    pub jobs: Option<NonZeroUsize>,

    /// Replication objects are named after the MD5 of the database's name
    #[arg(short, long, help_heading = "Verification")]
    pub mangle: bool,

    /// How long to wait for running replication to bring what the source had when it was read
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value_t = 86_400, help_heading = "Verification")]
    pub lag_timeout: u64,

    /// How to report.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// A word of `--verify` and `--level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum VerifyLevel {
    /// Definitions
    Schema,
    /// And numbers of rows
    Counts,
    /// And their contents
    #[default]
    Full,
}

/// The two servers.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Servers")]
pub struct ServerOptions {
    /// The server to read: URI or key=value string, as libpq reads them
    #[arg(short, long, value_name = "CONNINFO")]
    pub source: Option<String>,

    /// The server to write
    #[arg(short, long, value_name = "CONNINFO")]
    pub target: Option<String>,
}

/// What to migrate.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What to migrate")]
pub struct SelectionOptions {
    /// Leave out these databases
    #[arg(short, long, value_name = "A,B")]
    pub filtered_db: Option<String>,

    /// Do not create these roles (short: -xr)
    #[arg(long, value_name = "A,B")]
    pub excluded_roles: Option<String>,

    /// Do not migrate these extensions (short: -xe)
    #[arg(long, value_name = "A,B")]
    pub excluded_extensions: Option<String>,

    /// Carry only rows of this table: name, schema.name or database.schema.name, as the catalog spells them;
    /// quote a part that contains a dot or a double quote. May be repeated
    #[arg(long, value_name = "TABLE", conflicts_with = "skip_table")]
    pub with_table: Vec<String>,

    /// Carry rows of all tables but this one. May be repeated
    #[arg(long, value_name = "TABLE")]
    pub skip_table: Vec<String>,

    /// Carry rows of tables that belong to extensions; so it is by default
    #[arg(long, overrides_with = "no_replicate_extension_tables")]
    pub replicate_extension_tables: bool,

    /// Do not carry them
    #[arg(long, overrides_with = "replicate_extension_tables")]
    pub no_replicate_extension_tables: bool,
}

/// How to report.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// Log what is done in detail
    #[arg(short, long)]
    pub debug: bool,

    /// Goes into every log line [default: four random letters and digits]
    #[arg(long, value_name = "ID")]
    pub migration_id: Option<String>,

    /// text, or json: the result as one object on standard output; the log stays on standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, hide_possible_values = true)]
    pub output: OutputFormat,

    /// No progress display
    #[arg(long)]
    pub no_progress: bool,
}

/// What goes to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Nothing: the log says it all
    #[default]
    Text,
    /// The result as one JSON object
    Json,
}

/// A word of `--copy-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatOption {
    /// In binary where that is safe
    #[default]
    Auto,
    /// As text
    Text,
    /// In binary wherever there is a binary form
    Binary,
}

/// A word of `--replica-identity`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum IdentityOption {
    /// Not published; copied whole once more at the finish
    #[default]
    CopyAtFinish,
    /// An error
    Fail,
    /// Until the finish, the whole row identifies rows
    Full,
    /// Until the finish, a unique index does
    Index,
    /// Only inserts are replicated
    InsertOnly,
}

/// A word of `--force-method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForcedMethod {
    /// `replication`
    Replication,
    /// `dump`
    Dump,
}

impl Cli {
    /// Reads normalised `arguments`, program name first.
    ///
    /// # Errors
    /// clap's, which may quote arguments; help and version are errors too.
    pub fn read(arguments: Vec<String>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        if let (Some(name), true) = (matches.subcommand_name(), matches.args_present()) {
            let message = format!("options of '{name}' have to stand behind it");
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
        Self::from_arg_matches(&matches)
    }
}

fn whole_number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "it has to be a whole number of bytes".to_owned())
}

fn positive_number(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "it has to be a whole number of 1 or more".to_owned())
}

fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "it has to be a whole number of 0 or more".to_owned())
}

fn seconds(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "it has to be a whole number of seconds".to_owned())
}

fn method(word: &str) -> Result<ForcedMethod, String> {
    match word {
        "replication" => Ok(ForcedMethod::Replication),
        "dump" => Ok(ForcedMethod::Dump),
        _ => Err(format!("Unsupported migration method '{word}', use replication or dump")),
    }
}
