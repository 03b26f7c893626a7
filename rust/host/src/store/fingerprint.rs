//! Fingerprints of files: what changes with any write to one (inode, size, change time, which nobody can set). One that
//! is noted beside an image says that its bytes were found right, so that a start need not hash them again.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const NAME: &str = "checked";

/// What changes with any write to one of the files; `None` when one is missing.
pub fn of(folder: &Path, names: &[&str]) -> Option<String> {
    by(folder, names, |found| (found.ctime(), found.ctime_nsec()))
}

/// The same, by the time of the last write, which a new name for a file does not change. Only its owner can set that.
pub fn of_contents(folder: &Path, names: &[&str]) -> Option<String> {
    by(folder, names, |found| (found.mtime(), found.mtime_nsec()))
}

fn by(folder: &Path, names: &[&str], time: impl Fn(&fs::Metadata) -> (i64, i64)) -> Option<String> {
    let mut text = String::new();
    for name in names {
        let found = fs::symlink_metadata(folder.join(name)).ok()?;
        let (seconds, nanoseconds) = time(&found);
        writeln!(text, "{name} {} {} {seconds}.{nanoseconds:09}", found.ino(), found.size()).ok()?;
    }
    Some(text)
}

/// Notes that the files in this folder are right as they are now.
pub fn note(folder: &Path, names: &[&str]) {
    if let Some(text) = of(folder, names) {
        // Without the note the next start takes a little longer.
        let _ = fs::write(folder.join(NAME), text);
    }
}

/// Whether the files are those that were noted.
pub fn is_unchanged(folder: &Path, names: &[&str]) -> bool {
    of(folder, names).is_some_and(|now| fs::read_to_string(folder.join(NAME)).is_ok_and(|then| then == now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["vmlinuz", "root.erofs", "manifest.json"];

    #[test]
    fn any_change_voids_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        for name in NAMES {
            fs::write(file(name), "as it should be").unwrap();
        }
        assert!(!is_unchanged(folder.path(), &NAMES));
        note(folder.path(), &NAMES);
        assert!(is_unchanged(folder.path(), &NAMES));
        // The same size, and the old time of modification.
        let before = fs::metadata(file("root.erofs")).unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(file("root.erofs"), "as it should b3").unwrap();
        fs::File::options().write(true).open(file("root.erofs")).unwrap().set_modified(before).unwrap();
        assert!(!is_unchanged(folder.path(), &NAMES));
        note(folder.path(), &NAMES);
        fs::remove_file(file("vmlinuz")).unwrap();
        assert!(!is_unchanged(folder.path(), &NAMES));
    }
}
