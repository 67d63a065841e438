//! Extensions that both sides have alike: whatever their members lack on the target, somebody has added on the source.

use super::Scope;
use crate::facts::provider;
use crate::inspect;
use crate::pg::{Client, PgError};

/// Names of the extensions that both sides have in one version and one schema, of those that a migration carries.
pub(super) async fn alike(source: &Client, target: &Client, scope: &Scope) -> Result<Vec<String>, PgError> {
    let (here, there) = tokio::try_join!(inspect::extensions(source), inspect::extensions(target))?;
    let carried =
        |name: &String| !scope.excluded_extensions.contains(name) && !provider::EXTENSIONS.contains(&name.as_str());
    let on_both = here.into_iter().filter(|extension| there.contains(extension)).map(|extension| extension.name);
    Ok(on_both.filter(carried).collect())
}
