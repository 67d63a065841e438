//! Moves all databases of one PostgreSQL server to another.

pub mod cli;
pub mod conninfo;
pub mod error;
pub mod events;
pub mod facts;
pub mod plan;
pub mod settings;
pub mod sql;
pub mod validate;
