//! From a request to its answer: which locks are held, and who does it.

use crate::daemon::Daemon;
use crate::error::{Code, Outcome, failure};
use crate::ids::Id;
use crate::locks::Held;
use crate::request::Request;
use crate::{disk, image, image_use, launch, machines, probe, resources, saves, scan, templates};
use serde::Serialize;
use serde_json::{Value, json};

fn value(answer: impl Serialize) -> Outcome<Value> {
    serde_json::to_value(answer).map_err(|error| failure(Code::Internal, error.to_string()))
}

impl Daemon {
    pub fn hold_machine(&self, id: &Id) -> Held {
        self.locks.hold(format!("machine {id}"))
    }

    pub fn hold_disk(&self, id: &Id) -> Held {
        self.locks.hold(format!("disk {id}"))
    }

    fn hold_images(&self) -> Held {
        self.locks.hold("images".to_owned())
    }
}

/// Does what the client of that number asks.
///
/// # Errors
/// Whatever the verb refuses or fails with.
pub fn act(daemon: &Daemon, client: u64, request: Request) -> Outcome<Value> {
    match request {
        Request::Hello => Ok(hello(daemon)),
        Request::Settle => daemon.clients.settle(client).map(|()| json!({})),
        Request::ImageVerify(args) => {
            let _held = daemon.hold_images();
            let bad = image::verify(&args.image)?;
            let mut corrupt = daemon.corrupt.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if bad.is_empty() {
                corrupt.remove(&args.image)
            } else {
                corrupt.insert(args.image)
            };
            Ok(json!({ "ok": bad.is_empty(), "bad": bad }))
        }
        Request::ImageImport => import(daemon),
        Request::ImageList => Ok(json!({ "images": image_use::list(daemon) })),
        Request::ImageRemove(args) => {
            let _held = daemon.hold_images();
            Ok(json!({ "removed": image_use::remove(daemon, &args.image)? }))
        }
        Request::DiskCreate(args, from) => {
            let _held = daemon.hold_disk(&args.disk_id);
            disk::create(daemon, &args.disk_id, &from).map(|()| json!({}))
        }
        Request::DiskRemove(args) => {
            let _held = daemon.hold_disk(&args.disk_id);
            Ok(json!({ "removed": disk::remove(&args.disk_id)? }))
        }
        Request::MachineLaunch(args) => value(launch::launch(daemon, &args)?),
        Request::MachineKill(args) => Ok(json!({ "removed": machines::end(daemon, &args.machine_id)? })),
        Request::MachineUsage(args) => value(daemon.cgroups.usage(&args.machine_id)?),
        Request::MachineSave(args) => {
            let _held = daemon.hold_machine(&args.machine_id);
            Ok(json!({ "allocatedBytes": saves::save(daemon, &args.machine_id, &args.save_id)? }))
        }
        Request::TemplateFind(args) => {
            let (key, is_built) = templates::find(daemon, &args)?;
            Ok(json!({ "key": key, "isBuilt": is_built }))
        }
        Request::TemplateSave(args) => {
            let _held = daemon.hold_machine(&args.machine_id);
            Ok(json!({ "allocatedBytes": templates::save(daemon, &args.machine_id, &args.template)? }))
        }
        Request::TemplateList => Ok(json!({ "templates": templates::list(daemon) })),
        Request::TemplateRemove(args) => Ok(json!({ "removed": templates::remove(daemon, &args.template)? })),
        Request::SaveList => Ok(json!({ "saves": saves::list() })),
        Request::SaveRemove(args) => Ok(json!({ "removed": saves::remove(daemon, &args.save_id)? })),
        Request::List => Ok(json!({ "machines": machines::list(daemon), "disks": disk::list() })),
        Request::Scan(args) => Ok(json!({ "found": scan::scan(&args.ids) })),
        Request::HostResources => value(resources::read()?),
        Request::JailProbe => Ok(json!({ "checks": probe::run(daemon)? })),
    }
}

fn hello(daemon: &Daemon) -> Value {
    // Without QEMU the daemon still kills, lists and scans; a launch says what is missing.
    let qemu = daemon.runtime().map(|runtime| runtime.version_text()).ok();
    json!({
        "protocol": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "supervisorPid": nix::unistd::getppid().as_raw(),
        "instance": daemon.options.instance,
        "bootId": daemon.boot_id,
        "cgroup": daemon.cgroups.version(),
        "qemu": qemu,
        "images": image::list(),
    })
}

fn import(daemon: &Daemon) -> Outcome<Value> {
    let Some(folder) = &daemon.options.image_import else {
        return Err(failure(Code::NotFound, "the daemon was started without --image-import"));
    };
    let _held = daemon.hold_images();
    let imported = image::import(folder).into_iter().collect::<Outcome<Vec<_>>>()?;
    let mut corrupt = daemon.corrupt.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for key in &imported {
        corrupt.remove(key);
    }
    Ok(json!({ "imported": imported, "images": image::list() }))
}
