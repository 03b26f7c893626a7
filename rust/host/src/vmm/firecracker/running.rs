//! A Firecracker that runs, by its API, which its shim passes on.

use crate::deadline;
use crate::error::{Code, Failure, Outcome, failure};
use crate::fault;
use crate::spec::{ChannelKey, DiskLimits, MachineSpec, MemorySource};
use crate::store::free_space::{KEEP_FREE, free_bytes};
use crate::vmm::firecracker::api::bodies::{DeviceId, SnapshotType};
use crate::vmm::firecracker::api::client::{Api, Attached, Paused};
use crate::vmm::firecracker::api::error::{ApiError, Failed};
use crate::vmm::firecracker::api::rate_limiter::RateLimiter;
use crate::vmm::firecracker::configuration::{self, BASE, WRITABLE};
use crate::vmm::interface::{RunningVmm, SaveFiles, Saved, SnapshotFiles, save_timeout};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The shim's socket for the API, in a machine's folder.
pub const SOCKET: &str = "control.sock";
/// That for console and end.
pub const WATCH: &str = "watch.sock";
/// How long an end may take to be known that is probable, and most bytes of it.
const END_TIMEOUT: Duration = Duration::from_millis(250);
const LONGEST_END: usize = 32;
/// How long a call to a process may take that was connected to before.
const TIMEOUT: Duration = Duration::from_secs(30);

pub struct RunningFirecracker {
    folder: PathBuf,
    /// `None` when its state is not known, after a call that was lost.
    state: Option<Attached>,
    /// Told before there was a guest that could be limited.
    limits: Option<DiskLimits>,
}

fn reach(folder: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(folder.join(SOCKET))
}

fn unreachable(error: &io::Error) -> ApiError {
    ApiError::Broken(match error.kind() {
        ErrorKind::ConnectionRefused => "Firecracker has ended".to_owned(),
        _ => error.to_string(),
    })
}

fn attach(folder: &Path, timeout: Duration) -> Result<Attached, ApiError> {
    Attached::attach(reach(folder).map_err(|error| unreachable(&error))?, timeout)
}

/// Has the shim tell of the end: asked for before there is one, since it follows a Firecracker that dies.
fn watch_end(folder: &Path) -> Option<UnixStream> {
    let mut watch = UnixStream::connect(folder.join(WATCH)).ok()?;
    watch.set_read_timeout(Some(deadline::of(END_TIMEOUT))).ok()?;
    watch.write_all(b"w").ok()?;
    Some(watch)
}

/// How it has ended, if it has: the first line.
fn end_of(mut watch: UnixStream) -> Option<String> {
    let mut said = [0; LONGEST_END];
    let length = watch.read(&mut said).ok()?;
    // What its guest printed is behind that line.
    let line = said[..length].split(|byte| *byte == b'\n').next()?;
    let (kind, number) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let is_end = ["exit", "signal"].contains(&kind) && number.parse::<u8>().is_ok();
    is_end.then(|| format!("{kind} {number}"))
}

fn failed(what: impl std::fmt::Display) -> Failure {
    failure(Code::SnapshotFailed, what.to_string())
}

fn no_space_or_failed(error: &ApiError) -> Failure {
    // It has words for that, and no number; what it has written still lies there.
    let is_full = free_bytes().is_ok_and(|free| free < KEEP_FREE);
    if is_full { failure(Code::NoSpace, format!("the disk became full: {error}")) } else { failed(error) }
}

impl RunningFirecracker {
    /// Connects, and waits until Firecracker answers: its shim takes a connection when Firecracker listens, or has ended.
    ///
    /// # Errors
    /// It has ended, does not answer in time, or is no Firecracker.
    pub fn connect(folder: &Path, timeout: Duration) -> Result<Self, ApiError> {
        let watch = watch_end(folder);
        match attach(folder, timeout) {
            Ok(state) => Ok(Self { folder: folder.to_owned(), state: Some(state), limits: None }),
            Err(ApiError::Broken(why)) => {
                let end = watch.and_then(end_of);
                Err(ApiError::Broken(end.map_or(why, |end| format!("Firecracker has ended ({end})"))))
            }
            Err(error) => Err(error),
        }
    }

    /// The state that is known, or that Firecracker tells of.
    fn take(&mut self) -> Result<Attached, ApiError> {
        self.state.take().map_or_else(|| attach(&self.folder, TIMEOUT), Ok)
    }

    /// Takes over what a call that leads to another state has led to.
    fn put<To, From>(
        &mut self,
        moved: Result<Api<To>, Failed<Api<From>>>,
        to: impl FnOnce(Api<To>) -> Attached,
        from: impl FnOnce(Api<From>) -> Attached,
    ) -> Result<(), ApiError> {
        match moved {
            Ok(api) => {
                self.state = Some(to(api));
                Ok(())
            }
            Err(Failed::Unchanged(api, error)) => {
                self.state = Some(from(api));
                Err(error)
            }
            Err(Failed::Lost(error)) => Err(error),
        }
    }

    fn write(api: &mut Api<Paused>, to: &SaveFiles<'_>) -> Result<(), ApiError> {
        let kind = if to.changes_only { SnapshotType::Diff } else { SnapshotType::Full };
        api.create_snapshot(kind, &configuration::save_to(), deadline::of(save_timeout(to.memory_mib)))
    }
}

fn limit<S>(
    api: &mut Api<S>,
    limits: &DiskLimits,
    has_disk: bool,
    call: impl Fn(&mut Api<S>, DeviceId, &RateLimiter) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let limits = RateLimiter::from(limits);
    call(api, BASE, &limits)?;
    if has_disk { call(api, WRITABLE, &limits) } else { Ok(()) }
}

impl RunningVmm for RunningFirecracker {
    fn limit_disk(&mut self, limits: &DiskLimits, has_disk: bool) -> Outcome<()> {
        let outcome = self.take().and_then(|mut state| {
            let done = match &mut state {
                Attached::NotStarted(_) => {
                    self.limits = Some(*limits);
                    Ok(())
                }
                Attached::Running(api) => limit(api, limits, has_disk, Api::limit_drive),
                Attached::Paused(api) => limit(api, limits, has_disk, Api::limit_drive),
            };
            self.state = Some(state);
            done
        });
        outcome.map_err(|error| failure(Code::Internal, format!("limit the disk: {error}")))
    }

    fn boot(&mut self, spec: &MachineSpec, key: &ChannelKey) -> Outcome<()> {
        let Attached::NotStarted(api) = self.take().map_err(internal)? else {
            return Err(failure(Code::Internal, "Firecracker has a guest already"));
        };
        let mut api = api.configure();
        configuration::configure(&mut api, spec, key, self.limits.as_ref()).map_err(internal)?;
        self.state = Some(Attached::Running(api.start().map_err(internal)?));
        Ok(())
    }

    fn save(&mut self, to: &SaveFiles<'_>) -> Outcome<Saved> {
        let Attached::Running(api) = self.take().map_err(failed)? else {
            return Err(failed("the guest does not run"));
        };
        let paused = api.pause();
        self.put(paused, Attached::Paused, Attached::Running).map_err(failed)?;
        fault::reach("save.stopped");
        let Some(Attached::Paused(mut api)) = self.state.take() else { return Err(failed("the guest does not stop")) };
        let written = Self::write(&mut api, to);
        match written {
            // Whether it goes on writing is not known, and the connection is of no use.
            Err(ApiError::TimedOut | ApiError::Broken(_)) => {}
            _ => self.state = Some(Attached::Paused(api)),
        }
        written.map(|()| Saved::InMachine).map_err(|error| no_space_or_failed(&error))
    }

    fn resume(&mut self) -> Outcome<()> {
        match self.take().map_err(failed)? {
            Attached::Paused(api) => {
                let resumed = api.resume();
                self.put(resumed, Attached::Running, Attached::Paused).map_err(failed)
            }
            running @ Attached::Running(_) => {
                self.state = Some(running);
                Ok(())
            }
            Attached::NotStarted(_) => Err(failed("Firecracker has no guest")),
        }
    }

    fn load(&mut self, spec: &MachineSpec, _: &SnapshotFiles) -> Outcome<()> {
        let Attached::NotStarted(api) = self.take().map_err(internal)? else {
            return Err(failure(Code::Internal, "Firecracker has a guest already"));
        };
        // Every slot's tap has the same name, so that versions which can be told no other do without.
        let overrides = configuration::network_overrides(spec);
        let network = if api.capabilities().network_overrides { &overrides[..] } else { &[] };
        // A save of what has changed needs memory that is the machine's own.
        let has_own_memory = matches!(spec.memory, MemorySource::Save(_));
        let source = configuration::restore_from(has_own_memory, network);
        let mut api = api.load_snapshot(&source).map_err(|why| not_loaded(&why))?;
        if let Some(limits) = self.limits.take() {
            limit(&mut api, &limits, spec.disk_id.is_some(), Api::limit_drive).map_err(internal)?;
        }
        self.state = Some(Attached::Paused(api));
        Ok(())
    }

    fn run(&mut self) -> Outcome<()> {
        match self.take().map_err(internal)? {
            Attached::Paused(api) => {
                let resumed = api.resume();
                self.put(resumed, Attached::Running, Attached::Paused).map_err(internal)
            }
            _ => Err(failure(Code::Internal, "Firecracker has loaded no guest")),
        }
    }
}

fn internal(what: impl std::fmt::Display) -> Failure {
    failure(Code::Internal, what.to_string())
}

fn not_loaded<A>(why: &Failed<A>) -> Failure {
    match why.error() {
        ApiError::TimedOut => failure(Code::Internal, "Firecracker did not load the saved state in time"),
        error => failure(Code::SnapshotCorrupt, format!("the saved state does not load: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    #[test]
    fn whoever_has_nobody_behind_its_socket_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        drop(UnixListener::bind(folder.path().join(SOCKET)).unwrap());
        let since = Instant::now();
        let error = RunningFirecracker::connect(folder.path(), Duration::from_mins(5)).map(|_| ()).unwrap_err();
        assert_eq!(error, ApiError::Broken("Firecracker has ended".to_owned()));
        assert!(since.elapsed() < Duration::from_mins(1));
    }
}
