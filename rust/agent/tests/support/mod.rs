//! A real agent process at a unix socket in a directory of its own, and a client that speaks HTTP/2 to it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{Method, Request};
use microterm_wire::{AgentFrame, Decoder, Frame, HostFrame};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::time::timeout;

const NOBODY: u32 = 65_534;

/// Longer than anything here takes on a busy machine; a test that reaches it has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct Agent {
    child: Child,
    directory: TempDir,
    client: SendRequest<Bytes>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a test's steps on one thread, within the deadline.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(DEADLINE, test).await.expect("the test ends before its deadline") });
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("no {what} before the deadline"))
}

impl Agent {
    pub async fn start() -> Agent {
        Agent::start_as(None).await
    }

    /// As nobody where the test runs as root, to whom no file is closed.
    pub async fn start_unprivileged() -> Agent {
        Agent::start_as(nix::unistd::getuid().is_root().then_some(NOBODY)).await
    }

    /// In network and mount namespaces of its own, with an empty /etc, where it sets up the network. As root.
    pub async fn start_with_network() -> Agent {
        let mut command = Command::new("unshare");
        let enter = r#"mount -t tmpfs none /etc && exec "$0" "$@""#;
        command.args(["--net", "--mount", "sh", "-c", enter, env!("CARGO_BIN_EXE_microterm-agent")]);
        Agent::start_by(&mut command, folder(), &["--network"]).await
    }

    /// Runs a program in the namespaces of the agent; answers what it printed.
    pub fn run_beside(&self, command: &[&str]) -> String {
        let pid = self.pid().to_string();
        let output = Command::new("nsenter").args(["-t", &pid, "-n", "-m", "--"]).args(command).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs on a thread in the network namespace of the agent: sockets that it makes stay there.
    pub fn beside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", self.pid())).unwrap();
        let enter = move || {
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        std::thread::spawn(enter).join().unwrap()
    }

    async fn start_as(uid: Option<u32>) -> Agent {
        let directory = folder();
        let mut command = match uid {
            None => Command::new(env!("CARGO_BIN_EXE_microterm-agent")),
            Some(uid) => {
                // A copy: nobody may not get to where it was built. By cp(1): what another thread forks while this one has
                // the file open for writing keeps it from being executed (ETXTBSY).
                let program = directory.path().join("agent");
                let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_microterm-agent")).arg(&program).status();
                assert!(copied.unwrap().success());
                for path in [directory.path(), &directory.path().join("home")] {
                    std::os::unix::fs::chown(path, Some(uid), Some(uid)).unwrap();
                }
                let mut command = Command::new(&program);
                command.uid(uid).gid(uid);
                command
            }
        };
        Agent::start_by(&mut command, directory, &[]).await
    }

    async fn start_by(command: &mut Command, directory: TempDir, options: &[&str]) -> Agent {
        let (home, socket) = (directory.path().join("home"), directory.path().join("agent.sock"));
        let child = command
            .arg("--listen")
            .arg(format!("unix:{}", socket.display()))
            .arg("--home")
            .arg(&home)
            .args(options)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let client = loop {
            match UnixStream::connect(&socket).await {
                Ok(stream) => break client(stream).await,
                Err(error) if started.elapsed() > DEADLINE => panic!("no agent: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        };
        Agent { child, directory, client }
    }

    pub fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A second connection, as a restarted server makes it.
    pub async fn reconnect(&mut self) {
        let stream = UnixStream::connect(self.directory.path().join("agent.sock")).await.unwrap();
        self.client = client(stream).await;
    }

    pub async fn request(
        &self,
        method: Method,
        path: &str,
        end: bool,
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let request = Request::builder().method(method).uri(format!("http://guest{path}")).body(()).unwrap();
        let mut client = self.client.clone().ready().await.unwrap();
        client.send_request(request, end).unwrap()
    }

    /// A whole call: status and body.
    pub async fn bytes(&self, method: Method, path: &str, body: Option<Bytes>) -> (u16, Bytes) {
        let (response, mut sender) = self.request(method, path, body.is_none()).await;
        if let Some(body) = body {
            send(&mut sender, body).await;
            // The agent may have answered, and closed the stream, before it had everything.
            let _ = sender.send_data(Bytes::new(), true);
        }
        let response = within("answer", response).await.unwrap();
        let status = response.status().as_u16();
        (status, whole(response.into_body()).await.unwrap())
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, bytes) = self.bytes(method, path, body.map(|body| body.to_string().into())).await;
        (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    /// Makes a terminal of 80 by 24 that runs a shell command.
    pub async fn terminal(&self, id: &str, script: &str) {
        let new = json!({ "id": id, "cols": 80, "rows": 24, "command": ["sh", "-c", script] });
        let (status, answer) = self.call(Method::POST, "/v1/terminals", Some(new)).await;
        assert_eq!(status, 201, "{answer}");
    }

    pub async fn attach(&self, id: &str, from: Option<u64>) -> Stream {
        let query = from.map(|from| format!("?from={from}")).unwrap_or_default();
        self.stream(&format!("/v1/terminals/{id}/attach{query}")).await
    }

    /// A stream for input with acknowledgements.
    pub async fn input(&self, id: &str) -> Stream {
        self.stream(&format!("/v1/terminals/{id}/input")).await
    }

    pub async fn exec(&self, start: Value) -> Stream {
        let mut stream = self.stream("/v1/exec").await;
        stream.send(&HostFrame::Start(start.to_string().into())).await;
        stream
    }

    pub async fn stream(&self, path: &str) -> Stream {
        let (response, sender) = self.request(Method::POST, path, false).await;
        let response = within("answer", response).await.unwrap();
        assert_eq!(response.status(), 200);
        Stream { sender, receiver: response.into_body(), decoder: Decoder::default(), release: true, held: 0 }
    }
}

/// A folder with a home in it.
fn folder() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("home")).unwrap();
    directory
}

async fn client(stream: UnixStream) -> SendRequest<Bytes> {
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(64 << 10)
        .initial_connection_window_size(128 * (64 << 10))
        .enable_push(false)
        .handshake(stream)
        .await
        .unwrap();
    tokio::spawn(async move { drop(connection.await) });
    client
}

/// Sends at the pace of the window; stops when the stream is closed.
pub async fn send(sender: &mut SendStream<Bytes>, mut bytes: Bytes) {
    while !bytes.is_empty() {
        sender.reserve_capacity(bytes.len());
        match within("window", std::future::poll_fn(|context| sender.poll_capacity(context))).await {
            Some(Ok(room)) => {
                let piece = bytes.split_to(room.min(bytes.len()));
                if sender.send_data(piece, false).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

pub async fn whole(mut body: RecvStream) -> Result<Bytes, h2::Error> {
    let mut all = BytesMut::new();
    while let Some(data) = within("data", body.data()).await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}

/// Frames both ways.
pub struct Stream {
    pub sender: SendStream<Bytes>,
    receiver: RecvStream,
    decoder: Decoder<AgentFrame>,
    /// Whether received bytes open the window again; a stalled reader does not.
    pub release: bool,
    held: usize,
}

impl Stream {
    pub async fn send(&mut self, frame: &HostFrame) {
        let mut bytes = BytesMut::new();
        frame.encode(&mut bytes);
        send(&mut self.sender, bytes.freeze()).await;
    }

    pub async fn type_text(&mut self, text: &str) {
        self.send(&HostFrame::Input(Bytes::copy_from_slice(text.as_bytes()))).await;
    }

    /// The next frame; `None` at the end; panics when the stream breaks.
    pub async fn next(&mut self) -> Option<AgentFrame> {
        self.try_next().await.expect("the stream does not break")
    }

    pub async fn try_next(&mut self) -> Result<Option<AgentFrame>, h2::Error> {
        loop {
            if let Some(frame) = self.decoder.next_frame() {
                return Ok(Some(frame.unwrap()));
            }
            let Some(data) = within("frame", self.receiver.data()).await else { return Ok(None) };
            let data = data?;
            if self.release {
                self.receiver.flow_control().release_capacity(data.len())?;
            } else {
                self.held += data.len();
            }
            self.decoder.push(&data);
        }
    }

    /// Ends a stall.
    pub fn open_window(&mut self) {
        self.release = true;
        self.receiver.flow_control().release_capacity(std::mem::take(&mut self.held)).unwrap();
    }

    /// All frames to the end.
    pub async fn rest(&mut self) -> Vec<AgentFrame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// Terminal output until it contains a text; checks that offsets are without hole or repetition.
    pub async fn until(&mut self, from: &mut u64, text: &str) -> String {
        let mut all = Vec::new();
        let mut found = false;
        while !found {
            match self.next().await {
                Some(AgentFrame::Output { offset, bytes }) => {
                    assert_eq!(offset, *from, "output continues where it was");
                    *from += bytes.len() as u64;
                    // It may begin in what came before.
                    let near = all.len().saturating_sub(text.len());
                    all.extend_from_slice(&bytes);
                    found = all[near..].windows(text.len()).any(|window| window == text.as_bytes());
                }
                Some(AgentFrame::Resize { .. }) => {}
                other => panic!("{other:?} before {text:?} in {:?}", String::from_utf8_lossy(&all)),
            }
        }
        String::from_utf8(all).unwrap()
    }
}

/// The output of an exec, by stream.
pub fn text(frames: &[AgentFrame], pick: fn(&AgentFrame) -> Option<&Bytes>) -> String {
    frames.iter().filter_map(pick).map(|bytes| String::from_utf8_lossy(bytes)).collect()
}

pub fn stdout(frame: &AgentFrame) -> Option<&Bytes> {
    if let AgentFrame::Stdout(bytes) = frame { Some(bytes) } else { None }
}

pub fn stderr(frame: &AgentFrame) -> Option<&Bytes> {
    if let AgentFrame::Stderr(bytes) = frame { Some(bytes) } else { None }
}
