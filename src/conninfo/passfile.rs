//! Lines of a passfile (PostgreSQL documentation, "The Password File"): `host:port:database:user:password`.

/// Whom a password is for.
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) dbname: &'a str,
    pub(super) user: &'a str,
}

/// The password on the first line of `text` that matches.
pub(super) fn find(text: &str, wanted: &Wanted<'_>) -> Option<String> {
    let port = wanted.port.to_string();
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for expected in [wanted.host, &port, wanted.dbname, wanted.user] {
            let (field, behind) = take_field(rest);
            let wildcard = rest.starts_with("*:");
            rest = behind.filter(|_| wildcard || field == expected)?;
        }
        Some(take_field(rest).0)
    })
}

/// The field at the start of `text`, unescaped, and what follows its colon, if it has one.
fn take_field(text: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => field.extend(characters.next().map(|(_, escaped)| escaped)),
            ':' => return (field, Some(&text[at + 1..])),
            c => field.push(c),
        }
    }
    (field, None)
}

/// One line; any database.
pub(super) fn line(host: &str, port: u16, user: &str, password: &str) -> String {
    format!("{}:{port}:*:{}:{}\n", escape(host), escape(user), escape(password))
}

fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace(':', r"\:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Option<String> {
        find(text, &Wanted { host: "db", port: 5432, dbname: "app", user: "joe" })
    }

    #[test]
    fn the_first_matching_line_wins() {
        let text = "# db:5432:app:joe:no\nother:5432:app:joe:no\ndb:5432:*:joe:first\n*:*:*:*:second\n";
        assert_eq!(password(text).as_deref(), Some("first"));
    }

    #[test]
    fn every_field_must_match() {
        for line in
            ["DB:5432:app:joe:x", "db:5433:app:joe:x", "db:5432:ap:joe:x", "db:5432:app:joey:x", "db:5432:app:joe"]
        {
            assert_eq!(password(line), None, "{line}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        let text = r"a\:b:1:*:j\\oe:p\:w\\:ignored";
        let wanted = Wanted { host: "a:b", port: 1, dbname: "x", user: r"j\oe" };
        assert_eq!(find(text, &wanted).as_deref(), Some(r"p:w\"));
    }

    #[test]
    fn a_star_is_a_wildcard_only_when_alone() {
        assert_eq!(password("*b:5432:app:joe:x"), None);
        assert_eq!(password(r"\*:5432:app:joe:x"), None);
    }

    #[test]
    fn a_written_line_is_found_again() {
        let text = line("::1", 5432, r"we:ird\", r":\:*");
        let wanted = Wanted { host: "::1", port: 5432, dbname: "any", user: r"we:ird\" };
        assert_eq!(find(&text, &wanted).as_deref(), Some(r":\:*"));
    }
}
