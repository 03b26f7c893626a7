//! Uids of machines. A claim is a file named by the uid whose one line names instance, machine and boot; it is made
//! by link(2), so it appears whole or not at all, and for one claimant only. All instances of the host share them.

use crate::error::{Code, During, Outcome, failure};
use crate::store::ids::{Id, bears};
use crate::store::paths::CLAIMS;
use nix::fcntl::{Flock, FlockArg};
use std::fs;
use std::path::{Path, PathBuf};

/// The first uid of machines: above the ranges that useradd, systemd and subuid files hand out by default.
pub const FIRST: u32 = 2_000_000;
/// One more than the last.
pub const END: u32 = 2_065_536;

pub struct Claims {
    instance: String,
    boot: String,
}

impl Claims {
    pub fn new(instance: &str, boot: &str) -> Self {
        Self { instance: instance.to_owned(), boot: boot.to_owned() }
    }

    fn line(&self, machine: &Id) -> String {
        format!("{} {machine} {}\n", self.instance, self.boot)
    }

    /// Takes the lowest free uid for a machine.
    ///
    /// # Errors
    /// `busy` when all are taken.
    pub fn claim(&self, machine: &Id) -> Outcome<u32> {
        // Between finding a claim of an earlier boot and removing it, nobody else may take that uid.
        let lock =
            fs::File::create(Path::new(CLAIMS).join(".lock")).during(|| "open the lock of uid claims".to_owned())?;
        let _lock = Flock::lock(lock, FlockArg::LockExclusive)
            .map_err(|(_, error)| error)
            .during(|| "lock uid claims".to_owned())?;
        let draft = Path::new(CLAIMS).join(format!(".{}-{machine}", self.instance));
        fs::write(&draft, self.line(machine)).during(|| "write a uid claim".to_owned())?;
        let taken = (FIRST..END).find_map(|uid| {
            let path = path_of(uid);
            if path.exists() && !self.is_of_earlier_boot(&path) {
                return None;
            }
            match fs::hard_link(&draft, &path) {
                Ok(()) => Some(Ok(uid)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => None,
                Err(error) => Some(Err(error)),
            }
        });
        let _ = fs::remove_file(&draft);
        match taken {
            Some(taken) => taken.during(|| "claim a uid".to_owned()),
            None => Err(failure(Code::Busy, "every uid for machines is taken")),
        }
    }

    /// Where `/run` outlives a reboot, so do claims; no process of theirs can.
    fn is_of_earlier_boot(&self, path: &Path) -> bool {
        let Ok(line) = fs::read_to_string(path) else { return false };
        let stale = line.split_whitespace().nth(2).is_some_and(|boot| boot != self.boot);
        stale && fs::remove_file(path).is_ok()
    }

    /// Gives up every claim of this instance's machine. Answers with how many there were.
    pub fn release(&self, machine: &Id) -> u64 {
        let _ = fs::remove_file(Path::new(CLAIMS).join(format!(".{}-{machine}", self.instance)));
        let mine = |line: &str| line.split_whitespace().take(2).eq([self.instance.as_str(), machine.as_str()]);
        all().into_iter().filter(|(path, line)| mine(line) && fs::remove_file(path).is_ok()).count() as u64
    }

    /// Gives up the claims of machines of this instance that are no more.
    pub fn reclaim(&self, exists: impl Fn(&Id) -> bool) -> usize {
        let gone = |line: &str| {
            let mut words = line.split_whitespace();
            words.next() == Some(&self.instance)
                && words.next().and_then(|word| Id::parse(word).ok()).is_none_or(|machine| !exists(&machine))
        };
        all().into_iter().filter(|(path, line)| gone(line) && fs::remove_file(path).is_ok()).count()
    }
}

/// The machine that a claim of this uid names.
pub fn holder(uid: u32) -> Option<Id> {
    let line = fs::read_to_string(path_of(uid)).ok()?;
    Id::parse(line.split_whitespace().nth(1)?).ok()
}

fn path_of(uid: u32) -> PathBuf {
    Path::new(CLAIMS).join(uid.to_string())
}

fn all() -> Vec<(PathBuf, String)> {
    let Ok(entries) = fs::read_dir(CLAIMS) else { return Vec::new() };
    entries.flatten().filter_map(|entry| Some((entry.path(), fs::read_to_string(entry.path()).ok()?))).collect()
}

/// Names of claims, drafts included, whose file bears the id.
pub fn bearing(id: &Id) -> Vec<String> {
    let named = all().into_iter().filter(|(path, line)| bears(line, id) || bears(&path.to_string_lossy(), id));
    named.map(|(path, _)| path.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect()
}
