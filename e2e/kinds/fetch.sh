#!/bin/sh
# Puts the CRDs of others that crds.list names, by Go module and file, into CACHE/kinds/KEY, out of the modules that go.mod
# requires and go.sum pins. What is already there is left alone.
set -eu
cd "$(dirname "$0")"
cache=${1:?usage: fetch.sh CACHE}
# The same key is computed in e2e/src/artifacts.rs.
out=$cache/kinds/$(cat go.mod go.sum crds.list | sha256sum | cut -c1-16)
if [ -d "$out" ]; then exit 0; fi

command -v go >/dev/null || { echo "kinds: Go is needed to fetch the modules" >&2; exit 1; }
mkdir -p "$cache/kinds"
# Renamed only when complete: an interrupted fetch must not leave something that looks finished.
tmp=$(mktemp -d "$cache/kinds/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
while read -r module file; do
	go mod download "$module"
	cp "$(go list -m -f '{{.Dir}}' "$module")/$file" "$tmp/"
done <crds.list
chmod 644 "$tmp"/*
mv "$tmp" "$out"
