//! Files below the tenant's root that the agent itself reads and writes. The tenant may have put anything in their place.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long a program's start waits for a file.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The first bytes of a regular file as text; `None` for a pipe or a device, whose reads may never end.
pub fn read(path: &Path, limit: u64) -> Option<String> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Runs a look-up on a file thread, as the user: a file may lie on a file system whose program never answers. `None`
/// when it takes too long. Look-ups that hang take one thread in all.
pub async fn look_up<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);
    let found = async {
        let permit = ONE_AT_A_TIME.acquire().await.ok()?;
        let work = move || {
            let found = work();
            drop(permit);
            found
        };
        spawn_blocking(work).await.ok()
    };
    timeout(TIMEOUT, found).await.ok().flatten()
}

/// Puts a small file with this text in place of whatever is there.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let found = fs::symlink_metadata(path).ok();
    if found.as_ref().is_some_and(fs::Metadata::is_dir) {
        // No file can replace a directory, and what is in it is the tenant's.
        fs::rename(path, beside(path, &format!("directory-{}", nanoseconds())))?;
    }
    let new = beside(path, "new");
    let _ = fs::remove_file(&new);
    let written = OpenOptions::new().write(true).create_new(true).open(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        if let Some(found) = found.filter(fs::Metadata::is_file) {
            file.set_permissions(found.permissions())?;
        }
        fs::rename(&new, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{suffix}"))
}

fn nanoseconds() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

#[cfg(test)]
mod tests {
    use super::{TIMEOUT, look_up, read, replace};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;
    use std::sync::mpsc;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    const LIMIT: u64 = 1 << 10;

    #[test]
    fn what_is_no_file_is_not_read_and_no_more_than_a_part_of_a_large_one() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, large) = (folder.path().join("pipe"), folder.path().join("large"));
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        fs::File::create(&large).unwrap().set_len(100 << 30).unwrap();
        for path in [&pipe, folder.path(), &folder.path().join("missing"), Path::new("/dev/zero")] {
            assert_eq!(read(path, LIMIT), None, "{}", path.display());
        }
        assert_eq!(read(&large, LIMIT).map(|text| text.len() as u64), Some(LIMIT));
    }

    #[test]
    fn a_file_replaces_whatever_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
        symlink("/dev/zero", at("device")).unwrap();
        symlink("other", at("link")).unwrap();
        fs::write(at("other"), "kept").unwrap();
        fs::File::create(at("large")).unwrap().set_len(100 << 30).unwrap();
        fs::create_dir(at("directory")).unwrap();
        fs::write(at("directory/inside"), "kept").unwrap();
        mkfifo(&at(".file.new"), Mode::S_IRWXU).unwrap();
        fs::write(at("file"), "old").unwrap();
        fs::set_permissions(at("file"), PermissionsExt::from_mode(0o444)).unwrap();
        let names = ["pipe", "device", "link", "large", "directory", "file", "missing"];
        for name in names {
            replace(&at(name), "new\n").unwrap();
            let metadata = fs::symlink_metadata(at(name)).unwrap();
            assert!(metadata.is_file(), "{name}");
            assert_eq!(fs::read_to_string(at(name)).unwrap(), "new\n", "{name}");
        }
        assert_eq!(fs::read_to_string(at("other")).unwrap(), "kept");
        assert_eq!(fs::metadata(at("file")).unwrap().permissions().mode() & 0o777, 0o444);
        let rest = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let rest: Vec<_> = rest.filter(|name| !names.contains(&name.as_str()) && name != "other").collect();
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert_eq!(fs::read_to_string(at(&rest[0]).join("inside")).unwrap(), "kept");
    }

    #[test]
    fn a_look_up_that_hangs_keeps_neither_the_loop_nor_a_second_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (release, released) = mpsc::channel::<()>();
        runtime.block_on(async {
            assert_eq!(look_up(|| 1).await, Some(1));
            assert_eq!(look_up(move || released.recv().is_ok()).await, None);
            assert_eq!(look_up(|| 2).await, None);
            release.send(()).unwrap();
            let answer = async {
                loop {
                    if let Some(found) = look_up(|| 3).await {
                        return found;
                    }
                }
            };
            assert_eq!(tokio::time::timeout(TIMEOUT * 30, answer).await, Ok(3));
        });
    }
}
