//! The calls below /v1/files.

use std::path::PathBuf;

use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use crate::channel::answer::{self, Answer};
use crate::channel::query::Query;
use crate::channel::request_body::RequestBody;
use crate::error::{CallResult, bad_request, no_such_call};
use crate::files::entries::{self, on_file_thread};
use crate::files::tar::{receive, send};
use crate::files::{download, upload};
use crate::process::user::User;

pub async fn call(
    user: &User,
    method: &Method,
    rest: &[&str],
    query: Option<&str>,
    body: RequestBody,
) -> CallResult<Answer> {
    // A relative path starts at the home; joining an absolute one leaves it as it is.
    let located = |query: &Query| -> CallResult<PathBuf> { Ok(user.home.join(query.path()?).components().collect()) };
    let only_path = || located(&Query::parse(query, &["path"])?);
    match (method, rest) {
        (&Method::GET, ["stat"]) => {
            let entry = on_file_thread(only_path()?, entries::stat).await?;
            Ok(answer::json(StatusCode::OK, &entry))
        }
        (&Method::GET, ["list"]) => {
            let listing = on_file_thread(only_path()?, entries::list).await?;
            Ok(answer::json(StatusCode::OK, &listing))
        }
        (&Method::POST, ["mkdir"]) => {
            let entry = on_file_thread(only_path()?, entries::mkdir).await?;
            Ok(answer::json(StatusCode::CREATED, &entry))
        }
        (&Method::DELETE, []) => {
            let query = Query::parse(query, &["path", "recursive"])?;
            let recursive = query.flag("recursive")?;
            let path = located(&query)?;
            if path.components().count() == 1 && path.is_absolute() {
                return Err(bad_request("the root directory is not removed"));
            }
            on_file_thread(path, move |path| entries::remove(path, recursive)).await?;
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
        (&Method::GET, ["content"]) => {
            let download = download::open(only_path()?).await?;
            let length = download.length();
            let mut answer = answer::stream(download);
            if let Some(length) = length {
                answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            Ok(answer)
        }
        (&Method::PUT, ["content"]) => {
            let query = Query::parse(query, &["path", "mode", "mtime"])?;
            let properties = upload::Properties { mode: query.mode()?, mtime: query.mtime()? };
            let entry = upload::receive(located(&query)?, properties, body).await?;
            Ok(answer::json(StatusCode::CREATED, &entry))
        }
        (&Method::GET, ["tar"]) => Ok(answer::stream(send::open(user, only_path()?).await?)),
        (&Method::PUT, ["tar"]) => {
            let receive::Extracted { entries, left_out } = receive::receive(user, only_path()?, body).await?;
            let answer = json!({ "entries": entries, "leftOut": left_out.named(), "leftOutCount": left_out.count() });
            Ok(answer::json(StatusCode::OK, &answer))
        }
        (method, _) => Err(no_such_call(method, "/v1/files…")),
    }
}
