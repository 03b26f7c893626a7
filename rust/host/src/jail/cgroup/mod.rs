//! Control groups of machines: `microterm-NAME/<machineId>` below the root of each hierarchy that is used, so that
//! any daemon finds them by name. One layout for both versions: a list of hierarchies, of which version 2 has one.

mod cpu;
mod files;
mod find;
mod hierarchy;

use self::files::write;
use self::hierarchy::{Hierarchy, Version};
use crate::error::{Code, During, Outcome, failure};
use crate::spec::CpuLimits;
use crate::store::ids::Id;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long killed processes may take to be gone. Only one in an uninterruptible wait takes more than milliseconds.
const DEATH_TIMEOUT: Duration = Duration::from_secs(15);
const STEP: Duration = Duration::from_millis(2);

/// What a machine may use.
pub struct Limits {
    pub memory_bytes: u64,
    pub pids: u64,
    pub cpu_weight: u64,
    /// In percent of one processor; `None`: as much as there is.
    pub cpu_quota_percent: Option<u64>,
}

/// What a machine uses.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    cpu_usec: u64,
    pub memory_bytes: u64,
    pids: u64,
}

pub struct Cgroups {
    version: Option<Version>,
    hierarchies: Vec<Hierarchy>,
    parent: String,
    /// Held while groups are made or removed: the parent goes with the last child, and comes with the first.
    changing: Mutex<()>,
}

/// What cannot be read is no zero: a sum that begins again looks like work.
fn number(path: &Path) -> Outcome<u64> {
    let text = fs::read_to_string(path).during(|| format!("read {}", path.display()))?;
    text.trim().parse().map_err(|_| failure(Code::Internal, format!("{} holds no number", path.display())))
}

impl Cgroups {
    /// Looks for what this host has: version 2 if it has the memory and pids controllers, else version 1.
    pub fn detect(instance: &str) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let (version, hierarchies) = find::hierarchies(&mounts);
        Self { version, hierarchies, parent: format!("microterm-{instance}"), changing: Mutex::new(()) }
    }

    /// `v1`, `v2` or `none`, as the protocol names them.
    pub fn version(&self) -> &'static str {
        match self.version {
            Some(Version::V1) => "v1",
            Some(Version::V2) => "v2",
            None => "none",
        }
    }

    fn folders(&self, machine: &Id) -> impl Iterator<Item = (&'static str, PathBuf)> {
        self.hierarchies.iter().map(|one| (one.controller, one.root.join(&self.parent).join(machine.as_str())))
    }

    fn folder(&self, controller: &str, machine: &Id) -> Option<PathBuf> {
        let mut folders = self.folders(machine);
        folders.find(|(name, _)| *name == controller || self.version == Some(Version::V2)).map(|(_, folder)| folder)
    }

    /// Whether machines can be held to a part of the processors here.
    pub fn limits_cpu(&self) -> bool {
        self.version.is_some_and(|version| cpu::is_there(version, &self.hierarchies))
    }

    /// Changes a machine's part of the processors while it runs.
    ///
    /// # Errors
    /// `unsupported` where this host does not limit them, `not-found` when the machine has no group.
    pub fn limit_cpu(&self, machine: &Id, limits: &CpuLimits) -> Outcome<()> {
        let Some(version) = self.version.filter(|_| self.limits_cpu()) else { return Err(cpu::missing()) };
        let folder = self.folder("cpu", machine).filter(|folder| folder.exists());
        let folder = folder.ok_or_else(|| failure(Code::NotFound, format!("machine {machine} has no cgroup")))?;
        cpu::write(version, &folder, limits.weight, Some(limits.quota_percent))
    }

    /// Makes the machine's groups and sets their limits. Answers with the files that a process joins them by. Where the
    /// host does not limit processors, `limits_cpu` says so.
    ///
    /// # Errors
    /// `internal` when there is no hierarchy, or the kernel refuses.
    pub fn create(&self, machine: &Id, limits: &Limits) -> Outcome<Vec<PathBuf>> {
        let Some(version) = self.version else {
            return Err(failure(Code::Internal, "this host has no cgroups with the memory and pids controllers"));
        };
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if version == Version::V2 {
            self.delegate()?;
        }
        let mut joins = Vec::new();
        for (controller, folder) in self.folders(machine) {
            fs::create_dir_all(&folder).during(|| format!("make {}", folder.display()))?;
            match (version, controller) {
                (Version::V1, "memory") => {
                    let limit = limits.memory_bytes.to_string();
                    write(&folder.join("memory.limit_in_bytes"), &limit)?;
                    // Absent where the kernel does not account swap.
                    let with_swap = folder.join("memory.memsw.limit_in_bytes");
                    if with_swap.exists() {
                        write(&with_swap, &limit)?;
                    }
                }
                (Version::V1, "pids") => write(&folder.join("pids.max"), &limits.pids.to_string())?,
                (Version::V1, "cpu") => cpu::write(version, &folder, limits.cpu_weight, limits.cpu_quota_percent)?,
                (Version::V1, _) => {}
                (Version::V2, _) => {
                    write(&folder.join("memory.max"), &limits.memory_bytes.to_string())?;
                    let swap = folder.join("memory.swap.max");
                    if swap.exists() {
                        write(&swap, "0")?;
                    }
                    write(&folder.join("pids.max"), &limits.pids.to_string())?;
                    cpu::write(version, &folder, limits.cpu_weight, limits.cpu_quota_percent)?;
                }
            }
            joins.push(folder.join("cgroup.procs"));
        }
        Ok(joins)
    }

    /// Version 2: has the root and our own parent group hand their controllers down.
    fn delegate(&self) -> Outcome<()> {
        for one in &self.hierarchies {
            let own = one.root.join(&self.parent);
            fs::create_dir_all(&own).during(|| format!("make {}", own.display()))?;
            for above in [&one.root, &own] {
                let control = above.join("cgroup.subtree_control");
                let on = fs::read_to_string(&control).unwrap_or_default();
                for controller in ["memory", "pids", "cpu"] {
                    if on.split_whitespace().any(|name| name == controller) {
                        continue;
                    }
                    match write(&control, &format!("+{controller}")) {
                        // Machines run without it; `limits_cpu` says so.
                        Err(_) if controller == "cpu" => {}
                        outcome => outcome?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Host pids of all processes in the machine's groups.
    pub fn pids(&self, machine: &Id) -> BTreeSet<i32> {
        let texts =
            self.folders(machine).filter_map(|(_, folder)| fs::read_to_string(folder.join("cgroup.procs")).ok());
        // 0 stands for a process outside of the reader's pid namespace.
        texts
            .flat_map(|text| {
                text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect::<Vec<i32>>()
            })
            .collect()
    }

    /// Kills everything in the machine's groups. Answers with the number of processes there were.
    ///
    /// # Errors
    /// `internal` when something is still alive when that time has passed.
    pub fn kill(&self, machine: &Id, signalled: impl Fn()) -> Outcome<usize> {
        let start = Instant::now();
        // Frozen first, nothing in the group forks away between the look and the signal, nor leaves its pid to another.
        self.freeze(machine, true);
        let mut pids = self.pids(machine);
        let mut seen = pids.clone();
        while !pids.is_empty() {
            let whole = self.version == Some(Version::V2)
                && self.folder("", machine).is_some_and(|folder| fs::write(folder.join("cgroup.kill"), "1").is_ok());
            for pid in pids.iter().filter(|_| !whole) {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            self.freeze(machine, false);
            signalled();
            std::thread::sleep(STEP);
            if start.elapsed() > DEATH_TIMEOUT {
                return Err(failure(Code::Internal, format!("processes {pids:?} of machine {machine} do not die")));
            }
            pids = self.pids(machine);
            seen.extend(&pids);
        }
        self.freeze(machine, false);
        Ok(seen.len())
    }

    fn freeze(&self, machine: &Id, frozen: bool) {
        let (name, on, off) = match self.version {
            Some(Version::V2) => ("cgroup.freeze", "1", "0"),
            _ => ("freezer.state", "FROZEN", "THAWED"),
        };
        if let Some(folder) = self.folder("freezer", machine) {
            let _ = fs::write(folder.join(name), if frozen { on } else { off });
        }
    }

    /// Removes the machine's groups, and the parent after the last. Answers with how many groups were the machine's.
    ///
    /// # Errors
    /// `internal` when one stays busy.
    pub fn remove(&self, machine: &Id) -> Outcome<u64> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut removed = 0;
        for (_, folder) in self.folders(machine) {
            let start = Instant::now();
            loop {
                match fs::remove_dir(&folder) {
                    Ok(()) => removed += 1,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    // The kernel releases the last process a little after it has vanished from the list.
                    Err(error) if error.raw_os_error() == Some(libc::EBUSY) && start.elapsed() < DEATH_TIMEOUT => {
                        std::thread::sleep(STEP);
                        continue;
                    }
                    Err(error) => return Err(error).during(|| format!("remove {}", folder.display())),
                }
                break;
            }
            if let Some(parent) = folder.parent() {
                let _ = fs::remove_dir(parent);
            }
        }
        Ok(removed)
    }

    /// # Errors
    /// `not-found` when the machine has no group, `internal` when one of its files cannot be read.
    pub fn usage(&self, machine: &Id) -> Outcome<Usage> {
        let missing = || failure(Code::NotFound, format!("machine {machine} has no cgroup"));
        let memory = self.folder("memory", machine).filter(|folder| folder.exists()).ok_or_else(missing)?;
        let pids = number(&self.folder("pids", machine).ok_or_else(missing)?.join("pids.current"))?;
        if self.version == Some(Version::V2) {
            let stat = fs::read_to_string(memory.join("cpu.stat")).during(|| "read cpu.stat".to_owned())?;
            let cpu_usec = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
            let cpu_usec = cpu_usec.ok_or_else(|| failure(Code::Internal, "cpu.stat has no usage_usec"))?;
            return Ok(Usage { cpu_usec, memory_bytes: number(&memory.join("memory.current"))?, pids });
        }
        let accounts = ["cpuacct", "cpu"].iter().filter_map(|name| self.folder(name, machine));
        let cpu = match accounts.map(|folder| folder.join("cpuacct.usage")).find(|file| file.exists()) {
            Some(file) => number(&file)? / 1000,
            None => self.pids(machine).into_iter().map(find::cpu_usec).sum(),
        };
        Ok(Usage { cpu_usec: cpu, memory_bytes: number(&memory.join("memory.usage_in_bytes"))?, pids })
    }

    /// Ids of machines that have a group, whether or not anything else of them is left.
    pub fn machines(&self) -> BTreeSet<Id> {
        let parents = self.hierarchies.iter().filter_map(|one| fs::read_dir(one.root.join(&self.parent)).ok());
        let names = parents.flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| Id::parse(&name).ok()).collect()
    }
}

#[cfg(test)]
mod tests;
