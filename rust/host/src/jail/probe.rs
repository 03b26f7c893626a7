//! `jail.probe`: puts a prober in QEMU's place, with baits outside that really exist, and reports what it was refused.

use crate::error::{Code, During, Outcome, failure};
use crate::jail::sandbox::{self, Ends, Jail};
use crate::machine::launch;
use crate::machine::list;
use crate::server::daemon::Daemon;
use crate::server::request::{Accelerator, DiskFrom, Labels, LaunchArgs, Magic, Memory};
use crate::snapshot::memory_file;
use crate::store::disks;
use crate::store::ids::{Id, hex};
use crate::store::images;
use crate::store::paths;
use crate::vmm::qemu::command_line;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Size of the probe's disk and of the bait, the smallest there is.
const DISK_MIB: u64 = 64;
/// How long the prober may take; it needs well under a second.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes of its report.
const LONGEST: usize = 64 * 1024;

fn fresh_id() -> Outcome<Id> {
    let mut random = [0; 10];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .during(|| "read /dev/urandom".to_owned())?;
    Id::parse(&format!("probe{}", hex(&random))).map_err(|why| failure(Code::Internal, why))
}

/// Runs the probe and removes all that was made for it.
///
/// # Errors
/// `not-found` without any image, or whatever a launch fails with.
pub fn run(daemon: &Daemon) -> Outcome<Vec<Value>> {
    let Some(image) = images::list().into_iter().next() else {
        return Err(failure(Code::NotFound, "the probe needs an image, as a launch does, and none is imported"));
    };
    let (id, bait) = (fresh_id()?, fresh_id()?);
    let _held = daemon.hold_machine(&id);
    let args = LaunchArgs {
        machine_id: id.clone(),
        image,
        disk_id: Some(id.clone()),
        memory_mib: 64,
        cpus: 1,
        accelerator: Accelerator::Tcg,
        magic: None,
        labels: Labels::default(),
        memory: Memory::Plain,
    };
    let blank = DiskFrom::Blank(DISK_MIB);
    let report = disks::create(daemon, &id, &blank)
        .and_then(|()| disks::create(daemon, &bait, &blank))
        .and_then(|()| fs::create_dir(paths::machine(&id)).during(|| "make the probe's folder".to_owned()))
        .and_then(|()| probe(daemon, &args, &bait));
    let killed = list::kill(daemon, &id);
    let removed = disks::remove(&id).and_then(|_| disks::remove(&bait));
    let report = report?;
    killed?;
    removed?;
    Ok(report)
}

/// Files that hold the server's secrets, or the folder they would lie in.
fn databases(daemon: &Daemon) -> Vec<PathBuf> {
    let entries = fs::read_dir(&daemon.options.data).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_database = |path: &PathBuf| path.extension().is_some_and(|end| end == "db" || end == "sqlite");
    let mut found: Vec<_> = entries.filter(is_database).collect();
    found.push(daemon.options.data.clone());
    found
}

fn probe(daemon: &Daemon, args: &LaunchArgs, bait: &Id) -> Outcome<Vec<Value>> {
    let runtime = daemon.runtime()?;
    let magic = Magic::try_from("0".repeat(32)).map_err(|why| failure(Code::Internal, why))?;
    let made = launch::make(daemon, args, &magic)?;
    // As a template's memory is.
    let memory = memory_file::create(c"microterm-memory", 1 << 20)
        .and_then(|file| memory_file::seal(&file).map(|()| file))
        .and_then(|file| memory_file::reopen(&file))
        .during(|| "make a bait of memory".to_owned())?;
    let (report, said) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).during(|| "make a pipe".to_owned())?;
    let name = format!("microterm-{bait}");
    let address = SocketAddr::from_abstract_name(&name).during(|| "name a bait socket".to_owned())?;
    let _bait_socket = UnixListener::bind_addr(&address).during(|| "bind a bait socket".to_owned())?;
    let jail = Jail {
        runtime: &runtime,
        image: paths::image(&args.image),
        disk: Some(paths::disk(&args.machine_id)),
        disk_bytes: DISK_MIB << 20,
        node: None,
        uid: made.uid,
        threads: command_line::pids_limit(args),
        joins: made.joins,
    };
    let disk_name = format!("{bait}.ext4");
    let mut inside = vec![sandbox::PROGRAM.to_owned(), "jail-probe".to_owned(), std::process::id().to_string(), name];
    let bait_disks = [paths::disks().join(&disk_name), daemon.options.data.join("host/disks").join(&disk_name)];
    inside.extend(bait_disks.iter().map(|path| format!("disk:{}", path.display())));
    inside.extend(databases(daemon).iter().map(|path| format!("database:{}", path.display())));
    let said = File::from(said);
    jail.start(
        &inside,
        &Ends { agent: &made.agent, qmp: &made.qmp, control: &made.control, memory: Some(&memory), said: &said },
    )?;
    drop(said);
    let text = read_report(File::from(report))?;
    serde_json::from_slice(&text).map_err(|error| {
        let said = String::from_utf8_lossy(&text).trim().to_owned();
        failure(Code::Internal, format!("the probe's report: {error}: {said}"))
    })
}

fn read_report(mut report: File) -> Outcome<Vec<u8>> {
    let (start, mut text, mut buffer) = (Instant::now(), Vec::new(), [0; 4096]);
    loop {
        let left = PATIENCE.saturating_sub(start.elapsed());
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
