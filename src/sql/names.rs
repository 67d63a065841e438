//! Names of the objects that we create on servers.
//!
//! `aiven_db_migrate_<database>_pub`, `_ins`, `_sub` and `_slot`: provider guides tell users to look for them, so the prefix
//! stays.
//! The database's name becomes `[a-z0-9_]`, the alphabet of slot names; where that loses something, or the result would be
//! longer than the 63 bytes of a name, the first 8 hex digits of the MD5 of the name keep two databases apart.

use md5::{Digest, Md5};

use super::Ident;

/// What every name of ours begins with.
pub const PREFIX: &str = "aiven_db_migrate_";

/// Schema of the journal in a target database. Names that begin with `pg_` are reserved for the system.
pub const JOURNAL_SCHEMA: &str = "_pg_migrate";

/// CONNECTION LIMIT of a target database that we have created, until its journal begins: a number that nobody sets, and that
/// keeps nobody out. By it the next run knows a database of ours in which a killed run had no time to say so ("pg_m" as
/// a number).
pub const UNBEGUN: i32 = 0x7067_5f6d;

/// How the comment of our publication begins when replica identities have been changed on the source; what they were
/// follows as JSON. The record is where the change is, and ends with the publication, which is found by its name.
pub const IDENTITY_RECORD: &str = "pg_migrate restores these replica identities when it drops this publication: ";

/// Longest name PostgreSQL keeps, in bytes (`NAMEDATALEN - 1`).
const MAX_BYTES: usize = 63;

/// Bytes of the longest suffix, `_slot`.
const SUFFIX_BYTES: usize = 5;

/// Names of one database's replication objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationNames {
    /// Publication in the source database.
    pub publication: Ident,
    /// A second one, of tables whose INSERTs alone are replicated.
    pub insert_publication: Ident,
    /// Subscription in the target database.
    pub subscription: Ident,
    /// Slot on the source server.
    pub slot: Ident,
}

impl ReplicationNames {
    /// Names for `database`; with `mangle`, all of the name is replaced by its MD5, as the original's `--mangle` does.
    pub fn new(database: &str, mangle: bool) -> Self {
        let body = if mangle { md5_hex(database) } else { slot_safe(database) };
        let name = |suffix: &str| Ident::new(format!("{PREFIX}{body}_{suffix}"));
        Self {
            publication: name("pub"),
            insert_publication: name("ins"),
            subscription: name("sub"),
            slot: name("slot"),
        }
    }
}

fn slot_safe(database: &str) -> String {
    let room = MAX_BYTES - PREFIX.len() - SUFFIX_BYTES;
    let safe: String = database
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' { c } else { '_' })
        .collect();
    if safe == database && safe.len() <= room {
        return safe;
    }
    let kept: String = safe.chars().take(room - 9).collect();
    format!("{kept}_{}", &md5_hex(database)[..8])
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plain_name_gives_the_originals_names() {
        let names = ReplicationNames::new("defaultdb", false);
        assert_eq!(names.publication.as_str(), "aiven_db_migrate_defaultdb_pub");
        assert_eq!(names.subscription.as_str(), "aiven_db_migrate_defaultdb_sub");
        assert_eq!(names.slot.as_str(), "aiven_db_migrate_defaultdb_slot");
    }

    #[test]
    fn mangled_names_are_the_md5_of_the_database() {
        let names = ReplicationNames::new("defaultdb", true);
        assert_eq!(names.slot.as_str(), "aiven_db_migrate_7039c17dd655476a9b62fddb459b3903_slot");
    }

    #[test]
    fn names_that_only_differ_in_case_stay_apart() {
        assert_ne!(ReplicationNames::new("App", false), ReplicationNames::new("app", false));
        assert_ne!(ReplicationNames::new("my-db", false), ReplicationNames::new("my_db", false));
    }

    proptest! {
        #[test]
        fn every_database_name_gives_valid_slot_names(database in "\\PC{1,63}") {
            let names = ReplicationNames::new(&database, false);
            let slot = names.slot.as_str();
            prop_assert!(slot.len() <= 63);
            prop_assert!(slot.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        }
    }
}
