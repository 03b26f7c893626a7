//! Nodes of devices whose driver the kernel loads when they are first opened. Elsewhere udev makes them at the boot, with
//! these modes; devtmpfs alone would make them after the driver was loaded, for root.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// Debian's group `disk`.
const DISK: u32 = 6;
/// As many as the driver makes by itself.
const LOOPS: u64 = 8;

/// How long a device may take to appear. The host's own deadline is shorter; this one only ends the waiting.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How often to look for it.
const INTERVAL: Duration = Duration::from_millis(1);

struct Device {
    path: &'static str,
    number: (u64, u64),
    mode: u32,
    group: u32,
}

/// Numbers: the kernel's include/linux/miscdevice.h. Modes: systemd's 50-udev-default.rules.
const MISC: [Device; 3] = [
    Device { path: "/dev/fuse", number: (10, 229), mode: 0o666, group: 0 },
    Device { path: "/dev/net/tun", number: (10, 200), mode: 0o666, group: 0 },
    Device { path: "/dev/loop-control", number: (10, 237), mode: 0o660, group: DISK },
];
const LOOP_MAJOR: u64 = 7;

pub fn make() -> io::Result<()> {
    fs::create_dir_all("/dev/net")?;
    for device in MISC {
        make_node(device.path, SFlag::S_IFCHR, device.number, device.mode, device.group)?;
    }
    for minor in 0..LOOPS {
        make_node(&format!("/dev/loop{minor}"), SFlag::S_IFBLK, (LOOP_MAJOR, minor), 0o660, DISK)?;
    }
    Ok(())
}

fn make_node(path: &str, kind: SFlag, (major, minor): (u64, u64), mode: u32, group: u32) -> io::Result<()> {
    match mknod(Path::new(path), kind, Mode::from_bits_truncate(mode), makedev(major, minor)) {
        // Its driver is built into the kernel.
        Ok(()) | Err(nix::Error::EEXIST) => {}
        Err(error) => return Err(io::Error::other(format!("{path}: {error}"))),
    }
    fs::set_permissions(path, PermissionsExt::from_mode(mode))?;
    chown(path, Some(0), Some(group))
}

/// Looks until something is there. Devices come a moment after their driver.
pub fn wait_for<T>(look: impl Fn() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let found = look();
        if found.is_some() || Instant::now() > deadline {
            return found;
        }
        thread::sleep(INTERVAL);
    }
}
