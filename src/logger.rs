//! Names of loggers, the third column of every log line: the `target:` of all `tracing` calls. And how a line says which
//! database it is about.

/// The run itself.
pub const MIGRATE: &str = "PGMigrate";
/// What happens on the source server.
pub const SOURCE: &str = "PGSource";
/// What happens on the target server.
pub const TARGET: &str = "PGTarget";

/// `Database 'app'`, the beginning of every line about one database.
pub fn database(name: &str) -> String {
    format!("Database {}", repr(name))
}

/// Quotes `text` as Python writes a string: the final blocks have always been written so, and scripts evaluate them.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str(r"\\"),
            '\n' => quoted.push_str(r"\n"),
            '\r' => quoted.push_str(r"\r"),
            '\t' => quoted.push_str(r"\t"),
            c if c == quote => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push(quote);
    quoted
}
