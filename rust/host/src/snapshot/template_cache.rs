//! Templates that are used: the memory of each lies in a sealed file in memory, which all its machines map privately.

use crate::context::Context;
use crate::error::{Code, During, Outcome, note};
use crate::snapshot::compatibility;
use crate::snapshot::manifest::{self, DISK, MEMORY, Manifest, STATE, corrupt};
use crate::snapshot::memory_file;
use crate::snapshot::pages::Sum;
use crate::store::ids::TemplateKey;
use crate::store::{copy, paths};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Its file says that the template was found damaged, so that the next daemon knows.
const CORRUPT: &str = "corrupt";
/// Memory that no launch asked for in this long is evicted; filling it again takes a fraction of a second.
const UNUSED: Duration = Duration::from_mins(30);

/// A template whose bytes were found right, ready for use.
pub struct OpenTemplate {
    pub manifest: Manifest,
    /// Sealed, or the file on disk, for a VMM that works on files.
    pub memory: File,
    /// The same.
    pub state: File,
    disk: File,
    fingerprint: String,
    used: Mutex<Instant>,
}

#[derive(Default)]
pub struct TemplateCache(Mutex<HashMap<TemplateKey, Arc<OpenTemplate>>>);

impl TemplateCache {
    fn known(&self) -> MutexGuard<'_, HashMap<TemplateKey, Arc<OpenTemplate>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Evicts the memory of templates that were not used for long.
    pub fn evict_unused(&self) {
        self.known().retain(|_, opened| opened.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < UNUSED);
    }

    /// Evicts a template's memory. Machines that run on it keep theirs.
    pub fn evict(&self, key: &TemplateKey) {
        self.known().remove(key);
    }

    /// Opens a template for use: its memory filled and sealed, and every byte checked, unless that was done before.
    ///
    /// # Errors
    /// `snapshot-corrupt`, and then the template is marked as such.
    pub fn open(&self, context: &Context, key: &TemplateKey) -> Outcome<Arc<OpenTemplate>> {
        let _guard = context.lock_template(key);
        let folder = paths::template(key);
        let manifest = check(context, key).inspect_err(|_| self.evict(key))?;
        let works_on_files = context.vmm(manifest.shape.vmm).works_on_files();
        let fingerprint = manifest::fingerprint(&folder, works_on_files)
            .ok_or_else(|| corrupt(format!("template {key} lacks a file")))?;
        let known = self.known().get(key).filter(|opened| opened.fingerprint == fingerprint).map(Arc::clone);
        if let Some(opened) = known {
            *opened.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            return Ok(opened);
        }
        self.evict(key);
        match fill(&folder, manifest, fingerprint, works_on_files) {
            Ok(opened) => {
                let opened = Arc::new(opened);
                self.known().insert(key.clone(), Arc::clone(&opened));
                Ok(opened)
            }
            Err(failure) => {
                if failure.code == Code::SnapshotCorrupt {
                    note(format_args!("template {key}: {failure}"));
                    let _ = File::create(folder.join(CORRUPT));
                }
                Err(failure)
            }
        }
    }
}

/// The manifest of a template that a launch may try. The bytes are checked at the first use.
///
/// # Errors
/// `snapshot-corrupt` with what is wrong with it.
pub fn check(context: &Context, key: &TemplateKey) -> Outcome<Manifest> {
    let folder = paths::template(key);
    if folder.join(CORRUPT).exists() {
        return Err(corrupt(format!("template {key} was found damaged; build it again")));
    }
    let manifest = Manifest::read(&folder)?;
    let compatibility_key = compatibility::key(context, &manifest.shape)?;
    let is_ours = manifest.compatibility_key == compatibility_key
        && compatibility::template_key_of(&manifest.shape, &compatibility_key)? == *key
        && manifest.disk.is_some();
    if !is_ours {
        return Err(corrupt(format!(
            "template {key} was made with another {} or on another host; build it again",
            context.vmm(manifest.shape.vmm).name()
        )));
    }
    Ok(manifest)
}

fn fill(folder: &Path, manifest: Manifest, fingerprint: String, works_on_files: bool) -> Outcome<OpenTemplate> {
    let bytes = manifest.read_state(folder)?;
    let file = manifest::open(folder, MEMORY)?;
    let (memory, state) = if works_on_files {
        // Its machines share the pages of the file, which no one but root can write to.
        manifest::check(Sum::Sha256, &file, MEMORY, &manifest.memory, |_, _| Ok(()))?;
        (file, manifest::open(folder, STATE)?)
    } else {
        let what = || "make room for a template's memory".to_owned();
        let state = memory_file::create(c"microterm-state", bytes.len() as u64).during(what)?;
        state.write_all_at(&bytes, 0).during(what)?;
        memory_file::seal(&state).during(what)?;
        let memory = memory_file::create(c"microterm-memory", manifest.shape.memory_mib << 20).during(what)?;
        let write = |offset: u64, bytes: &[u8]| memory.write_all_at(bytes, offset);
        manifest::check(Sum::Sha256, &file, MEMORY, &manifest.memory, write)?;
        memory_file::seal(&memory).during(what)?;
        (memory, state)
    };
    let disk = manifest::open(folder, DISK)?;
    manifest::check(Sum::Sha256, &disk, DISK, manifest.disk.as_deref().unwrap_or_default(), |_, _| Ok(()))?;
    Ok(OpenTemplate { manifest, memory, state, disk, fingerprint, used: Mutex::new(Instant::now()) })
}

impl OpenTemplate {
    /// A copy of the disk, sharing blocks where the file system can.
    ///
    /// # Errors
    /// What the file system refused.
    pub fn clone_disk(&self, to: &Path) -> std::io::Result<File> {
        copy::clone_file(&self.disk, to)
    }
}
