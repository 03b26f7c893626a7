//! What the agent holds, and which call does what.

use std::cell::Cell;
use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use http::request::Parts;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use crate::channel::answer::{self, Answer, read_json};
use crate::channel::query::Query;
use crate::channel::request_body::RequestBody;
use crate::error::{CallError, CallResult, Code};
use crate::exec::call as exec;
use crate::files::calls as file_calls;
use crate::guest::sealing::Seal;
use crate::guest::{identity, power, sealing as seal};
use crate::process::metrics;
use crate::process::programs::Programs;
use crate::process::reaper::Reaper;
use crate::process::user::User;
use crate::terminal::attach::Attachment;
use crate::terminal::input_stream::Typing;
use crate::terminal::table::Terminals;

/// The version of the protocol spoken.
const PROTOCOL: u32 = 3;

pub struct Agent {
    pub programs: Programs,
    pub terminals: Rc<Terminals>,
    pub execs: Rc<exec::Execs>,
    /// PID 1 of a guest: may set the clock, the name, the power.
    pub is_guest: bool,
    pub seal: Rc<Seal>,
    calls: Cell<usize>,
    started: Cell<Instant>,
}

/// Counts a call until it is answered.
struct UnderWay<'a>(&'a Cell<usize>);

impl<'a> UnderWay<'a> {
    fn new(calls: &'a Cell<usize>) -> Self {
        calls.set(calls.get() + 1);
        UnderWay(calls)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Agent {
    pub fn new(user: User, reaper: Reaper, cgroup: Option<OwnedFd>, is_guest: bool) -> Rc<Agent> {
        let seal: Rc<Seal> = Rc::default();
        Rc::new(Agent {
            programs: Programs { user, reaper, cgroup, seal: seal.clone(), environment_name: Default::default() },
            terminals: Rc::default(),
            execs: Rc::default(),
            is_guest,
            seal,
            calls: Cell::new(0),
            started: Cell::new(Instant::now()),
        })
    }

    /// Answers a request; an error becomes its JSON.
    pub async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let _counted = UnderWay::new(&self.calls);
        Ok(self.clone().call(request).await.unwrap_or_else(|error| answer::error(&error)))
    }

    /// Calls that have not been answered yet.
    pub fn calls_under_way(&self) -> usize {
        self.calls.get()
    }

    /// A restored guest has become itself: it is as old as that.
    pub fn renewed(&self) {
        self.started.set(Instant::now());
    }

    async fn call(self: Rc<Self>, request: Request<Incoming>) -> CallResult<Answer> {
        let (head, body) = request.into_parts();
        let body = RequestBody::new(body);
        let query = head.uri.query();
        let segments: Vec<&str> = head.uri.path().split('/').skip(1).collect();
        let plain = || Query::parse(query, &[]);
        match (&head.method, segments.as_slice()) {
            (&Method::GET, ["v1", "hello"]) => {
                plain()?;
                self.hello()
            }
            (&Method::POST, ["v1", "identity"]) => {
                plain()?;
                let identity = read_json(body).await?;
                whole(identity::set(self.clone(), identity)).await
            }
            _ => {
                self.seal.check_open()?;
                self.serve(&head, body).await
            }
        }
    }

    /// The calls of a guest that is not sealed.
    async fn serve(self: Rc<Self>, head: &Parts, body: RequestBody) -> CallResult<Answer> {
        let query = head.uri.query();
        let segments: Vec<&str> = head.uri.path().split('/').skip(1).collect();
        let plain = || Query::parse(query, &[]);
        match (&head.method, segments.as_slice()) {
            (&Method::POST, ["v1", "seal"]) => {
                plain()?;
                whole(seal::call(self.clone())).await
            }
            (&Method::POST, ["v1", "wake"]) => {
                plain()?;
                identity::wake(&self, &read_json(body).await?)
            }
            (&Method::POST, ["v1", "claim"]) => {
                plain()?;
                identity::claim(&self, read_json(body).await?)
            }
            (&Method::GET, ["v1", "metrics"]) => {
                plain()?;
                Ok(answer::json(StatusCode::OK, &metrics::read(self.started.get())?))
            }
            (&Method::POST, ["v1", "power"]) => {
                plain()?;
                power::call(&self, read_json(body).await?)
            }
            (&Method::GET, ["v1", "terminals"]) => {
                plain()?;
                Ok(answer::json(StatusCode::OK, &json!({ "terminals": self.terminals.all() })))
            }
            (&Method::POST, ["v1", "terminals"]) => {
                plain()?;
                let new = read_json(body).await?;
                let terminal = self.terminals.create(&self.programs, new).await?;
                Ok(answer::json(StatusCode::CREATED, &terminal))
            }
            (&Method::DELETE, ["v1", "terminals", id]) => {
                plain()?;
                self.terminals.remove(id)?;
                Ok(answer::empty(StatusCode::NO_CONTENT))
            }
            (&Method::POST, ["v1", "terminals", id, "attach"]) => {
                let from = Query::parse(query, &["from"])?.offset("from")?;
                Ok(answer::stream(Attachment::new(self.terminals.get(id)?, from, body)?))
            }
            (&Method::POST, ["v1", "terminals", id, "input"]) => {
                plain()?;
                Ok(answer::stream(Typing::new(self.terminals.get(id)?, body)))
            }
            (&Method::POST, ["v1", "exec"]) => {
                plain()?;
                exec::call(&self, body)
            }
            (method, ["v1", "files", rest @ ..]) => {
                file_calls::call(&self.programs.user, method, rest, query, body).await
            }
            (method, _) => Err(no_such_call(method, head.uri.path())),
        }
    }

    fn hello(&self) -> CallResult<Answer> {
        let hello = json!({
            "protocol": PROTOCOL,
            "agent": env!("CARGO_PKG_VERSION"),
            "bootId": identity::boot_id()?,
            "sealed": self.seal.is_sealed(),
            "uptimeMs": metrics::uptime_ms(self.started.get()),
        });
        Ok(answer::json(StatusCode::OK, &hello))
    }
}

/// Runs a call to its end also when its session breaks meanwhile: half done it would be worth nothing.
async fn whole(call: impl Future<Output = CallResult<Answer>> + 'static) -> CallResult<Answer> {
    tokio::task::spawn_local(call).await.map_err(|error| CallError::new(Code::Internal, error.to_string()))?
}

pub fn no_such_call(method: &Method, path: &str) -> CallError {
    CallError::new(Code::NotFound, format!("no call {method} {path}"))
}
