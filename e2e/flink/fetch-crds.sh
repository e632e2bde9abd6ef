#!/bin/sh
# Unpacks the FlinkDeployment CRDs of the Flink Kubernetes Operator into CACHE/crds/VERSION-KEY;
# what is already there is left alone. `fetch-crds.sh --print CACHE` only names the folder.
set -eu
cd "$(dirname "$0")"
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: fetch-crds.sh [--print] CACHE}

# One line: "<sha256>  <jar>", in the form of sha256sum. The same key is computed in e2e/src/artifacts.rs.
read -r sha jar <crds.sha256
version=${jar#flink-kubernetes-operator-api-}
version=${version%.jar}
out=$cache/crds/$version-$(echo "$sha" | cut -c1-16)
if [ -n "$print" ]; then echo "$out"; exit 0; fi
if [ -d "$out" ]; then exit 0; fi

command -v mvn >/dev/null || { echo "crds: Maven is needed to fetch $jar" >&2; exit 1; }
mkdir -p "$cache/crds"
tmp=$(mktemp -d "$cache/crds/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
	-Dartifact="org.apache.flink:flink-kubernetes-operator-api:$version" \
	-DoutputDirectory="$tmp" -Dmdep.useBaseVersion=true
got=$(sha256sum "$tmp/$jar" | cut -d' ' -f1)
if [ "$got" != "$sha" ]; then
	echo "crds: $jar is not the file pinned in e2e/flink/crds.sha256: sha256 $got, expected $sha" >&2
	exit 1
fi
python3 -m zipfile -e "$tmp/$jar" "$tmp/jar"
mkdir "$tmp/crds"
# Beside each -v1.yml lies a -v1beta1.yml: the CRD API that Kubernetes removed in 1.22.
cp "$tmp"/jar/META-INF/fabric8/*-v1.yml "$tmp/crds/"
mv "$tmp/crds" "$out"
