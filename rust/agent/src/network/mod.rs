//! The guest's side of its network: the one interface that the host gives it, and the files that go with it.

pub mod configure;
pub mod current;
pub mod files;
pub mod interface;
pub mod netlink;
