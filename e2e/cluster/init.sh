#!/bin/sh
# init.sh DIR COMMAND...: the first process of the machine that hold.sh makes. Lays DIR and memory over what a node
# writes to, gives the network an address, runs COMMAND and ends with it, and everything with them.
set -eu
dir=${1:?usage: init.sh DIR COMMAND...}
shift
echo node >/proc/sys/kernel/hostname

# Shared among the pods of this machine, with nobody outside.
mount --make-rprivate /
mount --make-rshared /
for folder in /var/lib /var/log; do
	mkdir -p "$dir/disk$folder"
	mount --bind "$dir/disk$folder" "$folder"
done
mount -t tmpfs -o mode=755 run /run

# A sysfs shows the network in which it was mounted, a cgroup file system the cgroup namespace.
umount -l /sys
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
sed -n 's/^[0-9]*:\([^:]\{1,\}\):.*/\1/p' /proc/self/cgroup | while read -r controllers; do
	options=$controllers
	case $controllers in name=*) options=none,$controllers ;; esac
	mkdir "/sys/fs/cgroup/${controllers#name=}"
	mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/${controllers#name=}"
done

# The kernel has these only once, and kubelet insists on its values: it is shown them, and the machine keeps its own.
mkdir "$dir/sysctl"
while read -r file value; do
	echo "$value" >"$dir/sysctl/${file##*/}"
	mount --bind "$dir/sysctl/${file##*/}" "/proc/sys/$file"
done <<-END
	vm/overcommit_memory 1
	vm/panic_on_oom 0
	kernel/panic 10
	kernel/panic_on_oops 1
	kernel/keys/root_maxkeys 1000000
	kernel/keys/root_maxbytes 25000000
END

# An address that documentation has to itself, on a bridge; the pair of links makes it a bridge with a cable. Addresses
# of services need a route before kube-proxy rewrites them. There is no other: nothing outside can be reached.
ip link set lo up
ip link add node0 type bridge
ip link add cable0 type veth peer name cable1
ip link set cable0 master node0 up
ip link set cable1 up
ip addr add 198.51.100.10/24 dev node0
ip link set node0 up
ip route add 10.96.0.0/16 dev node0
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables

# By this a program knows that it may change the machine.
export FLINK_REMEDY_MACHINE="$dir"
# Not exec: whatever loses its parent becomes a child of the first process, and a shell buries it.
"$@"
