//! The network that this guest has now.

use std::cell::RefCell;
use std::io;

use tokio::sync::Mutex;

use crate::error::{CallError, CallResult, Code, internal};
use crate::network::interface::{Host, Interface, Wish};
use crate::network::{configure, files};

pub struct Network {
    /// The devices and files are this agent's to set up: it is a guest's PID 1, or was told so.
    is_own: bool,
    current: RefCell<Option<Interface>>,
    /// One change at a time: a file takes a moment.
    turn: Mutex<()>,
}

impl Network {
    pub fn new(is_own: bool) -> Network {
        Network { is_own, current: RefCell::default(), turn: Mutex::default() }
    }

    /// Whether the network of where this agent runs is its own to set up.
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// Further lines of /etc/hosts.
    pub fn hosts(&self) -> Vec<Host> {
        self.current.borrow().as_ref().map(|interface| interface.hosts.clone()).unwrap_or_default()
    }

    /// Refuses a wish that cannot be fulfilled, before anything else of its call is done.
    pub fn check(&self, wish: &Wish) -> CallResult<()> {
        match wish {
            Wish::Is(Some(_)) if !self.is_own => {
                Err(CallError::new(Code::Unsupported, "this agent runs on a network that is not its own to set up"))
            }
            Wish::Is(Some(interface)) => {
                interface.check()?;
                if configure::has_device(interface).map_err(|error| failed(&error))? {
                    return Ok(());
                }
                let message =
                    format!("there is neither a device with its MAC address nor one named {}", interface.name);
                Err(CallError::new(Code::Unsupported, message))
            }
            Wish::Is(None) | Wish::Unchanged => Ok(()),
        }
    }

    /// Makes the network what a checked wish says. After a failed step the device is down.
    pub async fn set(&self, wish: Wish) -> CallResult<()> {
        let Wish::Is(wish) = wish else { return Ok(()) };
        let _turn = self.turn.lock().await;
        let before = self.current.take();
        if !self.is_own || before.is_none() && wish.is_none() {
            return Ok(());
        }
        let result = match &wish {
            Some(interface) => configure::set_up_loopback().and_then(|()| configure::set_up(interface)),
            None => before.as_ref().map_or(Ok(()), configure::take_down),
        };
        if let Err(error) = result {
            for interface in before.iter().chain(&wish) {
                let _ = configure::take_down(interface);
            }
            return Err(failed(&error));
        }
        let resolvers = wish.as_ref().map_or_else(|| vec![configure::NAMES_ADDRESS], |found| found.resolvers.clone());
        let hosts_before = before.map(|interface| interface.hosts).unwrap_or_default();
        self.current.replace(wish);
        let hosts = self.hosts();
        // A restored guest's first write of a file takes emulated hardware 30 ms: none that changes nothing.
        let hosts = (hosts != hosts_before).then(|| files::hosts(&own_name(), &hosts));
        // The tenant's files: what keeps them from being written is the tenant's doing, and no reason to be without a network.
        if let Err(error) = files::write(files::resolv_conf(&resolvers), hosts).await {
            eprintln!("microterm-agent: /etc/resolv.conf and /etc/hosts could not be written: {error}");
        }
        Ok(())
    }

    /// For a guest that is to be a template.
    pub fn take_all_down(&self) -> io::Result<()> {
        self.current.take();
        configure::take_all_down()
    }
}

fn failed(error: &io::Error) -> CallError {
    internal(format!("network: {error}"))
}

fn own_name() -> String {
    nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned()
}
