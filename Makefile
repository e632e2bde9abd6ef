# The only entry: people and CI call these targets. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help build check fmt fmt-check lint doc deny layers manifests gen test test-quick bench fuzz advisories image release demo demo-down clean

CARGO_DENY_VERSION := 0.20.2

include e2e/e2e.mk

CARGO_FUZZ_VERSION := 0.13.2
# For each target, in seconds.
FUZZ_SECONDS ?= 60
# Of each law.
FUZZ_CASES ?= 5000
FUZZ_TARGETS := documents configuration values jobs reviews policies

CARGO_DENY := $(FLINK_REMEDY_CACHE)/tools/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny
CARGO_FUZZ := $(FLINK_REMEDY_CACHE)/tools/cargo-fuzz-$(CARGO_FUZZ_VERSION)/bin/cargo-fuzz
DEMO_DIR := $(FLINK_REMEDY_CACHE)/demo

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the flink-remedy binary (target/debug/flink-remedy)
	cargo build --locked --package flink-remedy

check: fmt-check lint layers doc deny manifests ## everything that needs no cluster and runs no test

fmt: ## format
	cargo fmt --all

fmt-check:
	cargo fmt --all --check

lint: ## clippy, every warning an error
	cargo clippy --locked --workspace --all-targets -- -D warnings

layers: ## no client or runtime below the controller
	cargo xtask layers

doc: ## the API documentation builds without a warning
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

deny: $(CARGO_DENY) ## licences, sources and duplicates of the dependencies
	$(CARGO_DENY) --locked check bans licenses sources

advisories: $(CARGO_DENY) ## known vulnerabilities of the dependencies; needs the database of the network, so no part of check
	$(CARGO_DENY) --locked check advisories

$(CARGO_DENY):
	cargo install --quiet cargo-deny --locked --version $(CARGO_DENY_VERSION) --no-default-features --root $(FLINK_REMEDY_CACHE)/tools/cargo-deny-$(CARGO_DENY_VERSION)

manifests: controlplane ## every kustomization builds
	@kubectl="$$(e2e/controlplane/build.sh --print "$(FLINK_REMEDY_CACHE)")/kubectl"; \
	for file in $$(find manifests -name kustomization.yaml | sort); do \
		"$$kubectl" kustomize "$$(dirname "$$file")" >/dev/null || exit 1; \
	done; echo "every kustomization builds"

gen: ## write what is generated: docs/*.md, the README's tables
	cargo xtask gen

test-quick: ## unit, fixture, law and command line tests; no cluster
	cargo test --locked --workspace --exclude e2e

test: check e2e-prepare option-catalogue-check ## everything: checks, all tests, the tests against real programs
	cargo build --locked --package flink-remedy --package e2e
	cargo test --locked --workspace

bench: controlplane crds peer ## what our work costs beside floors and peers, with the binary of the image; the report is target/bench/report.json
	cargo build --locked --release --package e2e
	packaging/binary.sh "$(FLINK_REMEDY_CACHE)"
	FLINK_REMEDY_BIN="$$(packaging/binary.sh --print "$(FLINK_REMEDY_CACHE)")/flink-remedy" target/release/bench

# What is found goes into the cache; what shall be tried again for ever is copied into crates/fuzz/corpus.
fuzz: $(CARGO_FUZZ) ## look for input that breaks a law or a promise, at random and by libFuzzer (FUZZ_SECONDS for each target; needs a C++ compiler)
	@seed="$$(date +%s)"; echo "PROPTEST_RNG_SEED=$$seed PROPTEST_CASES=$(FUZZ_CASES)"; \
		PROPTEST_RNG_SEED="$$seed" PROPTEST_CASES=$(FUZZ_CASES) \
		cargo test --quiet --locked --package checklist --test laws --package fuzz --test structured
	@for target in $(FUZZ_TARGETS); do \
		found="$(FLINK_REMEDY_CACHE)/fuzz/$$target"; mkdir -p "$$found/corpus"; \
		$(CARGO_FUZZ) fuzz run --fuzz-dir crates/fuzz/libfuzzer --target-dir target/fuzz --sanitizer none "$$target" \
			"$$found/corpus" "crates/fuzz/corpus/$$target" -- -artifact_prefix="$$found/" \
			-max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=8192 || exit 1; \
	done

$(CARGO_FUZZ):
	cargo install --quiet cargo-fuzz --locked --version $(CARGO_FUZZ_VERSION) --root $(FLINK_REMEDY_CACHE)/tools/cargo-fuzz-$(CARGO_FUZZ_VERSION)

image: ## the static binary as an OCI image archive from scratch; prints its path
	@packaging/image.sh "$(FLINK_REMEDY_CACHE)"
	@packaging/image.sh --print "$(FLINK_REMEDY_CACHE)"

release: controlplane gitops ## what a release consists of, in dist/VERSION (docs/release.md)
	packaging/release.sh "$(FLINK_REMEDY_CACHE)" "dist/$$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"

demo: controlplane crds ## a control plane with example jobs and flink-remedy in mode Apply
	cargo build --locked --package flink-remedy --package e2e
	e2e/demo/up.sh "$(DEMO_DIR)" "$$(e2e/controlplane/build.sh --print "$(FLINK_REMEDY_CACHE)")"

demo-down: ## stop the demo
	e2e/demo/down.sh "$(DEMO_DIR)"

clean: ## remove what was built here; the cache outside the tree stays
	cargo clean
