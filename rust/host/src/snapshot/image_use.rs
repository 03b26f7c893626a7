//! Which images are there, and what of the daemon's own needs them. Environments need theirs as well, also those that
//! have no machine: the daemon does not know of them, so the server, which does, says when an image can go.

use crate::error::{Code, Outcome, failure, note};
use crate::snapshot::manifest::Manifest;
use crate::store::files::{self, Removed};
use crate::store::ids::ImageKey;
use crate::store::records::{self, Record};
use crate::store::{images, paths};
use serde::Serialize;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    image: ImageKey,
    allocated_bytes: u64,
    imported_unix_ms: u64,
    /// It lies in the folder that the daemon was started with.
    is_offered: bool,
    /// A machine, a template or a save needs it.
    is_used: bool,
}

/// What machines, templates and saves are made of; `None` in it is a machine that does not tell.
fn used() -> Vec<Option<ImageKey>> {
    let machines = records::machines().into_iter().map(|id| Record::read(&id).map(|record| record.image));
    let folders = [paths::templates(), paths::saves()].into_iter().flat_map(fs::read_dir).flatten().flatten();
    // One that cannot be read cannot be loaded either.
    let saved = folders.filter_map(|folder| Some(Manifest::read(&folder.path()).ok()?.shape.image));
    machines.chain(saved.map(Some)).collect()
}

fn is_offered(import: Option<&Path>, key: &ImageKey) -> bool {
    import.is_some_and(|folder| images::offered(folder).contains(key))
}

/// All images, the one imported last at the end. `import` is the folder that the daemon was started with.
pub fn list(import: Option<&Path>) -> Vec<Listed> {
    let used = used();
    let listed = |image: ImageKey| {
        let folder = paths::image(&image);
        let changed =
            fs::symlink_metadata(&folder).map_or(0, |found| found.ctime() * 1000 + found.ctime_nsec() / 1_000_000);
        Listed {
            allocated_bytes: files::allocated(&folder),
            imported_unix_ms: changed.cast_unsigned(),
            is_offered: is_offered(import, &image),
            is_used: used.contains(&Some(image.clone())),
            image,
        }
    };
    let mut all: Vec<_> = images::list().into_iter().map(listed).collect();
    all.sort_by_key(|one| one.imported_unix_ms);
    all
}

/// Removes an image. The caller holds the images' lock. Nothing there is success.
///
/// # Errors
/// `busy` while something needs it, or it is the one that new machines are to be made of.
pub fn remove(import: Option<&Path>, key: &ImageKey) -> Outcome<Removed> {
    if is_offered(import, key) {
        return Err(failure(Code::Busy, format!("image {key} is the one that the daemon was started with")));
    }
    let used = used();
    if used.contains(&None) {
        return Err(failure(Code::Busy, format!("a machine does not tell whether it runs on image {key}")));
    }
    if used.contains(&Some(key.clone())) {
        return Err(failure(Code::Busy, format!("a machine, a template or a save needs image {key}")));
    }
    let removed = files::remove(&[&paths::image(key)])?;
    if removed.files > 0 {
        note(format_args!("image {key} is removed: nothing uses it any more"));
    }
    Ok(removed)
}
