//! The jail: bubblewrap's arguments, and starting what runs in it.
//!
//! bubblewrap is run by root without a user namespace, so it needs none of what Ubuntu's AppArmor or a sysctl may
//! forbid to unprivileged users. The chain is: `jail-enter` joins the cgroups and detaches from the daemon; bubblewrap
//! makes the namespaces; `jail-exec`, in them, gives up root and becomes the VMM.

use crate::error::{Code, During, Outcome, failure};
use crate::jail::layout::{DISK, IMAGE_FOLDER, PROGRAM};
use crate::spec::Accelerator;
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
    /// Open descriptors and their numbers in the jail, from 3 up without a gap.
    pub descriptors: Vec<(BorrowedFd<'a>, i32)>,
    /// Whether it reaches them by `/proc/self/fd` as well.
    pub needs_proc: bool,
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
    pub program: Program<'a>,
    /// The image's folder on the host.
    pub image: PathBuf,
    pub disk: Option<PathBuf>,
    pub disk_bytes: u64,
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
    /// What is bound, how, and where to: read-only, writable, or as a device.
    fn binds(&self) -> Vec<(&'static str, PathBuf, PathBuf)> {
        let mut binds = Vec::new();
        for (from, to) in &self.program.files {
            binds.push(("--ro-bind", from.clone(), to.clone()));
        }
        binds.push(("--ro-bind", paths::PROGRAM.into(), PROGRAM.into()));
        for name in images::FILES {
            binds.push(("--ro-bind", self.image.join(name), Path::new(IMAGE_FOLDER).join(name)));
        }
        if let Some(disk) = &self.disk {
            binds.push(("--bind", disk.clone(), DISK.into()));
        }
        for device in ["/dev/null", "/dev/urandom"] {
            binds.push(("--dev-bind", device.into(), device.into()));
        }
        if let Some(node) = &self.node {
            binds.push(("--dev-bind", node.clone(), "/dev/kvm".into()));
        }
        binds
    }

    fn bubblewrap(&self) -> Outcome<Vec<String>> {
        let mut line = vec![text(&programs::find("bwrap")?)];
        let mut add = |words: &[&str]| line.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]);
        add(&["--hostname", "jail", "--as-pid-1", "--clearenv"]);
        add(&["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]);
        if self.program.needs_proc {
            // `jail-exec` mounts it, more narrowly than bubblewrap would, and gives the capability up.
            add(&["--cap-add", "CAP_SYS_ADMIN", "--perms", "0755", "--dir", "/proc"]);
        }
        let binds = self.binds();
        // Made first: folders that bubblewrap makes on its way to a file are root's alone.
        let above: BTreeSet<&Path> = binds.iter().flat_map(|(_, _, to)| to.ancestors().skip(1)).collect();
        for folder in above.into_iter().filter(|folder| *folder != Path::new("/")) {
            add(&["--perms", "0755", "--dir", &text(folder)]);
        }
        for (how, from, to) in &binds {
            add(&[how, &text(from), &text(to)]);
        }
        add(&["--remount-ro", "/", "--chdir", "/", "--"]);
        Ok(line)
    }

    fn last_step(&self) -> Vec<String> {
        let numbers = [
            u64::from(self.uid),
            self.disk_bytes,
            self.threads,
            u64::from(self.program.first_unused().cast_unsigned()),
            u64::from(self.program.needs_proc),
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
        let mut command = Command::new(paths::PROGRAM);
        command
            .arg("jail-enter")
            .arg(self.program.first_unused().to_string())
            .args(&self.joins)
            .arg("--")
            .args(self.bubblewrap()?)
            .args(self.last_step())
            .args(&self.program.command);
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
