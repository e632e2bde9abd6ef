#!/bin/sh
# Builds Prometheus, promtool, and what says what the Prometheus operator and Grafana make of manifests, into CACHE/monitoring/KEY, where KEY
# names their exact sources and flags; what is already there is left alone. `build.sh --print CACHE` only names the folder. Of
# the service discoveries only Kubernetes' is built in beside files, and no web interface is.
set -eu
cd "$(dirname "$0")"
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: build.sh [--print] CACHE}

# The same key is computed in e2e/src/artifacts.rs.
key=$(cat go.mod go.sum build.flags operator/go.mod operator/go.sum operator/main.go operator/dashboards.go | sha256sum | cut -c1-16)
out=$cache/monitoring/$key
flags=$(cat build.flags)
if [ -n "$print" ]; then echo "$out"; exit 0; fi
mkdir -p "$out"

build() { # NAME PACKAGE
	if [ -x "$out/$1" ]; then return 0; fi
	command -v go >/dev/null || { echo "monitoring: Go is needed to build $1" >&2; exit 1; }
	echo "building $1 (a first build takes minutes)" >&2
	# Renamed only when complete: an interrupted build must not leave something that looks finished.
	tmp=$out/.$1.$$
	trap 'rm -f "$tmp"' EXIT
	eval "set -- \"$1\" \"$2\" $flags"
	name=$1 package=$2
	shift 2
	CGO_ENABLED=0 go build "$@" -o "$tmp" "$package"
	mv "$tmp" "$out/$name"
	trap - EXIT
}

build prometheus github.com/prometheus/prometheus/cmd/prometheus
build promtool github.com/prometheus/prometheus/cmd/promtool
cd operator
build monitors .
