#!/bin/sh
# Builds what packs an image (assemble) and what moves it to a registry (crane) into CACHE/packaging/KEY, where KEY names
# their exact sources; what is already there is left alone. `tools.sh --print CACHE` only names the folder.
set -eu
cd "$(dirname "$0")/assemble"
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: tools.sh [--print] CACHE}

key=$(cat go.mod go.sum main.go | sha256sum | cut -c1-16)
out=$cache/packaging/$key
if [ -n "$print" ]; then echo "$out"; exit 0; fi
mkdir -p "$out"

build() { # NAME PACKAGE
	if [ -x "$out/$1" ]; then return 0; fi
	command -v go >/dev/null || { echo "packaging: Go is needed to build $1" >&2; exit 1; }
	echo "building $1" >&2
	# Renamed only when complete: an interrupted build must not leave something that looks finished.
	tmp=$out/.$1.$$
	trap 'rm -f "$tmp"' EXIT
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$tmp" "$2"
	mv "$tmp" "$out/$1"
	trap - EXIT
}

build assemble .
build crane github.com/google/go-containerregistry/cmd/crane
