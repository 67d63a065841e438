//! Where sequences stand: one that is behind on the target would give values once more.

use std::collections::BTreeSet;

use serde_json::Value;

use super::classes;
use super::object::{Kind, Mismatch, Properties, Property};
use crate::inspect::{SequenceState, sequence_states};
use crate::pg::{Client, PgError};
use crate::sql::QualifiedName;

/// Sequences read in one statement.
const AT_ONCE: usize = 500;

/// Sequences of both sides that are behind on the target. Further is what they are as soon as the target is used.
pub(super) async fn compare(source: &Client, target: &Client) -> Result<Vec<Mismatch>, PgError> {
    let (on_source, on_target) = tokio::try_join!(list(source), list(target))?;
    let on_both: Vec<_> = on_source.intersection(&on_target).collect();
    let mut found = Vec::new();
    for some in on_both.chunks(AT_ONCE) {
        let names: Vec<_> = some.iter().map(|(name, _)| name.clone()).collect();
        let (here, there) = tokio::try_join!(sequence_states(source, &names), sequence_states(target, &names))?;
        for (index, (_, identity)) in some.iter().enumerate() {
            let (Some(&here), Some(&there)) = (here.get(&index), there.get(&index)) else { continue };
            if there.is_at(here) || there.is_further_than(here) {
                continue;
            }
            let name = "value".to_owned();
            let kind = Kind::Property { source: value(&name, here), target: value(&name, there), name };
            found.push(Mismatch { class: "sequence", object: identity.clone(), kind });
        }
    }
    Ok(found)
}

/// Names and identities.
async fn list(client: &Client) -> Result<BTreeSet<(QualifiedName, String)>, PgError> {
    let rows = client.query("list sequences", classes::sequence_names(), &[]).await?;
    rows.iter()
        .map(|row| {
            let name = QualifiedName::new(client.get::<String>(row, 0)?, client.get::<String>(row, 1)?);
            Ok((name, client.get(row, 2)?))
        })
        .collect()
}

fn value(name: &str, state: SequenceState) -> Properties {
    let called = if state.called { "" } else { ", not yet given" };
    Properties::from([(name.to_owned(), Property::Plain(Value::String(format!("{}{called}", state.last))))])
}
