#!/bin/sh
# Puts the CRD of openreports.io into CACHE/openreports/KEY, out of its Go module, which go.sum pins. What is already there is
# left alone.
set -eu
cd "$(dirname "$0")"
cache=${1:?usage: fetch.sh CACHE}
# The same key is computed in e2e/src/artifacts.rs.
out=$cache/openreports/$(sha256sum <go.sum | cut -c1-16)
if [ -d "$out" ]; then exit 0; fi

command -v go >/dev/null || { echo "openreports: Go is needed to fetch the module" >&2; exit 1; }
mkdir -p "$cache/openreports"
tmp=$(mktemp -d "$cache/openreports/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
module=$(awk '$1 == "require" { print $2 }' go.mod)
go mod download "$module"
cp "$(go list -m -f '{{.Dir}}' "$module")/config/crd/openreports.io_reports.yaml" "$tmp/"
chmod 644 "$tmp/openreports.io_reports.yaml"
mv "$tmp" "$out"
