//! Names: real UDP and TCP clients beside an agent in a network namespace of its own, and the host's end of the stream.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use bytes::Bytes;
use microterm_wire::{AgentFrame, HostFrame, Transport};
use support::{Agent, DEADLINE, Stream, run};

const SERVER: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::new(169, 254, 53, 53), 53));
const SERVFAIL: u8 = 2;

/// A query for the address of a name of one label.
fn query(id: u16, label: &str) -> Vec<u8> {
    let mut message = [&id.to_be_bytes()[..], b"\x01\0\0\x01\0\0\0\0\0\0"].concat();
    message.push(label.len() as u8);
    message.extend(label.as_bytes());
    message.extend(b"\0\0\x01\0\x01");
    message
}

/// An answer without records, whose id is not that of the query.
fn answer(query: &[u8]) -> Bytes {
    let mut message = query.to_vec();
    (message[0], message[1], message[2], message[3]) = (0xff, 0xff, 0x81, 0x80);
    message.into()
}

fn udp_client(agent: &Agent) -> UdpSocket {
    agent.beside(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect(SERVER).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    })
}

fn tcp_client(agent: &Agent) -> TcpStream {
    let stream = agent.beside(|| TcpStream::connect(SERVER).unwrap());
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Reads off the runtime's thread, which has the stream to serve.
async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let socket = socket.try_clone().unwrap();
    tokio::task::spawn_blocking(move || {
        let mut message = vec![0; 4096];
        let length = socket.recv(&mut message).unwrap();
        message.truncate(length);
        message
    })
    .await
    .unwrap()
}

fn send_tcp(stream: &mut TcpStream, message: &[u8]) {
    stream.write_all(&[&(message.len() as u16).to_be_bytes(), message].concat()).unwrap();
}

async fn receive_tcp(stream: &TcpStream) -> Vec<u8> {
    let mut stream = stream.try_clone().unwrap();
    tokio::task::spawn_blocking(move || {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message).unwrap();
        message
    })
    .await
    .unwrap()
}

async fn next_query(stream: &mut Stream) -> (u32, Transport, Bytes) {
    match stream.next().await {
        Some(AgentFrame::Query { id, transport, message }) => (id, transport, message),
        other => panic!("{other:?} instead of a query"),
    }
}

/// Waits until the agent has the stream: it answers the call first.
async fn names(agent: &Agent) -> Stream {
    agent.stream("/v1/names").await
}

#[test]
fn without_a_stream_every_name_fails_at_once() {
    run(async {
        let agent = Agent::start_with_network().await;
        let socket = udp_client(&agent);
        let asked = query(7, "a");
        socket.send(&asked).unwrap();
        let failure = receive(&socket).await;
        assert_eq!((&failure[..2], failure[3] & 15, &failure[12..]), (&asked[..2], SERVFAIL, &asked[12..]));
        let mut stream = tcp_client(&agent);
        send_tcp(&mut stream, &asked);
        assert_eq!(receive_tcp(&stream).await, failure);
    });
}

#[test]
fn a_query_reaches_the_host_and_its_answer_whoever_asked() {
    run(async {
        let agent = Agent::start_with_network().await;
        let mut stream = names(&agent).await;
        let (one, two) = (udp_client(&agent), udp_client(&agent));
        one.send(&query(1, "one")).unwrap();
        let (first, transport, message) = next_query(&mut stream).await;
        assert_eq!((transport, &message[..]), (Transport::Udp, &query(1, "one")[..]));
        // The same id, from another program.
        two.send(&query(1, "two")).unwrap();
        let (second, _, message) = next_query(&mut stream).await;
        assert_eq!(&message[..], &query(1, "two")[..]);
        for (id, label) in [(second, "two"), (first, "one")] {
            stream.send(&HostFrame::Answer { id, message: answer(&query(1, label)) }).await;
        }
        for (socket, label) in [(&one, "one"), (&two, "two")] {
            let received = receive(socket).await;
            assert_eq!((&received[..4], &received[12..]), (&b"\0\x01\x81\x80"[..], &query(1, label)[12..]));
        }
        let mut connection = tcp_client(&agent);
        for label in ["three", "four"] {
            send_tcp(&mut connection, &query(9, label));
            let (id, transport, message) = next_query(&mut stream).await;
            assert_eq!((transport, &message[..]), (Transport::Tcp, &query(9, label)[..]));
            stream.send(&HostFrame::Answer { id, message: answer(&message) }).await;
            assert_eq!(&receive_tcp(&connection).await[..2], b"\0\x09");
        }
    });
}

#[test]
fn a_later_stream_takes_over_and_what_the_earlier_one_was_asked_fails() {
    run(async {
        let agent = Agent::start_with_network().await;
        let mut earlier = names(&agent).await;
        let socket = udp_client(&agent);
        socket.send(&query(1, "a")).unwrap();
        next_query(&mut earlier).await;
        let mut later = names(&agent).await;
        assert_eq!(receive(&socket).await[3] & 15, SERVFAIL);
        assert_eq!(earlier.next().await, None, "it ends cleanly");
        drop(earlier);
        socket.send(&query(2, "b")).unwrap();
        let (id, _, message) = next_query(&mut later).await;
        stream_answers(&mut later, id, &message).await;
        assert_eq!(&receive(&socket).await[..2], b"\0\x02");
        // The host's server has gone.
        socket.send(&query(3, "c")).unwrap();
        next_query(&mut later).await;
        drop(later);
        assert_eq!(receive(&socket).await[3] & 15, SERVFAIL);
        socket.send(&query(4, "d")).unwrap();
        assert_eq!(receive(&socket).await[3] & 15, SERVFAIL);
    });
}

/// Waits until nothing is left in the agent's socket, which holds fewer packets than a test has.
async fn all_are_read(agent: &Agent) {
    while agent.run_beside(&["ss", "-Huln"]).split_whitespace().nth(1) != Some("0") {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

async fn stream_answers(stream: &mut Stream, id: u32, message: &[u8]) {
    stream.send(&HostFrame::Answer { id, message: answer(message) }).await;
}

#[test]
fn the_host_is_sent_no_more_than_it_takes_and_the_rest_in_its_turn() {
    run(async {
        let agent = Agent::start_with_network().await;
        let mut stream = names(&agent).await;
        let socket = udp_client(&agent);
        let mut in_flight = Vec::new();
        for id in 0..32 {
            socket.send(&query(id, "a")).unwrap();
            in_flight.push(next_query(&mut stream).await);
        }
        for id in 32..288 {
            socket.send(&query(id, "a")).unwrap();
            if id % 64 == 0 {
                all_are_read(&agent).await;
            }
        }
        all_are_read(&agent).await;
        for id in 288..300u16 {
            socket.send(&query(id, "a")).unwrap();
            let received = receive(&socket).await;
            assert_eq!((&received[..2], received[3] & 15), (&id.to_be_bytes()[..], SERVFAIL));
        }
        let mut answered = 0;
        while let Some((id, _, message)) = (!in_flight.is_empty()).then(|| in_flight.remove(0)) {
            stream_answers(&mut stream, id, &message).await;
            let received = receive(&socket).await;
            assert_eq!((&received[..2], received[3] & 15), (&message[..2], 0));
            answered += 1;
            if answered + in_flight.len() < 288 {
                in_flight.push(next_query(&mut stream).await);
            }
        }
        assert_eq!(answered, 288);
    });
}

#[test]
fn an_answer_to_what_was_not_asked_breaks_the_stream() {
    run(async {
        let agent = Agent::start_with_network().await;
        for frame in [HostFrame::Answer { id: 77, message: answer(&query(1, "a")) }, HostFrame::StdinEof] {
            let mut stream = names(&agent).await;
            stream.send(&frame).await;
            assert!(stream.try_next().await.is_err());
        }
    });
}

#[test]
fn what_is_no_query_never_reaches_the_host() {
    run(async {
        let agent = Agent::start_with_network().await;
        let mut stream = names(&agent).await;
        let socket = udp_client(&agent);
        socket.send(&answer(&query(1, "loop"))).unwrap();
        socket.send(b"short").unwrap();
        for wrong in [vec![b'x'; 1233], query(2, "cut")[..14].to_vec(), [query(3, "a"), vec![0; 1300]].concat()] {
            let mut wrong = wrong;
            wrong[2] = 1;
            socket.send(&wrong).unwrap();
        }
        for _ in 0..3 {
            assert_ne!(receive(&socket).await[3] & 15, 0);
        }
        // A message that would be longer than any query, and one that is none.
        for wrong in [&[0xff; 2][..], &[0, 3, 1, 2, 3]] {
            let mut connection = tcp_client(&agent);
            connection.write_all(wrong).unwrap();
            let closed = connection.read(&mut [0]);
            assert!(matches!(&closed, Ok(0)) || closed.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        }
        socket.send(&query(9, "good")).unwrap();
        assert_eq!(&next_query(&mut stream).await.2[..], &query(9, "good")[..]);
    });
}

#[test]
fn of_many_connections_sixteen_are_served() {
    run(async {
        let agent = Agent::start_with_network().await;
        let _stream = names(&agent).await;
        let connections: Vec<TcpStream> = (0..40).map(|_| tcp_client(&agent)).collect();
        let mut closed = 0;
        for mut connection in connections {
            connection.set_nonblocking(true).unwrap();
            // The agent has accepted all once it has answered a call behind them.
            agent.get("/v1/hello").await;
            match connection.read(&mut [0]) {
                Ok(0) => closed += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(closed, 24);
    });
}
