//! File calls that end at once. All of it runs on the file threads, which act as the user: a path may lead
//! through any links that the user may follow.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::channel::query::MAX_PATH;
use crate::error::{CallError, CallResult, Code};

/// Entries a listing names.
const MAX_ENTRIES: usize = 10_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    path: String,
    r#type: &'static str,
    size: u64,
    /// Permission bits.
    mode: u32,
    modified_unix_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// No call can name it: `path` is not UTF-8 and shown with replacements, or too long.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_unopenable: bool,
}

#[derive(Serialize)]
pub struct Listing {
    entries: Vec<Entry>,
    truncated: bool,
}

/// Runs on a file thread.
pub async fn on_file_thread<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> CallResult<T> {
    let named = path.clone();
    let result = spawn_blocking(move || work(&path)).await;
    let result = result.map_err(|_| CallError::new(Code::Internal, "the agent is going"))?;
    result.map_err(|error| CallError::io(&named.to_string_lossy(), &error))
}

/// Describes a path itself, not what a link there points to.
pub fn stat(path: &Path) -> io::Result<Entry> {
    let metadata = fs::symlink_metadata(path)?;
    Ok(entry(path, &metadata))
}

fn entry(path: &Path, metadata: &Metadata) -> Entry {
    let kind = metadata.file_type();
    let target = if kind.is_symlink() { fs::read_link(path).ok() } else { None };
    Entry {
        path: path.to_string_lossy().into_owned(),
        r#type: match () {
            () if kind.is_file() => "file",
            () if kind.is_dir() => "directory",
            () if kind.is_symlink() => "symlink",
            () => "other",
        },
        size: metadata.len(),
        mode: metadata.mode() & 0o7777,
        modified_unix_ms: metadata.mtime() * 1000 + metadata.mtime_nsec() / 1_000_000,
        target: target.map(|target| target.to_string_lossy().into_owned()),
        is_unopenable: path.to_str().is_none_or(|path| path.len() > MAX_PATH),
    }
}

/// The entries of a directory by name. One that is removed meanwhile is left out.
pub fn list(path: &Path) -> io::Result<Listing> {
    let mut names = Vec::new();
    let mut truncated = false;
    for found in fs::read_dir(path)? {
        if names.len() == MAX_ENTRIES {
            truncated = true;
            break;
        }
        names.push(found?.file_name());
    }
    names.sort();
    let entries = names.iter().filter_map(|name| stat(&path.join(name)).ok()).collect();
    Ok(Listing { entries, truncated })
}

pub fn mkdir(path: &Path) -> io::Result<Entry> {
    fs::DirBuilder::new().recursive(true).mode(0o777).create(path)?;
    stat(path)
}

/// Removes a file, a link, an empty directory, or with `recursive` a tree (without following links).
pub fn remove(path: &Path, recursive: bool) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    match (metadata.is_dir(), recursive) {
        (true, true) => fs::remove_dir_all(path),
        (true, false) => fs::remove_dir(path),
        (false, _) => fs::remove_file(path),
    }
}

/// The last component's name; `EINVAL` for a path without one, as `/` or `..`.
pub fn name_of(path: &Path) -> io::Result<&OsStr> {
    path.file_name().ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
}

/// For a directory, FIFO, socket or device where a regular file is meant.
pub fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::IsADirectory, "not a regular file")
}
