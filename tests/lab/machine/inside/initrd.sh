#!/bin/busybox sh
# shellcheck shell=dash
# The initrd's /init: puts Debian, the checkout and a disk to write to together, and goes on there.
set -eu
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
while read -r module; do insmod "/modules/$module"; done </modules/order
for disk in vda vdb vdc vdd; do
  while ! [ -b "/dev/$disk" ]; do sleep 0.1; done
done
mount -t erofs -o ro /dev/vda /debian
mount -t ext4 /dev/vdd /scratch
mkdir /scratch/upper /scratch/work
mount -t overlay -o lowerdir=/debian,upperdir=/scratch/upper,workdir=/scratch/work lab /root
mkdir -p /root/lab/scratch /root/lab/modules /root/lab/payload
mount --move /scratch /root/lab/scratch
mount -t erofs -o ro /dev/vdb /root/lab/modules
mount -t erofs -o ro /dev/vdc /root/lab/payload
umount /proc
mount --move /dev /root/dev
exec switch_root /root /bin/sh /lab/payload/checkout/tests/lab/machine/inside/init.sh
