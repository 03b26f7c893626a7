//! From a request to its answer: which locks are held, and who does it.

use crate::error::{Code, During, Outcome, failure};
use crate::machine::{disk_use, kill, launch, limits, list, probe, resources, scan};
use crate::server::daemon::Daemon;
use crate::server::request::{DiskFrom, Request};
use crate::snapshot::{image_use, pauses, templates};
use crate::spec::{Accelerator, VmmKind};
use crate::store::{disks, image_import, images};
use serde::Serialize;
use serde_json::{Value, json};

/// Does what the client of that number asks.
///
/// # Errors
/// Whatever the verb refuses or fails with.
pub fn dispatch(daemon: &Daemon, client: u64, request: Request) -> Outcome<Value> {
    let context = &daemon.context;
    let import_folder = context.options.image_import.as_deref();
    match request {
        Request::Hello => Ok(hello(daemon)),
        Request::Settle => daemon.clients.quiesce(client).map(|()| json!({})),
        Request::ImageVerify(args) => {
            let _guard = context.lock_images();
            let bad = images::verify(&args.image)?;
            context.set_corrupt(&args.image, !bad.is_empty());
            Ok(json!({ "ok": bad.is_empty(), "bad": bad }))
        }
        Request::ImageImport => import(daemon),
        Request::ImageList => Ok(json!({ "images": image_use::list(import_folder) })),
        Request::ImageRemove(args) => {
            let _guard = context.lock_images();
            Ok(json!({ "removed": image_use::remove(import_folder, &args.image)? }))
        }
        Request::DiskCreate(args, from) => {
            let _guard = context.lock_disk(&args.disk_id);
            let created = disks::create(&args.disk_id, |new| match &from {
                DiskFrom::Blank(size_mib) => disks::clone_blank(*size_mib, new),
                DiskFrom::Template(key) => {
                    let template = daemon.templates.open(context, key)?;
                    template.clone_disk(new).during(|| format!("copy the disk of template {key}")).map(|_| ())
                }
            });
            created.map(|()| json!({}))
        }
        Request::DiskRemove(args) => {
            let _guard = context.lock_disk(&args.disk_id);
            Ok(json!({ "removed": disk_use::remove(&args.disk_id)? }))
        }
        Request::MachineLaunch(spec) => value(launch::launch(context, &daemon.templates, &daemon.network, &spec)?),
        Request::MachineKill(args) => Ok(json!({ "removed": kill::kill(context, &args.machine_id)? })),
        Request::MachineUsage(args) => value(context.cgroups.usage(&args.machine_id)?),
        Request::MachineLimit(args) => {
            let _guard = context.lock_machine(&args.machine_id);
            limits::change(context, &args.machine_id, &args.limits).map(|()| json!({}))
        }
        Request::MachineOverhead => Ok(json!({
            "tcg": context.vmm(VmmKind::Qemu).overhead(Accelerator::Tcg),
            "kvm": context.vmm(VmmKind::Qemu).overhead(Accelerator::Kvm),
            "firecracker": context.vmm(VmmKind::Firecracker).overhead(Accelerator::Kvm),
        })),
        Request::MachineSave(args) => {
            let _guard = context.lock_machine(&args.machine_id);
            Ok(json!({ "allocatedBytes": pauses::save(context, &args.machine_id, &args.save_id)? }))
        }
        Request::TemplateFind(shape) => {
            let (key, is_built) = templates::find(context, &shape)?;
            Ok(json!({ "key": key, "isBuilt": is_built }))
        }
        Request::TemplateSave(args) => {
            let _guard = context.lock_machine(&args.machine_id);
            Ok(json!({ "allocatedBytes": templates::save(context, &args.machine_id, &args.template)? }))
        }
        Request::TemplateList => Ok(json!({ "templates": templates::list(context) })),
        Request::TemplateRemove(args) => {
            Ok(json!({ "removed": templates::remove(context, &daemon.templates, &args.template)? }))
        }
        Request::SaveList => Ok(json!({ "saves": pauses::list() })),
        Request::SaveRemove(args) => Ok(json!({ "removed": pauses::remove(context, &args.save_id)? })),
        Request::List => Ok(json!({ "machines": list::list(context), "disks": disks::list() })),
        Request::Scan(args) => {
            let vmms = VmmKind::ALL.map(|kind| context.vmm(kind).process_name());
            Ok(json!({ "found": scan::scan(&args.ids, &vmms, &context.options.instance) }))
        }
        Request::NetworkStatus => value(daemon.network.status()),
        Request::NetworkList => value(daemon.network.list()),
        Request::NetworkAttach(args) => value(daemon.network.attach(&args.machine_id)?),
        Request::NetworkPolicy(args) => {
            Ok(json!({ "marks": daemon.network.set_policy(&args.machine_id, &args.policy)? }))
        }
        Request::NetworkAdmit(args) => {
            daemon.network.admit(&args.machine_id, &args.admissions())?;
            Ok(json!({}))
        }
        Request::NetworkDenials(args) => Ok(json!({ "denials": daemon.network.denials(&args.machine_id)? })),
        Request::NetworkUsage(args) => value(daemon.network.traffic(&args.machine_id)?),
        Request::NetworkJoin(args) => value(daemon.network.join(&args.machine_id, &args.network)?),
        Request::NetworkLeave(args) => value(daemon.network.leave(&args.machine_id)?),
        Request::NetworkRelease(args) => Ok(json!({ "removed": daemon.network.release(&args.machine_id)? })),
        Request::NetworkRemove => daemon.network.remove().map(|()| json!({})),
        Request::HostResources => value(resources::read()?),
        Request::JailProbe(args) => Ok(json!({ "checks": probe::run(context, args.vmm)? })),
    }
}

fn value(answer: impl Serialize) -> Outcome<Value> {
    serde_json::to_value(answer).map_err(|error| failure(Code::Internal, error.to_string()))
}

fn hello(daemon: &Daemon) -> Value {
    let context = &daemon.context;
    // Without QEMU the daemon still kills, lists and scans; a launch says what is missing.
    let qemu = context.vmm(VmmKind::Qemu).version().ok();
    let firecracker = match context.vmm(VmmKind::Firecracker).version() {
        Ok(version) => json!({ "version": version, "problem": null }),
        Err(failure) => json!({ "version": null, "problem": failure.message }),
    };
    json!({
        "protocol": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "supervisorPid": nix::unistd::getppid().as_raw(),
        "instance": context.options.instance,
        "bootId": context.boot_id,
        "cgroup": context.cgroups.version(),
        "limitsCpu": context.cgroups.limits_cpu(),
        "qemu": qemu,
        "firecracker": firecracker,
        "images": images::list(),
    })
}

fn import(daemon: &Daemon) -> Outcome<Value> {
    let context = &daemon.context;
    let Some(folder) = &context.options.image_import else {
        return Err(failure(Code::NotFound, "the daemon was started without --image-import"));
    };
    let _guard = context.lock_images();
    let imported = image_import::import(folder).into_iter().collect::<Outcome<Vec<_>>>()?;
    for key in &imported {
        context.set_corrupt(key, false);
    }
    Ok(json!({ "imported": imported, "images": images::list() }))
}
