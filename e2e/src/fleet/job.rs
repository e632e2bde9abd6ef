//! One job of a fleet.

use serde_json::{Value, json};

use super::reconciled;

/// FKO's own file of log4j, with the comments and loggers that platforms add to it.
const LOG4J: &str = include_str!("log4j-console.properties");

/// The field manager that applies a job: half of them are applied by Argo CD, the others by Flux and by kubectl.
pub fn manager(number: usize) -> &'static str {
    match number % 4 {
        0 | 1 => "argocd-controller",
        2 => "kustomize-controller",
        _ => "kubectl",
    }
}

pub(super) fn name(number: usize) -> String {
    format!(
        "{}-{number:05}",
        ["orders-enrichment", "payments-fraud-scoring", "clickstream-sessions", "inventory"][number % 4]
    )
}

/// The object as its tool applies it.
pub(super) fn object(namespace: &str, number: usize) -> Value {
    let name = name(number);
    json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels(&name, namespace),
            "annotations": annotations(namespace, number),
        },
        "spec": spec(namespace, number),
    })
}

fn labels(name: &str, namespace: &str) -> Value {
    json!({
        "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "streaming", "app.kubernetes.io/managed-by": "platform",
        "app.kubernetes.io/version": "2025.11.3", "team": namespace, "cost-center": "cc-4711", "environment": "production",
    })
}

fn annotations(namespace: &str, number: usize) -> Value {
    let name = name(number);
    let mut annotations = json!({
        "contact": format!("#{namespace}-oncall"),
        "runbook": format!("https://runbooks.example.com/streaming/{namespace}/{name}"),
        "description": format!("{name} of team {namespace}: reads three topics, joins them by key and writes to the lake."),
    });
    match manager(number) {
        "argocd-controller" => {
            let id = format!("{namespace}-streaming:flink.apache.org/FlinkDeployment:{namespace}/{name}");
            annotations["argocd.argoproj.io/tracking-id"] = json!(id);
            annotations["argocd.argoproj.io/sync-wave"] = json!("5");
        }
        "kubectl" => {
            let metadata = json!({"name": name, "namespace": namespace, "labels": labels(&name, namespace)});
            let applied = json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "metadata": metadata,
                "spec": spec(namespace, number)});
            annotations["kubectl.kubernetes.io/last-applied-configuration"] = json!(format!("{applied}\n"));
        }
        _ => annotations["kustomize.toolkit.fluxcd.io/checksum"] = json!(checksum(number)),
    }
    annotations
}

/// What its owner wants.
pub fn spec(namespace: &str, number: usize) -> Value {
    let name = name(number);
    let version = [("v1_18", "1.18"), ("v1_19", "1.19"), ("v1_20", "1.20")][number % 3];
    let image = format!("registry.example.com/{namespace}/{name}:{}-flink{}", 100 + number % 900, version.1);
    json!({
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "flinkVersion": version.0,
        "serviceAccount": "flink",
        "flinkConfiguration": configuration(namespace, number),
        "logConfiguration": {"log4j-console.properties": LOG4J.replace("@team@", namespace)},
        "podTemplate": pod_template(namespace, &name),
        "jobManager": {
            "replicas": 1, "resource": {"memory": "2048m", "cpu": 1},
            "podTemplate": {"spec": {"containers": [{"name": "flink-main-container", "volumeMounts": [
                {"name": "artifacts", "mountPath": "/opt/flink/artifacts"}]}],
                "volumes": [{"name": "artifacts", "emptyDir": {"sizeLimit": "2Gi"}}]}},
        },
        "taskManager": {
            "resource": {"memory": format!("{}m", 4096 + 1024 * (number % 5)), "cpu": 2},
            "podTemplate": {"spec": {"containers": [{"name": "flink-main-container", "volumeMounts": [
                {"name": "rocksdb", "mountPath": "/opt/flink/rocksdb"}]}],
                "volumes": [{"name": "rocksdb", "ephemeral": {"volumeClaimTemplate": {"spec": {
                    "accessModes": ["ReadWriteOnce"], "storageClassName": "gp3",
                    "resources": {"requests": {"storage": "100Gi"}}}}}}]}},
        },
        "job": {
            "jarURI": "local:///opt/flink/usrlib/job.jar", "entryClass": format!("com.example.{namespace}.Main"),
            "args": ["--source.topics", format!("{namespace}.events.v1,{namespace}.events.v2"), "--consumer.group", name,
                "--sink.table", format!("lake.{namespace}.{name}"), "--parallelism.sink", "4"],
            "parallelism": 4 + number % 12, "state": "running", "upgradeMode": "savepoint",
            "allowNonRestoredState": false,
        },
    })
}

fn configuration(namespace: &str, number: usize) -> Value {
    let name = name(number);
    let interval = ["1 min", "3 min", "30 s"][number % 3];
    // Short enough to stand whole in our sentences, so that a copy of the job is told of as the job is.
    let place = |what: &str| format!("s3://flink/{namespace}/{name}/{what}");
    let mut conf = json!({
        "state.backend.type": "rocksdb",
        "state.checkpoints.dir": place("checkpoints"), "state.savepoints.dir": place("savepoints"),
        "high-availability.type": "kubernetes", "high-availability.storageDir": place("ha"),
        "execution.checkpointing.interval": interval,
        "execution.checkpointing.timeout": "10 min", "execution.checkpointing.min-pause": "30 s",
        "execution.checkpointing.max-concurrent-checkpoints": "1", "execution.checkpointing.unaligned": "false",
        "execution.checkpointing.tolerable-failed-checkpoints": "3", "state.checkpoints.num-retained": "3",
        "state.backend.local-recovery": "true", "state.backend.rocksdb.localdir": "/opt/flink/rocksdb",
        "state.backend.rocksdb.predefined-options": "SPINNING_DISK_OPTIMIZED_HIGH_MEM",
        "state.backend.rocksdb.metrics.block-cache-usage": "true",
        "taskmanager.numberOfTaskSlots": "2", "taskmanager.memory.managed.fraction": "0.5",
        "taskmanager.memory.network.max": "256mb", "jobmanager.memory.jvm-metaspace.size": "512mb",
        "pipeline.object-reuse": "true", "pipeline.max-parallelism": (128 << (number % 3)).to_string(),
        "pipeline.generic-types": "false", "table.exec.state.ttl": "7 d", "parallelism.default": "4",
        "kubernetes.operator.savepoint.history.max.age": "72 h",
        "kubernetes.operator.savepoint.history.max.count": "5",
        "kubernetes.operator.periodic.savepoint.interval": "6 h",
        "s3.endpoint": "https://s3.eu-central-1.amazonaws.com", "s3.path.style.access": "false",
        "fs.s3a.aws.credentials.provider": "com.amazonaws.auth.WebIdentityTokenCredentialsProvider",
        "env.java.opts.all": "-XX:+UseG1GC -XX:MaxGCPauseMillis=200 -XX:+ExitOnOutOfMemoryError -Dfile.encoding=UTF-8",
    });
    if number.is_multiple_of(5) {
        conf["job.autoscaler.enabled"] = json!("true");
        conf["job.autoscaler.stabilization.interval"] = json!("5m");
        conf["job.autoscaler.target.utilization"] = json!("0.7");
    }
    conf
}

fn pod_template(namespace: &str, name: &str) -> Value {
    let variable = |name: &str, value: &str| json!({"name": name, "value": value});
    let secret = |name: &str, from: &str, key: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": from, "key": key}}});
    let restricted = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true, "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "labels": {"team": namespace, "app.kubernetes.io/name": name, "network-policy/egress-kafka": "allowed"},
            "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": format!("{namespace}-flink")},
        },
        "spec": {
            "securityContext": {"fsGroup": 9999, "runAsUser": 9999, "runAsGroup": 9999, "runAsNonRoot": true},
            "nodeSelector": {"node.example.com/pool": "streaming", "kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "streaming", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
                {"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100,
                "podAffinityTerm": {"topologyKey": "topology.kubernetes.io/zone",
                    "labelSelector": {"matchLabels": {"app.kubernetes.io/name": name}}}}]}},
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app.kubernetes.io/name": name}}}],
            "initContainers": [{"name": "fetch-schemas", "image": "registry.example.com/platform/schema-fetcher:4.2.0",
                "args": ["--registry", "https://schemas.example.com", "--subject-prefix", namespace, "--out", "/schemas"],
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                "securityContext": restricted,
                "volumeMounts": [{"name": "schemas", "mountPath": "/schemas"}]}],
            "containers": [
                {"name": "flink-main-container",
                 "env": [variable("KAFKA_BROKERS", "kafka-0.kafka:9093,kafka-1.kafka:9093,kafka-2.kafka:9093"),
                    variable("SCHEMA_REGISTRY", "https://schemas.example.com"), variable("TEAM", namespace),
                    variable("JOB", name), variable("ENVIRONMENT", "production"),
                    variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel-collector.observability:4317"),
                    variable("AWS_REGION", "eu-central-1"), variable("ENABLE_BUILT_IN_PLUGINS", "flink-s3-fs-presto.jar"),
                    secret("KAFKA_USER", &format!("{namespace}-kafka"), "username"),
                    secret("KAFKA_PASSWORD", &format!("{namespace}-kafka"), "password"),
                    {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                 "ports": [{"name": "metrics", "containerPort": 9249, "protocol": "TCP"}],
                 "securityContext": restricted,
                 "volumeMounts": [{"name": "schemas", "mountPath": "/schemas", "readOnly": true},
                    {"name": "truststore", "mountPath": "/etc/ssl/kafka", "readOnly": true},
                    {"name": "tmp", "mountPath": "/tmp"}]},
                {"name": "log-shipper", "image": "registry.example.com/platform/fluent-bit:3.1.9",
                 "args": ["-c", "/fluent-bit/etc/fluent-bit.conf"],
                 "env": [variable("LOKI_URL", "https://loki.example.com"), variable("LOKI_TENANT", namespace)],
                 "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                 "securityContext": restricted,
                 "volumeMounts": [{"name": "log-shipper", "mountPath": "/fluent-bit/etc"}]},
            ],
            "volumes": [{"name": "schemas", "emptyDir": {"sizeLimit": "64Mi"}}, {"name": "tmp", "emptyDir": {}},
                {"name": "truststore", "secret": {"secretName": format!("{namespace}-kafka-truststore"), "defaultMode": 288}},
                {"name": "log-shipper", "configMap": {"name": "log-shipper", "defaultMode": 420}}],
        },
    })
}

fn checksum(number: usize) -> String {
    format!("{:064x}", number * 7919)
}

fn id(number: usize) -> String {
    format!("{:032x}", number * 104_729 + 1)
}

fn savepoint(number: usize) -> String {
    format!("s3://flink/savepoints/{number}/savepoint-{number:06x}-4a1c")
}

fn started(number: usize) -> u64 {
    1_767_000_000_000 + number as u64 * 1000
}

/// What one job has and no other.
pub(super) fn marks(number: usize) -> [String; 5] {
    [name(number), checksum(number), id(number), savepoint(number), started(number).to_string()]
}

/// What FKO 1.10 says of a job that runs and is stable.
pub fn status(number: usize, generation: i64, spec: &Value) -> Value {
    let kept = reconciled(generation, spec);
    let started = started(number);
    json!({
        "clusterInfo": {"flink-revision": "b1fe7b4 @ 2024-06-21T10:22:11+02:00", "flink-version": "1.19.1",
            "state-size": "53687091200", "total-cpu": "9.0", "total-memory": "19327352832"},
        "jobManagerDeploymentStatus": "READY",
        "jobStatus": {"jobId": id(number), "jobName": name(number),
            "startTime": started.to_string(), "state": "RUNNING", "updateTime": (started + 60_000).to_string(),
            "checkpointInfo": {"lastPeriodicCheckpointTimestamp": 0}, "savepointInfo": {
                "lastPeriodicSavepointTimestamp": started, "savepointHistory": [],
                "lastSavepoint": {"timeStamp": started, "triggerType": "UPGRADE", "formatType": "CANONICAL",
                    "location": savepoint(number)}}},
        "lifecycleState": "STABLE",
        "observedGeneration": generation,
        "reconciliationStatus": {"lastReconciledSpec": kept, "lastStableSpec": kept,
            "reconciliationTimestamp": started, "state": "DEPLOYED"},
        "taskManager": {"labelSelector": format!("component=taskmanager,app={}", name(number)), "replicas": 4},
    })
}
