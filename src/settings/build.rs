//! From options and environment to settings: defaults, precedence, rules across options.

use std::error::Error as StdError;
use std::time::Duration;

use super::{
    CopyFormat, Environment, IdentityPolicy, Level, Method, OutputSettings, RolePasswords, Selection, Settings,
    TableFilter, TablePattern, Verification,
};
use crate::cli::{
    ForcedMethod, FormatOption, IdentityOption, MigrateOptions, SelectionOptions, ServerOptions, VerifyLevel,
    VerifyOptions,
};
use crate::conninfo::ConnInfo;
use crate::error::{self, Error, Kind};

/// The two servers.
#[derive(Clone, Debug)]
pub struct Servers {
    /// The server that is read.
    pub source: ConnInfo,
    /// The server that is written.
    pub target: ConnInfo,
}

impl Servers {
    /// Connection strings of `options`, or of `SOURCE_SERVICE_URI` and `TARGET_SERVICE_URI` where an option is missing.
    ///
    /// `parse` reads one connection string; its errors must not contain the string.
    ///
    /// # Errors
    /// [`Kind::Usage`] when one is missing, [`Kind::Validation`] when one cannot be read.
    pub fn build<E: StdError>(
        options: &ServerOptions,
        environment: &Environment,
        parse: impl Fn(&str) -> Result<ConnInfo, E>,
    ) -> Result<Self, Error> {
        let given = |option: &Option<String>, flag, variable: &'static str| match option {
            Some(text) => Some((text.clone(), flag)),
            None => environment
                .variables
                .get(variable)
                .filter(|text| !text.is_empty())
                .cloned()
                .map(|text| (text, variable)),
        };
        let source = given(&options.source, "--source", "SOURCE_SERVICE_URI");
        let target = given(&options.target, "--target", "TARGET_SERVICE_URI");
        let missing = match (&source, &target) {
            (None, None) => {
                "no servers given: use --source and --target, or set SOURCE_SERVICE_URI and TARGET_SERVICE_URI"
            }
            (None, Some(_)) => "no source server given: use --source, or set SOURCE_SERVICE_URI",
            (Some(_), None) => "no target server given: use --target, or set TARGET_SERVICE_URI",
            (Some((source, source_from)), Some((target, target_from))) => {
                return Ok(Self {
                    source: read(source, source_from, &parse)?,
                    target: read(target, target_from, &parse)?,
                });
            }
        };
        Err(Error::new(Kind::Usage, missing).hint("pg_migrate --help lists all options"))
    }
}

impl Settings {
    /// What `options` and `environment` mean together, but for what is in files; `parse` as for [`Servers::build`].
    ///
    /// # Errors
    /// [`Kind::Usage`] for what makes no sense by itself, [`Kind::Validation`] for connection strings that cannot be read
    /// and for options that contradict each other.
    pub fn build<E: StdError>(
        options: MigrateOptions,
        output: &OutputSettings,
        environment: &Environment,
        parse: impl Fn(&str) -> Result<ConnInfo, E>,
    ) -> Result<Self, Error> {
        let Servers { source, target } = Servers::build(&options.servers, environment, &parse)?;
        let source_for_target =
            options.source_for_target.map(|text| read(&text, "--source-for-target", &parse)).transpose()?;
        let max_replication_lag = u64::try_from(options.max_replication_lag).ok();
        if options.stop_replication && max_replication_lag.is_none() {
            return Err(Error::new(
                Kind::Validation,
                "Stopping replication requires also '--max-replication-lag' >= 0",
            ));
        }
        let selection = selection(options.selection)?;
        let lag_timeout = Duration::from_secs(options.lag_timeout);
        let verification = options.verify.map(|word| Verification {
            level: level(word),
            rows: options.verify_rows,
            selection: selection.clone(),
            mangle: options.mangle,
            ignore_owners: options.no_owner,
            jobs: options.jobs,
            lag_timeout,
            given_passwords: Vec::new(),
        });
        Ok(Self {
            source,
            target,
            source_for_target,
            validate_only: options.validate,
            dry_run: options.dry_run,
            selection,
            create_databases: !options.no_createdb,
            mangle: options.mangle,
            force_method: options.force_method.map(|method| match method {
                ForcedMethod::Replication => Method::Replication,
                ForcedMethod::Dump => Method::Dump,
            }),
            max_replication_lag,
            stop_replication: options.stop_replication,
            lag_timeout,
            replica_identity: match options.replica_identity {
                IdentityOption::CopyAtFinish => IdentityPolicy::CopyAtFinish,
                IdentityOption::Fail => IdentityPolicy::Fail,
                IdentityOption::Full => IdentityPolicy::Full,
                IdentityOption::Index => IdentityPolicy::Index,
                IdentityOption::InsertOnly => IdentityPolicy::InsertOnly,
            },
            verification,
            max_total_size: options.dbs_max_total_size.and_then(|bytes| u64::try_from(bytes).ok()),
            pgbin: options.pgbin,
            skip_version_check: options.skip_db_version_check,
            jobs: options.jobs,
            index_jobs: options.index_jobs,
            index_memory: options.index_memory,
            index_workers: options.index_workers,
            copy_format: match options.copy_format {
                FormatOption::Auto => CopyFormat::Auto,
                FormatOption::Text => CopyFormat::Text,
                FormatOption::Binary => CopyFormat::Binary,
            },
            split_larger_than: options.split_tables_larger_than,
            sequence_margin: options.sequence_margin,
            no_owner: options.no_owner,
            role_passwords: RolePasswords::default(),
            admin_sql: options.admin_sql,
            append: options.append,
            verbose: options.verbose,
            migration_id: output.migration_id.clone(),
        })
    }
}

impl Verification {
    /// What the options of `verify` mean.
    ///
    /// # Errors
    /// [`Kind::Usage`] for table patterns that cannot be read.
    pub fn build(options: VerifyOptions) -> Result<Self, Error> {
        Ok(Self {
            level: level(options.level),
            rows: options.verify_rows,
            selection: selection(options.selection)?,
            mangle: options.mangle,
            ignore_owners: options.no_owner,
            jobs: options.jobs,
            lag_timeout: Duration::from_secs(options.lag_timeout),
            given_passwords: Vec::new(),
        })
    }
}

fn level(word: VerifyLevel) -> Level {
    match word {
        VerifyLevel::Schema => Level::Schema,
        VerifyLevel::Counts => Level::Counts,
        VerifyLevel::Full => Level::Full,
    }
}

/// Both kinds of mistake, a typing error and a variable that a template left half-filled, are told apart by `given_by`.
fn read<E: StdError>(
    text: &str,
    given_by: &str,
    parse: impl Fn(&str) -> Result<ConnInfo, E>,
) -> Result<ConnInfo, Error> {
    parse(text).map_err(|cause| {
        Error::new(Kind::Validation, "Invalid source or target connection string")
            .caused_by(format!("{given_by}: {}", error::chain(&cause)))
    })
}

fn selection(options: SelectionOptions) -> Result<Selection, Error> {
    let tables = if !options.with_table.is_empty() {
        TableFilter::With(patterns("--with-table", &options.with_table)?)
    } else if !options.skip_table.is_empty() {
        TableFilter::Skip(patterns("--skip-table", &options.skip_table)?)
    } else {
        TableFilter::All
    };
    Ok(Selection {
        filtered_databases: list(options.filtered_db.as_deref()),
        excluded_roles: list(options.excluded_roles.as_deref()),
        excluded_extensions: list(options.excluded_extensions.as_deref()),
        tables,
        extension_tables: !options.no_replicate_extension_tables,
    })
}

/// Names between commas. They are taken as they stand: a name may begin with a space.
fn list(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default().split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn patterns(option: &str, texts: &[String]) -> Result<Vec<TablePattern>, Error> {
    texts
        .iter()
        .map(|text| {
            text.parse().map_err(|cause| Error::new(Kind::Usage, format!("{option} cannot be read")).caused_by(cause))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::{Cli, argv};

    /// Builds settings from arguments; the second value is what was parsed as connection strings.
    fn build(arguments: &[&str], variables: &[(&str, &str)]) -> (Result<Settings, Error>, Vec<String>) {
        let typed = ["pg_migrate"].iter().chain(arguments).map(Into::into);
        let options = Cli::read(argv::normalise(typed).unwrap()).unwrap().migrate;
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment = Environment { variables: BTreeMap::from_iter(variables), ..Environment::default() };
        let output = OutputSettings::new(&options.output, false, &environment);
        let parsed = RefCell::new(Vec::new());
        let settings = Settings::build(options, &output, &environment, |text| {
            parsed.borrow_mut().push(text.to_owned());
            if text == "broken" {
                Err(std::fmt::Error)
            } else {
                crate::conninfo::ConnInfo::parse("host=db user=u", &Environment::default()).map_err(|_| std::fmt::Error)
            }
        });
        (settings, parsed.into_inner())
    }

    fn settings(arguments: &[&str]) -> Settings {
        build(&[&["-s", "s", "-t", "t"], arguments].concat(), &[]).0.unwrap()
    }

    fn refusal(arguments: &[&str]) -> (Kind, String) {
        let error = build(arguments, &[]).0.unwrap_err();
        (error.kind, error.chain())
    }

    #[test]
    fn an_option_wins_over_its_variable() {
        let variables = [("SOURCE_SERVICE_URI", "variable s"), ("TARGET_SERVICE_URI", "variable t")];
        assert_eq!(build(&["-s", "option s"], &variables).1, ["option s", "variable t"]);
    }

    #[test]
    fn a_missing_server_is_named_with_both_ways_to_give_it() {
        let (kind, message) = refusal(&["-s", "x"]);
        assert_eq!(kind, Kind::Usage);
        assert_eq!(message, "no target server given: use --target, or set TARGET_SERVICE_URI");
        assert!(refusal(&[]).1.contains("SOURCE_SERVICE_URI and TARGET_SERVICE_URI"));
    }

    #[test]
    fn an_unreadable_connection_string_names_where_it_came_from() {
        let (kind, message) = refusal(&["-s", "x", "-t", "broken"]);
        assert_eq!(kind, Kind::Validation);
        assert!(message.starts_with("Invalid source or target connection string: --target: "), "{message}");
    }

    #[test]
    fn stopping_replication_needs_a_lag_to_wait_for() {
        let expected = "Stopping replication requires also '--max-replication-lag' >= 0";
        assert_eq!(refusal(&["-s", "s", "-t", "t", "--stop-replication"]), (Kind::Validation, expected.to_owned()));
        assert!(settings(&["--stop-rep", "--max-rep", "0"]).stop_replication);
    }

    #[test]
    fn a_negative_lag_in_any_spelling_means_no_wait() {
        for arguments in
            [&["--max-replication-lag", "-1"][..], &["--max-replication-lag=-1"], &["--max-rep", "-5"], &[]]
        {
            assert_eq!(settings(arguments).max_replication_lag, None);
        }
        assert_eq!(settings(&["--max-rep", "0"]).max_replication_lag, Some(0));
    }

    #[test]
    fn lists_are_split_at_commas() {
        let selection = settings(&["-f", "a,b", "-xr", "r", "-xe=x,y", "--no-rep"]).selection;
        assert_eq!(selection.filtered_databases, ["a", "b"]);
        assert_eq!(selection.excluded_roles, ["r"]);
        assert_eq!(selection.excluded_extensions, ["x", "y"]);
        assert!(!selection.extension_tables);
    }

    #[test]
    fn the_last_of_two_contradicting_options_holds() {
        let both = ["--no-replicate-extension-tables", "--replicate-extension-tables"];
        assert!(settings(&both).selection.extension_tables);
        assert_eq!(settings(&["-f", "a", "-f", "b"]).selection.filtered_databases, ["b"]);
    }

    #[test]
    fn table_patterns_add_up() {
        let TableFilter::With(patterns) = settings(&["--with-table", "a", "--with-table", "b.c"]).selection.tables
        else {
            panic!("not a filter of wanted tables");
        };
        assert_eq!(patterns.len(), 2);
        let (kind, message) = refusal(&["-s", "s", "-t", "t", "--skip-table", "a.b.c.d"]);
        assert_eq!(kind, Kind::Usage);
        assert!(message.starts_with("--skip-table cannot be read: 'a.b.c.d' has more than three parts"), "{message}");
    }
}
