//! Several servers with a session each: the one of the highest epoch holds the machine.

mod support;

use http::Method;
use serde_json::json;
use support::{Agent, run, within};

async fn hold(agent: &Agent, epoch: u64) -> u16 {
    agent.call(Method::POST, "/v1/hold", Some(json!({ "epoch": epoch }))).await.0
}

#[test]
fn a_later_holder_ends_the_sessions_of_earlier_ones_and_what_they_read() {
    run(async {
        let mut agent = Agent::start().await;
        agent.terminal("a1", "echo here; cat").await;
        let mut earlier = agent.attach("a1", None).await;
        earlier.until(&mut 0, "here").await;
        agent.reconnect().await;
        assert_eq!(hold(&agent, 7).await, 204);
        within("the end of the earlier session", async { while let Ok(Some(_)) = earlier.try_next().await {} }).await;
        agent.attach("a1", None).await.until(&mut 0, "here").await;
    });
}

#[test]
fn an_earlier_holder_that_comes_back_is_served_nothing() {
    run(async {
        let mut agent = Agent::start().await;
        assert_eq!(hold(&agent, 7).await, 204);
        agent.reconnect().await;
        assert_eq!(agent.get("/v1/hello").await.0, 200);
        for path in ["/v1/terminals", "/v1/metrics"] {
            let (status, answer) = agent.get(path).await;
            assert_eq!((status, answer["code"].as_str()), (409, Some("superseded")), "{path}");
        }
        assert_eq!(hold(&agent, 6).await, 409);
        // A second connection of the same holder's.
        assert_eq!(hold(&agent, 7).await, 204);
        assert_eq!(agent.get("/v1/terminals").await.0, 200);
    });
}

#[test]
fn an_epoch_is_a_number_and_nothing_else() {
    run(async {
        let agent = Agent::start().await;
        for body in [json!({}), json!({ "epoch": -1 }), json!({ "epoch": "7" }), json!({ "epoch": 7, "server": 1 })] {
            assert_eq!(agent.call(Method::POST, "/v1/hold", Some(body)).await.0, 400);
        }
        assert_eq!(agent.get("/v1/terminals").await.0, 200);
    });
}
