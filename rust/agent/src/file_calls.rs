use crate::{agent::no_such_call, answer::Answer, error::CallResult, user::User};
use http::Method;
use hyper::body::Incoming;
pub async fn call(_u: &User, m: &Method, r: &[&str], _q: Option<&str>, _b: Incoming) -> CallResult<Answer> {
    Err(no_such_call(m, &r.join("/")))
}
