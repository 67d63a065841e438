//! What managed services put on their servers for themselves. It does not belong to the user and stays where it is.

use super::Role;

/// Roles of a service: names with one of the prefixes, on a server that has the marker.
///
/// The marker keeps a user's own `rds_reader` on a server that is not theirs.
struct Service {
    marker: &'static str,
    prefixes: &'static [&'static str],
}

const SERVICES: &[Service] = &[
    Service { marker: "rdsadmin", prefixes: &["rds_", "rdsadmin", "rdsrepladmin", "rdstopmgr"] },
    Service { marker: "cloudsqladmin", prefixes: &["cloudsql"] },
    Service { marker: "alloydbadmin", prefixes: &["alloydb"] },
    Service { marker: "azure_pg_admin", prefixes: &["azure_", "azuresu"] },
    Service { marker: "cloud_admin", prefixes: &["cloud_admin", "neon_"] },
    Service { marker: "supabase_admin", prefixes: &["supabase_"] },
    Service { marker: "_aiven", prefixes: &["_aiven"] },
    Service { marker: "_dodb", prefixes: &["_dodb"] },
];

/// Databases in which services keep their own things; most of them refuse every connection.
const DATABASES: &[&str] =
    &["rdsadmin", "cloudsqladmin", "alloydbadmin", "azure_maintenance", "azure_sys", "_aiven", "_dodb"];

/// Extensions that exist on one service only, or that run replication which a migration ends.
pub(crate) const EXTENSIONS: &[&str] = &[
    "aiven_extras",
    "aiven_gatekeeper",
    "azure",
    "azure_ai",
    "azure_storage",
    "google_columnar_engine",
    "google_db_advisor",
    "google_ml_integration",
    "neon",
    "neon_utils",
    "pg_availability",
    "pgaadauth",
    "pglogical",
    "rds_activity_stream",
    "rds_tools",
];

/// Roles that stand in for superuser: their members may install what the service offers and create event triggers.
const ADMINS: &[&str] = &["alloydbsuperuser", "azure_pg_admin", "cloudsqlsuperuser", "neon_superuser", "rds_superuser"];

/// The extension through which users of Aiven and DigitalOcean create publications and subscriptions.
pub(crate) const AIVEN_EXTRAS: &str = "aiven_extras";

/// Whether `role`, one of `all` on its server, belongs to the service.
pub(crate) fn owns_role(role: &str, all: &[Role]) -> bool {
    SERVICES.iter().any(|service| {
        service.prefixes.iter().any(|prefix| role.starts_with(prefix))
            && all.iter().any(|role| role.name == service.marker)
    })
}

/// Whether a database of this name belongs to a service.
pub(crate) fn owns_database(name: &str) -> bool {
    DATABASES.contains(&name)
}

/// Whether an extension of this name only makes sense where it is.
pub(crate) fn owns_extension(name: &str) -> bool {
    EXTENSIONS.contains(&name)
}

/// Whether membership in `role` stands in for superuser.
pub(crate) fn is_admin(role: &str) -> bool {
    ADMINS.contains(&role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::fixture::role;

    #[test]
    fn a_role_belongs_to_a_service_only_on_its_servers() {
        assert!(!owns_role("rds_reader", &[role("rds_reader")]));
        assert!(owns_role("rds_superuser", &[role("rds_superuser"), role("rdsadmin")]));
    }
}
