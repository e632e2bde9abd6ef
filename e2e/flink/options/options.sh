#!/bin/sh
# Writes CACHE/flink-options/VERSION.tsv, the options that the classes of Flink VERSION (a minor such as 1.20)
# declare, from the jars that pom.xml pins. The jars stay in CACHE/maven: only a first run needs the network.
# --pin records the checksums of those jars instead of verifying them; name every version then.
set -eu
pin=
if [ "${1:-}" = --pin ]; then pin=1; shift; fi
cache=${1:?usage: options.sh [--pin] CACHE VERSION...}
shift
mkdir -p "$cache/flink-options"
# As Maven writes it into the class path: absolute, without links.
cache=$(cd "$cache" && pwd -P)
out=$cache/flink-options
cd "$(dirname "$0")"
command -v mvn >/dev/null || { echo "options: Maven is needed to fetch Flink's jars" >&2; exit 1; }

# The jars whose classes are read, relative to the repository; the others merely let those classes load.
jars() {
	tr : '\n' <"$out/$1.classpath" | sed -n "s#^$cache/maven/##p" | grep '/flink-[^/]*$' | grep -v shaded
	echo # the class path ends without a line end
}

for version; do
	mvn -B -q --no-transfer-progress "-P$version" -Dmaven.repo.local="$cache/maven" \
		org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath \
		-Dmdep.outputFile="$out/$version.classpath" >"$out/$version.log" 2>&1 ||
		{ cat "$out/$version.log" >&2; exit 1; }
done

if [ -n "$pin" ]; then
	for version; do jars "$version"; done | grep . | sort -u | (cd "$cache/maven" && xargs sha256sum) >jars.sha256
fi

for version; do
	jars "$version" | grep . | while read -r jar; do
		if ! grep -F "  $jar" jars.sha256; then
			echo "options: $jar is not in e2e/flink/options/jars.sha256; see --pin in options.sh" >&2
			exit 1
		fi
	done >"$out/$version.sha256"
	[ -s "$out/$version.sha256" ] || { echo "options: no jar of Flink $version lies in $cache/maven" >&2; exit 1; }
	(cd "$cache/maven" && sha256sum --quiet --check "$out/$version.sha256")
	java FlinkOptions.java "$out/$version.classpath" "$out/$version.tsv" 2>"$out/$version.log" ||
		{ cat "$out/$version.log" >&2; exit 1; }
done
