//! What only PID 1 of a guest does: boot, identity, seal, power.

pub mod boot;
pub mod devices;
pub mod fstab;
pub mod host_keys;
pub mod identity;
pub mod init;
pub mod kernel_words;
pub mod pod;
pub mod power;
pub mod randomness;
pub mod sealing;
pub mod sysctl;
