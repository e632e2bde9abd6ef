#!/bin/sh
# Puts into CACHE/packages/KEY what cannot be built from Go modules: the program `nft`, with which kube-proxy sets its
# rules, `iptables` and `ipset`, with which kube-router does, and libseccomp, which is linked into runc. Debian's packages
# are unpacked, not installed, and verified by apt; where there is no apt, the machine's own do. `packages.sh --print CACHE`
# only names the folder.
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
	for program in nft iptables iptables-save iptables-restore ipset pkg-config; do
		if ! file=$(command -v "$program"); then
			echo "packages: $program is missing; without apt it is not fetched" >&2
			exit 1
		fi
		ln -s "$file" out/bin/
	done
	pkg-config --exists libseccomp || { echo "packages: the headers of libseccomp are missing" >&2; exit 1; }
	mv out "$out"
	exit 0
fi

# Lists of its own: those of the machine may be missing or old, and are not for a test to change.
mkdir -p lists/partial
options="-q -q -o Dir::State::Lists=$tmp/lists -o APT::Sandbox::User=root"
apt-get $options update
apt-get $options download nftables libnftables1 libnftnl11 libmnl0 libjansson4 libedit2 libbsd0 libmd0 libxtables12 \
	libgmp10 iptables libip4tc2 libip6tc2 libnetfilter-conntrack3 libnfnetlink0 ipset libipset13 libseccomp-dev
for package in *.deb; do dpkg -x "$package" out; done
rm -rf out/usr/share

wrap() { # NAME PROGRAM...
	name=$1
	shift
	cat >"out/bin/$name" <<-END
		#!/bin/sh
		# Debian's, with its libraries and extensions.
		root=\$(dirname "\$(dirname "\$0")")
		libraries=\$(echo "\$root"/usr/lib/*-linux-gnu)
		export LD_LIBRARY_PATH="\$libraries:\$(echo "\$root"/lib/*-linux-gnu)" XTABLES_LIBDIR="\$libraries/xtables"
		exec "\$root/usr/sbin/"$* "\$@"
	END
	chmod +x "out/bin/$name"
}
wrap nft nft
wrap ipset ipset
for name in iptables iptables-save iptables-restore; do wrap "$name" xtables-nft-multi "$name"; done
cat >out/bin/pkg-config <<'END'
#!/bin/sh
# Tells cgo of libseccomp and of nothing else. The folders are for the caller: Go's cache does not see this answer change.
case "$*" in
*--cflags*libseccomp*) ;;
*--libs*libseccomp*) echo -lseccomp ;;
*) exit 1 ;;
esac
END
chmod +x out/bin/pkg-config
for program in nft iptables ipset; do "out/bin/$program" --version; done
mv out "$out"
