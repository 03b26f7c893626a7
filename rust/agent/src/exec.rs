//! A program run for one stream: its output as frames, its end when the stream ends early.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use microterm_wire::{AgentFrame, Ended, Frame, HostFrame};
use nix::fcntl::OFlag;
use nix::unistd::{Pid, pipe2};
use serde::Deserialize;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Sleep, sleep};

use crate::agent::Agent;
use crate::answer::{self, Answer};
use crate::body::{BodyError, Pieces};
use crate::error::{CallError, CallResult, Code, bad_request};
use crate::exec_input::{self, Input};
use crate::frames_in::{Fault, FramesIn};
use crate::programs::{Program, Streams, describe};
use crate::pty::{self, Pty};
use crate::reaper::Reaper;
use crate::request_body::RequestBody;
use crate::terminal::hang_up_group;
use crate::terminals::check_size;
use crate::user::User;

const MAX_EXECS: usize = 64;
/// Output in one piece: with its frame's header it fills one HTTP/2 frame of 16 KiB.
const PIECE_BYTES: usize = (16 << 10) - 64;
/// Once the program has ended, a stream that some descendant keeps open is followed until it is silent this long.
const LINGER: Duration = Duration::from_millis(250);

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

/// How many run.
#[derive(Default)]
pub struct Execs {
    running: Cell<usize>,
}

struct Slot(Rc<Execs>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
    }
}

/// Answers at once; the program starts when its first frame has come.
pub fn call(agent: &Rc<Agent>, body: RequestBody) -> CallResult<Answer> {
    let execs = agent.execs.clone();
    if execs.running.get() >= MAX_EXECS {
        return Err(CallError::new(Code::TooMany, format!("{MAX_EXECS} programs run")));
    }
    execs.running.set(execs.running.get() + 1);
    let slot = Slot(execs);
    let starting = Box::pin(start(agent.clone(), FramesIn::new(body)));
    Ok(answer::stream(Exec { state: State::Starting(starting), fault: Fault::default(), _slot: slot }))
}

struct Exec {
    state: State,
    fault: Fault,
    _slot: Slot,
}

type Starting = Pin<Box<dyn Future<Output = Result<Started, BodyError>>>>;

enum State {
    Starting(Starting),
    Running(Box<Running>),
    Finished,
}

enum Started {
    Running(Box<Running>, FramesIn),
    Failed(Bytes),
}

/// An open output, and the frame its bytes go into.
struct Outlet {
    fd: Rc<AsyncFd<OwnedFd>>,
    frame: fn(Bytes) -> AgentFrame,
}

struct Running {
    pid: Pid,
    reaper: Reaper,
    outlets: Vec<Outlet>,
    buffer: Vec<u8>,
    exit: oneshot::Receiver<Ended>,
    ended: Option<Ended>,
    linger: Option<Pin<Box<Sleep>>>,
    input: Option<Input>,
    input_task: Option<AbortHandle>,
    /// A PTY's slave, kept so that the master does not hang up before the last bytes.
    slave: Option<OwnedFd>,
}

async fn start(agent: Rc<Agent>, mut frames: FramesIn) -> Result<Started, BodyError> {
    let Some(HostFrame::Start(json)) = frames.next().await.map_err(|broken| broken.0)? else {
        return Err("an exec begins with START".into());
    };
    match prepare(&agent, &json).await {
        Ok(running) => Ok(Started::Running(running, frames)),
        Err((code, message)) => {
            let json = serde_json::json!({ "code": code, "message": message });
            Ok(Started::Failed(json.to_string().into()))
        }
    }
}

async fn prepare(agent: &Rc<Agent>, json: &[u8]) -> Result<Box<Running>, (&'static str, String)> {
    let failed = |error: CallError| ("failed", error.message);
    if json.len() > answer::MAX_JSON {
        return Err(failed(bad_request("START is larger than 64 KiB")));
    }
    let start: Start = answer::parse_json(json).map_err(failed)?;
    if start.command.is_empty() {
        return Err(failed(bad_request("the command is empty")));
    }
    let root = (start.user == Some(As::Root) && agent.programs.user.switch).then(|| User::by_uid(0, true)).flatten();
    let user = root.as_ref().unwrap_or(&agent.programs.user);
    let program = Program { command: &start.command, env: &start.env, cwd: start.cwd.as_deref(), user };
    let io = |error: std::io::Error| ("failed", error.to_string());
    let (streams, ends) = match &start.tty {
        Some(size) => {
            check_size(size.cols, size.rows).map_err(failed)?;
            terminal_streams(Pty::open(user, size.cols, size.rows).map_err(io)?).map_err(io)?
        }
        None => pipe_streams().map_err(io)?,
    };
    let launching = agent.programs.launch(&program, &streams).map_err(failed)?;
    let (pid, reaper) = (launching.pid, agent.programs.reaper.clone());
    let running = Box::new(Running {
        pid,
        exit: reaper.watch(pid),
        reaper,
        outlets: ends.outlets,
        buffer: vec![0; PIECE_BYTES],
        ended: None,
        linger: None,
        input: Some(ends.input),
        input_task: None,
        slave: ends.slave,
    });
    drop(ends.theirs);
    launching.started().await.map_err(|failure| describe(&failure, &program))?;
    Ok(running)
}

/// The agent's ends of a program's streams, and those of the program, to be closed after the fork.
struct Ends {
    outlets: Vec<Outlet>,
    input: Input,
    slave: Option<OwnedFd>,
    theirs: Vec<OwnedFd>,
}

fn terminal_streams(pty: Pty) -> std::io::Result<(Streams, Ends)> {
    let slave = pty.slave.as_raw_fd();
    let master = Rc::new(pty::watch(pty.master)?);
    let outlets = vec![Outlet { fd: master.clone(), frame: AgentFrame::Stdout }];
    let ends = Ends { outlets, input: Input::Terminal(master), slave: Some(pty.slave), theirs: Vec::new() };
    Ok((Streams { stdin: slave, stdout: slave, stderr: slave, tty: true }, ends))
}

fn pipe_streams() -> std::io::Result<(Streams, Ends)> {
    let (stdin, input) = pipe2(OFlag::O_CLOEXEC)?;
    let (output, stdout) = pipe2(OFlag::O_CLOEXEC)?;
    let (errors, stderr) = pipe2(OFlag::O_CLOEXEC)?;
    // Only the agent's ends: a program finds its own blocking, as it expects.
    for ours in [&input, &output, &errors] {
        nix::fcntl::fcntl(ours, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let streams =
        Streams { stdin: stdin.as_raw_fd(), stdout: stdout.as_raw_fd(), stderr: stderr.as_raw_fd(), tty: false };
    let outlets = vec![
        Outlet { fd: Rc::new(pty::watch(output)?), frame: AgentFrame::Stdout },
        Outlet { fd: Rc::new(pty::watch(errors)?), frame: AgentFrame::Stderr },
    ];
    let input = Input::Pipe(pty::watch(input)?);
    Ok((streams, Ends { outlets, input, slave: None, theirs: vec![stdin, stdout, stderr] }))
}

fn would_block(result: &std::io::Result<usize>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

impl Running {
    /// The next frame of output, `None` when nothing more will come.
    fn poll_output(&mut self, context: &mut Context<'_>) -> Poll<Option<AgentFrame>> {
        let mut at = 0;
        while at < self.outlets.len() {
            match self.poll_outlet(at, context) {
                Poll::Ready(Some(frame)) => {
                    self.linger = None;
                    // The other stream's turn is next.
                    self.outlets.rotate_left(at + 1);
                    return Poll::Ready(Some(frame));
                }
                Poll::Ready(None) => drop(self.outlets.remove(at)),
                Poll::Pending => at += 1,
            }
        }
        if self.ended.is_none() {
            let ended = ready!(Pin::new(&mut self.exit).poll(context));
            self.ended = Some(ended.unwrap_or(Ended::Code(0)));
            // Output from before the end may have come since the outlets were read.
            return self.poll_output(context);
        }
        // Nobody but the agent holds a PTY's slave for long, and what was written is there at once.
        if self.outlets.is_empty() || self.slave.is_some() {
            return Poll::Ready(None);
        }
        let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        ready!(linger.as_mut().poll(context));
        Poll::Ready(None)
    }

    fn poll_outlet(&mut self, at: usize, context: &mut Context<'_>) -> Poll<Option<AgentFrame>> {
        let outlet = &self.outlets[at];
        let buffer = &mut self.buffer;
        loop {
            // Not only when told that it is readable: what came before the program's end must be found after it.
            let mut result = pty::read(outlet.fd.get_ref(), buffer);
            if would_block(&result) {
                let Ok(mut ready) = ready!(outlet.fd.poll_read_ready(context)) else { return Poll::Ready(None) };
                // Read once more: only a read that finds nothing may forget the readiness.
                match ready.try_io(|fd| pty::read(fd.get_ref(), buffer)) {
                    Ok(second) => result = second,
                    Err(_) => continue,
                }
            }
            match result {
                Ok(count) if count > 0 => {
                    return Poll::Ready(Some((outlet.frame)(Bytes::copy_from_slice(&buffer[..count]))));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return Poll::Ready(None),
            }
        }
    }

    fn follow_input(&mut self, frames: FramesIn, fault: Fault) {
        let Some(input) = self.input.take() else { return };
        let task = exec_input::follow(frames, input, self.pid, self.reaper.clone(), fault);
        self.input_task = Some(spawn_local(task).abort_handle());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.input_task {
            task.abort();
        }
        if self.ended.is_none() {
            hang_up_group(self.pid, &self.reaper);
        }
    }
}

impl Pieces for Exec {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(fault) = self.fault.poll(context) {
            self.state = State::Finished;
            return Poll::Ready(Some(Err(fault.into())));
        }
        let frame = match &mut self.state {
            State::Finished => return Poll::Ready(None),
            State::Starting(starting) => match ready!(starting.as_mut().poll(context)) {
                Err(error) => {
                    self.state = State::Finished;
                    return Poll::Ready(Some(Err(error)));
                }
                Ok(Started::Failed(json)) => {
                    self.state = State::Finished;
                    AgentFrame::Failed(json)
                }
                Ok(Started::Running(mut running, frames)) => {
                    running.follow_input(frames, self.fault.clone());
                    let pid = running.pid.as_raw() as u32;
                    self.state = State::Running(running);
                    AgentFrame::Started { pid }
                }
            },
            State::Running(running) => match ready!(running.poll_output(context)) {
                Some(frame) => frame,
                None => {
                    let ended = running.ended.unwrap_or(Ended::Code(0));
                    self.state = State::Finished;
                    AgentFrame::Exited(ended)
                }
            },
        };
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        Poll::Ready(Some(Ok(out.freeze())))
    }
}
