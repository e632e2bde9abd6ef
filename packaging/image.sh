#!/bin/sh
# Packs the static binary as the image flink-remedy:VERSION, VERSION being that of Cargo.toml, into
# CACHE/image/KEY/flink-remedy.tar: an OCI layout with one image for one platform, for `ctr images import` (known there as
# docker.io/library/flink-remedy:VERSION, which is what Kubernetes makes of flink-remedy:VERSION), `docker load` and skopeo
# (oci-archive:). What is already there is left alone. `image.sh --print CACHE` only names the archive.
# `image.sh --out FILE CACHE` packs into a file of its own instead; there SOURCE_DATE_EPOCH dates the image (otherwise 1970) and
# REVISION names the commit on it.
set -eu
cd "$(dirname "$0")/.."
print= file=
case ${1:-} in
--print) print=1; shift ;;
--out) file=${2:?usage: image.sh --out FILE CACHE}; shift 2 ;;
esac
cache=${1:?usage: image.sh [--print | --out FILE] CACHE}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

binary=$(packaging/binary.sh --print "$cache")
tools=$(packaging/tools.sh --print "$cache")
key=$({
	echo "$binary $tools" | sed "s#$cache##g"
	sha256sum LICENSE packaging/image.sh
} | sha256sum | cut -c1-16)
out=$cache/image/$key
if [ -n "$print" ]; then echo "$out/flink-remedy.tar"; exit 0; fi
if [ -d "$out" ] && [ -z "$file" ]; then exit 0; fi
packaging/binary.sh "$cache"
packaging/tools.sh "$cache"

mkdir -p "$cache/image"
tmp=$(mktemp -d "$cache/image/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/out" "$tmp/root/licenses" "$tmp/root/sbom"
cp "$binary/flink-remedy" "$tmp/root/"
cp LICENSE "$binary/THIRD-PARTY-NOTICES.txt" "$tmp/root/licenses/"
cp "$binary/flink-remedy.cdx.json" "$tmp/root/sbom/"
case ${RUST_TARGET:-$(rustc -vV)} in
*x86_64*) platform=linux/amd64 ;;
*aarch64*) platform=linux/arm64 ;;
*) echo "image: no platform is known for this target" >&2; exit 1 ;;
esac
created=0 revision=
if [ -n "$file" ]; then created=${SOURCE_DATE_EPOCH:-0} revision=${REVISION:-}; fi
label=org.opencontainers.image
"$tools/assemble" -name "flink-remedy:$version" -platform "$platform" -created "$created" -out "$tmp/out/flink-remedy.tar" \
	-annotation "$label.title=flink-remedy" \
	-annotation "$label.description=Closes the gaps between FlinkDeployments and Flink's production checklist" \
	-annotation "$label.version=$version" \
	-annotation "$label.licenses=Apache-2.0" \
	-annotation "$label.created=$(date -u -d "@$created" +%Y-%m-%dT%H:%M:%SZ)" \
	${revision:+-annotation "$label.revision=$revision"} \
	"$tmp/root"
# Renamed only when complete: an interrupted build must not leave something that looks finished.
if [ -n "$file" ]; then mv "$tmp/out/flink-remedy.tar" "$file"; else mv "$tmp/out" "$out"; fi
