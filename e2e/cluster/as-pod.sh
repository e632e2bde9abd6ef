#!/bin/sh
# as-pod.sh ARGUMENT...: becomes $PROGRAM with these arguments, for which names are resolved as in a pod: by the file
# $RESOLVER instead of /etc/resolv.conf.
exec unshare --mount sh -c 'mount --bind "$RESOLVER" /etc/resolv.conf && exec "$PROGRAM" "$@"' sh "$@"
