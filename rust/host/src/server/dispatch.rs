//! From a request to its answer: which locks are held, and who does it.

use crate::error::{Code, Outcome, failure};
use crate::jail::probe;
use crate::machine::launch;
use crate::machine::list;
use crate::machine::resources;
use crate::machine::scan;
use crate::server::daemon::Daemon;
use crate::server::locks::Held;
use crate::server::request::Request;
use crate::snapshot::pauses;
use crate::snapshot::templates;
use crate::store::disks;
use crate::store::ids::Id;
use crate::store::image_use;
use crate::store::images;
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
            let bad = images::verify(&args.image)?;
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
            disks::create(daemon, &args.disk_id, &from).map(|()| json!({}))
        }
        Request::DiskRemove(args) => {
            let _held = daemon.hold_disk(&args.disk_id);
            Ok(json!({ "removed": disks::remove(&args.disk_id)? }))
        }
        Request::MachineLaunch(args) => value(launch::launch(daemon, &args)?),
        Request::MachineKill(args) => Ok(json!({ "removed": list::end(daemon, &args.machine_id)? })),
        Request::MachineUsage(args) => value(daemon.cgroups.usage(&args.machine_id)?),
        Request::MachineSave(args) => {
            let _held = daemon.hold_machine(&args.machine_id);
            Ok(json!({ "allocatedBytes": pauses::save(daemon, &args.machine_id, &args.save_id)? }))
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
        Request::SaveList => Ok(json!({ "saves": pauses::list() })),
        Request::SaveRemove(args) => Ok(json!({ "removed": pauses::remove(daemon, &args.save_id)? })),
        Request::List => Ok(json!({ "machines": list::list(daemon), "disks": disks::list() })),
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
        "images": images::list(),
    })
}

fn import(daemon: &Daemon) -> Outcome<Value> {
    let Some(folder) = &daemon.options.image_import else {
        return Err(failure(Code::NotFound, "the daemon was started without --image-import"));
    };
    let _held = daemon.hold_images();
    let imported = images::import(folder).into_iter().collect::<Outcome<Vec<_>>>()?;
    let mut corrupt = daemon.corrupt.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for key in &imported {
        corrupt.remove(key);
    }
    Ok(json!({ "imported": imported, "images": images::list() }))
}
