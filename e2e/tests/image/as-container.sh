#!/bin/sh
# as-container.sh ARGUMENT...: becomes the binary of the image unpacked at $ROOT with these arguments: as the image's user,
# without capabilities, with the image's files alone, which nobody can write to.
unset KUBECONFIG
exec unshare --mount sh -c 'mount --bind "$ROOT" "$ROOT" && mount -o remount,bind,ro "$ROOT" &&
	exec chroot --userspec=65532:65532 "$ROOT" /flink-remedy "$@"' sh "$@"
