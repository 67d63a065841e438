//! What the architecture forbids, read from the source's text: edges between modules, and who may print, connect or start
//! processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules in the order of their edges: each may use those before it, and those of its own row.
const LEVELS: &[&[&str]] = &[
    &["sql", "conninfo", "logger"],
    &["facts"],
    &["pg", "tools"],
    &["error"],
    &["cli", "settings", "shutdown", "hiding"],
    &["inspect", "plan"],
    &["validate"],
    &["events"],
    &["migrate", "verify", "report"],
    &["commands"],
    &["lib"],
    &["main"],
];

/// Neighbours in a row that do not know each other: `report` learns by events only what others do.
const STRANGERS: &[(&str, &str)] =
    &[("migrate", "report"), ("verify", "report"), ("report", "migrate"), ("migrate", "verify"), ("inspect", "plan")];

/// Without async, sockets, clocks, files and environment.
const PURE: &[&str] = &["facts", "validate", "plan", "sql", "conninfo"];

struct Source {
    module: String,
    path: PathBuf,
    /// Without tests, and without comments.
    code: String,
}

fn sources() -> Vec<Source> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("a directory of the source") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs"))
        .map(|path| {
            let relative = path.strip_prefix(&root).expect("below the root");
            let first = relative.iter().next().and_then(|name| name.to_str()).expect("a name");
            let text = fs::read_to_string(&path).expect("a source file");
            let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            Source { module: first.trim_end_matches(".rs").to_owned(), path, code }
        })
        .collect()
}

#[test]
fn edges_between_modules_run_one_way() {
    let level: BTreeMap<&str, usize> =
        LEVELS.iter().enumerate().flat_map(|(level, names)| names.iter().map(move |name| (*name, level))).collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let own = *level.get(source.module.as_str()).unwrap_or_else(|| panic!("{} has no level", source.module));
        for (_, used) in source.code.match_indices("crate::").map(|(at, word)| (at, &source.code[at + word.len()..])) {
            let used: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let Some(&other) = level.get(used.as_str()) else { continue };
            let strangers = STRANGERS.contains(&(source.module.as_str(), used.as_str()));
            if used != source.module && (other > own || strangers) {
                wrong.push(format!("{} uses {used}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_effect_has_its_module() {
    let allowed: &[(&str, &[&str])] = &[
        ("tokio_postgres::Config", &["pg"]),
        ("TcpStream", &["pg"]),
        ("UnixStream", &["pg", "hiding"]),
        ("tokio::process", &["tools"]),
        ("std::process::Command", &["tools", "hiding"]),
        ("println!", &[]),
        ("eprintln!", &[]),
        ("stdout()", &["report"]),
        ("stderr()", &["report"]),
        ("process::exit", &[]),
        ("env::var", &["hiding", "tools"]),
        (".expose()", &["conninfo", "pg", "sql", "report", "commands", "migrate"]),
    ];
    let mut wrong = Vec::new();
    for source in sources() {
        for (what, modules) in allowed {
            if source.code.contains(what) && !modules.contains(&source.module.as_str()) {
                wrong.push(format!("{} has {what}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_stages_that_decide_touch_nothing() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.module.as_str())) {
        for what in
            ["async ", ".await", "std::fs", "std::env", "std::net::Tcp", "Instant::now", "SystemTime", "tokio::"]
        {
            if source.code.contains(what) {
                wrong.push(format!("{} has {what}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
