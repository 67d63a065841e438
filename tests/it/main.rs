//! Black-box tests: the binary against real servers.

mod cli;
mod conninfo;
mod hiding;
mod signals;
