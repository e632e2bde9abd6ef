#!/bin/sh
# Builds what a node needs beside Kubernetes' own programs into CACHE/node/KEY, where KEY names the exact sources and
# this script: containerd, runc, CNI plugins, CoreDNS, kube-router and the process of a pod's sandbox. What is already
# there is left alone. `build.sh --print CACHE` only names the folder.
set -eu
cd "$(dirname "$0")"
print=
if [ "${1:-}" = --print ]; then print=1; shift; fi
cache=${1:?usage: build.sh [--print] CACHE}

key=$(cat build.sh go.mod go.sum coredns/main.go pause/main.go kube-router/go.* ../packages.sh | sha256sum | cut -c1-16)
out=$cache/node/$key
if [ -n "$print" ]; then echo "$out"; exit 0; fi
mkdir -p "$out/cni"
tmp=
trap 'rm -f "$tmp"' EXIT

build() { # NAME PACKAGE [FLAG...]
	if [ -x "$out/$1" ]; then return 0; fi
	command -v go >/dev/null || { echo "node: Go is needed to build $1" >&2; exit 1; }
	echo "building $1" >&2
	# Renamed only when complete: an interrupted build must not leave something that looks finished.
	tmp=$out/.tmp.$$ name=$1 package=$2
	shift 2
	go build -trimpath -ldflags='-s -w' -o "$tmp" "$@" "$package"
	mv "$tmp" "$out/$name"
}

export CGO_ENABLED=0
containerd=github.com/containerd/containerd/v2/cmd
plugins=github.com/containernetworking/plugins/plugins
# Snapshots lie in overlayfs; other file systems would need headers of theirs.
without='-tags=no_btrfs,no_zfs,no_devmapper,no_aufs'
build containerd "$containerd/containerd" "$without"
build containerd-shim-runc-v2 "$containerd/containerd-shim-runc-v2" "$without"
build ctr "$containerd/ctr" "$without"
build cni/bridge "$plugins/main/bridge"
build cni/loopback "$plugins/main/loopback"
build cni/host-local "$plugins/ipam/host-local"
build coredns ./coredns
build pause ./pause
# Of older dependencies than the others, so it has a module of its own.
cd kube-router
build kube-router github.com/cloudnativelabs/kube-router/v2/cmd/kube-router
cd ..
# It enters namespaces in C, and the sandbox of every pod asks for seccomp.
packages=$(../packages.sh --print "$cache")
export CGO_ENABLED=1 PKG_CONFIG="$packages/bin/pkg-config" CGO_CFLAGS="-O2 -g -I$packages/usr/include" \
	CGO_LDFLAGS="-O2 -g -L$(echo "$packages"/usr/lib/*-linux-gnu)"
build runc github.com/opencontainers/runc -tags=seccomp
