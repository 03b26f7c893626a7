//! A tree as a POSIX tar (pax where ustar's fields are too short), written by a thread of its own at the stream's pace.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::channel::answer_body::{BodyError, Pieces};
use crate::error::CallResult;
use crate::files::entries::{name_of, not_a_file, on_file_thread};
use crate::files::tar::{threads, tree};
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
    threads::start(user, move || {
        let mut writer = PieceWriter { sender, piece: Vec::with_capacity(PIECE_BYTES) };
        if let Err(error) = tree::write(&mut writer, &path) {
            // It fails when the stream was closed.
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
