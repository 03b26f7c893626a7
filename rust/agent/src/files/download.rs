//! A file's bytes as a body. A piece is read when the stream has room for it, so a stalled download keeps one piece and
//! no thread.

use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::channel::answer_body::{BodyError, Pieces};
use crate::error::CallResult;
use crate::files::entries::{not_a_file, on_file_thread};

/// One stream window.
const PIECE_BYTES: usize = 64 << 10;

type Read1 = (File, io::Result<Vec<u8>>);

pub struct Download {
    file: Option<File>,
    reading: Option<JoinHandle<Read1>>,
    /// Bytes still to come of a file whose size is known; `None` for one without a size, as those in /proc.
    left: Option<u64>,
}

/// Opens a regular file. As many bytes are sent as it has now, even if it grows.
pub async fn open(path: PathBuf) -> CallResult<Download> {
    on_file_thread(path, |path| {
        // Not to wait for a FIFO's writer.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(not_a_file());
        }
        let left = Some(metadata.len()).filter(|length| *length > 0);
        Ok(Download { file: Some(file), reading: None, left })
    })
    .await
}

impl Download {
    pub fn length(&self) -> Option<u64> {
        self.left
    }
}

fn read_piece(mut file: File, limit: usize) -> Read1 {
    let mut piece = vec![0; limit];
    loop {
        match file.read(&mut piece) {
            Ok(count) => {
                piece.truncate(count);
                return (file, Ok(piece));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (file, Err(error)),
        }
    }
}

impl Pieces for Download {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        if let Some(file) = self.file.take() {
            let limit = self.left.map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES as u64) as usize);
            self.reading = Some(spawn_blocking(move || read_piece(file, limit)));
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        match read {
            Ok((_, Ok(piece))) if piece.is_empty() => match self.left {
                Some(_) => Poll::Ready(Some(Err("the file became shorter".into()))),
                None => Poll::Ready(None),
            },
            Ok((file, Ok(piece))) => {
                self.file = Some(file);
                self.left = self.left.map(|left| left - piece.len() as u64);
                Poll::Ready(Some(Ok(piece.into())))
            }
            Ok((_, Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Err(error) => Poll::Ready(Some(Err(error.into()))),
        }
    }
}
