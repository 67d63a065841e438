//! Where sequences stand: one that is behind on the target would give values once more.

use std::collections::BTreeSet;

use serde_json::Value;

use super::object::{Kind, Mismatch, Properties, Property};
use super::{Scope, classes};
use crate::inspect::{SequenceState, sequence_states};
use crate::pg::{Client, PgError};
use crate::sql::QualifiedName;

/// Sequences read in one statement.
const AT_ONCE: usize = 500;

/// What came out.
#[derive(Default)]
pub(super) struct Compared {
    /// Those that are behind on the target.
    pub(super) behind: Vec<Mismatch>,
    /// Those that cycle and are elsewhere on the target: a lower value may be a later one.
    pub(super) unclear: Vec<String>,
}

/// Compares sequences of both sides. Further is what the target's are as soon as it is used.
pub(super) async fn compare(source: &Client, target: &Client, scope: &Scope) -> Result<Compared, PgError> {
    let (on_source, on_target) = tokio::try_join!(list(source, scope), list(target, scope))?;
    let on_both: Vec<_> = on_source.intersection(&on_target).collect();
    let mut found = Compared::default();
    for some in on_both.chunks(AT_ONCE) {
        let names: Vec<_> = some.iter().map(|(name, _)| name.clone()).collect();
        let (here, there) = tokio::try_join!(sequence_states(source, &names), sequence_states(target, &names))?;
        for (index, (_, identity)) in some.iter().enumerate() {
            let (Some(&here), Some(&there)) = (here.get(&index), there.get(&index)) else { continue };
            if there.is_at(here) || there.is_further_than(here) {
                continue;
            }
            // One that gave nothing away there was never set.
            if here.cycle && there.called {
                found.unclear.push(format!("value of sequence {identity}"));
                continue;
            }
            let name = "value".to_owned();
            let kind = Kind::Property { source: value(&name, here), target: value(&name, there), name };
            found.behind.push(Mismatch { class: "sequence", object: identity.clone(), kind });
        }
    }
    Ok(found)
}

/// Names and identities.
async fn list(client: &Client, scope: &Scope) -> Result<BTreeSet<(QualifiedName, String)>, PgError> {
    let rows = client.query("list sequences", classes::sequence_names(scope), &[]).await?;
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
