//! What the agent holds, and which call does what.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use crate::answer::{self, Answer, read_json};
use crate::attach::Attachment;
use crate::error::{CallError, CallResult, Code};
use crate::programs::Programs;
use crate::query::Query;
use crate::reaper::Reaper;
use crate::request_body::RequestBody;
use crate::terminals::Terminals;
use crate::user::User;
use crate::{exec, file_calls, identity, metrics, power};

/// The version of the protocol spoken.
const PROTOCOL: u32 = 1;

pub struct Agent {
    pub programs: Programs,
    pub terminals: Rc<Terminals>,
    pub execs: Rc<exec::Execs>,
    /// PID 1 of a guest: may set the clock, the name, the power.
    pub is_guest: bool,
    started: Instant,
}

impl Agent {
    pub fn new(user: User, reaper: Reaper, cgroup: Option<OwnedFd>, is_guest: bool) -> Rc<Agent> {
        Rc::new(Agent {
            programs: Programs { user, reaper, cgroup, environment_name: Default::default() },
            terminals: Rc::default(),
            execs: Rc::default(),
            is_guest,
            started: Instant::now(),
        })
    }

    /// Answers a request; an error becomes its JSON.
    pub async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Result<Answer, Infallible> {
        Ok(self.call(request).await.unwrap_or_else(|error| answer::error(&error)))
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
                identity::set(&self, read_json(body).await?)
            }
            (&Method::GET, ["v1", "metrics"]) => {
                plain()?;
                Ok(answer::json(StatusCode::OK, &metrics::read(self.started)?))
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
            "uptimeMs": metrics::uptime_ms(self.started),
        });
        Ok(answer::json(StatusCode::OK, &hello))
    }
}

pub fn no_such_call(method: &Method, path: &str) -> CallError {
    CallError::new(Code::NotFound, format!("no call {method} {path}"))
}
