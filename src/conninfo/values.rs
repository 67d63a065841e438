//! Parameters with their values, before anybody asks what they mean.

use std::collections::BTreeMap;

use super::error::{Mention, ParseError};
use super::keyword::Key;

/// Where a value was found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// In the connection string or the service it names.
    Written,
    /// In an environment variable.
    Variable,
}

/// The value of one parameter.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) origin: Origin,
    /// Whether an error may repeat it.
    pub(super) quotable: bool,
}

/// The parameters that have a value. No `Debug`: some are passwords.
#[derive(Clone, Default)]
pub(super) struct Values(BTreeMap<Key, Value>);

impl Values {
    /// Sets `key`; a later value replaces an earlier one.
    pub(super) fn set(&mut self, key: Key, value: Value) {
        self.0.insert(key, value);
    }

    /// Sets `key` to a text that stands in the connection string.
    pub(super) fn write(&mut self, key: Key, text: impl Into<String>) {
        self.set(key, Value { text: text.into(), origin: Origin::Written, quotable: true });
    }

    /// Sets the parameter that a connection string calls `name`, its `position`th; true if its value is a secret.
    ///
    /// libpq still understands `requiressl`, the predecessor of `sslmode`.
    pub(super) fn set_named(
        &mut self,
        name: &str,
        text: String,
        position: usize,
        quotable: bool,
    ) -> Result<bool, ParseError> {
        let (name, text) = match name {
            "requiressl" if text.starts_with('1') => ("sslmode", "require".to_owned()),
            "requiressl" => ("sslmode", "prefer".to_owned()),
            name => (name, text),
        };
        let Some(key) = Key::from_name(name) else {
            // A misread password can end up where a key word belongs; text that no key word resembles is not repeated.
            let wordlike = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            return Err(ParseError::UnknownKeyword { name: Mention::of(name, quotable && wordlike), position });
        };
        self.set(key, Value { text, origin: Origin::Written, quotable });
        Ok(key.is_secret())
    }

    /// The value of `key`, with its origin.
    pub(super) fn value(&self, key: Key) -> Option<&Value> {
        self.0.get(&key)
    }

    /// The text of `key`, which may be empty.
    pub(super) fn text(&self, key: Key) -> Option<&str> {
        self.value(key).map(|value| value.text.as_str())
    }

    /// The text of `key` where libpq takes an empty one for none.
    pub(super) fn filled(&self, key: Key) -> Option<&str> {
        self.text(key).filter(|text| !text.is_empty())
    }

    /// Parameters and values in the order of the table.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Value)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    /// The error that `key` has a value other than `expected`.
    pub(super) fn invalid(&self, key: Key, expected: impl Into<String>) -> ParseError {
        let value = self.value(key);
        let from_variable = value.is_some_and(|value| value.origin == Origin::Variable);
        ParseError::InvalidValue {
            subject: key.keyword().variable.filter(|_| from_variable).unwrap_or(key.name()),
            value: Mention::of(
                value.map_or("", |value| &value.text),
                value.is_some_and(|value| value.quotable) && !key.is_secret(),
            ),
            expected: expected.into(),
        }
    }
}
