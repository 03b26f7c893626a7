#!/bin/sh
# Turns a fresh Debian root into the guest's base, and leaves it as files in /.microterm/out of that root, from where
# mmdebstrap's copy-out fetches them. Runs inside mmdebstrap (also in its user namespace), so owners come out right.
#   customize.sh ROOT RECIPE_DIR KERNEL_PACKAGE SUITE
set -eu
root=$1 recipe=$2 kernel_package=$3 suite=$4
out=$root/.microterm/out
step() { echo "microterm-step: $1"; }
mkdir -p "$out"

step "kernel"
# Only downloaded and unpacked: installing it would pull in initramfs-tools and build an initrd that nobody boots.
apt="env APT_CONFIG=$MMDEBSTRAP_APT_CONFIG"
kernel=$($apt apt-cache depends --important "$kernel_package" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
test -n "$kernel" || { echo "E: $kernel_package depends on no linux-image package" >&2; exit 1; }
mkdir "$root/.microterm/kernel"
(cd "$root/.microterm/kernel" && $apt apt-get -q -o APT::Sandbox::User=root download "$kernel")
# Debian 12 has the modules below /lib, Debian 13 below /usr/lib.
dpkg-deb --fsys-tarfile "$root/.microterm/kernel/"*.deb | tar -x -C "$root/.microterm/kernel" --wildcards './boot/vmlinuz-*' './*lib/modules/*'
version=$(basename "$root/.microterm/kernel/boot/vmlinuz-"*)
version=${version#vmlinuz-}
modules=$root/usr/lib/modules
mkdir -p "$modules"
for folder in lib usr/lib; do
  [ ! -d "$root/.microterm/kernel/$folder/modules" ] || mv "$root/.microterm/kernel/$folder/modules/$version" "$modules/"
done
tree=$modules/$version
# Hardware that no microVM has. What containers, file systems and networks need stays.
for directory in "$tree"/kernel/drivers/*; do
  case ${directory##*/} in block | char | md | net | vhost | virtio | vdpa) ;; *) rm -rf "$directory" ;; esac
done
rm -rf "$tree"/kernel/drivers/net/ethernet "$tree"/kernel/drivers/net/wireless "$tree"/kernel/sound "$tree"/build "$tree"/source
# Debian 13 compresses modules; finit_module(2) without a helper wants them plain.
find "$tree" -name '*.ko.xz' -exec xz -d {} +
chroot "$root" depmod "$version"
echo "$version" >"$out/version"
cp "$root/.microterm/kernel/boot/vmlinuz-$version" "$out/bzImage"
cp -al "$tree" "$out/modules"
rm -rf "$root/.microterm/kernel"

step "guest"
chroot "$root" useradd --uid 1000 --user-group --no-create-home --home-dir /home/dev --shell /bin/bash \
  --groups sudo,adm dev
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/apt/sources.list"
rm -rf "$root"/etc/apt/sources.list.d/*
cp -r --no-preserve=ownership,mode "$recipe/root/." "$root/"
find "$recipe/root" -mindepth 1 -printf '%y %P\n' | while read -r type path; do
  case $type in d) chmod 0755 "$root/$path" ;; f) chmod 0644 "$root/$path" ;; esac
done
chmod 0440 "$root"/etc/sudoers.d/*
sed -i "s/@SUITE@/$suite/g" "$root/etc/apt/sources.list.d/debian.sources"
# What ssh, and programs that are started from it, ask for most; `localedef` makes others.
for locale in en_US en_GB de_DE es_ES fr_FR ja_JP pt_BR zh_CN; do
  chroot "$root" localedef -i "$locale" -f UTF-8 "$locale.UTF-8"
done
mkdir -p "$root/usr/lib/microterm"
# A constant instead of a fork of dircolors in each shell: under emulation that fork is what one waits for.
chroot "$root" env TERM=xterm-256color dircolors -b >"$root/usr/lib/microterm/ls-colors.bash"
# Also where dev looks for programs: Debian's /etc/profile leaves sbin out of an ordinary user's PATH.
for name in poweroff reboot halt shutdown; do
  ln -sf /run/microterm/agent "$root/usr/sbin/$name"
  ln -sf /run/microterm/agent "$root/usr/local/bin/$name"
done
# Each apt-get install in a guest would otherwise rebuild the manual's index.
rm -f "$root/var/lib/man-db/auto-update"

step "clean"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb \
  "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old "$root"/var/log/*.log "$root"/var/log/apt/* "$root"/etc/*-
# Each guest gets its own; an empty file is what tools expect where none is set yet.
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/resolv.conf"
# The agent, which answers at once also where it has no network. The same text as its own, so that it need not write it.
echo "nameserver 169.254.53.53" >"$root/etc/resolv.conf"
mkdir -p "$root/home" "$root/run" "$root/tmp"
chmod 1777 "$root/tmp"

step "filesystem"
# Times are kept per file: byte-compiled Python records its source's, and is compiled again at each start if they differ.
# A bind mount without its submounts shows the root without the /proc, /sys and /dev that the build runs with.
mkdir "$root/.microterm/view"
# shellcheck disable=SC2016 # The inner shell expands them.
unshare --mount sh -eu -c '
  mount --bind "$1" "$1/.microterm/view"
  exec mkfs.erofs --quiet -zlz4hc "-C$EROFS_CLUSTER" --preserve-mtime -U "$EROFS_UUID" \
    --exclude-regex="^/?\.microterm(/|$)" --exclude-regex="^/?(proc|sys|dev|run|tmp)/" "$2" "$1/.microterm/view"
' sh "$root" "$out/root.erofs"
chmod -R u+rwX,go+rX "$out"
