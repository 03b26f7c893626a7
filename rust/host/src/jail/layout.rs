//! Where things lie in every jail.

/// The daemon's own program, whose `jail-exec` is the last step of the way in.
pub const PROGRAM: &str = "/jail/microterm-host";
/// The prober, in the jail that it is to try.
pub const PROBER: &str = "/jail/microterm-jail-probe";
pub const IMAGE_FOLDER: &str = "/image";
pub const DISK: &str = "/disk.ext4";
