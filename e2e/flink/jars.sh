#!/bin/sh
# Fetches the jars of each Flink VERSION (a minor such as 1.20) that options/pom.xml pins into CACHE/maven, writes
# their class path to CACHE/flink-options/VERSION.classpath, and verifies what was fetched. Only a first run needs
# the network. --pin records the checksums of those jars instead of verifying them; name every version then.
set -eu
pin=
if [ "${1:-}" = --pin ]; then pin=1; shift; fi
cache=${1:?usage: jars.sh [--pin] CACHE VERSION...}
shift
mkdir -p "$cache/flink-options"
# As Maven writes it into the class path: absolute, without links.
cache=$(cd "$cache" && pwd -P)
out=$cache/flink-options
cd "$(dirname "$0")/options"

# The jars of Flink itself, relative to the repository; the others merely let their classes load.
jars() {
	tr : '\n' <"$out/$1.classpath" | sed -n "s#^$cache/maven/##p" | grep '/flink-[^/]*$' | grep -v shaded
	echo # the class path ends without a line end
}

pom=$(sha256sum <pom.xml | cut -d' ' -f1)
for version; do
	# What this pom.xml has fetched before is there, unless somebody removed a jar.
	if [ "$(cat "$out/$version.pom" 2>/dev/null)" = "$pom" ] &&
		! tr : '\n' <"$out/$version.classpath" | while read -r jar; do [ -f "$jar" ] || echo missing; done | grep -q .; then
		continue
	fi
	command -v mvn >/dev/null || { echo "jars: Maven is needed to fetch Flink's jars" >&2; exit 1; }
	mvn -B -q --no-transfer-progress "-P$version" -Dmaven.repo.local="$cache/maven" \
		org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath \
		-Dmdep.outputFile="$out/$version.classpath" >"$out/$version.log" 2>&1 ||
		{ cat "$out/$version.log" >&2; exit 1; }
	echo "$pom" >"$out/$version.pom"
done

if [ -n "$pin" ]; then
	for version; do jars "$version"; done | grep . | sort -u | (cd "$cache/maven" && xargs sha256sum) >jars.sha256
fi

for version; do
	jars "$version" | grep . | while read -r jar; do
		if ! grep -F "  $jar" jars.sha256; then
			echo "jars: $jar is not in e2e/flink/options/jars.sha256; see --pin in e2e/flink/jars.sh" >&2
			exit 1
		fi
	done >"$out/$version.sha256"
	[ -s "$out/$version.sha256" ] || { echo "jars: no jar of Flink $version lies in $cache/maven" >&2; exit 1; }
	(cd "$cache/maven" && sha256sum --quiet --check "$out/$version.sha256")
done
