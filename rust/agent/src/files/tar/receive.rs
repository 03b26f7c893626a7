//! A tar extracted below a directory, by a thread of its own.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use tar::Archive;
use tokio::sync::{mpsc, oneshot};

use crate::channel::request_body::RequestBody;
use crate::error::{CallError, CallResult, Code, bad_request};
use crate::files::entries::on_file_thread;
use crate::files::tar::extract::Members;
use crate::files::tar::left_out::LeftOut;
use crate::files::tar::threads;
use crate::process::user::User;

/// Pieces received ahead.
const PIECES: usize = 4;

/// Members written, and those that were not.
pub struct Extracted {
    pub entries: u64,
    pub left_out: LeftOut,
}

/// Extracts a request's body.
pub async fn receive(user: &User, path: PathBuf, mut body: RequestBody) -> CallResult<Extracted> {
    let directory = on_file_thread(path, |path| {
        let directory = fs::canonicalize(path)?;
        let found = fs::metadata(&directory)?;
        if found.is_dir() { Ok(directory) } else { Err(io::Error::from_raw_os_error(libc::ENOTDIR)) }
    })
    .await?;
    let (sender, receiver) = mpsc::channel(PIECES);
    let (done, result) = oneshot::channel();
    threads::start(user, move || {
        // It fails when the call was cancelled.
        let _ = done.send(extract(PieceReader { receiver, piece: Bytes::new() }, &directory));
    })?;
    while let Some(data) = body.next().await? {
        if sender.send(data).await.is_err() {
            // The thread has its archive, or its error.
            break;
        }
    }
    drop(sender);
    result.await.unwrap_or_else(|_| Err(CallError::new(Code::Internal, "the tar's thread ended early")))
}

struct PieceReader {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let taken = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..taken]);
        Ok(taken)
    }
}

fn extract(reader: PieceReader, directory: &Path) -> CallResult<Extracted> {
    let malformed = |error: io::Error| match error.raw_os_error() {
        Some(_) => CallError::io("tar", &error),
        None => bad_request(format!("not a whole tar: {error}")),
    };
    let mut archive = Archive::new(reader);
    archive.set_unpack_xattrs(false);
    archive.set_overwrite(true);
    let mut members = Members::new(directory);
    for member in archive.entries().map_err(malformed)? {
        members.add(&mut member.map_err(malformed)?)?;
    }
    let (entries, left_out) = members.finish()?;
    Ok(Extracted { entries, left_out })
}
