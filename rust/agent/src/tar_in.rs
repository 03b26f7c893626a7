//! A tar extracted below a directory, by a thread of its own.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use bytes::{Buf, Bytes};
use tar::{Archive, EntryType};
use tokio::sync::{mpsc, oneshot};

use crate::error::{CallError, CallResult, Code, bad_request};
use crate::files::on_file_thread;
use crate::request_body::RequestBody;
use crate::tar_threads;
use crate::user::User;

/// Pieces received ahead.
const PIECES: usize = 4;

/// Extracts a request's body; answers how many members were written.
pub async fn receive(user: &User, path: PathBuf, mut body: RequestBody) -> CallResult<u64> {
    let directory = on_file_thread(path, |path| {
        let directory = fs::canonicalize(path)?;
        let found = fs::metadata(&directory)?;
        if found.is_dir() { Ok(directory) } else { Err(io::Error::from_raw_os_error(libc::ENOTDIR)) }
    })
    .await?;
    let (sender, receiver) = mpsc::channel(PIECES);
    let (done, result) = oneshot::channel();
    tar_threads::start(user, move || {
        // A caller that has gone no longer wants to know.
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

fn extract(reader: PieceReader, directory: &Path) -> CallResult<u64> {
    let malformed = |error: io::Error| match error.raw_os_error() {
        Some(_) => CallError::io("tar", &error),
        None => bad_request(format!("not a whole tar: {error}")),
    };
    let mut archive = Archive::new(reader);
    archive.set_unpack_xattrs(false);
    archive.set_overwrite(true);
    let mut written = 0;
    for member in archive.entries().map_err(malformed)? {
        let mut member = member.map_err(malformed)?;
        check_pax(&mut member)?;
        let name = member.path().map_err(malformed)?.into_owned();
        let stays = name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !stays {
            return Err(bad_request(format!("member {name:?} would leave the directory")));
        }
        let kind = member.header().entry_type();
        let wanted = matches!(
            kind,
            EntryType::Regular | EntryType::Continuous | EntryType::Directory | EntryType::Symlink | EntryType::Link
        );
        if !wanted {
            continue;
        }
        // It also refuses to write through a link that an earlier member made and that leads out.
        match member.unpack_in(directory) {
            Ok(true) => written += 1,
            Ok(false) => return Err(bad_request(format!("member {name:?} would leave the directory"))),
            Err(error) => return Err(member_error(&name, &error)),
        }
    }
    Ok(written)
}

/// The tar crate passes over records it cannot read, among them names with a newline, and takes the shortened name of the
/// header instead: such a member would be written under a name that nobody gave it.
fn check_pax<R: Read>(member: &mut tar::Entry<'_, R>) -> CallResult<()> {
    let unreadable = |_| bad_request("a member's pax records cannot be read; a name with a newline is one reason");
    for record in member.pax_extensions().map_err(unreadable)?.into_iter().flatten() {
        if record.map_err(unreadable)?.value_bytes().contains(&0) {
            return Err(bad_request("a member's pax record contains a NUL"));
        }
    }
    Ok(())
}

/// The tar crate wraps the system's error in its own; the errno tells the code.
fn member_error(name: &Path, error: &io::Error) -> CallError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(at) = source {
        if let Some(inner) = at.downcast_ref::<io::Error>()
            && inner.raw_os_error().is_some()
        {
            return CallError::io(&name.to_string_lossy(), inner);
        }
        source = at.source();
    }
    bad_request(format!("member {name:?}: {error}"))
}
