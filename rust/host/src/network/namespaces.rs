//! Network namespaces by name: mounts below `/run/netns`, as ip-netns(8) makes them, in the host's mount namespace, since
//! the daemon's own goes with its supervisor. Work in a namespace is done by a thread that ends with it.

use crate::error::{Code, During, Outcome, failure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

const FOLDER: &str = "/run/netns";
const OWN: &str = "/proc/thread-self/ns/net";

/// Runs something in a thread of its own, which may enter namespaces.
fn in_thread<T: Send>(work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
    std::thread::scope(|scope| {
        let started = std::thread::Builder::new().name("namespace".to_owned()).spawn_scoped(scope, work);
        let thread = started.during(|| "start a thread".to_owned())?;
        thread.join().unwrap_or_else(|_| Err(failure(Code::Internal, "work in a namespace failed")))
    })
}

/// Runs something in a network namespace.
///
/// # Errors
/// What the work fails with.
pub fn within<T: Send>(namespace: impl AsFd, work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
    let namespace = namespace.as_fd();
    in_thread(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).during(|| "enter a network namespace".to_owned())?;
        work()
    })
}

/// Runs something in a network namespace that ends with what it answers.
///
/// # Errors
/// What the work fails with.
pub fn within_new<T: Send>(work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
    in_thread(move || {
        unshare(CloneFlags::CLONE_NEWNET).during(|| "make a network namespace".to_owned())?;
        work()
    })
}

/// The names below one prefix.
pub struct Namespaces {
    /// The host's mount namespace.
    mounts: OwnedFd,
    prefix: String,
}

fn path_of(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

impl Namespaces {
    pub fn new(mounts: OwnedFd, instance: &str) -> Self {
        Self { mounts, prefix: format!("microterm-{instance}-") }
    }

    fn on_host<T: Send>(&self, work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        in_thread(move || {
            // A mount namespace can only be entered by a thread whose root and working directory are its own.
            unshare(CloneFlags::CLONE_FS).during(|| "leave the shared root".to_owned())?;
            setns(&self.mounts, CloneFlags::CLONE_NEWNS).during(|| "enter the host's mounts".to_owned())?;
            work()
        })
    }

    /// Makes one.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn create(&self, name: &str) -> Outcome<OwnedFd> {
        let path = path_of(&format!("{}{name}", self.prefix));
        self.on_host(|| {
            share_folder()?;
            let what = || format!("make the network namespace {}", path.display());
            File::options().write(true).create_new(true).open(&path).during(what)?;
            unshare(CloneFlags::CLONE_NEWNET).during(what)?;
            mount(Some(OWN), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>).during(what)?;
            Ok(OwnedFd::from(File::open(OWN).during(what)?))
        })
    }

    /// Opens one; `None` where there is none, or only its name.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn open(&self, name: &str) -> Outcome<Option<OwnedFd>> {
        let path = path_of(&format!("{}{name}", self.prefix));
        self.on_host(|| {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error).during(|| format!("open {}", path.display())),
            };
            let kind = nix::sys::statfs::fstatfs(&file).during(|| format!("look at {}", path.display()))?;
            let is_namespace = kind.filesystem_type().0 == libc::NSFS_MAGIC;
            Ok(is_namespace.then(|| file.into()))
        })
    }

    /// All names, without the prefix.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn list(&self) -> Outcome<Vec<String>> {
        self.on_host(|| {
            let entries = fs::read_dir(FOLDER).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            Ok(names.filter_map(|name| name.strip_prefix(&self.prefix).map(str::to_owned)).collect())
        })
    }

    /// Takes a name away. The namespace ends when nothing is in it any more. Answers whether there was one.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn remove(&self, name: &str) -> Outcome<bool> {
        let path = path_of(&format!("{}{name}", self.prefix));
        self.on_host(|| {
            // Not mounted, where its making was cut short.
            let _ = umount2(&path, MntFlags::MNT_DETACH);
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error).during(|| format!("remove {}", path.display())),
            }
            // Nobody else's namespace is named there either.
            if fs::read_dir(FOLDER).is_ok_and(|mut entries| entries.next().is_none()) {
                let _ = umount2(FOLDER, MntFlags::MNT_DETACH);
                let _ = fs::remove_dir(FOLDER);
            }
            Ok(true)
        })
    }
}

/// As ip-netns(8) does: what is unmounted there is unmounted in every mount namespace that has it from here, or a copy
/// would keep the namespace.
fn share_folder() -> Outcome<()> {
    let what = || format!("share {FOLDER}");
    fs::create_dir_all(FOLDER).during(what)?;
    let none = None::<&str>;
    let share = || mount(none, FOLDER, none, MsFlags::MS_SHARED | MsFlags::MS_REC, none);
    if share() == Err(nix::errno::Errno::EINVAL) {
        mount(Some(FOLDER), FOLDER, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).during(what)?;
        share().during(what)?;
    }
    Ok(())
}
