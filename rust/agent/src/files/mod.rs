//! File calls. All of them act as the guest's user.

pub mod calls;
pub mod download;
pub mod entries;
pub mod tar;
pub mod upload;
