//! Moves all databases of one PostgreSQL server to another.

pub mod conninfo;
pub mod error;
pub mod events;
pub mod facts;
pub mod inspect;
pub mod migrate;
pub mod pg;
pub mod plan;
pub mod settings;
pub mod sql;
pub mod tools;
pub mod validate;
