//! Extensions in the source's version, where that is not the one that the target would choose: pg_dump does not say versions.

use super::Context;
use crate::error::Error;
use crate::logger;
use crate::plan::ExtensionPlan;
use crate::sql;
use crate::sql::{Ident, Literal};

/// Creates those of `planned` that are among `order`, in its order. One that the target refuses in that version is left to
/// pg_restore, which takes the target's own choice.
pub(super) async fn create(
    context: &Context,
    database: &str,
    order: impl Iterator<Item = String>,
    planned: &[ExtensionPlan],
) -> Result<(), Error> {
    if planned.is_empty() {
        return Ok(());
    }
    let client = context.target.connect(database).await?;
    for plan in order.filter_map(|name| planned.iter().find(|plan| plan.name == name)) {
        let name = Ident::new(&plan.name);
        let statement = sql!(
            "create extension if not exists {} with schema {} version {}",
            name,
            Ident::new(&plan.schema),
            Literal::new(&plan.version)
        );
        if let Some(refusal) = client.try_run(format!("create extension {name}"), statement).await? {
            let (database, version, words) = (logger::database(database), &plan.version, refusal.words());
            tracing::warn!(
                target: logger::TARGET,
                "{database}: extension {name} cannot be created in the source's version {version}, and is created in the \
                 target's own: {words}"
            );
        }
    }
    Ok(())
}
