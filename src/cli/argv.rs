//! Spellings that clap does not know: two-letter short options, and prefixes of long ones.

use std::ffi::OsString;

use clap::CommandFactory;

use super::Cli;
use crate::error::{Error, Kind};

/// Long options of the command that this one replaces.
///
/// Scripts shorten them, so whether a prefix is ambiguous is judged among these alone; options that came later only
/// get prefixes that no older option has.
const ESTABLISHED: [&str; 23] = [
    "help",
    "debug",
    "filtered-db",
    "excluded-roles",
    "excluded-extensions",
    "source",
    "target",
    "verbose",
    "no-createdb",
    "mangle",
    "max-replication-lag",
    "stop-replication",
    "validate",
    "with-table",
    "skip-table",
    "replicate-extension-tables",
    "no-replicate-extension-tables",
    "force-method",
    "dbs-max-total-size",
    "pgbin",
    "skip-db-version-check",
    "show-passwords",
    "migration-id",
];

const TWO_LETTERS: [(&str, &str); 2] = [("-xr", "--excluded-roles"), ("-xe", "--excluded-extensions")];

/// Rewrites arguments, program name first, to what clap understands.
///
/// # Errors
/// Of kind [`Kind::Usage`]: an argument that is not UTF-8, a prefix of several options. Values are never echoed.
pub fn normalise(arguments: impl IntoIterator<Item = OsString>) -> Result<Vec<String>, Error> {
    let known = long_options();
    let mut options_ended = false;
    let mut normal = Vec::new();
    for (position, argument) in arguments.into_iter().enumerate() {
        let argument = argument
            .into_string()
            .map_err(|_| Error::new(Kind::Usage, format!("argument {position} is not valid UTF-8")))?;
        options_ended |= argument == "--";
        normal.push(if position == 0 || options_ended { argument } else { normalise_option(argument, &known)? });
    }
    Ok(normal)
}

fn long_options() -> Vec<String> {
    let mut command = Cli::command();
    command.build();
    let commands = std::iter::once(&command).chain(command.get_subcommands());
    let mut names = Vec::new();
    for name in commands.flat_map(clap::Command::get_arguments).filter_map(|argument| argument.get_long()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(str::to_owned).collect()
}

fn normalise_option(argument: String, known: &[String]) -> Result<String, Error> {
    for (short, long) in TWO_LETTERS {
        if let Some(value) = argument.strip_prefix(short) {
            return Ok(match value {
                "" => long.to_owned(),
                value => format!("{long}={}", value.strip_prefix('=').unwrap_or(value)),
            });
        }
    }
    let Some(option) = argument.strip_prefix("--") else { return Ok(argument) };
    let (prefix, value) = match option.split_once('=') {
        Some((prefix, value)) => (prefix, Some(value)),
        None => (option, None),
    };
    if prefix.is_empty() {
        return Ok(argument);
    }
    let name = complete(prefix, known)?;
    Ok(match value {
        Some(value) => format!("--{name}={value}"),
        None => format!("--{name}"),
    })
}

/// The option that `prefix` stands for; `prefix` itself when it stands for none, for clap to refuse.
fn complete<'a>(prefix: &'a str, known: &'a [String]) -> Result<&'a str, Error> {
    if known.iter().any(|name| name == prefix) {
        return Ok(prefix);
    }
    let candidates = || known.iter().map(String::as_str).filter(|name| name.starts_with(prefix));
    let established: Vec<&str> = candidates().filter(|name| ESTABLISHED.contains(name)).collect();
    let all: Vec<&str> = candidates().collect();
    match (established.as_slice(), all.as_slice()) {
        ([name], _) | ([], [name]) => Ok(name),
        ([], []) => Ok(prefix),
        _ => Err(Error::new(Kind::Usage, format!("ambiguous option --{prefix}: it could be --{}", all.join(", --")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(arguments: &[&str]) -> Result<Vec<String>, String> {
        let typed = ["pg_migrate"].into_iter().chain(arguments.iter().copied()).map(OsString::from);
        normalise(typed).map(|normal| normal[1..].to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_established_option_exists() {
        let known = long_options();
        for name in ESTABLISHED {
            assert!(known.iter().any(|known| known == name), "--{name}");
        }
    }

    /// The rule that scripts rely on, over every prefix of every established option.
    #[test]
    fn newer_options_take_no_prefix_from_established_ones() {
        let known = long_options();
        for name in ESTABLISHED {
            for end in 1..=name.len() {
                let prefix = &name[..end];
                let rivals = ESTABLISHED.iter().filter(|other| other.starts_with(prefix)).count();
                let expected = rivals == 1 || ESTABLISHED.contains(&prefix);
                assert_eq!(complete(prefix, &known).is_ok(), expected, "--{prefix}");
                if expected && rivals == 1 {
                    assert_eq!(complete(prefix, &known).unwrap(), name);
                }
            }
        }
    }

    #[test]
    fn prefixes_are_completed_with_and_without_a_value() {
        for (typed, expected) in [
            ("--sou", "--source"),
            ("--source-f=x", "--source-for-target=x"),
            ("--max-rep=0", "--max-replication-lag=0"),
            ("--ver", "--verbose"),
            ("--vers", "--version"),
            ("--no-o", "--no-owner"),
            ("--nonsense", "--nonsense"),
        ] {
            assert_eq!(normal(&[typed]).unwrap(), [expected]);
        }
    }

    #[test]
    fn an_ambiguous_prefix_names_the_candidates_and_no_value() {
        let error = normal(&["--ma=hunter2"]).unwrap_err();
        assert_eq!(error, "ambiguous option --ma: it could be --max-replication-lag, --mangle");
    }

    #[test]
    fn two_letter_options_take_their_value_in_every_form() {
        assert_eq!(normal(&["-xr", "a,b"]).unwrap(), ["--excluded-roles", "a,b"]);
        assert_eq!(normal(&["-xra,b"]).unwrap(), ["--excluded-roles=a,b"]);
        assert_eq!(normal(&["-xe=a,b"]).unwrap(), ["--excluded-extensions=a,b"]);
    }

    #[test]
    fn nothing_changes_behind_two_dashes() {
        assert_eq!(normal(&["--", "--sou", "-xr"]).unwrap(), ["--", "--sou", "-xr"]);
    }

    #[test]
    fn arguments_that_are_no_text_are_refused() {
        use std::os::unix::ffi::OsStringExt;
        let arguments = [OsString::from("pg_migrate"), OsString::from_vec(vec![b'a', 0xff])];
        assert_eq!(normalise(arguments).unwrap_err().to_string(), "argument 1 is not valid UTF-8");
    }
}
