//! Extensions: which are created, and in which version.

use crate::facts::{DatabaseFacts, Extension, Facts, provider};
use crate::settings::Settings;

/// An extension in a certain version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionPlan {
    /// Its name.
    pub name: String,
    /// Schema of its objects.
    pub schema: String,
    /// Its version.
    pub version: String,
}

/// Extensions of `source` that are not created: excluded ones, those that the target database has, and those of a
/// managed service that the target does not offer.
pub(super) fn skipped(
    facts: &Facts,
    settings: &Settings,
    source: &DatabaseFacts,
    existing: Option<&DatabaseFacts>,
) -> Vec<String> {
    let skipped = |name: &String| {
        settings.selection.excluded_extensions.contains(name)
            || existing.is_some_and(|target| target.extension(name).is_some())
            || (provider::owns_extension(name) && facts.target.available_extension(name).is_none())
    };
    source.extensions.iter().map(|extension| &extension.name).filter(|name| skipped(name)).cloned().collect()
}

/// Extensions whose version the target offers, but would not choose.
pub(super) fn versions(facts: &Facts, source: &DatabaseFacts, skipped: &[String]) -> Vec<ExtensionPlan> {
    let offered = |extension: &Extension| {
        let available = facts.target.available_extension(&extension.name);
        available.is_some_and(|it| it.default_version != extension.version && it.versions.contains(&extension.version))
    };
    let created = source.extensions.iter().filter(|extension| !skipped.contains(&extension.name) && offered(extension));
    created
        .map(|it| ExtensionPlan { name: it.name.clone(), schema: it.schema.clone(), version: it.version.clone() })
        .collect()
}
