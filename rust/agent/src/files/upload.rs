//! An upload: written beside its target under a temporary name, and renamed when whole.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::spawn_blocking;

use crate::channel::request_body::RequestBody;
use crate::error::CallResult;
use crate::files::entries::{Entry, name_of, not_a_file, on_file_thread, stat};

/// Bytes received before a file thread is asked.
const WRITE_BYTES: usize = 128 << 10;
/// The longest part of the target's name that a temporary one repeats; a name has at most 255 bytes.
const NAME_BYTES: usize = 64;

/// Properties of the file, besides its bytes.
#[derive(Clone, Copy)]
pub struct Properties {
    pub mode: Option<u32>,
    /// Milliseconds since 1970; the time of its writing where absent.
    pub mtime: Option<i64>,
}

/// The temporary file; removed when it was not renamed.
struct Upload {
    target: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
    mode: u32,
    renamed: bool,
}

pub async fn receive(path: PathBuf, properties: Properties, mut body: RequestBody) -> CallResult<Entry> {
    let mut upload = on_file_thread(path.clone(), move |path| begin(path, properties.mode)).await?;
    let mut buffer = Vec::new();
    while let Some(data) = body.next().await? {
        buffer.extend_from_slice(&data);
        if buffer.len() >= WRITE_BYTES {
            upload.write(&path, std::mem::take(&mut buffer)).await?;
        }
    }
    upload.write(&path, buffer).await?;
    let Some(file) = upload.file.take() else { unreachable!("a write puts the file back") };
    let (temporary, target, mode) = (upload.temporary.clone(), upload.target.clone(), upload.mode);
    let entry = on_file_thread(path, move |path| {
        // A hole at the end was not written.
        let length = (&file).stream_position()?;
        file.set_len(length)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        if let Some(ms) = properties.mtime {
            file.set_modified(time_of(ms))?;
        }
        drop(file);
        fs::rename(&temporary, &target)?;
        stat(path)
    })
    .await?;
    upload.renamed = true;
    Ok(entry)
}

fn begin(path: &Path, mode: Option<u32>) -> io::Result<Upload> {
    name_of(path)?;
    // Through a link the file it points to is written, and the link stays.
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        // As cp(1): a dangling link is not written through.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "a link that leads nowhere"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let mut old_mode = 0o644;
    if let Ok(metadata) = fs::metadata(&target) {
        if !metadata.is_file() {
            return Err(not_a_file());
        }
        old_mode = metadata.permissions().mode() & 0o7777;
    }
    let name = name_of(&target)?.to_string_lossy();
    let name: String = name.chars().take(NAME_BYTES / 4).collect();
    let temporary = target.with_file_name(format!(".{name}.{}.part", unique()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    Ok(Upload { target, temporary, file: Some(file), mode: mode.unwrap_or(old_mode), renamed: false })
}

/// A name no other upload has; `create_new` refuses one that a program made.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    format!("{time:x}-{:x}", COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Upload {
    async fn write(&mut self, path: &Path, bytes: Vec<u8>) -> CallResult<()> {
        let Some(mut file) = self.file.take() else { unreachable!("a write puts the file back") };
        let work = move |_: &Path| write_or_skip(&mut file, &bytes).map(|()| file);
        self.file = Some(on_file_thread(path.to_owned(), work).await?);
        Ok(())
    }
}

/// A piece of this length that is all zeros becomes a hole, as it was in most files that have one.
fn write_or_skip(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() >= WRITE_BYTES && bytes.iter().all(|byte| *byte == 0) {
        return file.seek_relative(bytes.len() as i64);
    }
    file.write_all(bytes)
}

fn time_of(unix_ms: i64) -> SystemTime {
    let distance = Duration::from_millis(unix_ms.unsigned_abs());
    if unix_ms < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.renamed {
            let temporary = std::mem::take(&mut self.temporary);
            // On a file thread: as root it could follow a link to a file that is not the user's.
            spawn_blocking(move || fs::remove_file(temporary));
        }
    }
}
