# What the control plane tests need beside Rust: four Go binaries and Flink's CRDs, kept in a cache
# outside the tree and built or fetched once. Included by the top Makefile.

FLINK_REMEDY_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/flink-remedy
E2E_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

.PHONY: e2e-prepare controlplane crds

# The harness computes the same folders from the same files, so that a plain `cargo test` finds them.
export FLINK_REMEDY_CACHE

e2e-prepare: controlplane crds ## build and fetch what the control plane tests need (once)

controlplane: ## build etcd, kube-apiserver, kube-controller-manager, kubectl into the cache
	@$(E2E_DIR)/controlplane/build.sh "$(FLINK_REMEDY_CACHE)"

crds: ## fetch the Flink Kubernetes Operator's CRDs into the cache
	@$(E2E_DIR)/flink/fetch-crds.sh "$(FLINK_REMEDY_CACHE)"
