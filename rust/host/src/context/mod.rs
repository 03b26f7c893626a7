//! What everything in the daemon shares. It knows none of those who use it.

pub mod locks;
pub mod options;

use crate::context::locks::{LockGuard, Locks};
use crate::context::options::Options;
use crate::error::Outcome;
use crate::jail::cgroup::Cgroups;
use crate::jail::uids::Claims;
use crate::spec::VmmKind;
use crate::store::ids::{Id, ImageKey, TemplateKey};
use crate::store::records;
use crate::vmm::interface::Vmm;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// What this daemon can run guests with.
pub struct Vmms {
    pub qemu: Box<dyn Vmm>,
    pub firecracker: Box<dyn Vmm>,
}

pub struct Context {
    pub options: Options,
    pub boot_id: String,
    pub cgroups: Cgroups,
    pub claims: Claims,
    vmms: Vmms,
    locks: Locks,
    /// Images that a verification found corrupt; no machine starts from them.
    corrupt: Mutex<HashSet<ImageKey>>,
}

impl Context {
    /// # Errors
    /// Without /proc.
    pub fn new(options: Options, vmms: Vmms) -> Outcome<Self> {
        let boot_id = records::boot_id()?;
        Ok(Self {
            cgroups: Cgroups::detect(&options.instance),
            claims: Claims::new(&options.instance, &boot_id),
            boot_id,
            vmms,
            locks: Locks::default(),
            corrupt: Mutex::default(),
            options,
        })
    }

    pub fn vmm(&self, kind: VmmKind) -> &dyn Vmm {
        match kind {
            VmmKind::Qemu => self.vmms.qemu.as_ref(),
            VmmKind::Firecracker => self.vmms.firecracker.as_ref(),
        }
    }

    /// A caller of several takes the machine's before the disk's, and that before a template's or a save's.
    pub fn lock_machine(&self, id: &Id) -> LockGuard {
        self.locks.lock(format!("machine {id}"))
    }

    pub fn lock_disk(&self, id: &Id) -> LockGuard {
        self.locks.lock(format!("disk {id}"))
    }

    pub fn lock_template(&self, key: &TemplateKey) -> LockGuard {
        self.locks.lock(format!("template {key}"))
    }

    pub fn lock_pause(&self, id: &Id) -> LockGuard {
        self.locks.lock(format!("save {id}"))
    }

    pub fn lock_images(&self) -> LockGuard {
        self.locks.lock("images".to_owned())
    }

    pub fn is_corrupt(&self, image: &ImageKey) -> bool {
        self.corrupt.lock().unwrap_or_else(PoisonError::into_inner).contains(image)
    }

    pub fn set_corrupt(&self, image: &ImageKey, is_corrupt: bool) {
        let mut corrupt = self.corrupt.lock().unwrap_or_else(PoisonError::into_inner);
        if is_corrupt {
            corrupt.insert(image.clone());
        } else {
            corrupt.remove(image);
        }
    }
}
