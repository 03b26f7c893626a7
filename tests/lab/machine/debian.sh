#!/bin/sh
# Makes of a fresh Debian root what the lab boots: OUT/{root.erofs,bzImage,busybox,modules/}. Runs as mmdebstrap's hook.
#   debian.sh ROOT OUT KERNEL_PACKAGE
set -eu
root=$1 out=$2 package=$3

# Only downloaded and unpacked: installing it would pull in initramfs-tools and build an initrd that nobody boots.
apt="env APT_CONFIG=$MMDEBSTRAP_APT_CONFIG"
kernel=$($apt apt-cache depends --important "$package" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
mkdir -p "$root/.lab/kernel" "$root/.lab/view"
(cd "$root/.lab/kernel" && $apt apt-get -q -o APT::Sandbox::User=root download "$kernel")
dpkg-deb -x "$root/.lab/kernel/"*.deb "$root/.lab/kernel"
cp "$root/.lab/kernel/boot/vmlinuz-"* "$out/bzImage"
tree=$(echo "$root/.lab/kernel/"*lib/modules/* "$root/.lab/kernel/"usr/lib/modules/* | tr ' ' '\n' | grep -v '\*' | head -n 1)
version=${tree##*/}
mkdir -p "$root/usr/lib/modules"
mv "$tree" "$root/usr/lib/modules/"
tree=$root/usr/lib/modules/$version
# finit_module(2) without a helper wants them plain.
find "$tree" -name '*.ko.xz' -exec xz -d {} +
chroot "$root" depmod "$version"
cp -r "$tree" "$out/modules"
cp "$root/usr/bin/busybox" "$out/busybox"

rm -rf "$root/.lab/kernel" "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb
# A bind mount without its submounts shows the root without the /proc, /sys and /dev that the build runs with.
# shellcheck disable=SC2016 # The inner shell expands them.
unshare --mount sh -eu -c '
  mount --bind "$1" "$1/.lab/view"
  exec mkfs.erofs --quiet -zlz4 -C65536 --exclude-regex="^/?\.lab(/|$)" --exclude-regex="^/?(proc|sys|dev|run|tmp)/" \
    "$2" "$1/.lab/view"
' sh "$root" "$out/root.erofs"
