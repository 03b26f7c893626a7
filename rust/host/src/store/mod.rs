//! What lies on disk, and the names that it lies under.

pub mod copy;
pub mod disks;
pub mod files;
pub mod fingerprint;
pub mod free_space;
pub mod host_folder;
pub mod ids;
pub mod image_import;
pub mod images;
pub mod paths;
pub mod records;
pub mod runtime_files;
