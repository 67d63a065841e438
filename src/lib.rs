//! Moves all databases of one PostgreSQL server to another.

pub mod cli;
pub mod conninfo;
pub mod error;
pub mod events;
pub mod facts;
pub mod logger;
pub mod plan;
pub mod report;
pub mod settings;
pub mod shutdown;
pub mod sql;
pub mod validate;
