//! What an agent that is no guest's PID 1 makes of the calls that make a guest itself.

mod support;

use http::Method;
use microterm_wire::HostFrame;
use serde_json::{Value, json};
use support::{Agent, run, stdout, text};

const SEED: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";

async fn post(agent: &Agent, path: &str, body: Value) -> (u16, Value) {
    agent.call(Method::POST, path, Some(body)).await
}

async fn name_in_a_program(agent: &Agent) -> String {
    let mut stream = agent.exec(json!({ "command": ["sh", "-c", "echo $MICROTERM_NAME"], "tty": null })).await;
    stream.send(&HostFrame::StdinEof).await;
    text(&stream.rest().await, stdout)
}

#[test]
fn hello_tells_the_version_and_that_it_is_not_sealed() {
    run(async {
        let agent = Agent::start().await;
        let (status, hello) = agent.get("/v1/hello").await;
        assert_eq!(status, 200);
        assert_eq!((&hello["protocol"], &hello["sealed"]), (&json!(5), &json!(false)));
    });
}

#[test]
fn a_claim_names_the_environment_for_later_programs() {
    run(async {
        let agent = Agent::start().await;
        assert_eq!(name_in_a_program(&agent).await, "\n");
        assert_eq!(post(&agent, "/v1/claim", json!({ "environment": "first" })).await.0, 204);
        assert_eq!(name_in_a_program(&agent).await, "first\n");
        for wrong in [json!({}), json!({ "environment": "two\nlines" }), json!({ "environment": "a".repeat(256) })] {
            assert_eq!(post(&agent, "/v1/claim", wrong).await.0, 400);
        }
        assert_eq!(name_in_a_program(&agent).await, "first\n");
    });
}

#[test]
fn a_machine_that_is_not_a_guest_is_neither_sealed_nor_changed() {
    run(async {
        let agent = Agent::start().await;
        let (status, refusal) = agent.call(Method::POST, "/v1/seal", None).await;
        assert_eq!((status, &refusal["code"]), (403, &json!("permission")));
        assert_eq!(post(&agent, "/v1/wake", json!({ "timeUnixMs": 0, "seed": SEED })).await.0, 204);
        assert_eq!(post(&agent, "/v1/wake", json!({ "timeUnixMs": 0, "seed": "AAAA" })).await.0, 400);
        let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(seconds > 1_000_000_000, "the clock is not a guest's to set");
        assert_eq!(agent.get("/v1/hello").await.1["sealed"], json!(false));
    });
}
