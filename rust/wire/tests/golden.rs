//! The golden cases of `fixtures/agent`, which the host's tests read too.

use std::fs;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use microterm_wire::{AgentFrame, Decoder, Ended, Frame, FrameError, HostFrame, MarkerScanner, Transport};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const FRAMES: [&str; 2] = ["frames.json", "names.json"];

#[derive(Deserialize)]
struct Frames {
    version: u32,
    frames: Vec<Good>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Good {
    name: String,
    sender: String,
    hex: String,
    frame: Value,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    sender: String,
    hex: String,
    error: String,
}

#[derive(Deserialize)]
struct Markers {
    version: u32,
    #[serde(rename = "magic")]
    key: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    pieces: Vec<String>,
    markers: Vec<Found>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Found {
    session: String,
    end: usize,
}

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/agent").join(name);
    serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ended(ended: Ended) -> Value {
    match ended {
        Ended::Code(code) => json!({ "code": code }),
        Ended::Signal(signal) => json!({ "signal": signal }),
    }
}

fn parsed(json: &Bytes) -> Value {
    serde_json::from_slice(json).unwrap()
}

trait Meaning: Frame {
    fn meaning(&self) -> Value;
}

impl Meaning for AgentFrame {
    fn meaning(&self) -> Value {
        match self {
            AgentFrame::Output { offset, bytes } => json!({ "type": "output", "offset": offset, "bytes": hex(bytes) }),
            AgentFrame::Gap { from, to } => json!({ "type": "gap", "from": from, "to": to }),
            AgentFrame::Resize { offset, cols, rows } => {
                json!({ "type": "resize", "offset": offset, "cols": cols, "rows": rows })
            }
            AgentFrame::Exit { offset, ended: how } => {
                json!({ "type": "exit", "offset": offset, "ended": ended(*how) })
            }
            AgentFrame::InputAck { offset } => json!({ "type": "inputAck", "offset": offset }),
            AgentFrame::Started { pid } => json!({ "type": "started", "pid": pid }),
            AgentFrame::Stdout(bytes) => json!({ "type": "stdout", "bytes": hex(bytes) }),
            AgentFrame::Stderr(bytes) => json!({ "type": "stderr", "bytes": hex(bytes) }),
            AgentFrame::Exited(how) => json!({ "type": "exited", "ended": ended(*how) }),
            AgentFrame::Failed(json) => json!({ "type": "failed", "json": parsed(json) }),
            AgentFrame::Query { id, transport, message } => {
                let transport = if *transport == Transport::Udp { "udp" } else { "tcp" };
                json!({ "type": "query", "id": id, "transport": transport, "message": hex(message) })
            }
        }
    }
}

impl Meaning for HostFrame {
    fn meaning(&self) -> Value {
        match self {
            HostFrame::Input(bytes) => json!({ "type": "input", "bytes": hex(bytes) }),
            HostFrame::Resize { cols, rows } => json!({ "type": "resize", "cols": cols, "rows": rows }),
            HostFrame::Start(json) => json!({ "type": "start", "json": parsed(json) }),
            HostFrame::StdinEof => json!({ "type": "stdinEof" }),
            HostFrame::Signal(number) => json!({ "type": "signal", "signal": number }),
            HostFrame::Answer { id, message } => json!({ "type": "answer", "id": id, "message": hex(message) }),
        }
    }
}

/// Decodes a frame whole and byte by byte, and encodes it again.
fn check<F: Meaning>(case: &Good) {
    let encoded = bytes(&case.hex);
    for size in [encoded.len(), 1] {
        let mut decoder = Decoder::<F>::default();
        let mut found = Vec::new();
        for piece in encoded.chunks(size) {
            decoder.push(piece);
            while let Some(frame) = decoder.next_frame() {
                found.push(frame.unwrap_or_else(|error| panic!("{}: {error}", case.name)));
            }
        }
        assert_eq!(found.len(), 1, "{}", case.name);
        assert_eq!(found[0].meaning(), case.frame, "{}", case.name);
        let mut again = BytesMut::new();
        found[0].encode(&mut again);
        assert_eq!(hex(&again), case.hex, "{}", case.name);
    }
}

fn refusal<F: Frame>(encoded: &[u8]) -> Option<FrameError> {
    let mut decoder = Decoder::<F>::default();
    decoder.push(encoded);
    decoder.next_frame()?.err()
}

#[test]
fn frames_mean_what_the_fixture_says_and_encode_to_the_same_bytes() {
    for file in FRAMES {
        let fixture: Frames = fixture(file);
        assert_eq!(fixture.version, 1);
        for case in &fixture.frames {
            match case.sender.as_str() {
                "agent" => check::<AgentFrame>(case),
                "host" => check::<HostFrame>(case),
                other => panic!("no sender {other}"),
            }
        }
    }
}

#[test]
fn malformed_frames_are_refused_for_the_reason_the_fixture_gives() {
    for case in FRAMES.iter().flat_map(|file| fixture::<Frames>(file).refused) {
        let encoded = bytes(&case.hex);
        let error =
            if case.sender == "agent" { refusal::<AgentFrame>(&encoded) } else { refusal::<HostFrame>(&encoded) };
        let kind = match error {
            Some(FrameError::UnknownType(_)) => "unknown-type",
            Some(FrameError::BadLength) => "bad-length",
            Some(FrameError::BadValue) => "bad-value",
            None => "accepted",
        };
        assert_eq!(kind, case.error, "{}", case.name);
    }
}

#[test]
fn markers_are_found_where_the_fixture_says_however_they_are_cut() {
    let fixture: Markers = fixture("markers.json");
    assert_eq!(fixture.version, 1);
    let key: [u8; 16] = bytes(&fixture.key).try_into().unwrap();
    for case in &fixture.cases {
        let mut scanner = MarkerScanner::new(key);
        let (mut found, mut before) = (Vec::new(), 0);
        for piece in &case.pieces {
            let piece = bytes(piece);
            let mut at = 0;
            while let Some(marker) = scanner.scan(&piece[at..]) {
                at += marker.end;
                found.push(Found { session: hex(&marker.session), end: before + at });
            }
            before += piece.len();
        }
        assert_eq!(found, case.markers, "{}", case.name);
    }
}
