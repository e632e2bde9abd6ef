#!/bin/sh
# Writes the licences of what the binary contains into CACHE/notices/KEY/THIRD-PARTY-NOTICES.txt, where KEY names the
# dependencies, the target and the templates; what is already there is left alone. `notices.sh --print CACHE TARGET` only
# names the file.
set -eu
cd "$(dirname "$0")/.."
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: notices.sh [--print] CACHE TARGET}
target=${2:?usage: notices.sh [--print] CACHE TARGET}
libc=${target##*-}
version=0.9.3

key=$({
	cat Cargo.lock Cargo.toml crates/*/Cargo.toml packaging/about.toml packaging/notices.hbs packaging/notices.sh \
		"packaging/libc/$libc.txt"
	echo "$target"
} | sha256sum | cut -c1-16)
out=$cache/notices/$key
if [ -n "$print" ]; then echo "$out/THIRD-PARTY-NOTICES.txt"; exit 0; fi
if [ -d "$out" ]; then exit 0; fi

root=$cache/tools/cargo-about-$version
if [ ! -x "$root/bin/cargo-about" ]; then
	cargo install --quiet cargo-about --locked --version "$version" --no-default-features --features cli --root "$root" >&2
fi
mkdir -p "$cache/notices"
tmp=$(mktemp -d "$cache/notices/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/out"
echo "reading the licences of all dependencies (minutes)" >&2
# It asks cargo for every target's dependencies.
cargo fetch --quiet --locked
"$root/bin/cargo-about" generate --frozen --fail --config packaging/about.toml --target "$target" \
	--manifest-path crates/flink-remedy/Cargo.toml packaging/notices.hbs >"$tmp/crates"
cat "$tmp/crates" "packaging/libc/$libc.txt" >"$tmp/out/THIRD-PARTY-NOTICES.txt"
# Renamed only when complete: an interrupted build must not leave something that looks finished.
mv "$tmp/out" "$out"
