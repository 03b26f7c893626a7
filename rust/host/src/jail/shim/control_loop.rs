//! The shim's loop: one thread, poll(2), and nothing that waits.

use crate::jail::shim::console::Console;
use crate::jail::shim::jailer::Outputs;
use crate::jail::shim::plan::{AGENT_FD, CONTROL_FD, WATCH_FD};
use crate::jail::shim::relay::{self, Relay};
use crate::jail::shim::vsock::{Greeted, Greeting};
use crate::jail::shim::watcher::{End, Watcher};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, socket};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::net::{UnixListener, UnixStream};

/// Firecracker's sockets in its jail.
pub const API: &str = "/api.sock";
pub const VSOCK: &str = "/v.sock";
/// Most connections of each kind at once; more are closed at once.
const MOST: usize = 8;
/// Firecracker makes its API's socket a moment after its start: how often that is looked for, and otherwise how often what
/// has a deadline is, in ms.
const LOOK_MS: u16 = 1;
const TICK_MS: u16 = 1000;
/// Bytes that are read at a time.
const CHUNK: usize = 16 * 1024;
/// So often in a row, so that a guest that floods its console holds up nothing else.
const CHUNKS: usize = 4;

/// Signals of children, which come as of now.
///
/// # Errors
/// What the kernel refused.
pub fn watch_children() -> io::Result<SignalFd> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.thread_block()?;
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

/// What poll(2) has said.
#[expect(clippy::struct_excessive_bools, reason = "one for each descriptor that is always polled")]
struct Ready {
    children: bool,
    log: bool,
    agent: bool,
    watch: bool,
    control: bool,
    console: bool,
    /// Which clients of greetings are gone, in their order: the end of the other is read.
    greetings: Vec<bool>,
    /// Which ends of relays are gone, agents' first.
    relays: Vec<relay::HungUp>,
}

pub struct ControlLoop {
    jailer: Pid,
    children: SignalFd,
    /// `None` once the guest can print no more.
    console_pipe: Option<File>,
    log: File,
    agent: UnixListener,
    /// `None` once Firecracker has ended, so that a client is refused.
    control: Option<UnixListener>,
    watch: UnixListener,
    console: Console,
    end: Option<End>,
    has_api: bool,
    greetings: Vec<Greeting>,
    agents: Vec<Relay>,
    controls: Vec<Relay>,
    watchers: Vec<Watcher>,
}

fn listener(number: i32) -> io::Result<UnixListener> {
    // SAFETY: the daemon handed this socket in under this number, and nothing else here owns it.
    let listener = unsafe { UnixListener::from_raw_fd(number) };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn accept(listener: &UnixListener) -> Option<UnixStream> {
    let (stream, _) = listener.accept().ok()?;
    stream.set_nonblocking(true).ok()?;
    Some(stream)
}

/// A listener that accepts nothing would otherwise hold this up once its queue is full.
fn connect(path: &str) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    nix::sys::socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(socket))
}

impl ControlLoop {
    /// # Errors
    /// A descriptor is not what it should be.
    pub fn new(children: SignalFd, outputs: Outputs) -> io::Result<Self> {
        let Outputs { jailer, console, log } = outputs;
        nix::fcntl::fcntl(&console, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
        Ok(Self {
            jailer,
            children,
            console_pipe: Some(console),
            log,
            agent: listener(AGENT_FD)?,
            control: Some(listener(CONTROL_FD)?),
            watch: listener(WATCH_FD)?,
            console: Console::default(),
            end: None,
            has_api: false,
            greetings: Vec::new(),
            agents: Vec::new(),
            controls: Vec::new(),
            watchers: Vec::new(),
        })
    }

    /// Runs until the machine is ended, or Firecracker has died: then those who waited for that are told, and nothing is left
    /// that anybody could take for a machine.
    ///
    /// # Errors
    /// poll(2) itself failed.
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            let ready = self.wait()?;
            if ready.children {
                self.take_end();
            }
            self.take_output(&ready);
            self.take_connections(&ready);
            self.turn(&ready);
            let has_died = self.told_end().is_some_and(|end| !end.is_clean());
            if has_died && !self.watchers.iter().any(Watcher::is_sending) {
                return Ok(());
            }
        }
    }

    /// Waits until something is to be done.
    fn wait(&self) -> io::Result<Ready> {
        let read = PollFlags::POLLIN;
        let mut asked: Vec<(BorrowedFd<'_>, PollFlags)> = vec![
            (self.children.as_fd(), read),
            (self.log.as_fd(), read),
            (self.agent.as_fd(), read),
            (self.watch.as_fd(), read),
        ];
        // Until its socket is there a client of the API waits in the queue.
        let control = self.control.as_ref().filter(|_| self.has_api);
        asked.extend(control.map(|control| (control.as_fd(), read)));
        let console_at = asked.len();
        asked.extend(self.console_pipe.iter().map(|pipe| (pipe.as_fd(), read)));
        asked.extend(self.watchers.iter().map(|watcher| {
            let (stream, flags) = watcher.wants();
            (stream.as_fd(), flags)
        }));
        let greetings_from = asked.len();
        for greeting in &self.greetings {
            asked.extend([(greeting.server.as_fd(), read), (greeting.client.as_fd(), PollFlags::empty())]);
        }
        let relays_from = asked.len();
        for relay in self.agents.iter().chain(&self.controls) {
            asked.extend(relay.wants().map(|(stream, flags)| (stream.as_fd(), flags)));
        }
        let mut polled: Vec<_> = asked.into_iter().map(|(descriptor, flags)| PollFd::new(descriptor, flags)).collect();
        match poll(&mut polled, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let gone = |polled: &PollFd<'_>| {
            polled.revents().is_some_and(|flags| flags.intersects(PollFlags::POLLHUP | PollFlags::POLLERR))
        };
        let greetings = polled[greetings_from..relays_from].chunks(2).map(|ends| gone(&ends[1])).collect();
        let relays = polled[relays_from..]
            .chunks(2)
            .map(|ends| relay::HungUp { client: gone(&ends[0]), server: gone(&ends[1]) });
        let is_ready = |at: usize| polled.get(at).is_some_and(|one| one.any().unwrap_or(false));
        Ok(Ready {
            children: is_ready(0),
            log: is_ready(1),
            agent: is_ready(2),
            watch: is_ready(3),
            control: control.is_some() && is_ready(4),
            console: self.console_pipe.is_some() && is_ready(console_at),
            greetings,
            relays: relays.collect(),
        })
    }

    fn timeout(&self) -> PollTimeout {
        if !self.has_api && self.end.is_none() {
            LOOK_MS.into()
        } else if self.greetings.is_empty()
            && !self.watchers.iter().any(Watcher::has_deadline)
            && !self.agents.iter().chain(&self.controls).any(Relay::lingers)
        {
            PollTimeout::NONE
        } else {
            TICK_MS.into()
        }
    }

    fn take_end(&mut self) {
        while let Ok(Some(_)) = self.children.read_signal() {}
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            match status {
                // It ends once Firecracker, its child, runs in a pid namespace of its own.
                WaitStatus::Exited(pid, 0) if pid == self.jailer => {}
                WaitStatus::Exited(_, code) => self.end = Some(End::Exit(code)),
                WaitStatus::Signaled(_, signal, _) => self.end = Some(End::Signal(signal as i32)),
                _ => break,
            }
        }
        if self.end.is_some() {
            self.control = None;
        }
    }

    fn take_output(&mut self, ready: &Ready) {
        let mut buffer = [0; CHUNK];
        for _ in 0..if ready.console { CHUNKS } else { 0 } {
            match self.console_pipe.as_mut().map(|pipe| pipe.read(&mut buffer)) {
                Some(Ok(0)) => self.console_pipe = None,
                Some(Ok(read)) => self.console.add(&buffer[..read]),
                _ => break,
            }
        }
        if ready.log
            && let Ok(read) = self.log.read(&mut buffer)
        {
            // The daemon bounds what it keeps of it.
            let _ = io::stderr().write_all(&buffer[..read]);
        }
    }

    fn take_connections(&mut self, ready: &Ready) {
        if !self.has_api {
            self.has_api = connect(API).is_ok();
        }
        while ready.watch
            && let Some(client) = accept(&self.watch)
        {
            if self.watchers.len() < MOST {
                self.watchers.push(Watcher::new(client));
            }
        }
        while ready.agent
            && let Some(client) = accept(&self.agent)
        {
            if self.greetings.len() + self.agents.len() < MOST {
                let greeting = connect(VSOCK).and_then(|server| Greeting::new(client, server));
                self.greetings.extend(greeting);
            }
        }
        while ready.control
            && let Some(client) = self.control.as_ref().and_then(accept)
        {
            if self.controls.len() < MOST {
                self.controls.extend(connect(API).map(|server| Relay::new(client, server)));
            }
        }
    }

    /// The end, which is told when all that was printed before it has been read.
    fn told_end(&self) -> Option<End> {
        self.end.filter(|_| self.console_pipe.is_none())
    }

    fn turn(&mut self, ready: &Ready) {
        let mut hung_up = ready.relays.iter().copied();
        // Relays first: what was polled is in their order, and new ones come behind.
        self.agents.retain_mut(|relay| relay.pump(hung_up.next().unwrap_or_default()));
        self.controls.retain_mut(|relay| relay.pump(hung_up.next().unwrap_or_default()));
        let mut hung_up = ready.greetings.iter().copied();
        for mut greeting in std::mem::take(&mut self.greetings) {
            if hung_up.next().unwrap_or(false) {
                continue;
            }
            match greeting.read() {
                Greeted::NotYet => self.greetings.push(greeting),
                Greeted::Connected => self.agents.push(Relay::new(greeting.client, greeting.server)),
                Greeted::Refused => {}
            }
        }
        let (end, console) = (self.told_end(), &self.console);
        self.watchers.retain_mut(|watcher| watcher.turn(|| console.tail(), end));
    }
}
