//! A note that an image's bytes were found right, so that a start need not hash them again. It holds what changes with
//! any write to a file (inode, size, change time, which nobody can set); it is void as soon as one differs.

use crate::store::images::FILES;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const NAME: &str = "checked";

const NAMES: [&str; 4] = [FILES[0], FILES[1], FILES[2], "manifest.json"];

/// What changes with any write to one of the files; `None` when one is missing.
pub fn of(folder: &Path, names: &[&str]) -> Option<String> {
    let mut text = String::new();
    for name in names {
        let found = fs::symlink_metadata(folder.join(name)).ok()?;
        writeln!(text, "{name} {} {} {}.{:09}", found.ino(), found.size(), found.ctime(), found.ctime_nsec()).ok()?;
    }
    Some(text)
}

/// Notes that the files in this folder are right as they are now.
pub fn set(folder: &Path) {
    if let Some(text) = of(folder, &NAMES) {
        // Without the note the next start takes a little longer.
        let _ = fs::write(folder.join(NAME), text);
    }
}

/// Whether the files are those that were found right.
pub fn holds(folder: &Path) -> bool {
    of(folder, &NAMES).is_some_and(|now| fs::read_to_string(folder.join(NAME)).is_ok_and(|then| then == now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_voids_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        for name in FILES.iter().chain(&["manifest.json"]) {
            fs::write(file(name), "as it should be").unwrap();
        }
        assert!(!holds(folder.path()));
        set(folder.path());
        assert!(holds(folder.path()));
        // The same size, and the old time of modification.
        let before = fs::metadata(file("root.erofs")).unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(file("root.erofs"), "as it should b3").unwrap();
        fs::File::options().write(true).open(file("root.erofs")).unwrap().set_modified(before).unwrap();
        assert!(!holds(folder.path()));
        set(folder.path());
        fs::remove_file(file("vmlinuz")).unwrap();
        assert!(!holds(folder.path()));
    }
}
