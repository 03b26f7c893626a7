//! The calls, each where it is legal.

use crate::vmm::firecracker::api::bodies::{
    BootSource, DeviceId, Drive, MachineConfig, NetworkInterface, SnapshotFiles, SnapshotSource, SnapshotType, Vsock,
};
use crate::vmm::firecracker::api::capabilities::Capabilities;
use crate::vmm::firecracker::api::connection::{Connection, Method};
use crate::vmm::firecracker::api::error::{ApiError, Failed};
use crate::vmm::firecracker::api::rate_limiter::RateLimiter;
use crate::vmm::firecracker::version::Version;
use serde::Deserialize;
use serde_json::{Value, json};
use std::marker::PhantomData;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long a call may take on a host under full load, but for snapshots; booting takes some 10 ms.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A guest is booted, or loaded.
#[derive(Debug)]
pub enum NotStarted {}
/// A guest is put together. Nothing can be loaded in its place.
#[derive(Debug)]
pub enum Configuring {}
#[derive(Debug)]
pub enum Running {}
#[derive(Debug)]
pub enum Paused {}

/// There is a guest.
trait Started {}
impl Started for Running {}
impl Started for Paused {}

/// The API of a process in one state.
#[derive(Debug)]
pub struct Api<S> {
    connection: Connection,
    version: Version,
    state: PhantomData<S>,
}

/// A process in the state that it says it is in.
#[derive(Debug)]
pub enum Attached {
    /// It may have been configured: a load is refused then.
    NotStarted(Api<NotStarted>),
    Running(Api<Running>),
    Paused(Api<Paused>),
}

/// What is read of `GET /`.
#[derive(Deserialize)]
struct Instance {
    state: State,
    vmm_version: String,
}

#[derive(Deserialize)]
enum State {
    #[serde(rename = "Not started")]
    NotStarted,
    Running,
    Paused,
}

type Moved<To, From> = Result<Api<To>, Failed<Api<From>>>;

impl Attached {
    /// Asks for version and state over a new connection.
    ///
    /// # Errors
    /// `Broken` when it is no Firecracker, or gone; `TimedOut`; `Refused`.
    pub fn attach(stream: UnixStream, timeout: Duration) -> Result<Self, ApiError> {
        let mut connection = Connection::new(stream);
        let said = connection.get("/", timeout)?;
        let instance: Instance = serde_json::from_slice(&said).map_err(ApiError::broken)?;
        let version = Version::parse(&instance.vmm_version)
            .ok_or_else(|| ApiError::broken(format!("{:?} is no version", instance.vmm_version)))?;
        Ok(match instance.state {
            State::NotStarted => Self::NotStarted(Api::new(connection, version)),
            State::Running => Self::Running(Api::new(connection, version)),
            State::Paused => Self::Paused(Api::new(connection, version)),
        })
    }
}

impl<S> Api<S> {
    fn new(connection: Connection, version: Version) -> Self {
        Self { connection, version, state: PhantomData }
    }

    pub fn capabilities(&self) -> Capabilities {
        Capabilities::of(&self.version)
    }

    fn put(&mut self, path: &str, body: &Value) -> Result<(), ApiError> {
        self.connection.send(Method::Put, path, body, CALL_TIMEOUT)
    }

    /// The next state, or what is known after such an error.
    fn moved<To>(self, done: Result<(), ApiError>) -> Moved<To, S> {
        match done {
            Ok(()) => Ok(Api::new(self.connection, self.version)),
            Err(error @ (ApiError::Refused { .. } | ApiError::Unsupported(_))) => Err(Failed::Unchanged(self, error)),
            Err(error) => Err(Failed::Lost(error)),
        }
    }

    fn set_state<To>(mut self, state: &str) -> Moved<To, S> {
        let done = self.connection.send(Method::Patch, "/vm", &json!({ "state": state }), CALL_TIMEOUT);
        self.moved(done)
    }
}

// Besides what is said at each call, all may fail with `TimedOut` or `Broken`.

impl Api<NotStarted> {
    /// From here on a guest is put together. Nothing is sent.
    pub fn configure(self) -> Api<Configuring> {
        Api::new(self.connection, self.version)
    }

    /// Loads a guest, which does not run yet.
    ///
    /// # Errors
    /// `Unchanged` when this version cannot do what is asked, and nothing was sent; else `Lost`: Firecracker ends itself after
    /// a load that it refused, so the process is to be treated as dead.
    pub fn load_snapshot(mut self, source: &SnapshotSource<'_>) -> Moved<Paused, NotStarted> {
        let body = match source.body(self.capabilities()) {
            Ok(body) => body,
            Err(error) => return Err(Failed::Unchanged(self, error)),
        };
        match self.put("/snapshot/load", &body) {
            Ok(()) => Ok(Api::new(self.connection, self.version)),
            Err(error) => Err(Failed::Lost(error)),
        }
    }
}

impl Api<Configuring> {
    /// # Errors
    /// `Refused` when there are no such machines.
    pub fn machine_config(&mut self, config: &MachineConfig) -> Result<(), ApiError> {
        self.put("/machine-config", &config.body())
    }

    /// # Errors
    /// `Refused` when a file is not there. What kind of file it is shows at the start.
    pub fn boot_source(&mut self, source: &BootSource<'_>) -> Result<(), ApiError> {
        self.put("/boot-source", &source.body())
    }

    /// Adds a drive behind those that are there.
    ///
    /// # Errors
    /// `Refused` when its file cannot be opened.
    pub fn drive(&mut self, drive: &Drive<'_>) -> Result<(), ApiError> {
        self.put(&format!("/drives/{}", drive.id.as_str()), &drive.body())
    }

    /// # Errors
    /// `Refused` when its tap cannot be opened.
    pub fn network_interface(&mut self, interface: &NetworkInterface<'_>) -> Result<(), ApiError> {
        self.put(&format!("/network-interfaces/{}", interface.id.as_str()), &interface.body())
    }

    /// # Errors
    /// `Refused` when its socket cannot be bound.
    pub fn vsock(&mut self, vsock: &Vsock<'_>) -> Result<(), ApiError> {
        self.put("/vsock", &vsock.body())
    }

    /// Gives the guest a source of random bytes.
    ///
    /// # Errors
    /// As any call.
    pub fn entropy(&mut self) -> Result<(), ApiError> {
        self.put("/entropy", &json!({}))
    }

    /// Starts the guest.
    ///
    /// # Errors
    /// `Unchanged` when it has no kernel, or one that is no ELF, or KVM refuses.
    pub fn start(mut self) -> Moved<Running, Configuring> {
        let done = self.put("/actions", &json!({ "action_type": "InstanceStart" }));
        self.moved(done)
    }
}

#[expect(private_bounds, reason = "no caller has a state of its own")]
impl<S: Started> Api<S> {
    /// Limits a drive anew, while its guest runs or is paused.
    ///
    /// # Errors
    /// `Refused` when there is no such drive.
    pub fn limit_drive(&mut self, id: DeviceId, limits: &RateLimiter) -> Result<(), ApiError> {
        let body = json!({ "drive_id": id.as_str(), "rate_limiter": limits.body() });
        self.connection.send(Method::Patch, &format!("/drives/{}", id.as_str()), &body, CALL_TIMEOUT)
    }
}

impl Api<Running> {
    /// Stops the guest's processors.
    ///
    /// # Errors
    /// `Unchanged` or `Lost`.
    pub fn pause(self) -> Moved<Paused, Running> {
        self.set_state("Paused")
    }
}

impl Api<Paused> {
    /// Writes a snapshot, which takes as long as the memory does to be written and synced.
    ///
    /// # Errors
    /// `Refused` when a file cannot be written, or a `Diff` is asked of a guest whose dirty pages are not tracked.
    pub fn create_snapshot(
        &mut self,
        kind: SnapshotType,
        to: &SnapshotFiles<'_>,
        timeout: Duration,
    ) -> Result<(), ApiError> {
        self.connection.send(Method::Put, "/snapshot/create", &to.body(kind), timeout)
    }

    /// Has the guest go on.
    ///
    /// # Errors
    /// `Unchanged` or `Lost`.
    pub fn resume(self) -> Moved<Running, Paused> {
        self.set_state("Resumed")
    }
}
