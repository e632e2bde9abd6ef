#!/usr/bin/env bash
# up.sh DIR BIN: a control plane in DIR, the manifests, the example jobs, and flink-remedy in mode Apply with the
# manifests' ServiceAccount. Shows what was filled. Running it again shows the running one.
set -euo pipefail
dir=${1:?usage: up.sh DIR BIN} bin=${2:?usage: up.sh DIR BIN}
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/debug
export PATH=$bin:$PATH KUBECONFIG=$dir/plane/kubeconfig
mkdir -p "$dir"

say() { printf '\n== %s\n' "$*"; }

# await WHAT SECONDS COMMAND...: until the command succeeds.
await() {
	local what=$1 end=$((SECONDS + $2))
	shift 2
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then echo "demo: $what did not happen in time; see $dir/operator.log" >&2; exit 1; fi
		read -rt 0.3 <> <(:) || true
	done
}

# There is no Flink operator in this demo, so its part is played by hand: the status that it gives to a job which
# has been running for a while.
runs() { # JOB JOBSTATE
	local generation
	generation=$(kubectl -n flink-jobs get flinkdeployment "$1" -o 'jsonpath={.metadata.generation}')
	kubectl -n flink-jobs patch flinkdeployment "$1" --subresource=status --type=merge --patch "$(printf '%s' '{
		"status": {"lifecycleState": "STABLE", "jobManagerDeploymentStatus": "READY", "jobStatus": {'"$2"'},
		"observedGeneration": '"$generation"', "reconciliationStatus": {"state": "DEPLOYED", "reconciliationTimestamp": 1,
		"lastReconciledSpec": "{\"spec\":{},\"resource_metadata\":{\"metadata\":{\"generation\":'"$generation"'}}}"}}}')"
}

say "control plane"
"$target/controlplane" up --dir "$dir/plane" --crds untyped
kubectl apply -f "$root/e2e/demo/operator-config.yaml"
kubectl apply -k "$root/manifests/rbac"
kubectl apply -k "$root/manifests/crd"

if ! kill -0 "$(cat "$dir/operator.pid" 2>/dev/null || echo none)" 2>/dev/null; then
	say "example jobs (three of them get the status of jobs that run)"
	kubectl apply -k "$root/manifests/examples"
	runs alerts-stateless '"state": "RUNNING"'
	runs inventory-savepoint '"state": "RUNNING"'
	runs adhoc-session ''

	say "flink-remedy run --mode Apply, as ServiceAccount flink-remedy/flink-remedy"
	server=$(kubectl config view -o 'jsonpath={.clusters[0].cluster.server}')
	ca=$(kubectl config view -o 'jsonpath={.clusters[0].cluster.certificate-authority}')
	token=$(kubectl -n flink-remedy create token flink-remedy --duration 24h)
	kubectl config --kubeconfig "$dir/operator.kubeconfig" set-cluster demo --server "$server" --certificate-authority "$ca" >/dev/null
	kubectl config --kubeconfig "$dir/operator.kubeconfig" set-credentials flink-remedy --token "$token" >/dev/null
	kubectl config --kubeconfig "$dir/operator.kubeconfig" set-context demo --cluster demo --user flink-remedy >/dev/null
	kubectl config --kubeconfig "$dir/operator.kubeconfig" use-context demo >/dev/null
	KUBECONFIG=$dir/operator.kubeconfig nohup "$target/flink-remedy" run --mode Apply --policy "$root/e2e/demo/policy.yaml" --listen 127.0.0.1:0 \
		>"$dir/operator.log" 2>&1 </dev/null &
	echo $! >"$dir/operator.pid"
fi

# Settled: every job has been spoken of.
jobs=$(kubectl -n flink-jobs get flinkdeployments -o name | cut -d/ -f2)
for job in $jobs; do
	await "an Event on $job" 60 sh -c "kubectl -n flink-jobs get events.events.k8s.io \
		-o jsonpath='{range .items[?(@.reportingController==\"flink-remedy\")]}{.regarding.name}{\"\\n\"}{end}' | grep -qx $job"
done

for job in $jobs; do
	say "$job"
	echo "filled:"
	kubectl -n flink-jobs get flinkdeployment "$job" -o 'jsonpath={.metadata.annotations.flink-remedy\.dev/filled}' |
		python3 -c 'import json, sys
text = sys.stdin.read()
values = json.loads(text)["values"] if text else {}
for target, filled in values.items():
    print("  %s = %s  (%s)" % (target, filled["value"], filled["rule"]))
if not values:
    print("  nothing")'
	kubectl -n flink-jobs describe flinkdeployment "$job" | sed -n '/^Events:/,$p'
done

say "kubectl -n flink-jobs get remediationreports"
kubectl -n flink-jobs get remediationreports

say "look around"
echo "export KUBECONFIG=$dir/plane/kubeconfig PATH=$bin:\$PATH"
echo "kubectl -n flink-jobs describe flinkdeployment orders-rocksdb"
echo "the operator's log: $dir/operator.log"
echo "stop with: make demo-down"
