//! A tree as a POSIX tar (pax where ustar's fields are too short), written by a thread of its own at the stream's pace.

use std::collections::HashMap;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use bytes::Bytes;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

use crate::channel::answer_body::{BodyError, Pieces};
use crate::error::CallResult;
use crate::files::entries::{name_of, not_a_file, on_file_thread};
use crate::files::tar::file_data::FileData;
use crate::files::tar::left_out::LeftOut;
use crate::files::tar::{sparse, threads as tar_threads};
use crate::process::user::User;

/// One stream window.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces made ahead.
const PIECES: usize = 2;

type Piece = io::Result<Bytes>;

pub struct TarOut {
    pieces: mpsc::Receiver<Piece>,
}

/// Begins a tar of a path that can be read. What cannot be read below it is left out, and named at the end.
pub async fn open(user: &User, path: PathBuf) -> CallResult<TarOut> {
    on_file_thread(path.clone(), |path| {
        let kind = fs::symlink_metadata(path)?.file_type();
        name_of(path)?;
        match () {
            () if kind.is_dir() => fs::read_dir(path).map(drop),
            () if kind.is_file() => fs::File::open(path).map(drop),
            () if kind.is_symlink() || kind.is_fifo() => Ok(()),
            () => Err(not_a_file()),
        }
    })
    .await?;
    let (sender, pieces) = mpsc::channel(PIECES);
    tar_threads::start(user, move || {
        let mut writer = PieceWriter { sender, piece: Vec::with_capacity(PIECE_BYTES) };
        if let Err(error) = write_tree(&mut writer, &path) {
            // Nobody listens any more when the stream has gone.
            let _ = writer.sender.blocking_send(Err(error));
        }
    })?;
    Ok(TarOut { pieces })
}

impl Pieces for TarOut {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map_err(Into::into)))
    }
}

struct PieceWriter {
    sender: mpsc::Sender<Piece>,
    piece: Vec<u8>,
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.piece.is_empty() {
            let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.sender.blocking_send(Ok(piece.into())).map_err(gone)?;
        }
        Ok(())
    }
}

/// A tree on its way into a tar.
struct Tree<'a> {
    builder: Builder<&'a mut PieceWriter>,
    /// Files with several names, by device and inode: the name that was sent with the data.
    links: HashMap<(u64, u64), PathBuf>,
    left_out: LeftOut,
}

/// What one member came to. Errors of the stream end the tar; those of a file leave it out.
enum Unsent {
    Stream(io::Error),
    File(String),
}

impl From<io::Error> for Unsent {
    fn from(error: io::Error) -> Self {
        Unsent::Stream(error)
    }
}

fn unreadable(error: io::Error) -> Unsent {
    Unsent::File(format!("cannot be read: {error}"))
}

fn write_tree(writer: &mut PieceWriter, path: &Path) -> io::Result<()> {
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
            // A single file has no directory to tell it with.
            Err(Unsent::File(reason)) if name == root && !path.is_dir() => return Err(io::Error::other(reason)),
            Err(Unsent::File(reason)) => tree.left_out.add(name.as_os_str().as_bytes(), reason),
        }
    }
    if tree.left_out.count() > 0 {
        tree.tell_left_out(path, &root)?;
    }
    tree.builder.finish()?;
    drop(tree);
    writer.flush()
}

impl Tree<'_> {
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
        // It was promised in the header already; what is there of it is sent.
        match data.fault {
            Some(reason) => Err(Unsent::File(reason)),
            None => Ok(()),
        }
    }

    /// The root once more, with records of what was left out: other readers of tars make the same directory again, and
    /// GNU tar says that it does not know these records.
    fn tell_left_out(&mut self, path: &Path, root: &Path) -> io::Result<()> {
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

/// A member's header, with pax records where ustar's fields are too short.
struct Member {
    header: Header,
    pax: Vec<(String, Vec<u8>)>,
}

impl Member {
    fn new(name: &Path, metadata: &Metadata) -> io::Result<Self> {
        let mut header = Header::new_ustar();
        let mut pax = Vec::new();
        header.set_mode(metadata.mode() & 0o7777);
        header.set_uid(u64::from(metadata.uid()));
        header.set_gid(u64::from(metadata.gid()));
        header.set_mtime(metadata.mtime().max(0) as u64);
        if metadata.mtime() < 0 {
            pax.push(("mtime".to_owned(), metadata.mtime().to_string().into_bytes()));
        }
        header.set_size(0);
        if header.set_path(name).is_err() {
            pax.push(("path".to_owned(), name.as_os_str().as_bytes().to_vec()));
            header.set_path("long-name")?;
        }
        Ok(Member { header, pax })
    }

    fn link_to(&mut self, kind: EntryType, target: &[u8]) -> io::Result<()> {
        self.header.set_entry_type(kind);
        if self.header.set_link_name_literal(target).is_err() {
            self.pax.push(("linkpath".to_owned(), target.to_vec()));
            self.header.set_link_name("long-name")?;
        }
        Ok(())
    }

    /// A reader that does not know of holes makes a file of this name, and not a wrong one of the right name.
    fn make_sparse(&mut self, name: &Path, size: u64) -> io::Result<()> {
        self.header.set_path("GNUSparseFile.0/sparse")?;
        let mut set = |key: &str, value: Vec<u8>| self.pax.push((format!("GNU.sparse.{key}"), value));
        set("major", b"1".to_vec());
        set("minor", b"0".to_vec());
        set("name", name.as_os_str().as_bytes().to_vec());
        set("realsize", size.to_string().into_bytes());
        self.pax.retain(|(key, _)| key != "path");
        Ok(())
    }

    fn append(mut self, builder: &mut Builder<&mut PieceWriter>, data: impl Read) -> Result<(), Unsent> {
        self.header.set_cksum();
        if !self.pax.is_empty() {
            builder.append_pax_extensions(self.pax.iter().map(|(key, value)| (key.as_str(), value.as_slice())))?;
        }
        Ok(builder.append(&self.header, data)?)
    }
}
