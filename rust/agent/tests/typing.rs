//! Input with acknowledgements, over a real HTTP/2 connection.

mod support;

use bytes::Bytes;
use microterm_wire::{AgentFrame, HostFrame};
use support::{Agent, Stream, run, within};

const LENGTH: usize = 150_000;
/// Takes no input before the file `go` is there, and then exactly so much.
const SLOW_READER: &str =
    "stty raw -echo; printf ready; while [ ! -e go ]; do sleep 0.02; done; head -c 150000 > got; touch done";

fn pattern() -> Vec<u8> {
    (0..LENGTH).map(|at| (at % 251) as u8).collect()
}

async fn acknowledged(stream: &mut Stream) -> u64 {
    match stream.next().await {
        Some(AgentFrame::InputAck { offset }) => offset,
        other => panic!("{other:?} instead of an acknowledgement"),
    }
}

/// Sends without waiting for a window that nobody opens.
async fn send(stream: &mut Stream, bytes: &[u8]) {
    for piece in bytes.chunks(16 << 10) {
        stream.send(&HostFrame::Input(Bytes::copy_from_slice(piece))).await;
    }
}

#[test]
fn each_key_is_acknowledged_once_the_terminal_has_it() {
    run(async {
        let agent = Agent::start().await;
        agent.terminal("a1", "read line; echo got $line; read line; echo then $line; sleep 60").await;
        let mut input = agent.input("a1").await;
        assert_eq!(acknowledged(&mut input).await, 0);
        input.type_text("one\n").await;
        assert_eq!(acknowledged(&mut input).await, 4);
        input.type_text("two\n").await;
        assert_eq!(acknowledged(&mut input).await, 8);
        let mut at = 0;
        agent.attach("a1", None).await.until(&mut at, "then two").await;
        // Input of an attachment counts as well.
        let mut attached = agent.attach("a1", None).await;
        attached.type_text("x").await;
        drop(input);
        let mut again = agent.input("a1").await;
        while acknowledged(&mut again).await < 9 {}
    });
}

#[test]
fn input_that_reached_the_agent_and_not_its_terminal_is_told_exactly_when_a_stream_is_cut() {
    run(async {
        let mut agent = Agent::start().await;
        agent.terminal("a1", SLOW_READER).await;
        agent.attach("a1", None).await.until(&mut 0, "ready").await;
        let (pattern, mut taken) = (pattern(), 0);
        // The program reads nothing, so that each stream is cut in the midst of what it brought; the last connection
        // is cut with its stream.
        for round in 0..4 {
            let mut input = agent.input("a1").await;
            taken = acknowledged(&mut input).await as usize;
            // As much as a stream's window takes.
            send(&mut input, &pattern[taken..LENGTH.min(taken + 48_000)]).await;
            // The kernel's buffer takes the first of it; a takeover may come before the later rounds' bytes.
            while round == 0 && taken == 0 {
                taken = acknowledged(&mut input).await as usize;
            }
            if round > 0 {
                // What comes later than a takeover is dropped.
                let mut next = agent.input("a1").await;
                assert!(acknowledged(&mut next).await as usize >= taken);
            }
            if round == 3 {
                agent.reconnect().await;
            }
        }
        assert!(taken > 0 && taken < LENGTH, "{taken} bytes were taken by a terminal that is not read");
        let mut input = agent.input("a1").await;
        taken = acknowledged(&mut input).await as usize;
        std::fs::write(agent.home().join("go"), b"").unwrap();
        send(&mut input, &pattern[taken..]).await;
        while (acknowledged(&mut input).await as usize) < LENGTH {}
        within("all of it", async {
            while !agent.home().join("done").exists() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        assert!(std::fs::read(agent.home().join("got")).unwrap() == pattern, "each byte came once");
    });
}
