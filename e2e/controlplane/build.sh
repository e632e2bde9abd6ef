#!/bin/sh
# Builds the four control plane binaries into CACHE/controlplane/KEY, where KEY names their exact
# sources and flags; what is already there is left alone. `build.sh --print CACHE` only names the folder, and
# `build.sh --node CACHE` also builds what a node runs.
set -eu
cd "$(dirname "$0")"
print= node=
case "${1:-}" in
--print) print=1; shift ;;
--node) node=1; shift ;;
esac
cache=${1:?usage: build.sh [--print | --node] CACHE}

# The same key is computed in e2e/src/artifacts.rs.
key=$(cat go.mod go.sum build.flags | sha256sum | cut -c1-16)
out=$cache/controlplane/$key
if [ -n "$print" ]; then echo "$out"; exit 0; fi
mkdir -p "$out"

build() { # NAME PACKAGE
	if [ -x "$out/$1" ]; then return 0; fi
	command -v go >/dev/null || { echo "controlplane: Go is needed to build $1" >&2; exit 1; }
	echo "building $1 (a first build takes minutes)" >&2
	# Renamed only when complete: an interrupted build must not leave something that looks finished.
	tmp=$out/.$1.$$
	trap 'rm -f "$tmp"' EXIT
	eval "set -- \"$1\" \"$2\" $(cat build.flags)"
	name=$1 package=$2
	shift 2
	CGO_ENABLED=0 go build "$@" -o "$tmp" "$package"
	mv "$tmp" "$out/$name"
	trap - EXIT
}

build etcd go.etcd.io/etcd/server/v3
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
build kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager
build kubectl k8s.io/kubernetes/cmd/kubectl
if [ -n "$node" ]; then
	build kube-scheduler k8s.io/kubernetes/cmd/kube-scheduler
	build kubelet k8s.io/kubernetes/cmd/kubelet
	build kube-proxy k8s.io/kubernetes/cmd/kube-proxy
fi
