//! Which images are still wanted. A new one comes with every build of the agent, and each takes some 200 MB.

use crate::error::note;
use crate::ids::ImageKey;
use crate::manifest::Manifest;
use crate::record::Record;
use crate::{image, machines, place};
use std::collections::BTreeSet;
use std::fs;

/// Images that a machine, a template or a save needs; `None` when a machine does not tell.
fn used() -> Option<BTreeSet<ImageKey>> {
    let machines = machines::folders().into_iter().map(|id| Record::read(&id).map(|record| record.image));
    let mut used = machines.collect::<Option<BTreeSet<_>>>()?;
    for above in [place::templates(), place::saves()] {
        let folders = fs::read_dir(above).into_iter().flatten().flatten();
        // One that cannot be read cannot be loaded either.
        used.extend(folders.filter_map(|folder| Some(Manifest::read(&folder.path()).ok()?.shape.image)));
    }
    Some(used)
}

/// Removes images that were not imported just now, and that nothing uses. Only while no daemon runs, which could be
/// about to use one.
pub fn forget_old(imported: &BTreeSet<ImageKey>) {
    let Some(used) = used() else { return };
    for key in image::list().into_iter().filter(|key| !imported.contains(key) && !used.contains(key)) {
        let away = place::images().join(format!("{key}.old.new"));
        let _ = fs::remove_dir_all(&away);
        if fs::rename(place::image(&key), &away).is_ok() && fs::remove_dir_all(&away).is_ok() {
            note(format_args!("image {key} is removed: nothing uses it any more"));
        }
    }
}
