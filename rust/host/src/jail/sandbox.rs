//! The jail: bubblewrap's arguments, and starting what runs in it.
//!
//! bubblewrap is run by root without a user namespace, so it needs none of what Ubuntu's AppArmor or a sysctl may
//! forbid to unprivileged users. The chain is: `jail-enter` joins the cgroups and detaches from the daemon; bubblewrap
//! makes the namespaces; `jail-exec`, in them, gives up root and becomes the VMM.

use crate::error::{Code, During, Outcome, failure};
use crate::jail::layout::{DISK, IMAGE_FOLDER, PROGRAM};
use crate::jail::shim::plan::{Bind, Plan};
use crate::spec::Accelerator;
use crate::store::ids::Id;
use crate::store::{images, paths};
use crate::{descriptors, programs};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What runs in a jail, and what of the host's it needs to run.
pub struct Program<'a> {
    /// The program and its arguments, as seen in the jail.
    pub command: Vec<String>,
    /// Host path and path in the jail, read-only.
    pub files: Vec<(PathBuf, PathBuf)>,
    /// The same, writable.
    pub writable: Vec<(PathBuf, PathBuf)>,
    /// Open descriptors and their numbers in the jail, from 3 up without a gap.
    pub descriptors: Vec<(BorrowedFd<'a>, i32)>,
    pub enclosure: Enclosure,
}

/// What makes the jail.
pub enum Enclosure {
    /// `needs_proc`: whether the program reaches its descriptors by `/proc/self/fd` as well.
    Bubblewrap { needs_proc: bool },
    /// Firecracker's own jailer. `network`: the descriptor of the network namespace that it enters.
    Jailer { jailer: PathBuf, network: Option<i32> },
}

impl Program<'_> {
    /// The number of an open file in the jail; -1 when it is not handed in.
    pub fn number_of(&self, file: &File) -> i32 {
        let found = self.descriptors.iter().find(|(descriptor, _)| descriptor.as_raw_fd() == file.as_raw_fd());
        found.map_or(-1, |(_, number)| *number)
    }

    /// The number of the first descriptor that nothing in the jail needs.
    pub fn first_unused(&self) -> i32 {
        self.descriptors.iter().map(|(_, number)| number + 1).max().unwrap_or(3)
    }
}

/// What one jail holds and is held by.
pub struct Jail<'a> {
    pub machine: Id,
    pub program: Program<'a>,
    /// The image's folder on the host.
    pub image: PathBuf,
    pub disk: Option<PathBuf>,
    /// The longest file that it may write, in bytes.
    pub largest_file: u64,
    /// A device node for KVM on the host, which the machine's uid may open.
    pub node: Option<PathBuf>,
    pub uid: u32,
    pub threads: u64,
    /// `cgroup.procs` of each group to join.
    pub joins: Vec<PathBuf>,
    /// Standard output and error.
    pub output: File,
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Jail<'_> {
    /// The files of the host that the jail has, whatever makes it.
    fn binds(&self) -> Vec<Bind> {
        let bind = |from: &Path, to: &Path, is_writable| Bind { from: from.into(), to: to.into(), is_writable };
        let mut binds: Vec<_> = self.program.files.iter().map(|(from, to)| bind(from, to, false)).collect();
        binds.extend(self.program.writable.iter().map(|(from, to)| bind(from, to, true)));
        for name in images::FILES {
            binds.push(bind(&self.image.join(name), &Path::new(IMAGE_FOLDER).join(name), false));
        }
        if let Some(disk) = &self.disk {
            binds.push(bind(disk, Path::new(DISK), true));
        }
        binds
    }

    /// What is bound, how, and where to, for bubblewrap.
    fn bubblewrap_binds(&self) -> Vec<(&'static str, PathBuf, PathBuf)> {
        let how = |bind: &Bind| if bind.is_writable { "--bind" } else { "--ro-bind" };
        let mut binds: Vec<_> =
            self.binds().into_iter().map(|bind| (how(&bind), bind.from.clone(), bind.to.clone())).collect();
        binds.push(("--ro-bind", paths::PROGRAM.into(), PROGRAM.into()));
        for device in ["/dev/null", "/dev/urandom"] {
            binds.push(("--dev-bind", device.into(), device.into()));
        }
        if let Some(node) = &self.node {
            binds.push(("--dev-bind", node.clone(), "/dev/kvm".into()));
        }
        binds
    }

    fn bubblewrap(&self, needs_proc: bool) -> Outcome<Vec<String>> {
        let mut line = vec![text(&programs::find("bwrap")?)];
        let mut add = |words: &[&str]| line.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]);
        add(&["--hostname", "jail", "--as-pid-1", "--clearenv"]);
        add(&["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]);
        if needs_proc {
            // `jail-exec` mounts it, more narrowly than bubblewrap would, and gives the capability up.
            add(&["--cap-add", "CAP_SYS_ADMIN", "--perms", "0755", "--dir", "/proc"]);
        }
        let binds = self.bubblewrap_binds();
        // Made first: folders that bubblewrap makes on its way to a file are root's alone.
        let above: BTreeSet<&Path> = binds.iter().flat_map(|(_, _, to)| to.ancestors().skip(1)).collect();
        for folder in above.into_iter().filter(|folder| *folder != Path::new("/")) {
            add(&["--perms", "0755", "--dir", &text(folder)]);
        }
        for (how, from, to) in &binds {
            add(&[how, &text(from), &text(to)]);
        }
        add(&["--remount-ro", "/", "--chdir", "/", "--"]);
        line.extend(self.last_step(needs_proc));
        line.extend(self.program.command.iter().cloned());
        Ok(line)
    }

    fn shim(&self, jailer: &Path, network: Option<i32>) -> Outcome<Vec<String>> {
        let (program, arguments) =
            self.program.command.split_first().ok_or_else(|| failure(Code::Internal, "a jail without a program"))?;
        let plan = Plan {
            machine: self.machine.clone(),
            uid: self.uid,
            largest_file: self.largest_file,
            threads: self.threads,
            first_unused: self.program.first_unused().cast_unsigned(),
            jailer: jailer.to_owned(),
            program: program.into(),
            arguments: arguments.to_vec(),
            network,
            binds: self.binds(),
        };
        let plan = serde_json::to_string(&plan).map_err(|error| failure(Code::Internal, error.to_string()))?;
        Ok(vec![paths::PROGRAM.to_owned(), "jail-shim".to_owned(), plan])
    }

    fn last_step(&self, needs_proc: bool) -> Vec<String> {
        let numbers = [
            u64::from(self.uid),
            self.largest_file,
            self.threads,
            u64::from(self.program.first_unused().cast_unsigned()),
            u64::from(needs_proc),
        ];
        let mut line = vec![PROGRAM.to_owned(), "jail-exec".to_owned()];
        line.extend(numbers.iter().map(u64::to_string));
        line.push("--".to_owned());
        line
    }

    /// Starts the program. Returns once it has left the daemon's hands; whether it then runs shows in its cgroup.
    ///
    /// # Errors
    /// `internal` when bubblewrap is missing or a cgroup cannot be joined.
    pub fn start(&self) -> Outcome<()> {
        let line = match &self.program.enclosure {
            Enclosure::Bubblewrap { needs_proc } => self.bubblewrap(*needs_proc)?,
            Enclosure::Jailer { jailer, network } => self.shim(jailer, *network)?,
        };
        let mut command = Command::new(paths::PROGRAM);
        command.arg("jail-enter").arg(self.program.first_unused().to_string()).args(&self.joins).arg("--").args(line);
        let output = self.output.try_clone().during(|| "copy a descriptor".to_owned())?;
        let errors = self.output.try_clone().during(|| "copy a descriptor".to_owned())?;
        command.env_clear().current_dir("/").stdin(Stdio::null()).stdout(output).stderr(errors);
        let given: Vec<_> =
            self.program.descriptors.iter().map(|(descriptor, number)| (descriptor.as_raw_fd(), *number)).collect();
        // SAFETY: only async-signal-safe calls between fork and exec, on descriptors that `program` keeps open.
        unsafe { command.pre_exec(move || descriptors::renumber(&given)) };
        let status = command.status().during(|| "start the jail".to_owned())?;
        if status.success() { Ok(()) } else { Err(failure(Code::Internal, "the jail could not be entered")) }
    }
}

/// Makes the device node that a machine under KVM gets, owned by its uid.
///
/// # Errors
/// `not-found` where the host has no /dev/kvm.
pub fn create_node(path: &Path, accelerator: Accelerator, uid: u32) -> Outcome<Option<PathBuf>> {
    use nix::sys::stat::{Mode, SFlag, mknod, stat};
    if accelerator == Accelerator::Tcg {
        return Ok(None);
    }
    let device = stat("/dev/kvm").map_err(|_| failure(Code::NotFound, "this host has no /dev/kvm"))?;
    let _ = std::fs::remove_file(path);
    mknod(path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), device.st_rdev)
        .during(|| "make a KVM node".to_owned())?;
    nix::unistd::chown(path, Some(uid.into()), Some(uid.into())).during(|| "give away the KVM node".to_owned())?;
    Ok(Some(path.to_owned()))
}
