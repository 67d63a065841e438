//! Moves all databases of one PostgreSQL server to another.

pub mod conninfo;
pub mod sql;
pub mod tools;
