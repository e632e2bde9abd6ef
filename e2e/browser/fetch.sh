#!/bin/sh
# Puts a headless Chromium with its libraries and a font into CACHE/browser/KEY, and there the program `chromium`. Debian's
# packages are unpacked, not installed, and verified by apt: of a release of Debian the newest, since the archive keeps no
# older ones. Where there is no apt, the machine's own Chromium does. `fetch.sh --print CACHE` only names the folder.
set -eu
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: fetch.sh [--print] CACHE}
# The same key is computed in e2e/src/browser.rs.
out=$cache/browser/$(sha256sum <"$0" | cut -c1-16)
if [ -n "$print" ]; then echo "$out"; exit 0; fi
if [ -d "$out" ]; then exit 0; fi

mkdir -p "$cache/browser"
tmp=$(cd "$cache/browser" && mktemp -d "$PWD/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/out"
cd "$tmp"
if ! command -v apt-get >/dev/null; then
	for name in chromium-headless-shell chromium chromium-browser google-chrome; do
		program=$(command -v "$name") || continue
		printf '#!/bin/sh\nexec "%s" --headless "$@"\n' "$program" >out/chromium
		chmod +x out/chromium
		mv out "$out"
		exit 0
	done
	echo "browser: install Chromium; without apt it is not fetched" >&2
	exit 1
fi

# Lists of its own: those of the machine may be missing or old, and are not for a test to change. As if nothing were
# installed, so that every library comes along, but for the loader's own, which is the machine's, and for what only a
# browser with windows calls.
mkdir -p lists/partial archives/partial
for package in libc6 debconf sysvinit-utils x11-utils xdg-utils; do
	printf 'Package: %s\nStatus: install ok installed\nMaintainer: none\nVersion: 999\nArchitecture: %s\nMulti-Arch: foreign\nDescription: none\n\n' \
		"$package" "$(dpkg --print-architecture)"
done >status
options="-q -q -o Dir::State::Lists=$tmp/lists -o Dir::State::status=$tmp/status -o Dir::Cache::archives=$tmp/archives
	-o APT::Sandbox::User=root"
apt-get $options update
apt-get $options --yes --download-only --no-install-recommends install chromium-headless-shell fonts-dejavu-core
for package in archives/*.deb; do dpkg -x "$package" out; done
rm -rf out/usr/share/doc out/usr/share/locale out/usr/lib/chromium/libVkLayer_khronos_validation.so*

cat >out/fonts.conf <<'END'
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">usr/share/fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>
END
cat >out/chromium <<'END'
#!/bin/sh
# Debian's, with its libraries and its font.
root=$(cd "$(dirname "$0")" && pwd)
libraries=$(echo "$root"/usr/lib/*-linux-gnu)
LD_LIBRARY_PATH=$libraries:$libraries/pulseaudio:$(echo "$root"/lib/*-linux-gnu)
FONTCONFIG_FILE=$root/fonts.conf
XDG_CACHE_HOME=$root/cache
export LD_LIBRARY_PATH FONTCONFIG_FILE XDG_CACHE_HOME
exec "$root/usr/lib/chromium/chromium-headless-shell" "$@"
END
chmod +x out/chromium
out/chromium --version
mv out "$out"
