//! Launching a machine. First the intent is on disk, then each thing that bears the machine's id is made; a failure
//! at any step removes all of them, and a crash leaves them to `machine.kill`.

use crate::error::{Code, During, Outcome, failure};
use crate::fault;
use crate::jail::cgroup::Limits;
use crate::jail::sandbox::{Ends, Jail, make_node};
use crate::machine::list;
use crate::machine::resources;
use crate::machine::stderr_log;
use crate::server::daemon::Daemon;
use crate::server::request::{LaunchArgs, Magic};
use crate::snapshot::restore::{self, Origin};
use crate::store::ids::Id;
use crate::store::images;
use crate::store::paths;
use crate::store::records::{Record, now_unix_ms};
use crate::vmm::qemu::command_line;
use crate::vmm::qemu::qmp;
use crate::vmm::qemu::qmp::Control;
use nix::unistd::chown;
use serde::Serialize;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long QEMU may take until its QMP socket answers. It needs 0.1 s; a machine under full load, many times that.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Serialize)]
pub struct Launched {
    pid: i32,
    uid: u32,
    /// The guest channel's, which a restored guest keeps from when it was saved.
    magic: Magic,
}

/// Launches a machine.
///
/// # Errors
/// `exists`, `not-found` (image or disk), `busy` (disk), `no-memory`, `image-corrupt`, or `internal` with what QEMU
/// said last.
pub fn launch(daemon: &Daemon, args: &LaunchArgs) -> Outcome<Launched> {
    let _machine = daemon.hold_machine(&args.machine_id);
    let disk_held = args.disk_id.as_ref().map(|disk| daemon.hold_disk(disk));
    check(daemon, args)?;
    let mut origin = Origin::open(daemon, args)?;
    fs::create_dir(paths::machine(&args.machine_id)).during(|| format!("make the folder of {}", args.machine_id))?;
    let outcome = build(daemon, args, &mut origin);
    if outcome.is_err() {
        // The disk's lock is held here, so it is given back first for `kill` to take.
        drop(disk_held);
        let _ = list::kill(daemon, &args.machine_id);
    }
    outcome
}

fn check(daemon: &Daemon, args: &LaunchArgs) -> Outcome<()> {
    let id = &args.machine_id;
    let folder = paths::machine(id);
    if folder.symlink_metadata().is_ok() || daemon.cgroups.machines().contains(id) {
        return Err(failure(Code::Exists, format!("machine {id} exists")));
    }
    if daemon.corrupt.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains(&args.image) {
        return Err(failure(Code::ImageCorrupt, format!("image {} failed its verification", args.image)));
    }
    images::check_sizes(&args.image)?;
    if let Some(disk) = &args.disk_id {
        if paths::disk(disk).symlink_metadata().is_err() {
            return Err(failure(Code::NotFound, format!("there is no disk {disk}")));
        }
        if let Some(user) = list::user_of(disk) {
            return Err(failure(Code::Busy, format!("disk {disk} is used by machine {user}")));
        }
    }
    let (needed, available) = (command_line::memory_limit_mib(args), resources::available_mib());
    if needed > available {
        return Err(failure(
            Code::NoMemory,
            format!("the machine may need {needed} MiB, and the host has {available} available"),
        ));
    }
    Ok(())
}

/// What a machine of its kind is made of; the probe is made of the same.
pub struct Made {
    pub uid: u32,
    pub joins: Vec<PathBuf>,
    pub agent: UnixListener,
    pub qmp: UnixListener,
    pub control: UnixListener,
    pub record: Record,
}

/// Makes everything but the process: record, uid, cgroups, ownership of the disk, sockets.
///
/// # Errors
/// Whatever is refused; the caller removes what was made.
pub fn make(daemon: &Daemon, args: &LaunchArgs, magic: &Magic) -> Outcome<Made> {
    let id = &args.machine_id;
    let folder = paths::machine(id);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o711))
        .during(|| "open the machine's folder".to_owned())?;
    let mut record = Record {
        version: 1,
        machine_id: id.clone(),
        image: args.image.clone(),
        disk_id: args.disk_id.clone(),
        memory_mib: args.memory_mib,
        cpus: args.cpus,
        accelerator: args.accelerator,
        environment: args.labels.environment.clone(),
        memory: args.memory.clone(),
        magic: magic.clone(),
        uid: None,
        pid: None,
        boot_id: daemon.boot_id.clone(),
        started_unix_ms: now_unix_ms(),
    };
    record.write()?;
    fault::reach("launch.intent");
    let uid = daemon.claims.claim(id)?;
    record.uid = Some(uid);
    record.write()?;
    let limits = Limits {
        memory_bytes: (command_line::memory_limit_mib(args) + command_line::shared_limit_mib(args)) << 20,
        pids: command_line::pids_limit(args),
        cpus: args.cpus,
    };
    let joins = daemon.cgroups.create(id, &limits)?;
    fault::reach("launch.cgroup");
    if let Some(disk) = &args.disk_id {
        give_disk(disk, uid)?;
    }
    let agent = listen(&folder.join("agent.sock"), daemon.options.server_uid)?;
    let qmp = listen(&folder.join("qmp.sock"), daemon.options.server_uid)?;
    let control = listen(&folder.join(qmp::SOCKET), 0)?;
    Ok(Made { uid, joins, agent, qmp, control, record })
}

fn give_disk(disk: &Id, uid: u32) -> Outcome<()> {
    let path = paths::disk(disk);
    std::os::unix::fs::lchown(&path, Some(uid), Some(uid)).during(|| format!("give disk {disk} to the machine"))
}

fn listen(path: &Path, server_uid: u32) -> Outcome<UnixListener> {
    let what = || format!("bind {}", path.file_name().unwrap_or_default().to_string_lossy());
    // Between bind and chmod nobody but root can connect: the daemon's file mode mask is 077.
    let listener = UnixListener::bind(path).during(what)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).during(what)?;
    chown(path, Some(server_uid.into()), None).during(what)?;
    Ok(listener)
}

fn build(daemon: &Daemon, args: &LaunchArgs, origin: &mut Origin) -> Outcome<Launched> {
    let runtime = daemon.runtime()?;
    let id = &args.machine_id;
    let folder = paths::machine(id);
    let mut made = make(daemon, args, origin.magic())?;
    origin.give(made.uid)?;
    let disk = args.disk_id.as_ref().map(paths::disk);
    let disk_bytes = disk.as_ref().and_then(|disk| disk.symlink_metadata().ok()).map_or(0, |found| found.len());
    let said = stderr_log::create(&folder)?;
    let pouring = stderr_log::pour(&folder)?;
    let jail = Jail {
        runtime: &runtime,
        image: paths::image(&args.image),
        disk,
        disk_bytes,
        node: make_node(&paths::node(id), args.accelerator, made.uid)?,
        uid: made.uid,
        threads: command_line::pids_limit(args),
        joins: std::mem::take(&mut made.joins),
    };
    let mut inside = vec![runtime.qemu.to_string_lossy().into_owned()];
    inside.extend(command_line::arguments(args, &runtime, origin));
    let ends =
        Ends { agent: &made.agent, qmp: &made.qmp, control: &made.control, memory: origin.memory(), said: &said };
    jail.start(&inside, &ends)?;
    drop((said, made.agent, made.qmp, made.control));
    fault::reach("launch.spawned");
    if let Err(why) = begin(&folder, origin) {
        let _ = daemon.cgroups.kill(id, || ());
        // With the VMM dead the FIFO has ended, and all it said is in the log.
        let _ = pouring.join();
        let said = stderr_log::tail(&folder);
        return Err(failure(why.code, format!("{why}; it said: {said}")));
    }
    // The mount in the jail keeps the node.
    let _ = fs::remove_file(paths::node(id));
    let pid = list::vmm(daemon, id).ok_or_else(|| failure(Code::Internal, "QEMU ended at once"))?;
    made.record.pid = Some(pid);
    made.record.write()?;
    fault::reach("launch.ready");
    Ok(Launched { pid, uid: made.uid, magic: made.record.magic })
}

/// Waits until QEMU's main loop runs, and has it load what is to be restored.
fn begin(folder: &Path, origin: &mut Origin) -> Outcome<()> {
    let connected = Control::connect(folder, PATIENCE);
    let mut control = connected.map_err(|fault| failure(Code::Internal, fault.to_string()))?;
    match origin {
        Origin::Boot(_) => Ok(()),
        Origin::Saved(saved) => restore::load(&mut control, saved),
    }
}
