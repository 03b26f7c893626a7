//! Ports that are listened on, and connections to them.

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use h2::Reason;
use h2::RecvStream;
use http::Method;
use serde_json::Value;
use support::{Agent, run, send, whole, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// As many as a guest's connections may be.
const MOST: usize = 64;

async fn listen(address: IpAddr) -> (TcpListener, u16) {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    within("connection", listener.accept()).await.unwrap().0
}

async fn connect(agent: &Agent, port: u16) -> (h2::SendStream<Bytes>, RecvStream) {
    let (response, sender) = agent.request(Method::POST, &format!("/v1/connect?port={port}"), false).await;
    let response = within("answer", response).await.unwrap();
    assert_eq!(response.status(), 200);
    (sender, response.into_body())
}

async fn refusal(agent: &Agent, path: &str) -> (u16, Value) {
    let (status, answer) = agent.call(Method::POST, path, Some(Value::Null)).await;
    (status, answer["code"].clone())
}

#[test]
fn bytes_go_both_ways_and_each_side_ends_by_itself() {
    run(async {
        let agent = Agent::start().await;
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let (listener, port) = listen(address).await;
            let ((mut sender, body), mut program) = tokio::join!(connect(&agent, port), accept(&listener));
            send(&mut sender, Bytes::from(vec![7; 300_000])).await;
            sender.send_data(Bytes::new(), true).unwrap();
            let mut got = Vec::new();
            program.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, vec![7; 300_000]);
            program.write_all(&vec![8; 500_000]).await.unwrap();
            program.shutdown().await.unwrap();
            assert_eq!(whole(body).await.unwrap(), vec![8; 500_000]);
            // The other way round.
            let ((mut sender, body), mut program) = tokio::join!(connect(&agent, port), accept(&listener));
            program.shutdown().await.unwrap();
            assert!(whole(body).await.unwrap().is_empty());
            send(&mut sender, "late".into()).await;
            sender.send_data(Bytes::new(), true).unwrap();
            got.clear();
            program.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, b"late");
        }
    });
}

#[test]
fn what_breaks_off_on_one_side_breaks_off_on_the_other() {
    run(async {
        let agent = Agent::start().await;
        let (listener, port) = listen(Ipv4Addr::LOCALHOST.into()).await;
        let ((mut sender, _body), mut program) = tokio::join!(connect(&agent, port), accept(&listener));
        send(&mut sender, "half of an upl".into()).await;
        sender.send_reset(Reason::CANCEL);
        let mut got = Vec::new();
        let error = program.read_to_end(&mut got).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let ((_sender, body), program) = tokio::join!(connect(&agent, port), accept(&listener));
        program.set_zero_linger().unwrap();
        drop(program);
        assert!(whole(body).await.is_err());
    });
}

#[test]
fn ports_without_a_listener_and_bad_requests_are_refused() {
    run(async {
        let agent = Agent::start().await;
        let (listener, port) = listen(Ipv4Addr::LOCALHOST.into()).await;
        drop(listener);
        assert_eq!(refusal(&agent, &format!("/v1/connect?port={port}")).await, (502, "refused".into()));
        for bad in ["", "?port=0", "?port=65536", "?port=-1", "?port=+80", "?port=80&port=80", "?port=80&host=a"] {
            assert_eq!(refusal(&agent, &format!("/v1/connect{bad}")).await, (400, "bad-request".into()), "{bad}");
        }
    });
}

#[test]
fn connections_are_counted_until_both_sides_have_ended() {
    run(async {
        let agent = Agent::start().await;
        let (listener, port) = listen(Ipv4Addr::LOCALHOST.into()).await;
        let mut open = Vec::new();
        for _ in 0..MOST {
            open.push(tokio::join!(connect(&agent, port), accept(&listener)));
        }
        let path = format!("/v1/connect?port={port}");
        assert_eq!(refusal(&agent, &path).await, (429, "too-many".into()));
        let ((mut sender, body), mut program) = open.pop().unwrap();
        program.shutdown().await.unwrap();
        whole(body).await.unwrap();
        assert_eq!(refusal(&agent, &path).await, (429, "too-many".into()), "half of it is still there");
        sender.send_data(Bytes::new(), true).unwrap();
        let mut rest = Vec::new();
        program.read_to_end(&mut rest).await.unwrap();
        let _free = tokio::join!(connect(&agent, port), accept(&listener));
    });
}

#[test]
fn a_reader_that_stalls_holds_its_program_back_and_nobody_else() {
    run(async {
        let agent = Agent::start().await;
        let (listener, port) = listen(Ipv4Addr::LOCALHOST.into()).await;
        let ((_sender, _stalled), mut program) = tokio::join!(connect(&agent, port), accept(&listener));
        let flood = tokio::spawn(async move {
            let mut sent = 0_u64;
            while program.write_all(&[0; 65_536]).await.is_ok() {
                sent += 65_536;
            }
            sent
        });
        let ((mut sender, body), mut program) = tokio::join!(connect(&agent, port), accept(&listener));
        send(&mut sender, "key".into()).await;
        let mut key = [0; 3];
        program.read_exact(&mut key).await.unwrap();
        program.write_all(&key).await.unwrap();
        program.shutdown().await.unwrap();
        assert_eq!(whole(body).await.unwrap(), "key");
        assert!(!flood.is_finished(), "the kernel's buffers and a window hold some MiB, and then it waits");
        flood.abort();
    });
}

#[test]
fn listening_ports_are_told_at_once_and_at_each_change() {
    run(async {
        let agent = Agent::start().await;
        let (before, first) = listen(Ipv4Addr::LOCALHOST.into()).await;
        let (response, _) = agent.request(Method::GET, "/v1/ports", true).await;
        let mut body = within("answer", response).await.unwrap().into_body();
        let mut text = String::new();
        let mut until = async |holds: &dyn Fn(&[u64]) -> bool| loop {
            while let Some(end) = text.find('\n') {
                let line: Value = serde_json::from_str(&text.drain(..=end).collect::<String>()).unwrap();
                assert_eq!(line["truncated"], false);
                let ports: Vec<u64> = line["ports"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
                if holds(&ports) {
                    return;
                }
            }
            let data = within("a line", body.data()).await.unwrap().unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            text += str::from_utf8(&data).unwrap();
        };
        until(&|ports| ports.contains(&first.into())).await;
        let (_after, second) = listen(Ipv6Addr::LOCALHOST.into()).await;
        until(&|ports| ports.contains(&second.into())).await;
        drop(before);
        until(&|ports| !ports.contains(&first.into()) && ports.contains(&second.into())).await;
    });
}
