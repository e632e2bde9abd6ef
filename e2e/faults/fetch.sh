#!/bin/sh
# Builds libfaketime, which gives a process a clock of its own, into CACHE/faketime/KEY: from its sources as they come in a package
# of PyPI. `fetch.sh --print CACHE` only names the library.
set -eu
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: fetch.sh [--print] CACHE}
out=$cache/faketime/$(sha256sum <"$0" | cut -c1-16)
if [ -n "$print" ]; then echo "$out/libfaketimeMT.so.1"; exit 0; fi
if [ -d "$out" ]; then exit 0; fi

python3 -m pip --version >/dev/null || { echo "faketime: Python's pip is needed to fetch libfaketime" >&2; exit 1; }
mkdir -p "$cache/faketime"
tmp=$(mktemp -d "$cache/faketime/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/out"
# With --hash in it the file makes pip verify what it names.
cat >"$tmp/requirements.txt" <<END
libfaketime==3.0.1 --hash=sha256:5eed7c17f3d4ba0f6f828de4975f69a622b06b1e792674e6c1b069c0689fab79
END
python3 -m pip --quiet --no-cache-dir download --no-deps --require-hashes --dest "$tmp" -r "$tmp/requirements.txt"
python3 -m zipfile -e "$tmp"/libfaketime-*.whl "$tmp/unpacked"
sources=$tmp/unpacked/libfaketime/vendor/libfaketime/src
# As its Makefile builds it, without -Werror: the next compiler may have something to say.
${CC:-cc} -std=gnu99 -w -O1 -fPIC -shared -DFAKE_PTHREAD -DFAKE_STAT -DFAKE_UTIME -DFAKE_SLEEP -DFAKE_TIMERS \
	-DFAKE_INTERNAL_CALLS -DPTHREAD_SINGLETHREADED_TIME -DPREFIX='"/usr/local"' -DLIBDIRNAME='"/lib/faketime"' \
	-Wl,-soname,libfaketimeMT.so.1 "-Wl,--version-script=$sources/libfaketime.map" \
	-o "$tmp/out/libfaketimeMT.so.1" "$sources/libfaketime.c" -ldl -lm -lrt -lpthread
cp "$sources/../COPYING" "$tmp/out/"
LD_PRELOAD=$tmp/out/libfaketimeMT.so.1 FAKETIME=-10000d date >/dev/null
mv "$tmp/out" "$out"
