#!/bin/bash
# The entry point that Flink's Kubernetes integration names in every pod.
exec "$@"
