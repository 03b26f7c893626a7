pub mod capture;
pub mod compatibility;
pub mod manifest;
pub mod memory_file;
pub mod pages;
pub mod pauses;
pub mod restore;
pub mod templates;
