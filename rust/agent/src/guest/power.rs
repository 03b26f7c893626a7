//! Power-off: requested by the host's call, or by a signal from `poweroff`, `reboot` and so on.

use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use http::StatusCode;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::json;

use crate::agent::Agent;
use crate::channel::answer::{self, Answer};
use crate::error::{CallError, CallResult, Code};
use crate::guest::boot;
use crate::guest::kernel_words::Off;
use crate::process::cgroup;

/// How long programs may take to end after SIGTERM, and again after SIGKILL.
const TIMEOUT: Duration = Duration::from_secs(2);

/// As the kernel's command line has it, or as a pod needs it.
static OFF: OnceLock<Off> = OnceLock::new();

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    action: Action,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Poweroff,
}

pub fn call(agent: &Rc<Agent>, power: Power) -> CallResult<Answer> {
    let Action::Poweroff = power.action;
    if !agent.has_power {
        return Err(CallError::new(Code::Permission, "this agent is not PID 1"));
    }
    begin();
    Ok(answer::json(StatusCode::ACCEPTED, &json!({})))
}

/// Says how [`begin`] ends the machine; without it, as the machine is found.
pub fn end_by(off: Off) {
    OFF.get_or_init(|| off);
}

/// Starts the power-off on a thread of its own, so that the answer is still sent. A second call does nothing.
pub fn begin() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        thread::spawn(|| {
            // The main thread sends the answer in its next few turns.
            thread::sleep(Duration::from_millis(20));
            end_programs();
            nix::unistd::sync();
            boot::freeze_disks();
            nix::unistd::sync();
            machine_off();
        });
    });
}

fn end_programs() {
    let every_process = Pid::from_raw(-1);
    // An interactive shell ignores SIGTERM and ends at SIGHUP; SIGCONT lets a stopped program act on either.
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCONT] {
        // It fails when no process is left.
        let _ = kill(every_process, signal);
    }
    let deadline = Instant::now() + TIMEOUT;
    while !have_ended() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    let _ = kill(every_process, Signal::SIGKILL);
    let deadline = Instant::now() + TIMEOUT;
    while !have_ended() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether no program is left: none in the tenant's cgroup, or, in a pod, which has none, no child of PID 1.
fn have_ended() -> bool {
    cgroup::is_empty()
        || matches!(
            waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT),
            Err(nix::Error::ECHILD)
        )
}

/// Ends the machine. Without ACPI the kernel has no power-off and would halt for ever; a reboot is reported to the VMM.
fn machine_off() -> ! {
    let off = *OFF.get_or_init(Off::default);
    if off == Off::Exit {
        // SAFETY: ends this process at once: other threads have nothing to finish.
        unsafe { libc::_exit(0) }
    }
    if off == Off::Found && Path::new("/sys/firmware/acpi/tables/FACP").exists() {
        let _ = reboot(RebootMode::RB_POWER_OFF);
    }
    let _ = reboot(RebootMode::RB_AUTOBOOT);
    // PID 1 must not end; the host kills a machine that does not end.
    loop {
        thread::park();
    }
}

/// The names under which this binary asks PID 1 to end the machine.
pub fn link_name(argv0: &str) -> Option<Signal> {
    match Path::new(argv0).file_name()?.to_str()? {
        "poweroff" | "halt" | "shutdown" => Some(Signal::SIGUSR2),
        "reboot" => Some(Signal::SIGTERM),
        _ => None,
    }
}

/// Signals PID 1; a user who may not do so uses sudo, which a guest's user may. Answers the exit status.
pub fn request(signal: Signal) -> i32 {
    match kill(Pid::from_raw(1), signal) {
        Ok(()) => 0,
        Err(nix::Error::EPERM) => {
            let name = if signal == Signal::SIGTERM { "reboot" } else { "poweroff" };
            let error = as_root(name);
            eprintln!("{name}: must be root ({error})");
            1
        }
        Err(error) => {
            eprintln!("cannot reach PID 1: {error}");
            1
        }
    }
}

fn as_root(name: &str) -> io::Error {
    use std::os::unix::process::CommandExt;
    let program = match fs::read_link("/proc/self/exe") {
        Ok(program) => program,
        Err(error) => return error,
    };
    // sudo runs a path, so argv[0] is lost: the argument says what to do.
    std::process::Command::new("sudo").arg("-n").arg(program).arg(format!("--{name}")).exec()
}
