#!/usr/bin/env bash
# down.sh DIR: stops what up.sh started there, by pid, and removes the folder.
set -euo pipefail
dir=${1:?usage: down.sh DIR}
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/debug
if [ ! -d "$dir" ]; then echo "demo: nothing is running"; exit 0; fi
pid=$(cat "$dir/operator.pid" 2>/dev/null || true)
# A pid may belong to somebody else by now: only a process that runs our binary is ours.
if [ -n "$pid" ] && [ "$(basename "$(readlink "/proc/$pid/exe" 2>/dev/null || true)")" = flink-remedy ]; then
	kill "$pid"
	tail --pid "$pid" -f /dev/null
fi
if [ -d "$dir/plane" ]; then "$target/controlplane" down --dir "$dir/plane"; fi
rm -rf "$dir"
echo "demo: stopped"
