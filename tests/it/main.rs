//! Black-box tests: the binary against real servers.

mod conninfo;
