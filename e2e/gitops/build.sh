#!/bin/sh
# Builds what drives the engines of GitOps tools, and Helm, into CACHE/gitops/KEY, where KEY names their exact sources; what
# is already there is left alone. `build.sh --print CACHE` only names the folder.
set -eu
cd "$(dirname "$0")"
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: build.sh [--print] CACHE}

# The same key is computed in e2e/src/artifacts.rs.
key=$(cat go.mod go.sum main.go argo.go flux.go | sha256sum | cut -c1-16)
out=$cache/gitops/$key
if [ -n "$print" ]; then echo "$out"; exit 0; fi
mkdir -p "$out"

build() { # NAME PACKAGE
	if [ -x "$out/$1" ]; then return 0; fi
	command -v go >/dev/null || { echo "gitops: Go is needed to build $1" >&2; exit 1; }
	echo "building $1 (a first build takes minutes)" >&2
	# Renamed only when complete: an interrupted build must not leave something that looks finished.
	tmp=$out/.$1.$$
	trap 'rm -f "$tmp"' EXIT
	# As the control plane is built, so that what both are made of is compiled once.
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$tmp" "$2"
	mv "$tmp" "$out/$1"
	trap - EXIT
}

build rounds .
build helm helm.sh/helm/v4/cmd/helm
