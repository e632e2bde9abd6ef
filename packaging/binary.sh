#!/bin/sh
# Builds the static release binary into CACHE/binary/KEY, where KEY names all that it is made from: flink-remedy, its bill of
# materials flink-remedy.cdx.json (CycloneDX) and the licences of what it contains, THIRD-PARTY-NOTICES.txt. What is already
# there is left alone. `binary.sh --print CACHE` only names the folder. RUST_TARGET names another target than that of this
# machine (docs/release.md).
set -eu
cd "$(dirname "$0")/.."
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: binary.sh [--print] CACHE}
cyclonedx_version=0.5.9

target=${RUST_TARGET:-$(rustc -vV | sed -n 's/^host: //p')}
case $target in
*-musl) libc=musl ;;
*-gnu) libc=gnu ;;
*) echo "binary: no static C library is known for $target" >&2; exit 1 ;;
esac
# Of the tree, what goes into the binary; and of this machine, the C library that does.
key=$({
	{ find crates -type f -not -path 'crates/xtask/*' -not -path 'crates/fuzz/*' -not -path 'crates/*/tests/*' \
		-not -path 'crates/*/fixtures/*' -print; cat <<-END; } | LC_ALL=C sort | xargs sha256sum
		Cargo.lock
		Cargo.toml
		rust-toolchain.toml
		packaging/about.toml
		packaging/binary.sh
		packaging/libc/$libc.txt
		packaging/notices.hbs
		packaging/notices.sh
		packaging/sbom.py
	END
	echo "$target"
	if [ $libc = gnu ]; then sha256sum <"$(${CC:-cc} -print-file-name=libc.a)"; fi
} | sha256sum | cut -c1-16)
out=$cache/binary/$key
if [ -n "$print" ]; then echo "$out"; exit 0; fi
if [ -d "$out" ]; then exit 0; fi

cyclonedx=$cache/tools/cargo-cyclonedx-$cyclonedx_version
if [ ! -x "$cyclonedx/bin/cargo-cyclonedx" ]; then
	cargo install --quiet cargo-cyclonedx --locked --version "$cyclonedx_version" --root "$cyclonedx" >&2
fi
packaging/notices.sh "$cache" "$target"

mkdir -p "$cache/binary"
tmp=$(mktemp -d "$cache/binary/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/out" "$tmp/tree"

echo "building flink-remedy for $target (minutes)" >&2
# Outside the tree, so that the next clone builds its own crates alone.
target_dir=$cache/binary-target
cargo_home=${CARGO_HOME:-$HOME/.cargo}
# Folders of this machine neither change the binary nor can be read in it (of its own crates the compiler knows the paths
# from here). Small: identical functions are kept once, relocations are packed. The crate getrandom would look for its
# system call with dlsym, which finds nothing in a static binary, and then need /dev/urandom.
export RUSTFLAGS="-C target-feature=+crt-static --cfg getrandom_backend=\"linux_getrandom\" \
-C link-arg=-Wl,--icf=all -C link-arg=-Wl,-z,pack-relative-relocs \
--remap-path-prefix=$cargo_home/registry/src=/cargo --remap-path-prefix=$target_dir=/target"
profile="--profile dist --target $target --target-dir $target_dir"
# Cargo knows a change by the files' times; a clone's files may be older than what another clone built.
cargo clean --quiet --locked $profile -p flink-conf -p flink-api -p checklist -p controller -p flink-remedy
cargo build --quiet --locked $profile --package flink-remedy
cp "$target_dir/$target/dist/flink-remedy" "$tmp/out/"
unset RUSTFLAGS

cp "$(packaging/notices.sh --print "$cache" "$target")" "$tmp/out/"
# It writes beside every manifest, so it gets a copy.
cp -R Cargo.toml Cargo.lock rust-toolchain.toml crates e2e "$tmp/tree/"
SOURCE_DATE_EPOCH=0 "$cyclonedx/bin/cargo-cyclonedx" cyclonedx --quiet --format json --spec-version 1.5 \
	--no-build-deps --target "$target" --manifest-path "$tmp/tree/crates/flink-remedy/Cargo.toml" --override-filename flink-remedy.cdx
cargo tree --locked --package flink-remedy --edges normal,no-proc-macro --target "$target" --prefix none --format '{p}' \
	>"$tmp/linked"
rust=$(rustc --version | cut -d' ' -f2)
if [ $libc = musl ]; then # which Rust brings along
	set -- musl "of Rust $rust" MIT pkg:generic/musl
elif version=$(dpkg-query --show --showformat '${Version}' libc6-dev 2>/dev/null); then
	set -- glibc "$version" LGPL-2.1-or-later "pkg:deb/debian/libc6-dev@$(echo "$version" | sed s/+/%2B/g)"
else
	version=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
	set -- glibc "$version" LGPL-2.1-or-later "pkg:generic/glibc@$version"
fi
python3 packaging/sbom.py "$tmp/tree/crates/flink-remedy/flink-remedy.cdx.json" "$tmp/linked" "$tmp/tree" \
	rust-std "$rust" "MIT OR Apache-2.0" "pkg:generic/rust-std@$rust" "$@" >"$tmp/out/flink-remedy.cdx.json"
# Renamed only when complete: an interrupted build must not leave something that looks finished.
mv "$tmp/out" "$out"
