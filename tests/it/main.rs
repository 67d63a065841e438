//! Black-box tests: the binary against real servers.

mod cli;
mod hiding;
mod signals;
