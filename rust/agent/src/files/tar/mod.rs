//! Trees of files as tars, in both directions.

pub mod extract;
pub mod file_data;
pub mod left_out;
pub mod receive;
pub mod records;
pub mod send;
pub mod sent_member;
pub mod sparse;
pub mod threads;
pub mod tree;
