#!/bin/sh
# keep.sh FOLDER PROGRAMS KUBE_ROUTER CGROUP: runs a cluster in namespaces of its own until standard input ends, which it does with the
# process that has started this, however that ends. Then nothing of the cluster is left. Prints the pid of the cluster's init.
folder=$1 programs=$2 kube_router=$3 cgroup=$4
here=$(dirname "$0")
exec 3<&0 </dev/null

hierarchies() { find /sys/fs/cgroup -maxdepth 1 -mindepth 1 -type d; [ ! -e /sys/fs/cgroup/cgroup.procs ] || echo /sys/fs/cgroup; }

for hierarchy in $(hierarchies); do
  mkdir "$hierarchy/$cgroup" 2>/dev/null || continue
  # A new group of cpuset takes no process before it has both.
  for file in cpuset.cpus cpuset.mems; do
    [ ! -e "$hierarchy/$cgroup/$file" ] || cat "$hierarchy/$file" >"$hierarchy/$cgroup/$file"
  done
done

unshare --fork --kill-child --pid --mount --net --ipc --propagation private -- sh "$here/init.sh" "$folder" "$programs" "$kube_router" >>"$folder/init.log" 2>&1 3<&- &
namespaces=$!
while [ -z "$init" ] && kill -0 "$namespaces" 2>/dev/null; do init=$(cat "/proc/$namespaces/task/$namespaces/children"); done
echo "${init% }"

cat <&3 >/dev/null
# All in the pid namespace end with its init, and mounts and links with the last of them.
kill -KILL "$namespaces" 2>/dev/null
wait "$namespaces" 2>/dev/null
tries=0
remove_group() { # path, of one whose processes have been killed
  while [ -e "$1" ] && [ "$tries" -lt 600 ]; do
    find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
    [ ! -e "$1" ] || sleep 0.05
    tries=$((tries + 1))
  done
}
for hierarchy in $(hierarchies); do
  # Containers that ran to the end: containerd has their groups below one of its own, where others' may be.
  for container in "$folder"/containerd/io.containerd.grpc.v1.cri/*/*; do remove_group "$hierarchy/k8s.io/${container##*/}"; done
  rmdir "$hierarchy/k8s.io" 2>/dev/null
  remove_group "$hierarchy/$cgroup"
done
rm -rf "$folder"
