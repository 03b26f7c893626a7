#!/bin/sh
# init.sh FOLDER PROGRAMS KUBE_ROUTER: the init of the cluster's namespaces. Starts its programs, each with a log in FOLDER. CLUSTER_NODE is the
# node's address, CLUSTER_API the one under which the API server is known, CLUSTER_SERVICES the network of the services', CLUSTER_OUTSIDE the address of a host beside the cluster (files.ts).
set -e
folder=$1 programs=$2 kube_router=$3
mount -t proc proc /proc
# What all of them keep at fixed places.
for place in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$place"; done
mkdir -p /var/lib/kubelet /var/lib/containerd /run/lock
# A /tmp of its own, with the folder in it: the controller manager makes volumes there.
mkdir /run/folder
mount --bind "$folder" /run/folder
mount -t tmpfs tmpfs /tmp
mkdir -p "$folder"
mount --bind /run/folder "$folder"
# Images are large, and overlays want another file system below them.
mkdir -p "$folder/containerd"
mount --bind "$folder/containerd" /var/lib/containerd
# The kubelet sets these for its whole machine, which is not its own here.
settings=/run/kernel-settings
mkdir "$settings"
while read -r path value; do
  file=$settings/$(echo "$path" | tr / -)
  echo "$value" >"$file"
  mount --bind "$file" "/proc/sys/$path"
done <<'TEXT'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
TEXT

# Environments ask for whole CPUs, and there are tests with more of them than such a machine has: the node counts these.
cpus=/run/cpus
for cpu in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
  mkdir -p "$cpus/node0/cpu$cpu/topology" "$cpus/node0/cpu$cpu/cache"
  echo "$cpu" >"$cpus/node0/cpu$cpu/topology/core_id"
  echo 0 >"$cpus/node0/cpu$cpu/topology/physical_package_id"
done
mkdir "$cpus/node0/hugepages"
cp /sys/devices/system/node/node0/meminfo /sys/devices/system/node/node0/distance "$cpus/node0/"
mount --bind "$cpus" /sys/devices/system/node
echo 0-15 >/run/online
mount --bind /run/online /sys/devices/system/cpu/online

ip link set lo up
# The node's address may not be one of loopback.
ip link add node0 type veth peer name node1
ip address add "$CLUSTER_NODE/24" dev node0
ip link set node0 up
ip link set node1 up
# Clouds give the API server a public address.
ip address add "$CLUSTER_API/32" dev lo
# A host beside the cluster, with a route to its pods, in /run/netns/outside.
ip netns add outside
ip link add outside0 type veth peer name outside1 netns outside
ip address add "$CLUSTER_GATEWAY/24" dev outside0
ip link set outside0 up
ip -netns outside link set lo up
ip -netns outside address add "$CLUSTER_OUTSIDE/24" dev outside1
ip -netns outside link set outside1 up
ip -netns outside route add default via "$CLUSTER_GATEWAY"
ip route add default via "$CLUSTER_OUTSIDE"
echo 1 >/proc/sys/net/ipv4/ip_forward

# A program that ends is started again, as by a service manager.
start() { # name, command
  name=$1
  shift
  while :; do
    "$@" || true
    sleep 0.2
  done >>"$folder/$name.log" 2>&1 &
}

start containerd containerd --config "$folder/containerd.toml"
start etcd "$programs/etcd" --data-dir /run/etcd --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 \
  --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
start kube-apiserver "$programs/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --bind-address 0.0.0.0 --advertise-address "$CLUSTER_API" \
  --secure-port 6443 --kubelet-preferred-address-types InternalIP --tls-cert-file "$folder/api.crt" --tls-private-key-file "$folder/api.key" \
  --audit-policy-file "$folder/audit.yaml" --audit-log-path "$folder/audit.log" \
  --token-auth-file "$folder/tokens.csv" --authorization-mode RBAC \
  --service-cluster-ip-range "$CLUSTER_SERVICES" --service-account-issuer https://kubernetes.default.svc \
  --service-account-key-file "$folder/accounts.key" --service-account-signing-key-file "$folder/accounts.key"
start kube-controller-manager "$programs/kube-controller-manager" --kubeconfig "$folder/kubeconfig" --leader-elect=false \
  --service-account-private-key-file "$folder/accounts.key" --root-ca-file "$folder/api.crt" --bind-address 127.0.0.1 \
  --enable-hostpath-provisioner
start kube-scheduler "$programs/kube-scheduler" --kubeconfig "$folder/kubeconfig" --leader-elect=false --bind-address 127.0.0.1
# It ends where containerd does not answer yet.
until ctr --address "$folder/containerd.sock" version >/dev/null 2>&1; do sleep 0.1; done
start kubelet "$programs/kubelet" --kubeconfig "$folder/kubeconfig" --config "$folder/kubelet.yaml" --hostname-override node \
  --node-ip "$CLUSTER_NODE" --root-dir /var/lib/kubelet
# It ends where it finds no API server, or no node.
until "$programs/kubectl" --kubeconfig "$folder/kubeconfig" get node node; do sleep 0.2; done
NODE_NAME=node start kube-router "$kube_router" --kubeconfig "$folder/kubeconfig" --hostname-override node --run-firewall=true --run-router=false \
  --run-service-proxy=false --run-loadbalancer=false --service-cluster-ip-range "$CLUSTER_SERVICES"
# It collects what containers leave, until it is killed.
while :; do wait || true; sleep 1; done
