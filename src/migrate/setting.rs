//! Parameters as ALTER ROLE and ALTER DATABASE take them, from what the catalog keeps.

use crate::sql;
use crate::sql::{Ident, Literal, Sql};

/// `subject set name to value`. The value of a custom parameter may be an application's secret, and is not shown.
pub(super) fn set(subject: &Sql, name: &str, value: &str) -> Sql {
    let statement = sql!("{} set {} to {}", subject, name_of(name), value_of(name, value));
    if name.contains('.') {
        statement.shown_as(&sql!("{} set {} to <hidden>", subject, name_of(name)))
    } else {
        statement
    }
}

/// A setting's name, which has a dot when it belongs to an extension.
pub(super) fn name_of(name: &str) -> Sql {
    Sql::join(name.split('.').map(Ident::new), ".")
}

/// Settings whose value is a list of names, stored with the names quoted (`GUC_LIST_QUOTE`). Given as one string they would
/// become one name.
const LISTS: [&str; 5] = [
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
];

fn value_of(name: &str, value: &str) -> Sql {
    if !LISTS.contains(&name) {
        return sql!("{}", Literal::new(value));
    }
    let names = split_names(value);
    if names.is_empty() { Sql::from("''") } else { Sql::join(names.into_iter().map(Literal::new), ", ") }
}

/// The names in `app, "Mixed Case", public`.
fn split_names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut quoted = false;
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            c if c.is_whitespace() && !quoted => {}
            c => name.push(c),
        }
    }
    names.push(name);
    if names.len() == 1 && list.trim().is_empty() {
        names.clear();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_setting_stays_a_list() {
        assert_eq!(
            value_of("search_path", r#"app, "Mixed ""Case""", public"#).text(),
            r#"'app', 'Mixed "Case"', 'public'"#
        );
        assert_eq!(value_of("search_path", r#""""#).text(), "''");
        assert_eq!(value_of("search_path", "").text(), "''");
        assert_eq!(value_of("work_mem", "64MB, really").text(), "'64MB, really'");
    }
}
