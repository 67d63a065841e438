//! What tests need around the program: servers, a way to run it, and a proof that two databases are equal.

pub(crate) mod catalogs;
pub(crate) mod certificates;
pub(crate) mod cli;
pub(crate) mod cluster;
mod compare;
pub(crate) mod disk;
pub(crate) mod fixture;
pub(crate) mod gate;
pub(crate) mod pair;
pub(crate) mod session;
mod template;
mod user;
pub(crate) mod versions;
pub(crate) mod wait;

use std::io::Write;

/// Tells the person who runs the tests something; unlike `eprintln!`, also when the test passes.
pub(crate) fn tell(text: impl std::fmt::Display) {
    // Nobody to tell is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{text}");
}
