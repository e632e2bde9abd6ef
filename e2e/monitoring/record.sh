#!/bin/sh
# Records anew, into recorded/, what the Prometheus reporters of real Flinks say while a job does well and badly: the metrics that
# the shipped rules name. Each Flink has a network of its own, in which the ports of a pod are free. Needs root, and a built example
# (`make monitoring-record` builds it).
set -eu
cd "$(dirname "$0")"
out=${1:-recorded}
names=$(grep -ohE 'flink_(jobmanager|taskmanager)_[A-Za-z_]+' ../../manifests/monitoring/prometheus/flink.rules.yaml |
	grep -v '_$' | sort -u | paste -sd'|')
# What a regular expression names in the rules.
names="$names|flink_taskmanager_job_task_operator_(.+_)?rocksdb_block_cache_(pinned_usage|capacity)"
mkdir -p "$out"
for version in 1.18 1.20 2.3; do
	# shellcheck disable=SC2016
	unshare --net --pid --fork --kill-child=KILL sh -c 'ip link set lo up && exec "$@"' record \
		../../target/debug/examples/record_metrics "$version" "$names" "$out/flink-$version.yaml" &
	pids="${pids:-} $!"
done
for pid in $pids; do wait "$pid"; done
