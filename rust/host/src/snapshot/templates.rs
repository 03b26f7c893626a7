//! Templates: memory, device state and disk of a guest from which many machines are restored.

use crate::context::Context;
use crate::error::{Code, During, Outcome, failure};
use crate::fault;
use crate::snapshot::capture::{self, capture, failed};
use crate::snapshot::compatibility;
use crate::snapshot::manifest::{DISK, Manifest};
use crate::snapshot::pages::{self, Sum};
use crate::snapshot::saving_mark::{self, SavingAs};
use crate::snapshot::template_cache::{TemplateCache, check};
use crate::snapshot::written_files::Purpose;
use crate::spec::{MemorySource, Shape};
use crate::store::files::{self, Removed};
use crate::store::ids::{Id, TemplateKey};
use crate::store::records::{Record, now_unix_ms};
use crate::store::{copy, paths};
use serde::Serialize;
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    template: TemplateKey,
    is_built: bool,
    allocated_bytes: u64,
}

/// The key for a shape, and whether there is such a template.
///
/// # Errors
/// `internal` without the VMM.
pub fn find(context: &Context, shape: &Shape) -> Outcome<(TemplateKey, bool)> {
    let key = compatibility::template_key(context, shape)?;
    let _guard = context.lock_template(&key);
    let is_built = check(context, &key).is_ok();
    Ok((key, is_built))
}

/// All that have a folder.
pub fn list(context: &Context) -> Vec<Listed> {
    let listed = |template: TemplateKey| Listed {
        is_built: check(context, &template).is_ok(),
        allocated_bytes: files::allocated(&paths::template(&template)),
        template,
    };
    paths::names_in(&paths::templates(), TemplateKey::parse).into_iter().map(listed).collect()
}

/// Removes a template. Machines that run on it keep its memory.
///
/// # Errors
/// What the file system refused.
pub fn remove(context: &Context, cache: &TemplateCache, key: &TemplateKey) -> Outcome<Removed> {
    let _guard = context.lock_template(key);
    cache.evict(key);
    let folder = paths::template(key);
    files::remove(&[&folder, &folder.with_extension("new")])
}

/// Makes a template out of a machine, whose lock the caller holds. Past the first checks its VMM is ended, whatever
/// comes of it.
///
/// # Errors
/// `not-found`, `bad-request`, `no-space` or `snapshot-failed`.
pub fn save(context: &Context, machine: &Id, key: &TemplateKey) -> Outcome<u64> {
    let record = Record::read(machine).ok_or_else(|| failure(Code::NotFound, format!("no machine {machine}")))?;
    let (MemorySource::TemplateSource, Some(disk)) = (&record.memory, &record.disk_id) else {
        return Err(failure(Code::BadRequest, format!("machine {machine} is no template source with a disk")));
    };
    let _disk = context.lock_disk(disk);
    let shape = compatibility::shape(&record)?;
    let compatibility_key = compatibility::key(context, &shape)?;
    if compatibility::template_key_of(&shape, &compatibility_key)? != *key {
        return Err(failure(Code::BadRequest, format!("{key} is not the key of a template out of machine {machine}")));
    }
    let _guard = context.lock_template(key);
    let folder = paths::template(key);
    let outcome = saving_mark::set(machine, &SavingAs::Template)
        .and_then(|()| capture::check_room(context, &record, Purpose::Template))
        .and_then(|()| files::create_partial(&folder))
        .and_then(|new| {
            build(context, &record, &new, (shape, compatibility_key))
                .and_then(|()| files::commit(&new, &folder))
                .inspect_err(|_| {
                    let _ = fs::remove_dir_all(&new);
                })
        });
    let ended = context.cgroups.kill(machine, || ());
    outcome.and(ended).map_err(|failure| match failure.code {
        Code::NoSpace | Code::SnapshotFailed => failure,
        _ => failed(failure),
    })?;
    fault::reach("template.renamed");
    Ok(files::allocated(&folder))
}

fn build(context: &Context, record: &Record, new: &Path, (shape, compatibility_key): (Shape, String)) -> Outcome<()> {
    let mut running = capture::connect(context, record)?;
    let captured = capture(context, running.as_mut(), record, new, Purpose::Template, |_| Ok(()))?;
    // From here on nobody writes to the disk any more.
    context.cgroups.kill(&record.machine_id, || ())?;
    let disk = record.disk_id.as_ref().map(paths::disk).unwrap_or_default();
    let from =
        File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(&disk).during(|| "open the disk".to_owned())?;
    let copy = copy::clone_file(&from, &new.join(DISK)).during(|| "copy the disk".to_owned())?;
    copy.sync_all().during(|| "write the disk".to_owned())?;
    let disk = pages::digest(Sum::Sha256, &copy, |_, _| Ok(())).during(|| "read the disk".to_owned())?;
    let manifest = Manifest {
        version: 1,
        compatibility_key,
        shape,
        channel_key: record.channel_key.clone(),
        disk_id: None,
        saved_unix_ms: now_unix_ms(),
        state: captured.state,
        memory: captured.memory,
        disk: Some(disk),
    };
    manifest.write(new)?;
    fault::reach("template.saved");
    Ok(())
}
