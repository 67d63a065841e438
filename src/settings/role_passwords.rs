//! Passwords that the user gives to roles of the target.

use std::collections::BTreeMap;

use crate::conninfo::Secret;

/// Passwords, or verifiers, by role.
#[derive(Clone, Debug, Default)]
pub struct RolePasswords(BTreeMap<String, Secret>);

/// A line of the file cannot be read. The line itself is not shown: it holds a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RolePasswordError {
    /// Not `role:password`.
    #[error("line {line} is not of the form role:password")]
    Malformed {
        /// Counted from 1.
        line: usize,
    },
    /// The role had a password before.
    #[error("line {line} gives a second password to role {role:?}")]
    Twice {
        /// Counted from 1.
        line: usize,
        /// Its name.
        role: String,
    },
}

impl RolePasswords {
    /// Reads lines `role:password`. As in libpq's password file, a backslash takes the next character as it is, in both
    /// parts; a colon needs it in the role only. Empty lines, and those that begin with `#`, say nothing.
    ///
    /// # Errors
    /// When a line has no colon, no role or no password, or a role is there twice.
    pub fn parse(text: &str) -> Result<Self, RolePasswordError> {
        let mut passwords = BTreeMap::new();
        for (line, content) in text.lines().enumerate().map(|(index, content)| (index + 1, content)) {
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let (role, password) = split(content).ok_or(RolePasswordError::Malformed { line })?;
            if passwords.insert(role.clone(), Secret::new(password)).is_some() {
                return Err(RolePasswordError::Twice { line, role });
            }
        }
        Ok(Self(passwords))
    }

    /// The password of `role`.
    pub fn get(&self, role: &str) -> Option<&Secret> {
        self.0.get(role)
    }

    /// All roles that have one.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn split(line: &str) -> Option<(String, String)> {
    let mut parts = [String::new(), String::new()];
    let mut part = 0;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' if part == 0 => part = 1,
            '\\' => parts[part].extend(chars.next()),
            c => parts[part].push(c),
        }
    }
    let [role, password] = parts;
    (!role.is_empty() && !password.is_empty()).then_some((role, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, String)>, RolePasswordError> {
        let passwords = RolePasswords::parse(text)?;
        Ok(passwords.0.into_iter().map(|(role, password)| (role, password.expose().to_owned())).collect())
    }

    #[test]
    fn names_and_passwords_may_hold_anything() {
        let text = "# comment\n\napp:secret\r\nO'Neil \\\\ \\: x: p:w\\\\d \n\\#odd:SCRAM-SHA-256$4096:c2FsdA==$x:y\n";
        let expected = [("#odd", "SCRAM-SHA-256$4096:c2FsdA==$x:y"), ("O'Neil \\ : x", " p:w\\d "), ("app", "secret")];
        assert_eq!(parse(text).unwrap(), expected.map(|(role, password)| (role.to_owned(), password.to_owned())));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_not_shown() {
        for text in ["app:x\nhunter2", "app:x\n:hunter2", "app:x\nr:"] {
            assert_eq!(parse(text), Err(RolePasswordError::Malformed { line: 2 }));
        }
        let twice = RolePasswordError::Twice { line: 2, role: "app".to_owned() };
        assert_eq!(parse("app:x\napp:hunter2"), Err(twice));
    }

    #[test]
    fn passwords_are_not_shown() {
        assert!(!format!("{:?}", RolePasswords::parse("app:hunter2").unwrap()).contains("hunter2"));
    }
}
