//! What PostgreSQL reserves to superusers, or to members of a certain role. A migration by anybody else leaves it to an
//! administrator, and says so.

/// A kind of things that not every user may create or set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reserved {
    /// Attributes of roles: SUPERUSER, REPLICATION, BYPASSRLS, CREATEDB.
    RoleAttributes,
    /// Memberships in roles that only others may grant.
    Memberships,
    /// Settings of roles and databases that only superusers may set.
    Settings,
    /// Comments on roles and databases.
    Comments,
    /// Owners, of databases and of what is in them: only a member of a role gives it something.
    Owners,
    /// Privileges on a database, on schema `public`, or granted by somebody else than the object's owner.
    Privileges,
    /// Default privileges: only a member of a role changes what it will grant.
    DefaultPrivileges,
    /// Security labels: their provider has to be loaded and may refuse.
    SecurityLabels,
    /// Event triggers.
    EventTriggers,
    /// Functions in C, leakproof functions, and those with a support function.
    Functions,
    /// Base types.
    Types,
    /// Casts between types of others, or without a function.
    Casts,
    /// Operator classes and families.
    OperatorClasses,
    /// Text search parsers and templates.
    TextSearch,
    /// Languages that are not trusted, or were not created as an extension.
    Languages,
    /// Foreign-data wrappers, and servers of those that somebody may not use.
    ForeignDataWrappers,
    /// Access methods.
    AccessMethods,
    /// Publications of all tables, or of all tables of a schema.
    Publications,
}

impl Reserved {
    /// The word for it in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoleAttributes => "role_attributes",
            Self::Memberships => "memberships",
            Self::Settings => "settings",
            Self::Comments => "comments",
            Self::Owners => "owners",
            Self::Privileges => "privileges",
            Self::DefaultPrivileges => "default_privileges",
            Self::SecurityLabels => "security_labels",
            Self::EventTriggers => "event_triggers",
            Self::Functions => "functions",
            Self::Types => "types",
            Self::Casts => "casts",
            Self::OperatorClasses => "operator_classes",
            Self::TextSearch => "text_search",
            Self::Languages => "languages",
            Self::ForeignDataWrappers => "foreign_data_wrappers",
            Self::AccessMethods => "access_methods",
            Self::Publications => "publications",
        }
    }

    /// The words for it in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::RoleAttributes => "attributes of roles",
            Self::Memberships => "memberships in roles",
            Self::Settings => "settings of roles and databases",
            Self::Comments => "comments on roles and databases",
            Self::Owners => "owners",
            Self::Privileges => "privileges",
            Self::DefaultPrivileges => "default privileges of other roles",
            Self::SecurityLabels => "security labels",
            Self::EventTriggers => "event triggers",
            Self::Functions => "functions that need a superuser",
            Self::Types => "base types",
            Self::Casts => "casts",
            Self::OperatorClasses => "operator classes and families",
            Self::TextSearch => "text search parsers and templates",
            Self::Languages => "languages",
            Self::ForeignDataWrappers => "foreign-data wrappers and servers",
            Self::AccessMethods => "access methods",
            Self::Publications => "publications of all tables",
        }
    }
}

/// Something of a source database that is reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedObject {
    /// What kind of thing.
    pub kind: Reserved,
    /// The object as `pg_identify_object` names it, such as `public.f(integer)`.
    pub identity: String,
    /// For default privileges the role whose they are, for privileges the role that granted them.
    pub role: Option<String>,
}
