//! Black-box tests: the binary against real servers.
//!
//! Each test starts its own servers (about a third of a second each, see [`harness`]), because the program migrates *all*
//! databases of a server. `cargo test` and `cargo nextest run` both work, as root too: the servers then run as user
//! `postgres`. Tests are plain functions; the harness brings its own runtime.
//!
//! | variable | meaning |
//! |---|---|
//! | `PG_SOURCE_VERSION`, `PG_TARGET_VERSION` | majors of the two servers; default: the newest in `/usr/lib/postgresql` |
//! | `PG_MIGRATE_REQUIRE=1` | a version that is not installed fails the tests; otherwise they are skipped, and say so |
//!
//! A server whose test failed leaves its data directory behind; the test's output names it and ends with the server's log.

mod again;
mod cli;
mod connecting;
mod conninfo;
mod copy;
mod definitions;
mod dry_run;
mod dump;
mod encodings;
mod extensions;
mod failure;
mod filters;
mod formats;
mod harness;
mod hiding;
mod in_sync;
mod indexes;
mod interrupt;
mod labels;
mod large_objects;
mod large_values;
mod lent;
mod lost;
mod many_tables;
mod names;
mod privileges;
mod real;
mod replica_identity;
mod replication;
mod report;
mod roles;
mod secrets;
mod sequences;
mod sessions;
mod signals;
mod smoke;
mod standby;
mod statistics;
mod tidy;
mod tls;
mod two_runs;
mod unprivileged;
mod validation;
mod verify;
mod verify_catalogs;
mod verify_schema;
mod versions;
mod zoo;
