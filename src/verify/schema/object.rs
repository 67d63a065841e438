//! Objects as the class queries describe them, and how two of them differ.
//!
//! An object's properties are one JSON object. A null is a property that the object does not have; a value that is an object
//! again is one property for each of its keys (`{"option": {"fillfactor": "70"}}` is the property `option fillfactor`). A
//! key that begins with `#` holds the hash of a secret: whether it is equal is told, what it is is not. One that begins with
//! `@` tells us something and is not compared. The key `incomparable` lists properties of which this side cannot say
//! anything useful; `unread` those that this side's user may not read, which is said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::verify::What;

/// One object of a class.
pub(super) struct Object {
    /// Its name, with whatever else tells it from others of its class.
    pub identity: String,
    /// JSON, written by the server: equal properties are equal texts.
    pub properties: String,
    /// Its comment and security labels, likewise.
    pub attached: Option<String>,
}

/// Properties by their full names, without those that are null.
pub(super) type Properties = BTreeMap<String, Property>;

/// What an object has.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Property {
    /// Neither null nor an object again.
    Plain(Value),
    /// The hash of something that is not shown.
    Secret(Value),
}

impl Property {
    /// The text, where it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Property::Plain(value) => value.as_str(),
            Property::Secret(_) => None,
        }
    }
}

/// One thing that is not the same on both sides, with what a second look needs.
pub(super) struct Mismatch {
    pub class: &'static str,
    pub object: String,
    pub kind: Kind,
}

pub(super) enum Kind {
    /// The target does not have it; what the source's is like.
    Missing(Properties),
    /// Only the target has it; what it is like.
    Extra(Properties),
    /// One property of two objects that both exist.
    Property { name: String, source: Properties, target: Properties },
}

impl Mismatch {
    /// Whether only one side has the object.
    pub(super) fn is_one_sided(&self) -> bool {
        !matches!(self.kind, Kind::Property { .. })
    }

    /// Whether it is about the property `wanted`.
    pub(super) fn is_property(&self, wanted: &str) -> bool {
        matches!(&self.kind, Kind::Property { name, .. } if name == wanted)
    }

    /// The table that an object of only one side is part of.
    pub(super) fn table(&self) -> Option<&str> {
        match &self.kind {
            Kind::Missing(properties) | Kind::Extra(properties) => properties.get("@table")?.text(),
            Kind::Property { .. } => None,
        }
    }

    /// Whether both are still as their server made them.
    pub(super) fn is_initial(&self) -> bool {
        let initial = |properties| is_true(properties, "@initial");
        matches!(&self.kind, Kind::Property { source, target, .. } if initial(source) && initial(target))
    }

    /// Whether a migration leaves it like that, and nothing is lost: the source's writers are locked out, the target's are not;
    /// an index whose building failed is in no dump, unlike one of a partitioned table that waits for its parts; whoever
    /// creates a role administers it and takes part in it; schema `public` belongs to whom each server gives it to; what an
    /// extension has besides on the target came with it there; what the target sets for every role is its own affair.
    pub(super) fn is_intended(&self) -> bool {
        match &self.kind {
            Kind::Property { name, source, target } => match (self.class, name.as_str()) {
                ("database", "setting default_transaction_read_only") => !target.contains_key(name),
                ("extension", name) if name.starts_with("member ") => !source.contains_key(name),
                ("settings", name) => is_true(target, "@everywhere") && !source.contains_key(name),
                ("schema", "owner") => [source, target].into_iter().all(|side| is_true(side, "@initial owner")),
                ("membership", "admin" | "inherit" | "set") => is_own(target) && is_true(target, name),
                _ => false,
            },
            Kind::Missing(properties) => {
                self.class == "index"
                    && properties.get("valid") == Some(&Property::Plain(Value::Bool(false)))
                    && !properties.contains_key("@partitioned")
            }
            Kind::Extra(_) => false,
        }
    }

    /// Whether it is a membership that only the target's user has: whoever creates a role becomes a member of it.
    pub(super) fn is_own_membership(&self) -> bool {
        matches!(&self.kind, Kind::Extra(properties) if is_own(properties))
    }

    /// As a report puts it.
    pub(super) fn what(&self) -> What {
        match &self.kind {
            Kind::Missing(_) => What::Missing,
            Kind::Extra(_) => What::Extra,
            Kind::Property { name, source, target } => {
                let [source, target] = shown(source.get(name), target.get(name));
                What::Differs { property: name.clone(), source, target }
            }
        }
    }
}

/// Whether a membership is that of the user who asks.
fn is_own(properties: &Properties) -> bool {
    is_true(properties, "@own")
}

fn is_true(properties: &Properties, name: &str) -> bool {
    properties.get(name) == Some(&Property::Plain(Value::Bool(true)))
}

/// What differs of an object, which at least one side lists. `sparse`: one that is not listed has no properties.
pub(super) fn differences(
    class: &'static str,
    sparse: bool,
    source: Option<&Object>,
    target: Option<&Object>,
) -> Vec<Mismatch> {
    let Some(Object { identity, .. }) = source.or(target) else { return Vec::new() };
    let mismatch = |kind| Mismatch { class, object: identity.clone(), kind };
    let of = |side: Option<&Object>| side.map(|side| read(&side.properties)).unwrap_or_default();
    match (source, target) {
        (Some(source), Some(target)) if source.properties == target.properties => Vec::new(),
        (Some(_), None) if !sparse => vec![mismatch(Kind::Missing(of(source).properties))],
        (None, Some(_)) if !sparse => vec![mismatch(Kind::Extra(of(target).properties))],
        (source, target) => properties(class, identity, &of(source), &of(target)),
    }
}

/// Properties of an object that are not equal.
pub(super) fn properties(class: &'static str, identity: &str, source: &Read, target: &Read) -> Vec<Mismatch> {
    let mismatch = |name| {
        let (source, target) = (source.properties.clone(), target.properties.clone());
        Mismatch { class, object: identity.to_owned(), kind: Kind::Property { name, source, target } }
    };
    differing(source, target).into_iter().map(mismatch).collect()
}

/// What a JSON object says.
#[derive(Default)]
pub(super) struct Read {
    pub properties: Properties,
    incomparable: BTreeSet<String>,
    unread: BTreeSet<String>,
}

/// Text that is no JSON object has no properties: none of our queries gives such.
pub(super) fn read(text: &str) -> Read {
    let Ok(mut map) = serde_json::from_str::<Map<String, Value>>(text) else { return Read::default() };
    let mut listed = |key| match map.remove(key) {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    };
    let (mut incomparable, unread): (BTreeSet<String>, BTreeSet<String>) = (listed("incomparable"), listed("unread"));
    incomparable.extend(unread.iter().cloned());
    let mut properties = Properties::new();
    let mut insert = |prefix: &str, key: String, value: Value| {
        let (key, property) = match key.strip_prefix('#') {
            Some(key) => (key.to_owned(), Property::Secret(value)),
            None => (key, Property::Plain(value)),
        };
        properties.insert(format!("{prefix}{key}"), property);
    };
    for (key, value) in map {
        match value {
            Value::Null => {}
            Value::Object(entries) => {
                let prefix = format!("{key} ");
                entries.into_iter().for_each(|(entry, value)| insert(&prefix, entry, value));
            }
            value => insert("", key, value),
        }
    }
    Read { properties, incomparable, unread }
}

/// What one side may not read of an object that both have: `options of user mapping …`.
pub(super) fn unread(class: &str, source: &Object, target: &Object) -> Vec<String> {
    let sides = [source, target].into_iter().filter(|side| side.properties.contains("\"unread\""));
    let names: BTreeSet<String> = sides.flat_map(|side| read(&side.properties).unread).collect();
    names.into_iter().map(|name| format!("{name}s of {class} {}", source.identity)).collect()
}

/// Names of the properties that are not equal, of those that both sides can compare.
fn differing(source: &Read, target: &Read) -> Vec<String> {
    let names: BTreeSet<&String> = source.properties.keys().chain(target.properties.keys()).collect();
    let incomparable = |name: &str| {
        // `option password` is part of what is incomparable as `option`.
        let group = name.split(' ').next().unwrap_or_default();
        [source, target].iter().any(|side| side.incomparable.contains(name) || side.incomparable.contains(group))
    };
    names
        .into_iter()
        .filter(|name| !name.starts_with('@'))
        .filter(|name| source.properties.get(*name) != target.properties.get(*name) && !incomparable(name))
        .cloned()
        .collect()
}

/// A property as both sides show it, for the eyes of a person: long texts are cut down to where they begin to differ.
fn shown(source: Option<&Property>, target: Option<&Property>) -> [String; 2] {
    let yes_or_no = [source, target].iter().any(|side| matches!(side, Some(Property::Plain(Value::Bool(_)))));
    abridge([source, target].map(|property| match property {
        None => if yes_or_no { "no" } else { "none" }.to_owned(),
        Some(Property::Secret(_)) => "<hidden>".to_owned(),
        Some(Property::Plain(value)) => plain(value),
    }))
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "''".to_owned(),
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Longest text that is shown whole, in characters.
const LONGEST: usize = 160;

/// Characters shown in front of the first difference of longer ones.
const LEAD: usize = 40;

fn abridge(texts: [String; 2]) -> [String; 2] {
    let lengths = texts.each_ref().map(|text| text.chars().count());
    if lengths.iter().all(|&length| length <= LONGEST) {
        return texts;
    }
    let equal = texts[0].chars().zip(texts[1].chars()).take_while(|(one, other)| one == other).count();
    let start = equal.saturating_sub(LEAD);
    texts.map(|text| {
        let rest = text.chars().skip(start);
        let mut part: String = rest.clone().take(LONGEST).collect();
        if rest.count() > LONGEST {
            part.push('…');
        }
        if start > 0 { format!("…{part}") } else { part }
    })
}
