//! Extracts a tar's members below a directory: makes each, leaves it out by name, or ends the tar.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{Mode, UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::mkfifo;
use tar::{Entry, EntryType};

use crate::error::{CallError, CallResult, bad_request};
use crate::files::tar::left_out::LeftOut;
use crate::files::tar::records;
use crate::files::tar::sparse::{self, SparseRecords};

/// A volume's label (GNU tar, `--label`): no file.
const VOLUME_LABEL: u8 = b'V';

pub struct Members<'a> {
    /// With its links resolved.
    directory: &'a Path,
    /// Directories made here, with the mode and time that they get once everything is in them.
    made: BTreeMap<PathBuf, Option<(u32, Option<TimeSpec>)>>,
    pub written: u64,
    pub left_out: LeftOut,
    first_error: Option<CallError>,
}

impl<'a> Members<'a> {
    pub fn new(directory: &'a Path) -> Self {
        Members { directory, made: BTreeMap::new(), written: 0, left_out: LeftOut::default(), first_error: None }
    }

    /// Makes one member, or leaves it out by name. An error ends the tar: it is malformed, would lead
    /// out, or nothing more fits.
    pub fn add<R: Read>(&mut self, member: &mut Entry<'_, R>) -> CallResult<()> {
        let malformed = |error: io::Error| bad_request(format!("not a whole tar: {error}"));
        let kind = member.header().entry_type();
        if kind.is_pax_global_extensions() || kind.as_byte() == VOLUME_LABEL {
            return Ok(());
        }
        let header_name = member.path_bytes().into_owned();
        let (sparse, time) = match records::read(member) {
            Ok(records) => records,
            Err(reason) => {
                self.left_out.add(&header_name, reason);
                return Ok(());
            }
        };
        let own_name = sparse.as_ref().and_then(|records| records.name.clone());
        let name = PathBuf::from(std::ffi::OsStr::from_bytes(own_name.as_deref().unwrap_or(&header_name)));
        let stays = name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !stays {
            return Err(leaves(&name));
        }
        let mode = member.header().mode().map_err(malformed)? & 0o777;
        let mtime = time.or_else(|| records::header_time(member.header()));
        let target: PathBuf = self.directory.join(&name).components().collect();
        if target == self.directory {
            return Ok(());
        }
        let result = self.parents(&name).and_then(|()| match kind {
            EntryType::Directory => self.directory_member(&target, mode, mtime),
            EntryType::Regular | EntryType::Continuous if let Some(records) = sparse => {
                clear(&target)?;
                write_sparse(member, &target, records).and_then(|()| finish(&target, mode, mtime))
            }
            EntryType::Regular
            | EntryType::Continuous
            | EntryType::GNUSparse
            | EntryType::Symlink
            | EntryType::Link => {
                if kind != EntryType::Link || is_other(member, &name) {
                    clear(&target)?;
                }
                match member.unpack_in(self.directory) {
                    Ok(true) if kind == EntryType::Link => Ok(()),
                    // The tar crate knows times of the header alone.
                    Ok(true) => set_time(&target, mtime),
                    Ok(false) => Err(outside()),
                    Err(error) => Err(cause(error)),
                }
            }
            EntryType::Fifo => {
                clear(&target)?;
                mkfifo(&target, Mode::from_bits_truncate(mode))?;
                finish(&target, mode, mtime)
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, describe(kind))),
        });
        match result {
            Ok(()) => self.written += 1,
            Err(error) if error.kind() == io::ErrorKind::Unsupported && error.raw_os_error().is_none() => {
                self.left_out.add(name.as_os_str().as_bytes(), error.to_string());
            }
            Err(error) if is_members_own(&error) => {
                self.left_out.add(name.as_os_str().as_bytes(), format!("cannot be written: {error}"));
                self.first_error.get_or_insert(CallError::io(&name.to_string_lossy(), &error));
            }
            Err(error) if error.raw_os_error().is_some() => return Err(CallError::io(&name.to_string_lossy(), &error)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(leaves(&name)),
            Err(error) => return Err(bad_request(format!("member {name:?}: {error}"))),
        }
        Ok(())
    }

    /// Gives the directories their modes and times, the deepest first: until then they had to be open for what comes into
    /// them. Where nothing at all could be written, the reason is the answer.
    pub fn finish(mut self) -> CallResult<(u64, LeftOut)> {
        for (path, properties) in self.made.iter().rev() {
            let Some((mode, mtime)) = properties else { continue };
            // A later member may have taken its place.
            let is_directory = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
            if is_directory && let Err(error) = finish(path, *mode, *mtime) {
                self.left_out.add(path.as_os_str().as_bytes(), format!("did not get its mode and time: {error}"));
            }
        }
        match self.first_error {
            Some(error) if self.written == 0 => Err(error),
            _ => Ok((self.written, self.left_out)),
        }
    }

    /// Makes the directories on the way to a member, none of which may lead out.
    fn parents(&mut self, name: &Path) -> io::Result<()> {
        let mut path = self.directory.to_owned();
        for part in name.parent().into_iter().flat_map(Path::components) {
            path.push(part);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    if !fs::canonicalize(&path)?.starts_with(self.directory) {
                        return Err(outside());
                    }
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir(&path)?;
                    self.made.insert(path.clone(), None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A directory that was there before stays as it is.
    fn directory_member(&mut self, path: &Path, mode: u32, mtime: Option<TimeSpec>) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => drop(self.made.insert(path.to_owned(), Some((mode, mtime)))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(path)?.is_dir() {
                    return Err(error);
                }
                if let Some(properties) = self.made.get_mut(path) {
                    *properties = Some((mode, mtime));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn leaves(name: &Path) -> CallError {
    bad_request(format!("member {name:?} would leave the directory"))
}

/// Has no errno, which distinguishes it from errors of the system.
fn outside() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "leads out of the directory")
}

/// Whether an error is about this member alone, so that the others may follow.
fn is_members_own(error: &io::Error) -> bool {
    let system_wide = [libc::ENOSPC, libc::EDQUOT, libc::EIO, libc::ENOMEM, libc::EMFILE, libc::ENFILE, libc::EROFS];
    error.raw_os_error().is_some_and(|errno| !system_wide.contains(&errno))
}

/// The tar crate wraps the system's error in its own; the errno tells the code.
fn cause(error: io::Error) -> io::Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(at) = source {
        if let Some(errno) = at.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return io::Error::from_raw_os_error(errno);
        }
        source = at.source();
    }
    error
}

fn describe(kind: EntryType) -> String {
    match kind {
        EntryType::Char | EntryType::Block => "is a device".to_owned(),
        other => format!("is a member of the unknown type {:?}", char::from(other.as_byte())),
    }
}

/// Whether a hard link is to something else than itself.
fn is_other<R: Read>(member: &Entry<'_, R>, name: &Path) -> bool {
    let plain = |path: &Path| path.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
    member.link_name().ok().flatten().is_some_and(|target| plain(&target) != plain(name))
}

/// Removes what is in the place of a member, unless it is a directory.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn write_sparse(data: &mut impl Read, path: &Path, records: SparseRecords) -> io::Result<()> {
    let map = match records.map {
        Some(map) => map,
        None => sparse::read_map(data, records.size)?,
    };
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    for (offset, length) in map {
        file.seek(SeekFrom::Start(offset))?;
        if io::copy(&mut data.take(length), &mut file)? < length {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a sparse file with less data than its map says"));
        }
    }
    file.flush()?;
    file.set_len(records.size)
}

fn finish(path: &Path, mode: u32, mtime: Option<TimeSpec>) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    set_time(path, mtime)
}

fn set_time(path: &Path, mtime: Option<TimeSpec>) -> io::Result<()> {
    let Some(time) = mtime else { return Ok(()) };
    Ok(utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink)?)
}
