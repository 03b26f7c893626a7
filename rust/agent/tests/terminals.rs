//! Terminals over a real PTY and a real HTTP/2 connection.

mod support;

use bytes::Bytes;
use http::Method;
use microterm_wire::{AgentFrame, Ended, HostFrame};
use serde_json::json;
use support::{Agent, run};

const RING: u64 = 4 << 20;

#[test]
fn a_terminal_echoes_keys_and_keeps_its_exit() {
    run(async {
        let agent = Agent::start().await;
        agent.terminal("a1", "stty size; read line; echo got $line; stty size; exit 3").await;
        let mut stream = agent.attach("a1", None).await;
        assert_eq!(stream.next().await, Some(AgentFrame::Resize { offset: 0, cols: 80, rows: 24 }));
        let mut at = 0;
        stream.until(&mut at, "24 80").await;
        stream.send(&HostFrame::Resize { cols: 100, rows: 30 }).await;
        stream.type_text("hello\n").await;
        assert!(stream.until(&mut at, "30 100").await.contains("got hello"));
        let last = stream.rest().await;
        let Some(AgentFrame::Exit { offset, ended }) = last.last() else { panic!("{last:?}") };
        assert_eq!(*ended, Ended::Code(3));
        let (_, list) = agent.get("/v1/terminals").await;
        let terminal = &list["terminals"][0];
        assert_eq!(terminal["exit"], json!({ "code": 3 }));
        assert_eq!(terminal["endOffset"], json!(offset));
        assert_eq!((&terminal["cols"], &terminal["rows"]), (&json!(100), &json!(30)));

        let mut again = agent.attach("a1", Some(0)).await;
        let frames = again.rest().await;
        let sizes: Vec<_> = frames.iter().filter(|frame| matches!(frame, AgentFrame::Resize { .. })).collect();
        assert_eq!(sizes.len(), 2, "a replay tells both sizes: {frames:?}");
        assert!(matches!(frames.last(), Some(AgentFrame::Exit { .. })));

        assert_eq!(agent.call(Method::DELETE, "/v1/terminals/a1", None).await.0, 204);
        assert_eq!(agent.call(Method::DELETE, "/v1/terminals/a1", None).await.0, 404);
    });
}

#[test]
fn an_attachment_begins_at_exactly_its_offset() {
    run(async {
        let agent = Agent::start().await;
        agent.terminal("a1", "stty -opost; seq 1 20000; read x").await;
        let expected: String = (1..=20000).map(|number| format!("{number}\n")).collect();
        let mut at = 0;
        let first = agent.attach("a1", Some(0)).await.until(&mut at, "\n20000\n").await;
        assert_eq!(first, expected);
        for from in [0, 1, 4095, 32_767, 32_768, 32_769, 70_000, expected.len() as u64 - 1] {
            let mut at = from;
            let mut stream = agent.attach("a1", Some(from)).await;
            let size = AgentFrame::Resize { offset: from, cols: 80, rows: 24 };
            assert_eq!(stream.next().await, Some(size), "the first frame is the size at {from}");
            let got = stream.until(&mut at, "\n").await;
            assert!(expected[from as usize..].starts_with(&got));
        }
        let (status, error) = agent.call(Method::POST, "/v1/terminals/a1/attach?from=99999999", None).await;
        assert_eq!((status, error["code"].as_str()), (416, Some("offset-out-of-range")));
    });
}

#[test]
fn a_cut_connection_loses_and_repeats_no_byte() {
    run(async {
        let mut agent = Agent::start().await;
        agent.terminal("a1", "stty -opost; seq 1 300000; read x").await;
        let expected: String = (1..=300_000).map(|number| format!("{number}\n")).collect();
        let mut got = Vec::new();
        while got.len() < expected.len() {
            let mut stream = agent.attach("a1", Some(got.len() as u64)).await;
            let stop = got.len() + 150_000;
            while got.len() < stop.min(expected.len()) {
                match stream.next().await {
                    Some(AgentFrame::Output { offset, bytes }) => {
                        assert_eq!(offset, got.len() as u64);
                        got.extend_from_slice(&bytes);
                    }
                    Some(AgentFrame::Resize { .. }) => {}
                    other => panic!("{other:?}"),
                }
            }
            agent.reconnect().await;
        }
        assert!(got == expected.as_bytes());
    });
}

/// Waits for longer than the 5 s for which a program waits for a reader.
#[test]
fn a_reader_that_stalls_too_long_gets_a_gap_and_the_program_goes_on() {
    run(async {
        let agent = Agent::start().await;
        agent.terminal("a1", "stty -opost; head -c 9000000 /dev/zero | tr '\\0' x; echo END; read x").await;
        let mut stalled = agent.attach("a1", Some(0)).await;
        stalled.release = false;
        let end = loop {
            let (_, list) = agent.get("/v1/terminals").await;
            let end = list["terminals"][0]["endOffset"].as_u64().unwrap();
            if end >= 9_000_000 {
                break end;
            }
            assert!(end <= RING || list["terminals"][0]["startOffset"].as_u64().unwrap() == end - RING);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        assert_eq!(end, 9_000_004);
        let mut fresh = agent.attach("a1", Some(0)).await;
        assert!(matches!(fresh.next().await, Some(AgentFrame::Resize { offset: 0, .. })));
        assert_eq!(fresh.next().await, Some(AgentFrame::Gap { from: 0, to: end - RING }));
        let mut at = end - RING;
        fresh.until(&mut at, "END\n").await;
        assert_eq!(at, end);
    });
}

#[test]
fn while_nobody_reads_the_program_waits_at_a_full_ring() {
    run(async {
        let agent = Agent::start().await;
        agent.terminal("a1", "stty -opost; head -c 6000000 /dev/zero | tr '\\0' x; echo END; read x").await;
        loop {
            let (_, list) = agent.get("/v1/terminals").await;
            let (start, end) = (&list["terminals"][0]["startOffset"], &list["terminals"][0]["endOffset"]);
            assert_eq!(start, &json!(0), "nothing is overwritten");
            if end == &json!(RING) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let mut at = 0;
        agent.attach("a1", Some(0)).await.until(&mut at, "END\n").await;
        assert_eq!(at, 6_000_004);
    });
}

#[test]
fn keys_reach_a_program_that_is_blocked() {
    run(async {
        let agent = Agent::start().await;
        agent.terminal("a1", "yes; read x").await;
        let mut stalled = agent.attach("a1", Some(0)).await;
        stalled.release = false;
        loop {
            let (_, list) = agent.get("/v1/terminals").await;
            if list["terminals"][0]["endOffset"].as_u64().unwrap() >= RING {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        stalled.type_text("\x03").await;
        loop {
            let (_, list) = agent.get("/v1/terminals").await;
            if !list["terminals"][0]["exit"].is_null() {
                assert_eq!(list["terminals"][0]["exit"], json!({ "signal": 2 }));
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
}

#[test]
fn a_deleted_terminal_ends_its_program_and_its_readers() {
    run(async {
        let agent = Agent::start().await;
        agent.terminal("a1", "trap '' HUP; echo $$; while :; do sleep 1; done").await;
        let mut stream = agent.attach("a1", None).await;
        let mut at = 0;
        let pid = stream.until(&mut at, "\n").await.trim().to_owned();
        assert_eq!(agent.call(Method::DELETE, "/v1/terminals/a1", None).await.0, 204);
        assert!(!stream.rest().await.iter().any(|frame| matches!(frame, AgentFrame::Output { .. })));
        while std::path::Path::new("/proc").join(&pid).exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn bad_requests_get_their_codes() {
    run(async {
        let agent = Agent::start().await;
        let make = |value| agent.call(Method::POST, "/v1/terminals", Some(value));
        for (body, status, code) in [
            (json!({ "id": "A", "cols": 80, "rows": 24 }), 400, "bad-request"),
            (json!({ "id": "a".repeat(33), "cols": 80, "rows": 24 }), 400, "bad-request"),
            (json!({ "id": "a", "cols": 0, "rows": 24 }), 400, "bad-request"),
            (json!({ "id": "a", "cols": 80, "rows": 1001 }), 400, "bad-request"),
            (json!({ "id": "a", "cols": 80, "rows": 24, "more": 1 }), 400, "bad-request"),
            (json!({ "id": "a", "cols": 80, "rows": 24, "env": { "A=B": "c" } }), 400, "bad-request"),
            (json!({ "id": "a", "cols": 80, "rows": 24, "command": ["no-such-program"] }), 404, "not-found"),
            (json!({ "id": "a", "cols": 80, "rows": 24, "cwd": "/no/such" }), 404, "not-found"),
            (json!({ "id": "a", "cols": 80, "rows": 24, "env": { "A": "x".repeat(70_000) } }), 400, "bad-request"),
        ] {
            let (got, error) = make(body.clone()).await;
            assert_eq!((got, error["code"].as_str()), (status, Some(code)), "{body}");
        }
        assert_eq!(agent.get("/v1/terminals").await.1["terminals"], json!([]), "a failed start leaves no terminal");
        agent.terminal("a", "read x").await;
        assert_eq!(make(json!({ "id": "a", "cols": 80, "rows": 24 })).await.0, 409);
        assert_eq!(agent.get("/v1/terminals/a").await.0, 404);
        assert_eq!(agent.get("/v1/hello?x=1").await.0, 400);
    });
}

#[test]
fn at_most_64_terminals_live_and_the_rings_of_16_ended_ones_stay() {
    run(async {
        let agent = Agent::start().await;
        for number in 0..64 {
            agent.terminal(&format!("t{number}"), "echo some output; read x").await;
        }
        let new = json!({ "id": "more", "cols": 80, "rows": 24 });
        let (status, error) = agent.call(Method::POST, "/v1/terminals", Some(new)).await;
        assert_eq!((status, error["code"].as_str()), (429, Some("too-many")));
        for number in 0..20 {
            let mut stream = agent.attach(&format!("t{number}"), None).await;
            stream.type_text("\n").await;
            assert!(matches!(stream.rest().await.last(), Some(AgentFrame::Exit { .. })));
        }
        let (_, list) = agent.get("/v1/terminals").await;
        let ended: Vec<_> = list["terminals"].as_array().unwrap().iter().filter(|one| !one["exit"].is_null()).collect();
        assert_eq!(ended.len(), 20);
        assert_eq!(ended.iter().filter(|one| one["startOffset"] == json!(0)).count(), 16);
        agent.terminal("more", "read x").await;
    });
}

#[test]
fn a_frame_that_has_no_place_resets_the_attachment_and_spares_the_program() {
    run(async {
        let agent = Agent::start().await;
        agent.terminal("a1", "read x; echo still $x").await;
        for bad in [&[0xeeu8, 0, 0, 0, 0][..], &[0x43, 0, 0, 0, 1, 7], &[0x62, 0, 0, 0, 0]] {
            let mut stream = agent.attach("a1", None).await;
            support::send(&mut stream.sender, Bytes::copy_from_slice(bad)).await;
            let broken = loop {
                match stream.try_next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("a clean end"),
                    Err(error) => break error,
                }
            };
            assert!(broken.is_reset());
        }
        let mut stream = agent.attach("a1", Some(0)).await;
        stream.type_text("here\n").await;
        stream.until(&mut 0, "still here").await;
    });
}
