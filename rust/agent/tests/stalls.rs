//! One stalled stream, or a hundred, starve no other and cost bounded memory.

mod support;

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use microterm_wire::AgentFrame;
use serde_json::json;
use support::{Agent, run};

#[test]
fn a_hundred_stalled_streams_leave_another_working() {
    run(async {
        let agent = Agent::start().await;
        std::fs::write(agent.home().join("large"), vec![7; 2_000_000]).unwrap();
        agent.terminal("flood", "yes").await;
        let mut stalled = Vec::new();
        for number in 0..100 {
            if number % 2 == 0 {
                let mut stream = agent.attach("flood", None).await;
                stream.release = false;
                stalled.push((Some(stream), None));
            } else {
                let (response, _) = agent.request(Method::GET, "/v1/files/content?path=large", true).await;
                stalled.push((None, Some(response.await.unwrap())));
            }
        }
        agent.terminal("live", "while read line; do echo got $line; done").await;
        let mut live = agent.attach("live", None).await;
        let mut at = 0;
        for round in 0..50 {
            live.type_text(&format!("{round}\n")).await;
            live.until(&mut at, &format!("got {round}\r\n")).await;
        }
        let (status, whole) = agent.bytes(Method::GET, "/v1/files/content?path=large", None).await;
        assert_eq!((status, whole.len()), (200, 2_000_000));
        let kib = resident_kib(agent.pid());
        assert!(kib < 64 << 10, "{kib} KiB resident");
        drop(stalled);
    });
}

#[test]
fn a_stalled_exec_blocks_its_program_and_nothing_is_lost() {
    run(async {
        let agent = Agent::start().await;
        let script = "seq 1 2000000; echo done > finished";
        let mut stream = agent.exec(json!({ "command": ["sh", "-c", script], "tty": null })).await;
        assert!(matches!(stream.next().await, Some(AgentFrame::Started { .. })));
        let before = resident_kib(agent.pid());
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!agent.home().join("finished").exists(), "the program waits for its reader");
        assert!(resident_kib(agent.pid()) < before + 2048);
        let frames = stream.rest().await;
        let got: usize = frames.iter().filter_map(support::stdout).map(Bytes::len).sum();
        assert_eq!(got, 14_888_896);
    });
}

#[test]
fn uploads_that_stall_hold_no_thread() {
    run(async {
        let agent = Agent::start().await;
        let mut stalled = Vec::new();
        for number in 0..60 {
            let path = format!("/v1/files/content?path=part{number}");
            let (response, mut sender) = agent.request(Method::PUT, &path, false).await;
            support::send(&mut sender, Bytes::from(vec![1; 1000])).await;
            stalled.push((response, sender));
        }
        let (status, _) = agent.bytes(Method::PUT, "/v1/files/content?path=whole", Some("x".into())).await;
        assert_eq!(status, 201);
    });
}

#[test]
fn an_idle_agent_uses_no_time() {
    run(async {
        let agent = Agent::start().await;
        agent.terminal("a1", "read x").await;
        let mut stream = agent.attach("a1", None).await;
        stream.next().await;
        let ticks = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
            let line = stat.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap().to_owned();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        // First comes what the attachment left to do: it is done when two samples agree.
        let mut before = ticks();
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = ticks();
            if now == before {
                break;
            }
            before = now;
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(ticks(), before, "nothing wakes an idle agent");
    });
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
