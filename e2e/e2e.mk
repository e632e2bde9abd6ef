# What the tests need beside Rust: Kubernetes' programs, the Flink operator with its CRDs and Flink itself, kept in a cache
# outside the tree and built or fetched once. Included by the top Makefile.

FLINK_REMEDY_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/flink-remedy
E2E_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

.PHONY: e2e-prepare controlplane crds fko flink-dist flink-jars option-catalogue option-catalogue-check e2e-fko \
	cluster e2e-cluster browser gitops monitoring monitoring-record peer faketime e2e-faults

# The harness computes the same folders from the same files, so that a plain `cargo test` finds them.
export FLINK_REMEDY_CACHE

e2e-prepare: controlplane gitops monitoring crds fko flink-dist flink-jars cluster browser image faketime ## build and fetch what the tests against real programs need (once)

controlplane: ## build etcd, kube-apiserver, kube-controller-manager, kubectl into the cache
	@$(E2E_DIR)/controlplane/build.sh "$(FLINK_REMEDY_CACHE)"

gitops: ## build the engines of Argo CD and Flux, and Helm, into the cache
	@$(E2E_DIR)/gitops/build.sh "$(FLINK_REMEDY_CACHE)"

monitoring: ## build Prometheus and promtool into the cache, and fetch the CRDs of the Prometheus operator
	@$(E2E_DIR)/monitoring/build.sh "$(FLINK_REMEDY_CACHE)"
	@$(E2E_DIR)/monitoring/fetch-crds.sh "$(FLINK_REMEDY_CACHE)"

monitoring-record: flink-dist ## record anew what Flink's Prometheus reporters say while a job does badly (12 minutes)
	cargo build --locked --package e2e --example record_metrics
	@$(E2E_DIR)/monitoring/record.sh

crds: ## fetch the CRDs of the Flink Kubernetes Operator, and those of others that manifests need, into the cache
peer: ## build what the bench measures us beside into the cache
	@$(E2E_DIR)/benches/peer/build.sh "$(FLINK_REMEDY_CACHE)"

crds: ## fetch the CRDs of the Flink Kubernetes Operator and of openreports.io into the cache
	@$(E2E_DIR)/flink/fetch-crds.sh "$(FLINK_REMEDY_CACHE)"
	@$(E2E_DIR)/kinds/fetch.sh "$(FLINK_REMEDY_CACHE)"

fko: ## fetch the Flink Kubernetes Operator 1.7 into the cache (110 MB)
	@$(E2E_DIR)/flink/fko/fetch.sh "$(FLINK_REMEDY_CACHE)"

e2e-fko: controlplane crds fko ## the tests beside the real Flink operator alone
	cargo build --locked --package flink-remedy --package e2e
	cargo test --locked --package e2e --test fko

cluster: flink-dist ## build and pack what a node with pods needs into the cache
	@$(E2E_DIR)/controlplane/build.sh --node "$(FLINK_REMEDY_CACHE)"
	@$(E2E_DIR)/cluster/packages.sh "$(FLINK_REMEDY_CACHE)"
	@$(E2E_DIR)/cluster/node/build.sh "$(FLINK_REMEDY_CACHE)"
	@$(E2E_DIR)/cluster/image/build.sh "$(FLINK_REMEDY_CACHE)"

# FLINK_REMEDY_INSTALL: kustomize, chart, sidecar or all (the default here; a run of all tests takes one of them, by the commit).
e2e-cluster: cluster crds fko gitops image ## the tests in a whole cluster with real Flink pods alone, in every form of installation (needs root)
	cargo build --locked --package flink-remedy --package e2e
	cargo test --locked --package e2e --test cluster
	FLINK_REMEDY_INSTALL="$(or $(FLINK_REMEDY_INSTALL),all)" cargo test --locked --package e2e --test installed

browser: ## fetch a headless Chromium into the cache (110 MB, 300 MB unpacked)
	@$(E2E_DIR)/browser/fetch.sh "$(FLINK_REMEDY_CACHE)"

faketime: ## fetch libfaketime, by which one replica's clock jumps, into the cache
	@$(E2E_DIR)/faults/fetch.sh "$(FLINK_REMEDY_CACHE)"

e2e-faults: controlplane crds faketime ## 10 000 faults over 500 jobs (35 minutes; FLINK_REMEDY_SEED=N repeats a schedule)
	cargo build --locked --package flink-remedy --package e2e
	FLINK_REMEDY_FAULTS=long cargo test --locked --package e2e --test faults -- --nocapture

flink-dist: ## fetch Flink 1.18, 1.20 and 2.3 for local clusters and pods into the cache (790 MB, 470 MB of it kept)
	@$(E2E_DIR)/flink/local/fetch-dist.sh "$(FLINK_REMEDY_CACHE)"

# The Flink versions whose own classes the tests call.
FLINK_TESTED = $(FLINK_VERSIONS)

flink-jars: ## fetch the jars of Flink that the tests call into the cache
	@$(E2E_DIR)/flink/jars.sh "$(FLINK_REMEDY_CACHE)" $(FLINK_TESTED)

# Every Flink minor version that the catalogue of options covers, oldest first; the profiles of
# e2e/flink/options/pom.xml pin the jars. A check reads one version of each major.
FLINK_VERSIONS := 1.15 1.16 1.17 1.18 1.19 1.20 2.0 2.1 2.2 2.3
FLINK_CHECKED := 1.20 2.3
FLINK_PARSERS := 1.18 1.20 2.1 2.3
OPTIONS_DIR := $(FLINK_REMEDY_CACHE)/flink-options

option-catalogue: ## write flink-conf's catalogue of options and parser fixture from Flink's jars (minutes)
	@$(E2E_DIR)/flink/options/options.sh "$(FLINK_REMEDY_CACHE)" $(FLINK_VERSIONS)
	cargo xtask option-catalogue "$(OPTIONS_DIR)" $(FLINK_VERSIONS)
	@java $(E2E_DIR)/flink/options/FlinkParsers.java crates/flink-conf/fixtures/flink-parsers.tsv \
		$(foreach version,$(FLINK_PARSERS),$(version) "$(OPTIONS_DIR)/$(version).classpath")

option-catalogue-check: ## fail if Flink's jars and the catalogue of options differ (one version of each major)
	@$(E2E_DIR)/flink/options/options.sh "$(FLINK_REMEDY_CACHE)" $(FLINK_CHECKED)
	cargo xtask option-catalogue --check "$(OPTIONS_DIR)" $(FLINK_CHECKED)
