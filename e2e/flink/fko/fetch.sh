#!/bin/sh
# Fetches the Flink Kubernetes Operator that pom.xml pins into CACHE/maven, verifies every jar and writes the class path
# to CACHE/fko/KEY.classpath; what is already there is left alone. --pin records the checksums instead.
set -eu
cd "$(dirname "$0")"
pin=
if [ "${1:-}" = --pin ]; then pin=1; shift; fi
cache=${1:?usage: fetch.sh [--pin] CACHE}
mkdir -p "$cache/fko"
# As Maven writes it into the class path: absolute, without links.
cache=$(cd "$cache" && pwd -P)

jars() { tr : '\n' <"$1" | sed "s#^$cache/maven/##" | grep .; }

# The same key is computed in e2e/src/flink_operator.rs.
out=$cache/fko/$(sha256sum <pom.xml | cut -c1-16).classpath
if [ -z "$pin" ] && [ -f "$out" ] && ! jars "$out" | while read -r jar; do [ -f "$cache/maven/$jar" ] || echo missing; done | grep -q .; then
	exit 0
fi
command -v mvn >/dev/null || { echo "fko: Maven is needed to fetch the Flink Kubernetes Operator" >&2; exit 1; }
tmp=$(mktemp "$cache/fko/.tmp.XXXXXX")
trap 'rm -f "$tmp" "$tmp.log"' EXIT
mvn -B -q --no-transfer-progress -Dmaven.repo.local="$cache/maven" \
	org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile="$tmp" >"$tmp.log" 2>&1 ||
	{ cat "$tmp.log" >&2; exit 1; }
if [ -n "$pin" ]; then
	jars "$tmp" | sort | (cd "$cache/maven" && xargs sha256sum) >jars.sha256
fi
if ! [ "$(jars "$tmp" | sort)" = "$(sed 's/^[^ ]*  //' jars.sha256)" ]; then
	echo "fko: the class path is not the one pinned in e2e/flink/fko/jars.sha256; see --pin in e2e/flink/fko/fetch.sh" >&2
	exit 1
fi
pinned=$PWD/jars.sha256
(cd "$cache/maven" && sha256sum --quiet --check "$pinned")
mv "$tmp" "$out"
