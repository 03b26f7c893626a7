//! The context that calls share.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use crate::channel::epochs::Epochs;
use crate::exec::execs::Execs;
use crate::names::table::Names;
use crate::network::current::Network;
use crate::ports::places::Places;
use crate::process::programs::Programs;
use crate::process::reaper::Reaper;
use crate::process::seal::Seal;
use crate::process::user::User;
use crate::terminal::table::Terminals;

/// What of the system around it is the agent's own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is PID 1 of a guest.
    Guest,
    /// A process in namespaces whose network is its own.
    OwnNetwork,
    /// It is PID 1 of a pod's container, whose names, clock and network are others' to set.
    Pod,
    /// A process among others.
    Shared,
}

impl Place {
    fn has_own_network(self) -> bool {
        matches!(self, Place::Guest | Place::OwnNetwork)
    }
}

pub struct Agent {
    pub programs: Rc<Programs>,
    pub terminals: Rc<Terminals>,
    pub execs: Rc<Execs>,
    pub network: Rc<Network>,
    pub names: Rc<Names>,
    pub connections: Rc<Places>,
    pub port_watches: Rc<Places>,
    pub epochs: Epochs,
    /// PID 1 of a guest: may set the clock, the name.
    pub is_guest: bool,
    /// Its own end is the machine's.
    pub has_power: bool,
    calls: Cell<usize>,
    started: Cell<Instant>,
}

/// Counts a call until it is answered.
pub struct CallUnderWay<'a>(&'a Cell<usize>);

impl Drop for CallUnderWay<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Agent {
    pub fn new(user: User, reaper: Reaper, cgroup: Option<OwnedFd>, place: Place) -> Rc<Agent> {
        let programs = Programs { user, reaper, cgroup, seal: Seal::default(), environment_name: Default::default() };
        Rc::new(Agent {
            programs: Rc::new(programs),
            terminals: Rc::default(),
            execs: Rc::default(),
            network: Rc::new(Network::new(place.has_own_network())),
            names: Names::new(),
            connections: Places::of_connections(),
            port_watches: Places::of_watches(),
            epochs: Epochs::new(),
            is_guest: place == Place::Guest,
            has_power: matches!(place, Place::Guest | Place::Pod),
            calls: Cell::new(0),
            started: Cell::new(Instant::now()),
        })
    }

    pub fn seal(&self) -> &Seal {
        &self.programs.seal
    }

    pub fn begin_call(&self) -> CallUnderWay<'_> {
        self.calls.set(self.calls.get() + 1);
        CallUnderWay(&self.calls)
    }

    /// Calls that have not been answered yet.
    pub fn calls_under_way(&self) -> usize {
        self.calls.get()
    }

    /// When the agent started, or a restored guest took its identity.
    pub fn started(&self) -> Instant {
        self.started.get()
    }

    /// For a restored guest that has taken its identity: its age counts from now.
    pub fn restart_uptime(&self) {
        self.started.set(Instant::now());
    }
}
