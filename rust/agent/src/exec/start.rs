//! The start of an exec: what its first frame asks for.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::fchown;
use std::rc::Rc;

use bytes::Bytes;
use microterm_wire::{AgentFrame, HostFrame, MAX_PAYLOAD};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use serde::Deserialize;

use crate::channel::answer;
use crate::channel::answer_body::BodyError;
use crate::channel::frames::FramesIn;
use crate::descriptor;
use crate::error::{CallError, bad_request};
use crate::exec::drains::Drains;
use crate::exec::input::Input;
use crate::exec::running::{AgentEnds, Outlet, Running};
use crate::process::programs::{Program, Programs, Streams, describe};
use crate::process::user::User;
use crate::process::variables;
use crate::terminal::pty::{Pty, check_size};

/// Room for the 2 MiB that execve(2) takes with every character escaped.
const MAX_START: usize = 16 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    command: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<String>,
    tty: Option<Size>,
    user: Option<As>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    cols: u16,
    rows: u16,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum As {
    Dev,
    Root,
}

/// The outcome.
pub enum Started {
    /// The program, and where its input comes from.
    Running(Box<Running>, FramesIn),
    /// The JSON of a FAILED frame.
    Failed(Bytes),
}

/// Starts the program of the first frame.
pub async fn start(programs: Rc<Programs>, drains: Rc<Drains>, mut frames: FramesIn) -> Result<Started, BodyError> {
    let mut json = Vec::new();
    loop {
        let Some(HostFrame::Start(piece)) = frames.next().await.map_err(|broken| broken.0)? else {
            return Err("an exec begins with START".into());
        };
        json.extend_from_slice(&piece);
        if json.len() > MAX_START {
            return Err("START is larger than 16 MiB".into());
        }
        // A full frame is continued by the next.
        if piece.len() < MAX_PAYLOAD {
            break;
        }
    }
    match prepare(&programs, drains, &json).await {
        Ok(running) => Ok(Started::Running(running, frames)),
        Err((code, message)) => {
            let json = serde_json::json!({ "code": code, "message": message });
            Ok(Started::Failed(json.to_string().into()))
        }
    }
}

async fn prepare(programs: &Programs, drains: Rc<Drains>, json: &[u8]) -> Result<Box<Running>, (&'static str, String)> {
    let failed = |error: CallError| ("failed", error.message);
    let start: Start = answer::parse_json(json).map_err(failed)?;
    if start.command.is_empty() {
        return Err(failed(bad_request("the command is empty")));
    }
    let is_root = start.user == Some(As::Root) && programs.user.switch;
    let root = if is_root { Some(User::root().await) } else { None };
    let user = root.as_ref().unwrap_or(&programs.user);
    let machine_env = &variables::of_machine(user).await;
    let program = Program { command: &start.command, machine_env, env: &start.env, cwd: start.cwd.as_deref(), user };
    let io = |error: std::io::Error| ("failed", error.to_string());
    let (streams, ends, program_ends) = match &start.tty {
        Some(size) => {
            check_size(size.cols, size.rows).map_err(failed)?;
            terminal_streams(Pty::open(user, size.cols, size.rows).map_err(io)?).map_err(io)?
        }
        None => pipe_streams(user).map_err(io)?,
    };
    let launching = programs.launch(&program, &streams).map_err(failed)?;
    let reaper = programs.reaper.clone();
    let running = Box::new(Running::new(launching.pid, reaper, drains, ends));
    drop(program_ends);
    launching.started().await.map_err(|failure| describe(&failure, &program))?;
    Ok(running)
}

/// A program's streams, the agent's ends of them, and those of the program, to be closed after the fork.
type Opened = (Streams, AgentEnds, Vec<OwnedFd>);

fn terminal_streams(pty: Pty) -> std::io::Result<Opened> {
    let slave = pty.slave.as_raw_fd();
    let master = Rc::new(descriptor::watch(pty.master)?);
    let outlets = vec![Outlet::new(master.clone(), AgentFrame::Stdout)];
    let ends = AgentEnds { outlets, input: Input::Terminal(master), slave: Some(pty.slave) };
    Ok((Streams { stdin: slave, stdout: slave, stderr: slave, tty: true }, ends, Vec::new()))
}

fn pipe_streams(user: &User) -> std::io::Result<Opened> {
    let (stdin, input) = pipe2(OFlag::O_CLOEXEC)?;
    let (output, stdout) = pipe2(OFlag::O_CLOEXEC)?;
    let (errors, stderr) = pipe2(OFlag::O_CLOEXEC)?;
    // Only the agent's ends: a program finds its own blocking, as it expects.
    for ours in [&input, &output, &errors] {
        nix::fcntl::fcntl(ours, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    if user.switch {
        // Opening /dev/stdout opens the pipe again, for which the user needs the rights to it.
        for program_ends in [&stdin, &stdout, &stderr] {
            fchown(program_ends, Some(user.uid), Some(user.gid))?;
        }
    }
    let streams =
        Streams { stdin: stdin.as_raw_fd(), stdout: stdout.as_raw_fd(), stderr: stderr.as_raw_fd(), tty: false };
    let outlets = vec![
        Outlet::new(Rc::new(descriptor::watch(output)?), AgentFrame::Stdout),
        Outlet::new(Rc::new(descriptor::watch(errors)?), AgentFrame::Stderr),
    ];
    let ends = AgentEnds { outlets, input: Input::Pipe(descriptor::watch(input)?), slave: None };
    Ok((streams, ends, vec![stdin, stdout, stderr]))
}
