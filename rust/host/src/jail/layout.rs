//! Where things lie in every jail.

/// The daemon's own program, whose `jail-exec` is the last step of the way in.
pub const PROGRAM: &str = "/jail/microterm-host";
/// The prober, in the jail that it is to try.
pub const PROBER: &str = "/jail/microterm-jail-probe";
pub const IMAGE_FOLDER: &str = "/image";
pub const DISK: &str = "/disk.ext4";
/// What a guest of a VMM that works on files is restored from, and what it saves to.
pub const RESTORED_MEMORY: &str = "/restored/memory";
pub const RESTORED_STATE: &str = "/restored/state";
pub const SAVED_MEMORY: &str = "/saved/memory";
pub const SAVED_STATE: &str = "/saved/state";
/// Capabilities that Firecracker's jailer makes use of; no process of a machine can have any other.
pub const JAILER_CAPABILITIES: [i32; 6] =
    [CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, CAP_MKNOD];
/// linux/capability.h.
const CAP_CHOWN: i32 = 0;
const CAP_DAC_OVERRIDE: i32 = 1;
const CAP_SETGID: i32 = 6;
const CAP_SETUID: i32 = 7;
const CAP_SYS_ADMIN: i32 = 21;
const CAP_MKNOD: i32 = 27;
