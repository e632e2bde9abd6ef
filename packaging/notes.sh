#!/bin/sh
# Prints what a changelog, in the form of Keep a Changelog, says of a version: `notes.sh VERSION CHANGELOG`. A version
# without a section of its own is not to be released.
set -eu
version=${1:?usage: notes.sh VERSION CHANGELOG}
changelog=${2:?usage: notes.sh VERSION CHANGELOG}
notes=$(awk -v version="$version" '
	/^## / { inside = ($2 == version || $2 == "[" version "]"); next }
	inside' "$changelog")
if [ -z "$notes" ]; then
	echo "release: $changelog says nothing of $version: give it a section \"## $version - DATE\", from \"## Unreleased\"" >&2
	exit 1
fi
echo "$notes" | sed '/./,$!d'
