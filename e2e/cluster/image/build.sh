#!/bin/sh
# Packs the images of the test cluster into CACHE/images/KEY, where KEY names what they are made from: flink.tar, with
# Java, Flink 1.18 and a job of ours, and pause.tar. What is already there is left alone. `build.sh --print CACHE` only
# names the folder. Java and the shell are this machine's: a JDK with jlink is needed.
set -eu
cd "$(dirname "$0")"
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: build.sh [--print] CACHE}

read -r sha sdist <<END
$(grep -F -e '-1.18.' ../../flink/local/dist.sha256)
END
version=${sdist%.tar.gz}
version=${version##*-}
pause=$(../node/build.sh --print "$cache")
key=$(cat build.sh archive.py Counting.java ./*process.sh docker-entrypoint.sh | cat - ../../flink/local/dist.sha256 |
	cat - ../node/pause/main.go | sha256sum | cut -c1-16)
out=$cache/images/$key
if [ -n "$print" ]; then echo "$out"; exit 0; fi
if [ -d "$out" ]; then exit 0; fi
dist=$cache/flink-dist/$version-$(echo "$sha" | cut -c1-16)
jdk=${JAVA_HOME:-$(dirname "$(dirname "$(readlink -f "$(command -v jlink)")")")}

mkdir -p "$cache/images"
tmp=$(mktemp -d "$cache/images/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root
flink=$root/opt/flink
mkdir -p "$tmp/classes" "$tmp/pause" "$tmp/out" "$root/etc" "$root/bin" "$root/opt" "$flink/bin" "$flink/conf" "$flink/log" \
	"$flink/usrlib"
mkdir -m 1777 "$root/tmp"

"$jdk/bin/jlink" --output "$root/opt/java" --strip-java-debug-attributes --no-header-files --no-man-pages \
	--add-modules java.se,jdk.crypto.ec,jdk.httpserver,jdk.management,jdk.unsupported,jdk.zipfs
cp "$(command -v bash)" "$root/bin/bash"
ln -s bash "$root/bin/sh"
# The libraries that these link to, at their own paths, and those of RocksDB, which Flink unpacks when it runs. What is
# missing, a machine without a screen does not need.
rocksdb=librocksdbjni-linux64.so
python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(*sys.argv[2:])' \
	"$dist/lib/flink-dist-$version.jar" "$rocksdb" "$tmp"
find "$root/bin" "$root/opt/java" "$tmp/$rocksdb" -type f \( -name '*.so' -o -perm -100 \) -exec ldd {} + 2>/dev/null |
	sed -n 's#^.*[[:space:]]\(/[^ ]*\) (0x[0-9a-f]*)$#\1#p' | grep -v "^$tmp" | sort -u | while read -r library; do
	mkdir -p "$root$(dirname "$library")"
	cp "$library" "$root$library"
done
echo 'root:x:0:0:root:/:/bin/bash' >"$root/etc/passwd"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

cp -r "$dist/lib" "$dist/plugins" "$flink/"
cp "$dist/bin/bash-java-utils.jar" "$flink/bin/"
cp flink-process.sh "$flink/bin/kubernetes-jobmanager.sh"
cp flink-process.sh "$flink/bin/kubernetes-taskmanager.sh"
cp docker-entrypoint.sh "$root/"
"$jdk/bin/javac" --release 11 -nowarn -cp "$flink/lib/*" -d "$tmp/classes" Counting.java
"$jdk/bin/jar" --create --file "$flink/usrlib/counting.jar" --main-class Counting -C "$tmp/classes" .

cp "$pause/pause" "$tmp/pause/pause"
python3 archive.py "$root" localhost/flink:1.18 /docker-entrypoint.sh "$tmp/out/flink.tar"
python3 archive.py "$tmp/pause" localhost/pause:1 /pause "$tmp/out/pause.tar"
mv "$tmp/out" "$out"
