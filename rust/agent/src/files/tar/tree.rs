//! A tree of files, written as a tar. What cannot be read is left out and named at the end.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType};

use crate::files::entries::name_of;
use crate::files::tar::file_data::FileData;
use crate::files::tar::left_out::LeftOut;
use crate::files::tar::sent_member::{Member, Unsent};
use crate::files::tar::sparse;

/// A tree on its way into a tar.
struct Tree<W: Write> {
    builder: Builder<W>,
    /// Files with several names, by device and inode: the name that was sent with the data.
    links: HashMap<(u64, u64), PathBuf>,
    left_out: LeftOut,
}

fn unreadable(error: io::Error) -> Unsent {
    Unsent::File(format!("cannot be read: {error}"))
}

pub fn write(writer: &mut impl Write, path: &Path) -> io::Result<()> {
    let root = PathBuf::from(name_of(path)?);
    let mut tree = Tree { builder: Builder::new(&mut *writer), links: HashMap::new(), left_out: LeftOut::default() };
    let mut left = vec![(path.to_owned(), root.clone())];
    while let Some((path, name)) = left.pop() {
        match tree.add(&path, &name) {
            Ok(is_directory) => {
                if is_directory {
                    left.extend(tree.children(&path, &name));
                }
            }
            Err(Unsent::Stream(error)) => return Err(error),
            // A single file has no directory whose records could name it.
            Err(Unsent::File(reason)) if name == root && !path.is_dir() => return Err(io::Error::other(reason)),
            Err(Unsent::File(reason)) => tree.left_out.add(name.as_os_str().as_bytes(), reason),
        }
    }
    if tree.left_out.count() > 0 {
        tree.append_left_out(path, &root)?;
    }
    tree.builder.finish()?;
    drop(tree);
    writer.flush()
}

impl<W: Write> Tree<W> {
    /// A directory's entries, the first by name last.
    fn children(&mut self, path: &Path, name: &Path) -> Vec<(PathBuf, PathBuf)> {
        let mut found = Vec::new();
        let unlisted = |error: io::Error| format!("cannot be listed: {error}");
        match fs::read_dir(path) {
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok(entry) => found.push((entry.path(), name.join(entry.file_name()))),
                        Err(error) => self.left_out.add(name.as_os_str().as_bytes(), unlisted(error)),
                    }
                }
            }
            Err(error) => self.left_out.add(name.as_os_str().as_bytes(), unlisted(error)),
        }
        found.sort_by(|one, other| other.cmp(one));
        found
    }

    /// Appends one member; answers whether it is a directory.
    fn add(&mut self, path: &Path, name: &Path) -> Result<bool, Unsent> {
        let metadata = fs::symlink_metadata(path).map_err(unreadable)?;
        let kind = metadata.file_type();
        let mut member = Member::new(name, &metadata)?;
        if kind.is_file() {
            let identity = (metadata.dev(), metadata.ino());
            if let Some(first) = self.links.get(&identity) {
                member.link_to(EntryType::Link, first.as_os_str().as_bytes())?;
                return member.append(&mut self.builder, io::empty()).map(|()| false);
            }
            self.add_file(path, name, member, metadata.len())?;
            if metadata.nlink() > 1 {
                self.links.insert(identity, name.to_owned());
            }
            return Ok(false);
        }
        if kind.is_symlink() {
            let target = fs::read_link(path).map_err(unreadable)?;
            member.link_to(EntryType::Symlink, target.as_os_str().as_bytes())?;
        } else if kind.is_dir() {
            member.header.set_entry_type(EntryType::Directory);
        } else if kind.is_fifo() {
            member.header.set_entry_type(EntryType::Fifo);
        } else {
            let what = if kind.is_socket() { "is a socket" } else { "is a device" };
            return Err(Unsent::File(what.to_owned()));
        }
        member.append(&mut self.builder, io::empty())?;
        Ok(kind.is_dir())
    }

    fn add_file(&mut self, path: &Path, name: &Path, mut member: Member, size: u64) -> Result<(), Unsent> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
        let pieces = sparse::pieces_of(&file, size);
        let map = pieces.as_ref().map(|pieces| sparse::write_map(pieces, size)).unwrap_or_default();
        let mut data = FileData::new(file, pieces.clone().unwrap_or_else(|| vec![(0, size)]));
        member.header.set_entry_type(EntryType::Regular);
        member.header.set_size(map.len() as u64 + data.left());
        if pieces.is_some() {
            member.make_sparse(name, size)?;
        }
        member.append(&mut self.builder, map.chain(&mut data))?;
        // The header has been sent: the data is completed with zeros, and the fault named.
        match data.fault {
            Some(reason) => Err(Unsent::File(reason)),
            None => Ok(()),
        }
    }

    /// The root once more, with records of what was left out: other readers of tars make the same directory again, and
    /// GNU tar says that it does not know these records.
    fn append_left_out(&mut self, path: &Path, root: &Path) -> io::Result<()> {
        let mut member = Member::new(root, &fs::symlink_metadata(path)?)?;
        member.header.set_entry_type(EntryType::Directory);
        let named = self.left_out.named();
        for (index, left_out) in named.iter().enumerate() {
            // JSON has no line ends, which many readers of records take for their end.
            member.pax.push((format!("MICROTERM.left-out.{index}"), serde_json::to_vec(left_out)?));
        }
        let unnamed = self.left_out.count() - named.len() as u64;
        member.pax.push(("MICROTERM.left-out.more".to_owned(), unnamed.to_string().into_bytes()));
        match member.append(&mut self.builder, io::empty()) {
            Err(Unsent::Stream(error)) => Err(error),
            _ => Ok(()),
        }
    }
}
