//! What differs between versions of the API.

use crate::vmm::firecracker::version::Version;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// A load can name other taps than the snapshot does (`network_overrides`), since 1.12. Without, a tap must have the name
    /// that it had.
    pub network_overrides: bool,
    /// A load calls it `track_dirty_pages`, since 1.13; before, `enable_diff_snapshots`.
    pub load_tracks_dirty_pages: bool,
}

impl Capabilities {
    pub fn of(version: &Version) -> Self {
        Self { network_overrides: version.is_at_least(1, 12), load_tracks_dirty_pages: version.is_at_least(1, 13) }
    }
}
