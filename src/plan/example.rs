//! What tests of plans and findings start from.

use std::time::Duration;

use super::{Content, DatabasePlan, Migration, Plan, Transfer, Work, build};
use crate::conninfo::ConnInfo;
use crate::facts::{DatabaseFacts, Facts, ServerFacts, fixture};
use crate::settings::{CopyFormat, Environment, IdentityPolicy, RolePasswords, Selection, Settings, TablePattern};
use crate::sql::Ident;

/// A good pair of servers, and a user who asked for nothing special.
pub(crate) struct Example {
    pub(crate) facts: Facts,
    pub(crate) settings: Settings,
}

impl Example {
    /// Database `app`, to be created on the target and replicated.
    pub(crate) fn new() -> Self {
        Self { facts: fixture::facts(), settings: settings() }
    }

    pub(crate) fn plan(&self) -> Plan {
        build(&self.facts, &self.settings)
    }

    /// `app` on the source.
    pub(crate) fn source(&mut self) -> &mut DatabaseFacts {
        self.facts.databases[0].source.as_mut().unwrap()
    }

    /// `app` on the target, where it is made to exist.
    pub(crate) fn target(&mut self) -> &mut DatabaseFacts {
        if self.facts.databases[0].target.is_none() {
            self.facts.target.databases.push(fixture::entry("app"));
            self.facts.databases[0].target = Some(Ok(fixture::empty_database()));
        }
        self.facts.databases[0].target.as_mut().unwrap().as_mut().unwrap()
    }

    /// Adds a database that only the source has, smaller than `app`.
    pub(crate) fn add_database(&mut self, name: &str) {
        self.facts.source.databases.push(fixture::entry(name));
        self.facts.databases.push(fixture::pair(name));
    }

    /// The replication of `app`, as an earlier run left it.
    pub(crate) fn replicate(&mut self) {
        let names = crate::sql::names::ReplicationNames::new("app", false);
        self.facts.source.slots.push(crate::facts::Slot {
            name: names.slot.as_str().to_owned(),
            database: Some("app".to_owned()),
            active: true,
        });
        self.source().publications.push(crate::facts::Publication {
            name: names.publication.as_str().to_owned(),
            all_tables: false,
            tables: vec![fixture::public("orders")],
        });
        let mut orders = fixture::table("orders");
        orders.has_rows = true;
        let sequences = self.source().sequences.clone();
        let target = self.target();
        target.sequences = sequences;
        target.tables.push(orders);
        target.subscribed.insert(fixture::public("orders"));
        target.user_objects = 2;
        target.subscriptions.push(crate::facts::Subscription {
            name: names.subscription.as_str().to_owned(),
            enabled: true,
            slot: Some(names.slot.as_str().to_owned()),
        });
    }

    /// Takes superuser from the user of a server, and leaves all else that a migration needs.
    pub(crate) fn demote(server: &mut ServerFacts) {
        server.user.superuser = false;
        server.user.member_of.push("app".to_owned());
    }
}

impl Plan {
    pub(crate) fn database(&self, name: &str) -> &DatabasePlan {
        self.databases.iter().find(|database| database.name == name).unwrap()
    }

    pub(crate) fn migration(&self, name: &str) -> &Migration {
        match &self.database(name).work {
            Work::Migrate(migration) => migration,
            other => panic!("{name} is not migrated: {other:?}"),
        }
    }

    pub(crate) fn content(&self, name: &str) -> &Content {
        &self.migration(name).content
    }

    pub(crate) fn transfer(&self, name: &str) -> Transfer {
        self.migration(name).transfer
    }
}

/// `name` in any schema of any database.
pub(crate) fn pattern(name: &str) -> TablePattern {
    TablePattern { text: name.to_owned(), database: None, schema: None, table: Ident::new(name) }
}

fn conninfo() -> ConnInfo {
    ConnInfo::parse("host=db user=postgres", &Environment::default()).unwrap()
}

/// What a command line with nothing but the two servers means. The only place of these tests that builds a [`Settings`].
fn settings() -> Settings {
    Settings {
        source: conninfo(),
        target: conninfo(),
        source_for_target: None,
        dry_run: false,
        validate_only: false,
        selection: Selection { extension_tables: true, ..Selection::default() },
        create_databases: true,
        mangle: false,
        force_method: None,
        max_replication_lag: None,
        stop_replication: false,
        lag_timeout: Duration::from_secs(86_400),
        replica_identity: IdentityPolicy::CopyAtFinish,
        verification: None,
        max_total_size: None,
        pgbin: None,
        skip_version_check: false,
        jobs: None,
        index_jobs: None,
        index_memory: None,
        index_workers: None,
        copy_format: CopyFormat::Auto,
        split_larger_than: None,
        sequence_margin: 0,
        no_owner: false,
        role_passwords: RolePasswords::default(),
        admin_sql: None,
        append: false,
        verbose: false,
        migration_id: "a1b2".to_owned(),
    }
}
