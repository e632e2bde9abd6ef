#!/bin/sh
# Puts the CRDs of the Prometheus operator that manifests/monitoring needs (ServiceMonitor, PodMonitor, PrometheusRule) into
# CACHE/prometheus-operator/KEY, out of its Go module, which go.sum pins. What is already there is left alone.
# `fetch-crds.sh --print CACHE` only names the folder.
set -eu
cd "$(dirname "$0")/operator"
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: fetch-crds.sh [--print] CACHE}

# The same key is computed in e2e/src/artifacts.rs.
out=$cache/prometheus-operator/$(sha256sum <go.sum | cut -c1-16)
if [ -n "$print" ]; then echo "$out"; exit 0; fi
if [ -d "$out" ]; then exit 0; fi

command -v go >/dev/null || { echo "monitoring: Go is needed to fetch the module" >&2; exit 1; }
mkdir -p "$cache/prometheus-operator"
tmp=$(mktemp -d "$cache/prometheus-operator/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
module=github.com/prometheus-operator/prometheus-operator
go mod download "$module"
for kind in podmonitors prometheusrules servicemonitors; do
	cp "$(go list -m -f '{{.Dir}}' "$module")/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$tmp/"
done
chmod 644 "$tmp"/*.yaml
chmod 755 "$tmp"
mv "$tmp" "$out"
