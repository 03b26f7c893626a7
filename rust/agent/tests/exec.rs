//! Programs run for one stream.

mod support;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use microterm_wire::{AgentFrame, Ended, HostFrame};
use serde_json::{Value, json};
use support::{Agent, run, stderr, stdout, text};

async fn outcome(agent: &Agent, start: Value) -> Vec<AgentFrame> {
    let mut stream = agent.exec(start).await;
    stream.send(&HostFrame::StdinEof).await;
    stream.rest().await
}

#[test]
fn streams_stay_apart_and_the_exit_comes_last() {
    run(async {
        let agent = Agent::start().await;
        let script = "cat; echo problem >&2; echo $A in $PWD; exit 7";
        let start = json!({ "command": ["sh", "-c", script], "env": { "A": "é" }, "cwd": "/tmp", "tty": null });
        let mut stream = agent.exec(start).await;
        stream.type_text("typed ").await;
        stream.send(&HostFrame::StdinEof).await;
        let frames = stream.rest().await;
        assert!(matches!(frames[0], AgentFrame::Started { pid } if pid > 1));
        assert_eq!(text(&frames, stdout), "typed é in /tmp\n");
        assert_eq!(text(&frames, stderr), "problem\n");
        assert_eq!(frames.last(), Some(&AgentFrame::Exited(Ended::Code(7))));
    });
}

#[test]
fn a_home_that_cannot_be_entered_is_replaced_by_the_root() {
    run(async {
        let agent = Agent::start().await;
        let pwd =
            |agent| async move { text(&outcome(agent, json!({ "command": ["pwd"], "tty": null })).await, stdout) };
        assert_eq!(pwd(&agent).await, format!("{}\n", agent.home().display()));
        std::fs::rename(agent.home(), agent.home().with_extension("gone")).unwrap();
        assert_eq!(pwd(&agent).await, "/\n");
        std::fs::write(agent.home(), "a file").unwrap();
        assert_eq!(pwd(&agent).await, "/\n");
        std::fs::remove_file(agent.home()).unwrap();
        std::fs::rename(agent.home().with_extension("gone"), agent.home()).unwrap();
    });
}

#[test]
fn a_failed_start_says_why() {
    run(async {
        let agent = Agent::start().await;
        std::fs::write(agent.home().join("plain"), "not a program").unwrap();
        let own = |name: &str| agent.home().join(name).display().to_string();
        for (start, code) in [
            (json!({ "command": ["no-such-program"], "tty": null }), "not-found"),
            (json!({ "command": ["/no/such/program"], "tty": null }), "not-found"),
            (json!({ "command": [own("plain")], "tty": null }), "not-executable"),
            (json!({ "command": ["/"], "tty": null }), "not-executable"),
            (json!({ "command": ["true"], "cwd": "/no/such", "tty": null }), "bad-cwd"),
            (json!({ "command": ["true"], "cwd": "plain", "tty": null }), "bad-cwd"),
            (json!({ "command": [], "tty": null }), "failed"),
            (json!({ "command": ["true"], "tty": { "cols": 0, "rows": 1 } }), "failed"),
            (json!({ "command": ["true"], "more": 1, "tty": null }), "failed"),
            (json!({ "command": ["a\u{0}b"], "tty": null }), "failed"),
        ] {
            let frames = outcome(&agent, start.clone()).await;
            let [AgentFrame::Failed(json)] = &frames[..] else { panic!("{start}: {frames:?}") };
            let failure: Value = serde_json::from_slice(json).unwrap();
            assert_eq!(failure["code"], code, "{start}");
        }
    });
}

#[test]
fn all_output_of_a_large_program_arrives() {
    run(async {
        let agent = Agent::start().await;
        let frames = outcome(&agent, json!({ "command": ["seq", "1", "500000"], "tty": null })).await;
        let expected: String = (1..=500_000).map(|number| format!("{number}\n")).collect();
        assert!(text(&frames, stdout) == expected);
        assert_eq!(frames.last(), Some(&AgentFrame::Exited(Ended::Code(0))));
    });
}

#[test]
fn large_input_passes_at_the_programs_pace() {
    run(async {
        let agent = Agent::start().await;
        let start = json!({ "command": ["sh", "-c", "sleep 0.2; wc -c"], "tty": null });
        let mut stream = agent.exec(start).await;
        for _ in 0..100 {
            stream.send(&HostFrame::Input(Bytes::from(vec![7; 50_000]))).await;
        }
        stream.send(&HostFrame::StdinEof).await;
        let frames = stream.rest().await;
        assert_eq!(text(&frames, stdout).trim(), "5000000");
    });
}

#[test]
fn a_tty_is_a_terminal_of_its_size() {
    run(async {
        let agent = Agent::start().await;
        let script = "tty >/dev/null && stty size; read x; stty size; read y || echo end";
        let start = json!({ "command": ["sh", "-c", script], "tty": { "cols": 100, "rows": 30 } });
        let mut stream = agent.exec(start).await;
        let mut seen = String::new();
        while !seen.contains("30 100\r\n") {
            if let Some(AgentFrame::Stdout(bytes)) = stream.next().await {
                seen += &String::from_utf8_lossy(&bytes);
            }
        }
        stream.send(&HostFrame::Resize { cols: 90, rows: 20 }).await;
        stream.type_text("\n").await;
        stream.send(&HostFrame::StdinEof).await;
        let frames = stream.rest().await;
        let rest = text(&frames, stdout);
        assert!(rest.contains("20 90\r\n") && rest.contains("end\r\n"), "{rest:?}");
        assert_eq!(frames.last(), Some(&AgentFrame::Exited(Ended::Code(0))));
    });
}

#[test]
fn signals_reach_the_process_group() {
    run(async {
        let agent = Agent::start().await;
        let mut stream = agent.exec(json!({ "command": ["sh", "-c", "sleep 1000 | sleep 1000"], "tty": null })).await;
        assert!(matches!(stream.next().await, Some(AgentFrame::Started { .. })));
        stream.send(&HostFrame::Signal(15)).await;
        assert_eq!(stream.rest().await, [AgentFrame::Exited(Ended::Signal(15))]);
    });
}

#[test]
fn a_stream_that_ends_early_takes_its_program_with_it() {
    run(async {
        let agent = Agent::start().await;
        for script in ["sleep 1000 & echo $!; wait", "trap '' HUP; sleep 1000 & echo $!; while :; do wait; done"] {
            let mut stream = agent.exec(json!({ "command": ["sh", "-c", script], "tty": null })).await;
            let Some(AgentFrame::Started { pid }) = stream.next().await else { panic!() };
            let Some(AgentFrame::Stdout(child)) = stream.next().await else { panic!() };
            stream.sender.send_reset(h2::Reason::CANCEL);
            for pid in [pid.to_string(), String::from_utf8_lossy(&child).trim().to_owned()] {
                while is_running(&pid) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    });
}

/// A zombie that waits for somebody else's reaper has ended.
fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[test]
fn a_daemon_left_behind_does_not_keep_the_stream_open() {
    run(async {
        let agent = Agent::start().await;
        let frames = outcome(&agent, json!({ "command": ["sh", "-c", "sleep 30 & echo left"], "tty": null })).await;
        assert_eq!(text(&frames, stdout), "left\n");
        assert_eq!(frames.last(), Some(&AgentFrame::Exited(Ended::Code(0))));
    });
}

#[test]
fn a_program_finds_clean_surroundings() {
    run(async {
        let agent = Agent::start().await;
        let script =
            "ls /proc/self/fd | tr '\\n' ' '; grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status; umask; ps -o sid= -p $$";
        let frames = outcome(&agent, json!({ "command": ["sh", "-c", script], "tty": null })).await;
        let Some(AgentFrame::Started { pid }) = frames.first() else { panic!("{frames:?}") };
        let seen = text(&frames, stdout);
        assert!(seen.starts_with("0 1 2 3 "), "no descriptor but ls's own: {seen}");
        for line in ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "0022"] {
            assert!(seen.contains(line), "{line} in {seen}");
        }
        assert!(seen.trim_end().ends_with(&pid.to_string()), "its own session: {seen}");
    });
}

#[test]
fn the_first_frame_must_be_a_start() {
    run(async {
        let agent = Agent::start().await;
        let mut stream = agent.exec(json!({ "command": ["cat"], "tty": null })).await;
        stream.send(&HostFrame::Start(Bytes::from_static(b"{}"))).await;
        let broken = loop {
            match stream.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("a clean end"),
                Err(error) => break error,
            }
        };
        assert!(broken.is_reset());
    });
}

#[test]
fn a_child_that_prints_without_end_does_not_keep_the_stream_open() {
    run(async {
        let agent = Agent::start().await;
        for (script, ended) in [
            ("yes & exit 3", Ended::Code(3)),
            ("yes >&2 & exit 4", Ended::Code(4)),
            ("yes & yes >&2 & kill -9 $$", Ended::Signal(9)),
            ("(while :; do echo slow; sleep 0.1; done) & exit 5", Ended::Code(5)),
        ] {
            let script = format!("echo first; echo problem >&2; {script}");
            let frames = outcome(&agent, json!({ "command": ["sh", "-c", script], "tty": null })).await;
            assert_eq!(frames.last(), Some(&AgentFrame::Exited(ended)), "{script}");
            assert!(text(&frames, stdout).starts_with("first\n"), "{script}");
            assert!(text(&frames, stderr).starts_with("problem\n"), "{script}");
            let Some(AgentFrame::Started { pid }) = frames.first() else { panic!("{frames:?}") };
            nix::sys::signal::killpg(nix::unistd::Pid::from_raw(*pid as i32), nix::sys::signal::SIGKILL).unwrap();
        }
    });
}

#[test]
fn what_a_program_printed_before_its_end_arrives_though_the_reader_is_slow() {
    run(async {
        let agent = Agent::start().await;
        // More than the stream's window and less than that and a pipe: the program ends while its last bytes wait.
        let script = "head -c 110000 /dev/zero; sleep 1000 & exit 6";
        let mut stream = agent.exec(json!({ "command": ["sh", "-c", script], "tty": null })).await;
        stream.release = false;
        let Some(AgentFrame::Started { pid }) = stream.next().await else { panic!() };
        while is_running(&pid.to_string()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Past all the time that is given to what descendants print.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        stream.open_window();
        let frames = stream.rest().await;
        assert_eq!(text(&frames, stdout).len(), 110_000);
        assert_eq!(frames.last(), Some(&AgentFrame::Exited(Ended::Code(6))));
        nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::SIGKILL).unwrap();
    });
}

#[test]
fn a_child_that_lives_on_can_still_print() {
    run(async {
        let agent = Agent::start().await;
        let ends = |script: &str| format!("({script}; echo alive >alive) & echo started");
        for script in [
            "sleep 0.6; echo late",
            "sleep 0.6; echo late >&2",
            // More than a pipe holds, so that it must be read.
            "sleep 0.6; head -c 300000 /dev/zero",
            "sleep 0.6; head -c 300000 /dev/zero >&2",
        ] {
            let frames = outcome(&agent, json!({ "command": ["sh", "-c", ends(script)], "tty": null })).await;
            assert_eq!(text(&frames, stdout), "started\n");
            let alive = agent.home().join("alive");
            while !alive.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            std::fs::remove_file(alive).unwrap();
        }
        // A stream that ends early: who has left its group lives on as well.
        let script = "setsid sh -c 'echo up; sleep 0.6; head -c 300000 /dev/zero; echo alive >alive' & wait";
        let mut stream = agent.exec(json!({ "command": ["sh", "-c", script], "tty": null })).await;
        while !matches!(stream.next().await, Some(AgentFrame::Stdout(_))) {}
        stream.sender.send_reset(h2::Reason::CANCEL);
        while !agent.home().join("alive").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn a_start_of_several_frames_is_one() {
    run(async {
        let agent = Agent::start().await;
        // Whose last frame is empty, part of one, and one byte more than a whole one.
        for length in [2 * 65_536, 100_000, 65_537] {
            let json = |word: usize| {
                let words = ["x".repeat(word / 2), "x".repeat(word - word / 2)];
                json!({ "command": ["sh", "-c", "echo ${#1} ${#2}", "sh", words[0], words[1]], "tty": null })
                    .to_string()
            };
            let start = json(length - json(0).len());
            assert_eq!(start.len(), length);
            let mut stream = agent.stream("/v1/exec").await;
            let mut pieces: Vec<&[u8]> = start.as_bytes().chunks(65_536).collect();
            if length.is_multiple_of(65_536) {
                pieces.push(&[]);
            }
            for piece in pieces {
                stream.send(&HostFrame::Start(Bytes::copy_from_slice(piece))).await;
            }
            stream.send(&HostFrame::StdinEof).await;
            let frames = stream.rest().await;
            let words = length - json(0).len();
            assert_eq!(text(&frames, stdout), format!("{} {}\n", words / 2, words - words / 2));
        }
        let mut stream = agent.stream("/v1/exec").await;
        let piece = HostFrame::Start(Bytes::from(vec![b' '; 65_536]));
        for _ in 0..300 {
            stream.send(&piece).await;
        }
        assert!(stream.try_next().await.is_err(), "a START without end is refused");
    });
}

#[test]
fn what_linux_refuses_for_its_length_is_said_in_words() {
    run(async {
        let agent = Agent::start().await;
        let mut stream = agent.stream("/v1/exec").await;
        let start = json!({ "command": ["true", "x".repeat(131_072)], "tty": null }).to_string();
        for piece in start.as_bytes().chunks(65_536) {
            stream.send(&HostFrame::Start(Bytes::copy_from_slice(piece))).await;
        }
        let frames = stream.rest().await;
        let [AgentFrame::Failed(json)] = &frames[..] else { panic!("{frames:?}") };
        let failure: Value = serde_json::from_slice(json).unwrap();
        assert!(failure["message"].as_str().unwrap().contains("Argument list too long"), "{failure}");
    });
}
