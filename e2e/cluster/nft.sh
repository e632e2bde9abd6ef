#!/bin/sh
# Puts the program `nft`, with which kube-proxy sets its rules, into CACHE/nft; what is already there is left alone.
# Where the machine has none, Debian's packages are unpacked, not installed; apt verifies what it downloads.
set -eu
cache=${1:?usage: nft.sh CACHE}
if [ -x "$cache/nft/nft" ]; then exit 0; fi
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
tmp=$(mktemp -d "$cache/.nft.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/nft"

if found=$(command -v nft); then
	ln -s "$found" "$tmp/nft/nft"
else
	packages="nftables libnftables1 libnftnl11 libmnl0 libjansson4 libedit2 libbsd0 libmd0 libxtables12 libgmp10"
	cd "$tmp"
	command -v apt-get >/dev/null || { echo "nft: neither the program nft nor apt-get is here" >&2; exit 1; }
	# Lists of its own: those of the machine may be missing or old, and are not for a test to change.
	mkdir -p lists/partial
	options="-q -q -o Dir::State::Lists=$tmp/lists -o APT::Sandbox::User=root"
	apt-get $options update
	apt-get $options download $packages
	for package in *.deb; do dpkg -x "$package" nft/root; done
	cat >nft/nft <<'END'
#!/bin/sh
root=$(dirname "$0")/root
LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu):$(echo "$root"/lib/*-linux-gnu) exec "$root/usr/sbin/nft" "$@"
END
	chmod +x nft/nft
fi
"$tmp/nft/nft" --version >&2
mv "$tmp/nft" "$cache/nft"
