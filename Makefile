# Everything a newcomer needs: `make demo` to watch a migration, `make test` to check that all works here.
# Each brings the system up to what it needs first; see scripts/setup.sh.

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench

help:
	@echo "make demo   migrate a shop under load between two throwaway servers, and prove that nothing was lost"
	@echo "make test   run all tests against real servers"
	@echo "make bench  measure against every other tool that is installed, as docs/benchmarks.md shows; about an hour"
	@echo "make lint   formatting and clippy, as CI does"

setup:
	@scripts/setup.sh

demo: setup
	@scripts/demo.sh

# nextest does not run the examples in the documentation.
test: setup
	@if cargo nextest --version >/dev/null 2>&1; then \
	    cargo nextest run --locked && cargo test --locked --doc; \
	else \
	    cargo test --locked; \
	fi

lint: setup
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --quiet

# What to measure is said by variables: scripts/bench/run.py.
bench: setup
	cargo build --release --locked
	@scripts/bench/run.py
