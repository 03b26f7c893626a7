//! A tree as a POSIX tar (pax where ustar's fields are too short), written by a thread of its own at the stream's pace.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use bytes::Bytes;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

use crate::body::{BodyError, Pieces};
use crate::error::CallResult;
use crate::files::{name_of, on_file_thread};
use crate::tar_threads;
use crate::user::User;

/// One stream window.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces made ahead.
const PIECES: usize = 2;

type Piece = io::Result<Bytes>;

pub struct TarOut {
    pieces: mpsc::Receiver<Piece>,
}

/// Begins a tar of a path that exists. What cannot be read breaks the stream: a silent hole is worse.
pub async fn open(user: &User, path: PathBuf) -> CallResult<TarOut> {
    on_file_thread(path.clone(), |path| fs::symlink_metadata(path).and_then(|_| name_of(path).map(drop))).await?;
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

fn write_tree(writer: &mut PieceWriter, path: &Path) -> io::Result<()> {
    let mut builder = Builder::new(&mut *writer);
    let mut left = vec![(path.to_owned(), PathBuf::from(name_of(path)?))];
    while let Some((path, name)) = left.pop() {
        let metadata = fs::symlink_metadata(&path)?;
        append(&mut builder, &path, &name, &metadata)?;
        if metadata.is_dir() {
            let mut children: Vec<_> = fs::read_dir(&path)?.collect::<io::Result<_>>()?;
            children.sort_by_key(|child| std::cmp::Reverse(child.file_name()));
            left.extend(children.iter().map(|child| (child.path(), name.join(child.file_name()))));
        }
    }
    builder.finish()?;
    drop(builder);
    writer.flush()
}

/// Appends one member. Sockets, FIFOs and devices are left out, as they mean nothing elsewhere.
fn append(builder: &mut Builder<&mut PieceWriter>, path: &Path, name: &Path, metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let mut header = Header::new_ustar();
    let mut pax: Vec<(&str, Vec<u8>)> = Vec::new();
    header.set_mode(metadata.mode() & 0o7777);
    header.set_uid(u64::from(metadata.uid()));
    header.set_gid(u64::from(metadata.gid()));
    header.set_mtime(metadata.mtime().max(0) as u64);
    header.set_size(0);
    if header.set_path(name).is_err() {
        pax.push(("path", name.as_os_str().as_bytes().to_vec()));
        header.set_path("long-name")?;
    }
    if kind.is_symlink() {
        let target = fs::read_link(path)?;
        header.set_entry_type(EntryType::Symlink);
        if header.set_link_name_literal(target.as_os_str().as_bytes()).is_err() {
            pax.push(("linkpath", target.as_os_str().as_bytes().to_vec()));
            header.set_link_name("long-name")?;
        }
    } else if kind.is_dir() {
        header.set_entry_type(EntryType::Directory);
    } else if kind.is_file() {
        header.set_entry_type(EntryType::Regular);
        header.set_size(metadata.len());
    } else {
        return Ok(());
    }
    header.set_cksum();
    if kind.is_file() {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        // Exactly as long as the header says, though the file change meanwhile.
        let data = file.chain(io::repeat(0)).take(metadata.len());
        append_pax(builder, &pax)?;
        return builder.append(&header, data);
    }
    append_pax(builder, &pax)?;
    builder.append(&header, io::empty())
}

fn append_pax(builder: &mut Builder<&mut PieceWriter>, pax: &[(&str, Vec<u8>)]) -> io::Result<()> {
    if pax.is_empty() {
        return Ok(());
    }
    builder.append_pax_extensions(pax.iter().map(|(key, value)| (*key, value.as_slice())))
}
