#!/bin/sh
# hold.sh DIR COMMAND...: runs COMMAND as the one program of a machine of its own: with its own processes, mounts, host
# name and cgroups, in the caller's network. What COMMAND leaves behind ends with it; DIR, where all of it lies, and the
# cgroups are removed then. Needs root and cgroup v1.
set -eu
dir=${1:?usage: hold.sh DIR COMMAND...}
shift
here=$(cd "$(dirname "$0")" && pwd)
prefix=flink-remedy-e2e
own=$prefix.$$

# Where this process is in each hierarchy. The line without a controller is cgroup v2.
parents=$(sed -n 's#^[0-9]*:\(name=\)\{0,1\}\([^:]\{1,\}\):\(.*\)#/sys/fs/cgroup/\2\3#; s#/$##; /^[/]/p' /proc/self/cgroup)

enter() {
	for parent in $parents; do
		mkdir "$parent/$own"
		if [ -e "$parent/cpuset.cpus" ]; then
			# Empty at first, and then no process may enter.
			cat "$parent/cpuset.cpus" >"$parent/$own/cpuset.cpus"
			cat "$parent/cpuset.mems" >"$parent/$own/cpuset.mems"
		fi
		echo 0 >"$parent/$own/cgroup.procs" # 0 is the process that writes
	done
}

remove() { # GROUP
	find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
}

is_in_use() { # GROUP: its hold.sh runs, or any process in it
	kill -0 "${1##*.}" 2>/dev/null || find "$1" -name cgroup.procs -exec cat {} + | grep -q .
}

# What is left of a hold.sh that was killed itself.
for parent in $parents; do
	for group in "$parent/$prefix".*; do
		if [ -d "$group" ] && ! is_in_use "$group"; then remove "$group"; fi
	done
done
status=0
# A signal from the terminal is for the caller, whose end closes COMMAND's standard input.
trap : INT TERM HUP
(
	enter
	exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child=KILL --mount-proc "$here/init.sh" "$dir" "$@"
) || status=$?
for parent in $parents; do remove "$parent/$own"; done
if [ -z "${E2E_KEEP:-}" ]; then rm -rf "$dir"; fi
exit "$status"
