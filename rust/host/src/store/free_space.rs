//! What the file system of the daemon's folder has left.

use crate::error::{During, Outcome};
use crate::store::paths;
use nix::sys::statvfs::statvfs;

/// Below this the host's file system is as good as full.
pub const KEEP_FREE: u64 = 256 << 20;

/// Bytes that the file system of the daemon's folder has free for others than root.
///
/// # Errors
/// What the file system refused.
pub fn free_bytes() -> Outcome<u64> {
    let found = statvfs(&paths::host()).during(|| "ask for free space".to_owned())?;
    Ok(found.blocks_available() * found.fragment_size())
}
