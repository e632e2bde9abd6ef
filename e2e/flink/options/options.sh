#!/bin/sh
# Writes CACHE/flink-options/VERSION.tsv, the options that the classes of Flink VERSION (a minor such as 1.20)
# declare, from the jars that pom.xml pins (../jars.sh fetches them).
# --pin records the checksums of those jars instead of verifying them; name every version then.
set -eu
pin=
if [ "${1:-}" = --pin ]; then pin=--pin; shift; fi
cache=${1:?usage: options.sh [--pin] CACHE VERSION...}
shift
"$(dirname "$0")/../jars.sh" ${pin:+"$pin"} "$cache" "$@"
out=$(cd "$cache/flink-options" && pwd -P)
cd "$(dirname "$0")"

for version; do
	java FlinkOptions.java "$out/$version.classpath" "$out/$version.tsv" 2>"$out/$version.log" ||
		{ cat "$out/$version.log" >&2; exit 1; }
done
