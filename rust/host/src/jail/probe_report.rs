//! What the prober printed: from its pipe, or of a jail with a shim by the shim's socket.

use crate::deadline;
use crate::error::{Code, During, Outcome, failure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the prober may take; it needs well under a second.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of its report.
const LONGEST: usize = 64 * 1024;

/// # Errors
/// `internal` when the prober does not end.
pub fn by_pipe(report: OwnedFd) -> Outcome<Vec<u8>> {
    read(File::from(report), Instant::now() + deadline::of(TIMEOUT))
}

/// Asks the shim in the machine's `folder`. `said` is what shim and jailer say.
///
/// # Errors
/// `internal` when the prober does not end, or not as it should, with what was said.
pub fn by_watch(folder: &Path, said: OwnedFd) -> Outcome<Vec<u8>> {
    let until = Instant::now() + deadline::of(TIMEOUT);
    let mut stream = UnixStream::connect(folder.join("watch.sock")).during(|| "reach the shim".to_owned())?;
    stream.write_all(b"w").during(|| "ask the shim".to_owned())?;
    let answer = read(stream, until)?;
    // How it ended, and what it printed.
    let end = answer.iter().position(|byte| *byte == b'\n').unwrap_or(answer.len());
    let (end, printed) = (&answer[..end], answer.get(end + 1..).unwrap_or_default());
    if end == b"exit 0" {
        return Ok(printed.to_vec());
    }
    let mut all = vec![0; LONGEST];
    // A process that still runs holds its end open.
    let is_there =
        poll(&mut [PollFd::new(said.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).is_ok_and(|one| one > 0);
    let length = if is_there { File::from(said).read(&mut all).unwrap_or(0) } else { 0 };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let (end, printed, said) = (text(end), text(printed), text(&all[..length]));
    Err(failure(Code::Internal, format!("the probe did not end as it should ({end}): {said} {printed}")))
}

fn read(mut report: impl Read + AsFd, until: Instant) -> Outcome<Vec<u8>> {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || text.len() > LONGEST {
            return Err(failure(Code::Internal, "the probe did not end"));
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        poll(&mut [PollFd::new(report.as_fd(), PollFlags::POLLIN)], timeout)
            .during(|| "wait for the probe".to_owned())
            .and_then(
                |ready| if ready == 0 { Err(failure(Code::Internal, "the probe did not end")) } else { Ok(()) },
            )?;
        match report.read(&mut buffer).during(|| "read the probe's report".to_owned())? {
            0 => return Ok(text),
            read => text.extend_from_slice(&buffer[..read]),
        }
    }
}
