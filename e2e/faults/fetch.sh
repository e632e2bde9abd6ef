#!/bin/sh
# Puts libfaketime, which gives a process a clock of its own, into CACHE/faketime/KEY. Debian's package is unpacked, not
# installed, and verified by apt; where there is no apt, the machine's own does. `fetch.sh --print CACHE` only names the library.
set -eu
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: fetch.sh [--print] CACHE}
out=$cache/faketime/$(sha256sum <"$0" | cut -c1-16)
if [ -n "$print" ]; then echo "$out/libfaketimeMT.so.1"; exit 0; fi
if [ -d "$out" ]; then exit 0; fi

mkdir -p "$cache/faketime"
tmp=$(cd "$cache/faketime" && mktemp -d "$PWD/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/out"
cd "$tmp"
if command -v apt-get >/dev/null; then
	# Lists of its own: those of the machine may be missing or old, and are not for a test to change.
	mkdir -p lists/partial
	options="-q -q -o Dir::State::Lists=$tmp/lists -o APT::Sandbox::User=root"
	apt-get $options update
	apt-get $options download libfaketime
	for package in *.deb; do dpkg -x "$package" unpacked; done
	library=$(echo unpacked/usr/lib/*/faketime/libfaketimeMT.so.1)
else
	library=$(ls /usr/lib/faketime/libfaketimeMT.so.1 /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib64/faketime/libfaketimeMT.so.1 2>/dev/null | head -n 1)
	if [ -z "$library" ]; then
		echo "faketime: install libfaketime; without apt it is not fetched" >&2
		exit 1
	fi
fi
cp "$library" out/
LD_PRELOAD=$tmp/out/libfaketimeMT.so.1 FAKETIME=-10000d date >/dev/null
mv out "$out"
