#!/bin/sh
# manifests.sh KUBECTL: every kustomization under manifests/ builds.
set -eu
kubectl=${1:?usage: manifests.sh KUBECTL}
cd "$(dirname "$0")/.."
find manifests -name kustomization.yaml | sort | while read -r file; do
	dir=$(dirname "$file")
	"$kubectl" kustomize "$dir" >/dev/null || { echo "manifests: $dir does not build" >&2; exit 1; }
done
echo "manifests: every kustomization builds"
