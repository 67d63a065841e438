//! What was found on the two servers. Plain data: nothing here asks, judges or decides.

mod database;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod provider;
mod reserved;
mod server;
mod types;
mod version;

use std::fmt;

pub use database::{
    CandidateIndex, Column, DatabaseFacts, Dependent, EventTrigger, Extension, FamilyAddition, GrantedMember,
    IdentityFlaw, Journal, JournalOrigin, Language, LargeIndex, LargeObjects, MaterializedView, Moment, Persistence,
    Publication, ReplicaIdentity, RowSecurity, Sequence, Storage, Subscription, Table, TableKind,
};
pub use reserved::{Reserved, ReservedObject};
pub use server::{
    AvailableExtension, Blocker, DatabaseEntry, DatabasePrivilege, DatabaseProperties, DatabaseSetting, Gatekeeper,
    LocaleProvider, Membership, MemorySettings, ParameterPrivilege, Role, SecurityLabel, ServerFacts, ServerSettings,
    Slot, User, Watchers,
};
pub use types::{DataType, TypeKind};
pub use version::ServerVersion;

/// Which of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The server that is read.
    Source,
    /// The server that is written.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Source => "source",
            Side::Target => "target",
        })
    }
}

/// Everything known before a decision is made.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The source server.
    pub source: ServerFacts,
    /// The target server.
    pub target: ServerFacts,
    /// The databases to migrate, by name.
    pub databases: Vec<DatabasePair>,
    /// Can the target open a connection to the source and read its publications? Tried with a subscription that is rolled back.
    pub target_reaches_source: Probe,
    /// Whether the target lists a session that we have on the source: then both are one server. `None`: not asked, or hidden.
    pub target_lists_source_session: Option<bool>,
}

/// One database to migrate, as found on both sides.
#[derive(Clone, Debug)]
pub struct DatabasePair {
    /// Its name, the same on both sides.
    pub name: String,
    /// Inside it on the source, or the server's words why it cannot be connected to.
    pub source: Result<DatabaseFacts, String>,
    /// Inside it on the target; `None` when it does not exist there yet.
    pub target: Option<Result<DatabaseFacts, String>>,
    /// Whether the target knows the collation and character type of the source's database, so that it can be created
    /// there as it is. True when the database exists on the target already.
    pub locale_known: bool,
}

/// Something that catalogs cannot answer for sure and that was therefore tried, without leaving a trace.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Probe {
    /// Not tried: nothing depended on it.
    #[default]
    Untried,
    /// It works.
    Works,
    /// The server said no, in these words.
    Refused(String),
}

impl Probe {
    /// Whether the server said no.
    pub fn refused(&self) -> Option<&str> {
        match self {
            Probe::Refused(words) => Some(words),
            Probe::Untried | Probe::Works => None,
        }
    }
}
