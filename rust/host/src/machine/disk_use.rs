//! Which machine uses a disk.

use crate::error::{Code, Outcome, failure};
use crate::jail::uids;
use crate::store::disks::{self, Removed};
use crate::store::ids::Id;
use crate::store::paths;
use crate::store::records::{Record, machines};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// The machine that uses a disk, if any does.
pub fn user_of(disk: &Id) -> Option<Id> {
    let machines = machines();
    let by_record = |id: &&Id| Record::read(id).is_some_and(|record| record.disk_id.as_ref() == Some(disk));
    if let Some(user) = machines.iter().find(by_record) {
        return Some(user.clone());
    }
    // A machine whose record cannot be read has its uid on its disk until it is removed.
    let owner = fs::symlink_metadata(paths::disk(disk)).ok()?.uid();
    let holder = uids::holder(owner)?;
    machines.into_iter().find(|id| *id == holder && Record::read(id).is_none())
}

/// Removes a disk. The caller holds the disk's lock.
///
/// # Errors
/// `busy` while a machine uses it.
pub fn remove(id: &Id) -> Outcome<Removed> {
    if let Some(user) = user_of(id) {
        return Err(failure(Code::Busy, format!("disk {id} is used by machine {user}")));
    }
    disks::remove(id)
}
