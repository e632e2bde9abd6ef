#!/usr/bin/env python3
"""What has to stand on every job when all faults are over, told from the jobs as their owners wrote them.

Reads the fleet as JSON from standard input and writes JSON. It knows nothing of the operator: each fill is written down here
by hand, as docs/rules/ has it. `log4j` is the file of the Flink operator's configuration.

    {"log4j": TEXT, "perHour": NUMBER, "jobs": [{"group", "status", "ownerChanges", "object"}]}
    {"jobs": {"NAMESPACE/NAME": {"fills": {TARGET: [VALUES ALLOWED]}, "restarts": [LEAST, MOST], "gone": BOOL}},
     "restartsOfBudget": NUMBER}
"""
import json
import sys

RULES = {"CKP003", "MET001", "RST001", "LOG001"}
DELAYS = "restart-strategy.exponential-delay."


def fills(spec, log4j):
    """Rule -> target -> value, for what the spec leaves open."""
    conf = spec["flinkConfiguration"]
    version = version_of(spec)
    found = {}
    is_rocksdb = "rocksdb" in (conf.get("state.backend.type"), conf.get("state.backend"))
    incremental = {"state.backend.incremental", "execution.checkpointing.incremental"}
    if is_rocksdb and not incremental & conf.keys():
        key = "execution.checkpointing.incremental" if version >= (1, 20) else "state.backend.incremental"
        found["CKP003"] = {key: "true"}
    if not any(key.startswith("metrics.reporter.") and key.endswith(".class") for key in conf):
        found["MET001"] = {
            "metrics.reporter.prom.factory.class": "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
            "metrics.reporter.prom.port": "9249",
            "podTemplate.metadata.annotations:prometheus.io/scrape": "true",
            "podTemplate.metadata.annotations:prometheus.io/port": "9249",
        }
    if not {"restart-strategy", "restart-strategy.type"} & conf.keys():
        found["RST001"] = {
            "restart-strategy" + (".type" if version >= (1, 17) else ""): "exponential-delay",
            DELAYS + "initial-backoff": "1 s",
            DELAYS + "max-backoff": "1 min",
            DELAYS + "backoff-multiplier": "1.5",
            DELAYS + "reset-backoff-threshold": "1 h",
            DELAYS + "jitter-factor": "0.1",
        }
    if "logConfiguration" not in spec:
        found["LOG001"] = {"logConfiguration:log4j-console.properties": quiet(log4j, version)}
    return found


def implicit(spec):
    """Rules whose fills are right by default: a running job waits with them for the next change of its owner."""
    return {"LOG001"} | ({"RST001"} if version_of(spec) >= (1, 19) else set())


def version_of(spec):
    return tuple(int(part) for part in spec["flinkVersion"].removeprefix("v").split("_"))


def quiet(log4j, version):
    """Libraries at WARN; Flink's RPC is Pekko from 1.18 on, Akka before."""
    is_pekko = version >= (1, 18)
    for logger in ["kafka", "hadoop", "zookeeper"] + ([] if is_pekko else ["akka"]):
        log4j = log4j.replace(f"logger.{logger}.level = INFO", f"logger.{logger}.level = WARN")
    if is_pekko:
        log4j += "logger.org_apache_pekko.name = org.apache.pekko\nlogger.org_apache_pekko.level = WARN\n"
    return log4j


def expected(job, log4j):
    spec = job["object"]["spec"]
    annotations = job["object"]["metadata"].get("annotations", {})
    opted_out = annotations.get("flink-remedy.dev/opt-out", "")
    excepted = set(opted_out.split(",")) if opted_out else set()
    is_left_alone = (
        # `true`, and what names no rule: whoever writes that means something, so the whole job is left alone.
        not excepted <= RULES
        or annotations.get("flink-remedy.dev/mode", "Apply") != "Apply"
        or job["status"] in ("finished", "failed")
        or (job["status"] == "stable" and spec["job"]["upgradeMode"] == "stateless")
    )
    if job["status"] == "stable":
        excepted |= implicit(spec)
    allowed = {}
    for rule, values in ({} if is_left_alone else fills(spec, log4j)).items():
        for target, value in values.items() if rule not in excepted else []:
            allowed[target] = [value]
    is_contested = job["group"] == "contested"
    first = DELAYS + "initial-backoff"
    if is_contested and first in allowed:
        allowed[first].append("5 s")  # what the other policy says
    most = 1 if allowed and job["status"] == "stable" else 0
    # The other policy knows one rule less: who has its fills first may restart once more for what they lack.
    return {
        "fills": allowed,
        "restarts": [most, 2 * most if is_contested else most],
        "gone": job["group"] == "doomed",
    }


def main():
    fleet = json.load(sys.stdin)
    jobs = {}
    for job in fleet["jobs"]:
        metadata = job["object"]["metadata"]
        jobs[metadata["namespace"] + "/" + metadata["name"]] = expected(job, fleet["log4j"])
    in_budget = [job for job in fleet["jobs"] if job["group"] == "budget"]
    json.dump({"jobs": jobs, "restartsOfBudget": min(fleet["perHour"], len(in_budget))}, sys.stdout, sort_keys=True)


main()
