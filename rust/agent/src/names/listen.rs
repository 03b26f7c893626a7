//! Where programs ask for names: DNS over UDP and TCP (RFC 7766) at an address of this guest's own loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use microterm_wire::Transport;
use microterm_wire::frame::MAX_QUERY_BYTES;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::names::message::{self, Incoming, SERVER_FAILURE, answer_to, failure};
use crate::names::table::Names;

const PORT: u16 = 53;
/// TCP is for what is too long for UDP, which is rare.
const MAX_CONNECTIONS: usize = 16;
/// How long a connection may be silent between queries, and within one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// After an error that is no single packet's, such as no descriptor being left.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Listens, from now on for ever.
pub async fn listen(names: Rc<Names>, address: Ipv4Addr) -> io::Result<()> {
    let address = SocketAddrV4::new(address, PORT);
    let socket = UdpSocket::bind(address).await?;
    let listener = TcpListener::bind(address).await?;
    spawn_local(serve_packets(Rc::new(socket), names.clone()));
    spawn_local(serve_connections(listener, names));
    Ok(())
}

async fn serve_packets(socket: Rc<UdpSocket>, names: Rc<Names>) {
    // One byte more, by which a longer packet is known.
    let mut buffer = [0; MAX_QUERY_BYTES + 1];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            sleep(ERROR_PAUSE).await;
            continue;
        };
        // An answer that the socket has no room for is lost, as packets may be.
        match message::read(&buffer[..length]) {
            Incoming::Ignored => {}
            Incoming::Refused(answer) => drop(socket.try_send_to(&answer, from)),
            Incoming::Query(query) => match names.ask(Transport::Udp, query.clone()) {
                None => drop(socket.try_send_to(&failure(&query, SERVER_FAILURE), from)),
                Some(asked) => {
                    let socket = socket.clone();
                    spawn_local(async move {
                        let answer = settled(&query, asked.answer().await);
                        let _ = socket.try_send_to(&answer, from);
                    });
                }
            },
        }
    }
}

async fn serve_connections(listener: TcpListener, names: Rc<Names>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ERROR_PAUSE).await;
            continue;
        };
        // Where there is no place it is closed at once.
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let names = names.clone();
            spawn_local(async move {
                let _ = serve_connection(stream, &names).await;
                drop(place);
            });
        }
    }
}

/// Answers one query after the other, until the program closes its side or is silent for too long.
async fn serve_connection(mut stream: TcpStream, names: &Names) -> io::Result<()> {
    loop {
        let query = timeout(IDLE_TIMEOUT, read_message(&mut stream)).await??;
        let answer = match message::read(&query) {
            Incoming::Ignored => return Ok(()),
            Incoming::Refused(answer) => answer,
            Incoming::Query(query) => match names.ask(Transport::Tcp, query.clone()) {
                None => failure(&query, SERVER_FAILURE),
                Some(asked) => settled(&query, asked.answer().await),
            },
        };
        let mut out = Vec::with_capacity(2 + answer.len());
        out.extend((answer.len() as u16).to_be_bytes());
        out.extend(&answer);
        timeout(IDLE_TIMEOUT, stream.write_all(&out)).await??;
    }
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > MAX_QUERY_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

fn settled(query: &Bytes, answer: Option<Bytes>) -> Bytes {
    answer.and_then(|answer| answer_to(query, &answer)).unwrap_or_else(|| failure(query, SERVER_FAILURE))
}
