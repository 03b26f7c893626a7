//! The table of terminals.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use serde::Deserialize;

use crate::error::{CallError, CallResult, Code, bad_request};
use crate::limits::{MAX_ENDED_RINGS, MAX_ENDED_TERMINALS, MAX_RUNNING_TERMINALS};
use crate::process::programs::{Program, Programs, Streams, start_error};
use crate::process::variables;
use crate::terminal::pty::{Pty, check_size};
use crate::terminal::terminal::Terminal;
use crate::terminal::{pty_reader, ring_budget};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTerminal {
    id: String,
    cols: u16,
    rows: u16,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<String>,
}

#[derive(Default)]
pub struct Terminals {
    terminals: RefCell<BTreeMap<String, Rc<Terminal>>>,
    /// Programs that have not reported their exec(2) yet, counted against the limit.
    starting: Cell<usize>,
    ended: Cell<u64>,
    /// Of all rings together.
    budget: OnceCell<u64>,
}

impl Terminals {
    pub fn all(&self) -> Vec<Rc<Terminal>> {
        self.terminals.borrow().values().cloned().collect()
    }

    pub fn get(&self, id: &str) -> CallResult<Rc<Terminal>> {
        let terminals = self.terminals.borrow();
        terminals.get(id).cloned().ok_or_else(|| CallError::new(Code::NotFound, format!("no terminal {id:?}")))
    }

    pub async fn create(self: &Rc<Self>, programs: &Programs, new: NewTerminal) -> CallResult<Rc<Terminal>> {
        let is_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if new.id.is_empty() || new.id.len() > 32 || !new.id.bytes().all(is_id) {
            return Err(bad_request("an id is 1 to 32 of a-z and 0-9"));
        }
        check_size(new.cols, new.rows)?;
        // Before the table is read: other calls may change it during this wait.
        let machine_env = &variables::of_machine(&programs.user).await;
        if self.terminals.borrow().contains_key(&new.id) {
            return Err(CallError::new(Code::Exists, format!("terminal {:?} exists", new.id)));
        }
        let running = self.terminals.borrow().values().filter(|terminal| terminal.ended_sequence.get() == 0).count();
        if running + self.starting.get() >= MAX_RUNNING_TERMINALS {
            return Err(CallError::new(Code::TooMany, format!("{MAX_RUNNING_TERMINALS} terminals are open")));
        }
        let program = Program {
            command: &new.command,
            machine_env,
            env: &new.env,
            cwd: new.cwd.as_deref(),
            user: &programs.user,
        };
        let pty = Pty::open(program.user, new.cols, new.rows).map_err(|error| CallError::io("no PTY", &error))?;
        let slave = pty.slave.as_raw_fd();
        let streams = Streams { stdin: slave, stdout: slave, stderr: slave, tty: true };
        let launching = programs.launch(&program, &streams)?;
        let pid = launching.pid;
        let exit = programs.reaper.watch(pid);
        let table = Rc::downgrade(self);
        let on_growth = Box::new(move || {
            if let Some(table) = table.upgrade() {
                table.enforce_budget();
            }
        });
        let size = (new.cols, new.rows);
        let terminal = Terminal::new(new.id.clone(), pid, pty.master, size, programs.reaper.clone(), on_growth)
            .map_err(|error| CallError::io("no PTY", &error))?;
        let starting = Starting::new(self.clone(), terminal.clone());
        let followed = terminal.clone();
        let table = self.clone();
        let slave = pty.slave;
        tokio::task::spawn_local(async move {
            pty_reader::follow(&followed, slave, exit).await;
            table.note_end(&followed);
        });
        launching.started().await.map_err(|failure| start_error(&failure, &program))?;
        if self.terminals.borrow().contains_key(&new.id) {
            return Err(CallError::new(Code::Exists, format!("terminal {:?} exists", new.id)));
        }
        starting.done();
        self.terminals.borrow_mut().insert(new.id, terminal.clone());
        Ok(terminal)
    }

    pub fn remove(&self, id: &str) -> CallResult<()> {
        let terminal = self.get(id)?;
        self.terminals.borrow_mut().remove(id);
        terminal.hang_up();
        Ok(())
    }

    fn enforce_budget(&self) {
        let terminals = self.terminals.borrow();
        let outputs: Vec<_> = terminals.values().map(|terminal| &terminal.output).collect();
        ring_budget::enforce(&outputs, *self.budget.get_or_init(ring_budget::of_this_guest));
    }

    /// Removes all terminals and their rings.
    pub fn remove_all(&self) {
        for terminal in std::mem::take(&mut *self.terminals.borrow_mut()).into_values() {
            terminal.hang_up();
        }
    }

    fn note_end(&self, ended: &Terminal) {
        self.ended.set(self.ended.get() + 1);
        ended.ended_sequence.set(self.ended.get());
        let mut terminals = self.terminals.borrow_mut();
        let mut ended_terminals: Vec<_> =
            terminals.values().filter(|terminal| terminal.ended_sequence.get() > 0).cloned().collect();
        ended_terminals.sort_by_key(|terminal| std::cmp::Reverse(terminal.ended_sequence.get()));
        for terminal in ended_terminals.iter().skip(MAX_ENDED_RINGS) {
            terminal.output.borrow_mut().ring.free();
        }
        for terminal in ended_terminals.iter().skip(MAX_ENDED_TERMINALS) {
            terminals.remove(&terminal.id);
        }
    }
}

/// Counts a start, and hangs the program up when the call is cancelled before it runs.
struct Starting {
    table: Rc<Terminals>,
    terminal: Option<Rc<Terminal>>,
}

impl Starting {
    fn new(table: Rc<Terminals>, terminal: Rc<Terminal>) -> Self {
        table.starting.set(table.starting.get() + 1);
        Starting { table, terminal: Some(terminal) }
    }

    fn done(mut self) {
        self.terminal = None;
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.table.starting.set(self.table.starting.get() - 1);
        if let Some(terminal) = self.terminal.take() {
            terminal.hang_up();
        }
    }
}
