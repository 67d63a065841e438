//! Proves that two databases are equal, or says what is not: catalog by catalog, and row by row.
//!
//! Only reads. Whatever it creates on a server to compare two wordings of one definition is temporary and rolled back.

mod difference;
pub mod schema;

pub use difference::{Difference, What};
