//! Which call does what: the table of `docs/reference/agent-protocol.md`.

use std::rc::Rc;

use http::request::Parts;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use crate::agent::Agent;
use crate::channel::answer::{self, Answer, read_json};
use crate::channel::epochs::SessionEpoch;
use crate::channel::query::Query;
use crate::channel::request_body::RequestBody;
use crate::channel::serve::Dispatch;
use crate::error::{CallResult, internal, no_such_call};
use crate::guest::{identity, power, sealing};
use crate::names::stream::NameStream;
use crate::ports::{connection, watch};
use crate::process::{metrics, own_files};
use crate::terminal::attach::Attachment;
use crate::terminal::input_stream::InputStream;
use crate::{exec, files};

/// The version of the protocol spoken.
const PROTOCOL: u32 = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hold {
    epoch: u64,
}

impl Dispatch for Rc<Agent> {
    /// An error becomes its JSON.
    async fn dispatch(self, session: SessionEpoch, request: Request<Incoming>) -> Answer {
        let _counted = self.begin_call();
        call(self.clone(), &session, request).await.unwrap_or_else(|error| answer::error(&error))
    }

    async fn superseded(&self, session: &SessionEpoch) {
        self.epochs.superseded(session).await;
    }
}

async fn call(agent: Rc<Agent>, session: &SessionEpoch, request: Request<Incoming>) -> CallResult<Answer> {
    let (head, body) = request.into_parts();
    let body = RequestBody::new(body);
    let query = head.uri.query();
    let segments: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    let plain = || Query::parse(query, &[]);
    match (&head.method, segments.as_slice()) {
        (&Method::GET, ["v1", "hello"]) => {
            plain()?;
            hello(&agent)
        }
        (&Method::POST, ["v1", "hold"]) => {
            plain()?;
            let Hold { epoch } = read_json(body).await?;
            agent.epochs.hold(session, epoch)?;
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
        (&Method::POST, ["v1", "identity"]) => {
            plain()?;
            agent.epochs.check(session)?;
            let identity = read_json(body).await?;
            run_to_end(identity::set(agent.clone(), identity)).await
        }
        _ => {
            agent.epochs.check(session)?;
            agent.seal().check_open()?;
            open_call(agent, &head, body).await
        }
    }
}

/// The calls of a guest that is not sealed.
async fn open_call(agent: Rc<Agent>, head: &Parts, body: RequestBody) -> CallResult<Answer> {
    let query = head.uri.query();
    let segments: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    let plain = || Query::parse(query, &[]);
    match (&head.method, segments.as_slice()) {
        (&Method::POST, ["v1", "seal"]) => {
            plain()?;
            run_to_end(sealing::call(agent.clone())).await
        }
        (&Method::POST, ["v1", "wake"]) => {
            plain()?;
            run_to_end(identity::wake(agent.clone(), read_json(body).await?)).await
        }
        (&Method::POST, ["v1", "claim"]) => {
            plain()?;
            run_to_end(identity::claim(agent.clone(), read_json(body).await?)).await
        }
        (&Method::PUT, ["v1", "network"]) => {
            plain()?;
            run_to_end(identity::change_network(agent.clone(), read_json(body).await?)).await
        }
        (&Method::POST, ["v1", "names"]) => {
            plain()?;
            Ok(answer::stream(NameStream::new(agent.names.clone(), body)))
        }
        (&Method::GET, ["v1", "metrics"]) => {
            plain()?;
            Ok(answer::json(StatusCode::OK, &metrics::read(agent.started())?))
        }
        (&Method::POST, ["v1", "power"]) => {
            plain()?;
            power::call(&agent, read_json(body).await?)
        }
        (&Method::GET, ["v1", "terminals"]) => {
            plain()?;
            Ok(answer::json(StatusCode::OK, &json!({ "terminals": agent.terminals.all() })))
        }
        (&Method::POST, ["v1", "terminals"]) => {
            plain()?;
            let new = read_json(body).await?;
            let terminal = agent.terminals.create(&agent.programs, new).await?;
            Ok(answer::json(StatusCode::CREATED, &terminal))
        }
        (&Method::DELETE, ["v1", "terminals", id]) => {
            plain()?;
            agent.terminals.remove(id)?;
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
        (&Method::POST, ["v1", "terminals", id, "attach"]) => {
            let from = Query::parse(query, &["from"])?.offset("from")?;
            Ok(answer::stream(Attachment::new(agent.terminals.get(id)?, from, body)?))
        }
        (&Method::POST, ["v1", "terminals", id, "input"]) => {
            plain()?;
            Ok(answer::stream(InputStream::new(agent.terminals.get(id)?, body)))
        }
        (&Method::POST, ["v1", "exec"]) => {
            plain()?;
            exec::call::call(&agent.programs, &agent.execs, body)
        }
        (&Method::GET, ["v1", "ports"]) => {
            plain()?;
            watch::call(&agent.port_watches)
        }
        (&Method::POST, ["v1", "connect"]) => {
            let port = Query::parse(query, &["port"])?.port()?;
            connection::call(&agent.connections, port, body).await
        }
        (method, ["v1", "files", rest @ ..]) => {
            files::calls::call(&agent.programs.user, method, rest, query, body).await
        }
        (method, _) => Err(no_such_call(method, head.uri.path())),
    }
}

fn hello(agent: &Agent) -> CallResult<Answer> {
    let hello = json!({
        "protocol": PROTOCOL,
        "agent": env!("CARGO_PKG_VERSION"),
        "bootId": own_files::boot_id()?,
        "sealed": agent.seal().is_sealed(),
        "uptimeMs": metrics::uptime_ms(agent.started()),
    });
    Ok(answer::json(StatusCode::OK, &hello))
}

/// Runs a call to its end, even when its session breaks meanwhile: half done, it would leave a guest that must refuse service.
async fn run_to_end(call: impl Future<Output = CallResult<Answer>> + 'static) -> CallResult<Answer> {
    tokio::task::spawn_local(call).await.map_err(|error| internal(error.to_string()))?
}
