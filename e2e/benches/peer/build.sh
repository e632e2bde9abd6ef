#!/bin/sh
# Builds the peer into CACHE/peer/KEY, where KEY names its exact sources; what is already there is left alone. `build.sh
# --print CACHE` only names the folder.
set -eu
cd "$(dirname "$0")"
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: build.sh [--print] CACHE}

# The same key is computed in e2e/src/artifacts.rs.
key=$(cat go.mod go.sum main.go | sha256sum | cut -c1-16)
out=$cache/peer/$key
if [ -n "$print" ]; then echo "$out"; exit 0; fi
if [ -x "$out/peer" ]; then exit 0; fi
command -v go >/dev/null || { echo "peer: Go is needed to build it" >&2; exit 1; }
echo "building the bench's peer" >&2
mkdir -p "$out"
# Renamed only when complete: an interrupted build must not leave something that looks finished.
tmp=$out/.peer.$$
trap 'rm -f "$tmp"' EXIT
# As the control plane is built, so that what both are made of is compiled once.
CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$tmp" .
mv "$tmp" "$out/peer"
trap - EXIT
