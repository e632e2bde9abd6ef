#!/bin/bash
# Starts a Flink process in a pod. Flink's Kubernetes integration calls it by two names of scripts that come with
# Flink's images; Flink's distribution on PyPI has no scripts.
set -eu
home=/opt/flink
conf=${FLINK_CONF_DIR:-$home/conf}
export FLINK_HOME=$home FLINK_CONF_DIR=$conf FLINK_LIB_DIR=$home/lib FLINK_PLUGINS_DIR=$home/plugins
classes="$home/lib/*"

# What Flink's own configuration opens for Java 17. The first compiler alone and one collector start faster.
java=(java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData)
for package in java.lang java.lang.reflect java.net java.io java.nio java.text java.time java.util java.util.concurrent \
	java.util.concurrent.atomic java.util.concurrent.locks sun.nio.ch; do
	java+=("--add-opens=java.base/$package=ALL-UNNAMED")
done
java+=("-Dlog.file=$home/log/flink.log" "-Dlog4j.configurationFile=file:$conf/log4j-console.properties")

case ${0##*/} in
kubernetes-taskmanager.sh)
	# The JobManager has computed the options of its memory.
	exec "${java[@]}" ${FLINK_TM_JVM_MEM_OPTS:-} -cp "$classes" \
		org.apache.flink.kubernetes.taskmanager.KubernetesTaskExecutorRunner --configDir "$conf" "$@"
	;;
kubernetes-jobmanager.sh)
	entry=$1
	shift
	[ "$entry" = kubernetes-application ] || { echo "flink-process: no entry $entry" >&2; exit 1; }
	memory=()
	while IFS= read -r line; do
		case $line in
		BASH_JAVA_UTILS_EXEC_RESULT:*) memory+=("${line#*:}") ;;
		*) echo "$line" >&2 ;;
		esac
	done < <(java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$home/bin/bash-java-utils.jar:$classes" \
		org.apache.flink.runtime.util.bash.BashJavaUtils GET_JM_RESOURCE_PARAMS --configDir "$conf" "$@" 2>&1)
	[ ${#memory[@]} = 2 ] || { echo "flink-process: Flink computes no memory" >&2; exit 1; }
	# Both are lists of options.
	exec "${java[@]}" ${memory[0]} -cp "$classes" \
		org.apache.flink.kubernetes.entrypoint.KubernetesApplicationClusterEntrypoint \
		--configDir "$conf" ${memory[1]} "$@"
	;;
*)
	echo "flink-process: called by the name $0" >&2
	exit 1
	;;
esac
