//! Running the prober in a jail, with baits outside that really exist, and reading what it was refused.

use crate::error::{Code, During, Outcome, failure};
use crate::jail::layout;
use crate::jail::probe_report as report;
use crate::jail::sandbox::{Enclosure, Jail, Program};
use crate::store::ids::Id;
use crate::store::paths;
use serde_json::Value;
use std::fs::{self, File};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

/// What the prober is to find, or not.
pub struct Baits<'a> {
    /// A disk that is not the machine's; an abstract socket bears its name as well.
    pub disk: &'a Id,
    /// The instance's data folder.
    pub data: &'a Path,
    /// The probe's machine's.
    pub folder: &'a Path,
    /// What takes the place of a template's memory in the jail.
    pub memory: &'a File,
    /// A network device, where the host makes any.
    pub tap: Option<&'a File>,
}

/// Puts the prober in the place of a jail's program. Answers with one value a check.
///
/// # Errors
/// `internal` when the jail cannot be entered, or the prober does not end.
pub fn run<'a>(
    mut program: Program<'a>,
    baits: &Baits<'_>,
    jail: impl FnOnce(Program<'a>, File) -> Jail<'a>,
) -> Outcome<Vec<Value>> {
    let (said, output) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).during(|| "make a pipe".to_owned())?;
    let name = format!("microterm-{}", baits.disk);
    let address = SocketAddr::from_abstract_name(&name).during(|| "name a bait socket".to_owned())?;
    let _socket = UnixListener::bind_addr(&address).during(|| "bind a bait socket".to_owned())?;
    let is_jailers = matches!(program.enclosure, Enclosure::Jailer { .. });
    let vmm = if is_jailers { "firecracker" } else { "qemu" };
    // The jailer hands nothing on but standard input, output and error.
    let unused = if is_jailers { 3 } else { program.first_unused() };
    let tap = baits.tap.map_or(-1, |tap| program.number_of(tap));
    let numbers = [program.number_of(baits.memory), tap, unused];
    let line = if is_jailers {
        // The program here, which the jailer copies.
        paths::FIRECRACKER_PROBER
    } else {
        program.files.push((paths::PROBER.into(), layout::PROBER.into()));
        layout::PROBER
    };
    program.command = [line, "--", vmm].map(str::to_owned).into();
    program.command.extend([std::process::id().to_string(), name]);
    program.command.extend(numbers.map(|number| number.to_string()));
    let disk = format!("{}.ext4", baits.disk);
    let disks = [paths::disks().join(&disk), baits.data.join("host/disks").join(&disk)];
    program.command.extend(disks.iter().map(|path| format!("disk:{}", path.display())));
    program.command.extend(databases(baits.data).iter().map(|path| format!("database:{}", path.display())));
    // The daemon's end of the pipe closes with the jail's value.
    jail(program, File::from(output)).start()?;
    let text = if is_jailers { report::by_watch(baits.folder, said)? } else { report::by_pipe(said)? };
    serde_json::from_slice(&text).map_err(|error| {
        let said = String::from_utf8_lossy(&text).trim().to_owned();
        failure(Code::Internal, format!("the probe's report: {error}: {said}"))
    })
}

/// Files that hold the server's secrets, or the folder they would lie in.
fn databases(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_database = |path: &PathBuf| path.extension().is_some_and(|end| end == "db" || end == "sqlite");
    let mut found: Vec<_> = entries.filter(is_database).collect();
    found.push(data.to_owned());
    found
}
