//! Snapshots of guests: templates, from which many machines are restored, and pauses, of one machine each.

pub mod capture;
pub mod compatibility;
pub mod image_use;
pub mod manifest;
pub mod memory_file;
pub mod pages;
pub mod pauses;
pub mod restore;
pub mod saving_mark;
pub mod template_cache;
pub mod templates;
pub mod written_files;
