#!/bin/sh
# Unpacks what a cluster needs of Flink's distributions into CACHE/flink-dist/VERSION-KEY, one for each line
# of dist.sha256; what is already there is left alone. They come from PyPI, where PyFlink's `apache-flink-libraries`
# holds the distribution's lib, plugins and bin as released; Maven has no flink-dist of these versions.
set -eu
cd "$(dirname "$0")"
cache=${1:?usage: fetch-dist.sh CACHE}
tmp=
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM

fetch() { # SHA256 NAME VERSION: the name is spelled with hyphens until 1.18
	# The same folder is computed in e2e/src/flink_dist.rs.
	out=$cache/flink-dist/$3-$(echo "$1" | cut -c1-16)
	if [ -d "$out" ]; then return 0; fi
	python3 -m pip --version >/dev/null || { echo "flink-dist: Python's pip is needed to fetch Flink $3" >&2; exit 1; }
	echo "fetching Flink $3 (some 300 MB)" >&2
	mkdir -p "$cache/flink-dist"
	tmp=$(mktemp -d "$cache/flink-dist/.tmp.XXXXXX")
	# With --hash in it the file makes pip verify all that it names. pip's own cache would keep a second copy.
	echo "apache-flink-libraries==$3 --hash=sha256:$1" >"$tmp/requirements.txt"
	python3 -m pip --quiet --no-cache-dir download --no-deps --no-binary apache-flink-libraries --require-hashes \
		--dest "$tmp" --requirement "$tmp/requirements.txt"
	mkdir "$tmp/dist"
	# RocksDB is inside flink-dist; tables, SQL and formats stay out.
	root=$2-$3/deps
	tar --no-same-owner -xzf "$tmp/$2-$3.tar.gz" -C "$tmp/dist" --strip-components=2 --wildcards \
		"$root/bin/bash-java-utils.jar" "$root/lib/flink-dist-$3.jar" "$root/lib/log4j-*.jar" \
		"$root/plugins/metrics-prometheus/*.jar"
	# Renamed only when complete: an interrupted run must not leave something that looks finished.
	mv "$tmp/dist" "$out"
	rm -rf "$tmp"
	tmp=
}

while read -r sha sdist; do
	release=${sdist%.tar.gz}
	fetch "$sha" "${release%-*}" "${release##*-}"
done <dist.sha256
