#!/bin/sh
# Puts into a new folder what a release consists of: `release.sh CACHE FOLDER`. The image's archive, the binary with licences,
# man pages and completions, the bill of materials, the manifests as plain YAML, release notes from CHANGELOG.md and SHA256SUMS
# of all. Dated and named by the commit. CHANGELOG names another changelog.
set -eu
cd "$(dirname "$0")/.."
cache=${1:?usage: release.sh CACHE FOLDER}
folder=${2:?usage: release.sh CACHE FOLDER}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
if [ -e "$folder" ]; then echo "release: $folder is already there" >&2; exit 1; fi
# First, since nothing else is worth building without them.
notes=$(packaging/notes.sh "$version" "${CHANGELOG:-CHANGELOG.md}")

REVISION=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export REVISION SOURCE_DATE_EPOCH
mkdir -p "$(dirname "$folder")"
tmp=$(mktemp -d "$(dirname "$folder")/.release.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
packaging/image.sh --out "$tmp/image.tar" "$cache"
binary=$(packaging/binary.sh --print "$cache")
kubectl=$(e2e/controlplane/build.sh --print "$cache")/kubectl
architecture=$(tar -xOf "$tmp/image.tar" index.json | sed -n 's/.*"architecture": *"\([a-z0-9]*\)".*/\1/p')
name=flink-remedy-$version
mv "$tmp/image.tar" "$tmp/$name-image-linux-$architecture.tar"

packed() { # FOLDER FILE: the folder as an archive in its place, the same bytes from the same files
	tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+w,go=rX --mtime="@$SOURCE_DATE_EPOCH" -C "$tmp" -cf - "$1" |
		gzip -9n >"$tmp/$2"
	rm -r "${tmp:?}/$1"
}

mkdir -p "$tmp/$name/completions"
cp "$binary/flink-remedy" "$binary/THIRD-PARTY-NOTICES.txt" LICENSE "$tmp/$name/"
cp -R docs/man "$tmp/$name/man"
for shell in bash fish zsh; do
	"$binary/flink-remedy" completion "$shell" >"$tmp/$name/completions/flink-remedy.$shell"
done
packed "$name" "$name-linux-$architecture.tar.gz"
cp "$binary/flink-remedy.cdx.json" "$tmp/$name.cdx.json"
cp "$binary/THIRD-PARTY-NOTICES.txt" "$tmp/"

# manifests/a/b is a-b.yaml; manifests itself is what docs/guides/install.md begins with.
mkdir "$tmp/$name-manifests"
find manifests -name kustomization.yaml | sort | while read -r file; do
	base=$(dirname "$file")
	rendered=$(echo "${base#manifests}" | sed 's#^/##; s#/#-#g')
	"$kubectl" kustomize "$base" >"$tmp/$name-manifests/${rendered:-install}.yaml"
done
cp "$tmp/$name-manifests/install.yaml" "$tmp/$name-install.yaml"
packed "$name-manifests" "$name-manifests.tar.gz"
if [ -e manifests/chart ]; then
	"$(e2e/gitops/build.sh --print "$cache")/helm" package manifests/chart --version "$version" --app-version "$version" \
		--destination "$tmp" >&2
fi

sums=$(cd "$tmp" && sha256sum -- *)
echo "$sums" >"$tmp/SHA256SUMS"
echo "$notes" >"$tmp/RELEASE-NOTES.md"
mv "$tmp" "$folder"
ls -l "$folder"
