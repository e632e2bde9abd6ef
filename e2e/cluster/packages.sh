#!/bin/sh
# Puts into CACHE/packages/KEY what cannot be built from Go modules: the program `nft`, with which kube-proxy sets its
# rules, and libseccomp, which is linked into runc. Debian's packages are unpacked, not installed, and verified by apt;
# where there is no apt, the machine's own do. `packages.sh --print CACHE` only names the folder.
set -eu
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: packages.sh [--print] CACHE}
out=$cache/packages/$(sha256sum <"$0" | cut -c1-16)
if [ -n "$print" ]; then echo "$out"; exit 0; fi
if [ -d "$out" ]; then exit 0; fi

mkdir -p "$cache/packages"
tmp=$(cd "$cache/packages" && mktemp -d "$PWD/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/out/bin"
cd "$tmp"
if ! command -v apt-get >/dev/null; then
	if ! nft=$(command -v nft) || ! pkg_config=$(command -v pkg-config) || ! pkg-config --exists libseccomp; then
		echo "packages: install nft, pkg-config and the headers of libseccomp; without apt they are not fetched" >&2
		exit 1
	fi
	ln -s "$nft" "$pkg_config" out/bin/
	mv out "$out"
	exit 0
fi

# Lists of its own: those of the machine may be missing or old, and are not for a test to change.
mkdir -p lists/partial
options="-q -q -o Dir::State::Lists=$tmp/lists -o APT::Sandbox::User=root"
apt-get $options update
apt-get $options download nftables libnftables1 libnftnl11 libmnl0 libjansson4 libedit2 libbsd0 libmd0 libxtables12 \
	libgmp10 libseccomp-dev
for package in *.deb; do dpkg -x "$package" out; done
rm -rf out/usr/share

cat >out/bin/nft <<'END'
#!/bin/sh
# Debian's, with its libraries.
root=$(dirname "$(dirname "$0")")
LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu):$(echo "$root"/lib/*-linux-gnu) exec "$root/usr/sbin/nft" "$@"
END
cat >out/bin/pkg-config <<'END'
#!/bin/sh
# Tells cgo of libseccomp and of nothing else. The folders are for the caller: Go's cache does not see this answer change.
case "$*" in
*--cflags*libseccomp*) ;;
*--libs*libseccomp*) echo -lseccomp ;;
*) exit 1 ;;
esac
END
chmod +x out/bin/nft out/bin/pkg-config
out/bin/nft --version
mv out "$out"
