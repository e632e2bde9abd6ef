#!/bin/sh
# The allowed arrows: {flink-conf, flink-api} <- checklist <- controller <- flink-remedy. A client, an async
# runtime or an HTTP stack below `controller` means that a decision could depend on more than its arguments.
set -eu
cd "$(dirname "$0")/.."
forbidden='kube|kube-client|kube-runtime|tokio|hyper|tower|reqwest|axum|futures|controller|flink-remedy'
status=0
for crate in flink-conf flink-api checklist; do
	tree=$(cargo tree --locked --package "$crate" --edges normal,build --prefix none --format '{p}' --features '')
	found=$(printf '%s\n' "$tree" | awk '{print $1}' | sort -u | grep -xE "$forbidden" || true)
	if [ -n "$found" ]; then
		echo "layers: $crate depends on $(echo "$found" | tr '\n' ' ')" >&2
		status=1
	fi
done
# kube-core brings kube's types, never a client; it is behind flink-api's feature `kube` alone.
for crate in flink-conf checklist; do
	if cargo tree --locked --package "$crate" --edges normal --prefix none | grep -q '^kube'; then
		echo "layers: $crate depends on kube" >&2
		status=1
	fi
done
[ $status -eq 0 ] && echo "layers: flink-conf, flink-api and checklist are pure"
exit $status
