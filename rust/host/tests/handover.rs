//! Taps that a VMM opens by itself, from inside its slot: who may, what else is reached from there, and what comes of the
//! headers of virtio-net that it passes on for its guest.

mod support;

use microterm_host::networks::{Id, NetworkId};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};
use support::network::{HOST, refused, run, within};
use support::until;
use support::vmm::{Capture, Header, Networked, USER, open_as, packet, sum, unfinished, within_as, write_checksums};

const TCP: u8 = 6;
const UDP: u8 = 17;
const INTERNET: [u8; 4] = [9, 9, 9, 9];

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

#[test]
fn a_tap_is_handed_over_to_one_user() {
    let host = Networked::start(2);
    let (machine, other) = (id("machine1"), id("machine2"));
    let (slot, attached) = host.attach(&machine);
    let (other_slot, _) = host.attach(&other);
    let code =
        |machine: &Id, slot| format!("{:?}", host.network.hand_over_tap(machine, slot, USER).err().unwrap().code);
    assert_eq!(code(&machine, other_slot), "BadRequest");
    assert_eq!(code(&id("machine3"), slot), "NotFound");
    let namespace = host.world.slot(attached["slot"].as_str().unwrap());
    let denied =
        |outcome: io::Result<std::fs::File>| assert_eq!(outcome.unwrap_err().raw_os_error(), Some(libc::EPERM));
    let held = host.network.open_tap(&machine, slot).unwrap();
    assert_eq!(code(&machine, slot), "Busy");
    drop(held);
    // A process that is being started as it is closed, as by this network's own making of slots, has it for a moment longer.
    let is_closed = || !run(&namespace, "ip", &["link", "show", "tap0"]).contains("LOWER_UP");
    let closed = || until("the tap is closed", || is_closed().then_some(()));
    closed();

    let place = host.hand_over(&machine);
    assert_eq!(place.mac_address.to_string(), attached["macAddress"]);
    denied(open_as(&place.namespace, USER + 1, place.device));
    denied(open_as(&place.namespace, USER, "tap1"));
    let tap = open_as(&place.namespace, USER, place.device).unwrap();
    assert_eq!(code(&machine, slot), "Busy");
    assert_eq!(open_as(&namespace, USER, place.device).unwrap_err().raw_os_error(), Some(libc::EBUSY));
    drop(tap);
    closed();
    // Its next VMM has another user.
    let place = host.network.hand_over_tap(&machine, slot, USER + 1).unwrap();
    denied(open_as(&place.namespace, USER, place.device));
    // By a path, as a jailer takes it.
    let path = format!("/proc/self/fd/{}", place.namespace.as_raw_fd());
    let reopened: OwnedFd = std::fs::File::open(path).unwrap().into();
    drop(open_as(&reopened, USER + 1, place.device).unwrap());
    closed();
    host.network.open_tap(&machine, slot).unwrap();
}

/// What a link has sent.
fn sent(namespace: &OwnedFd, link: &str) -> u64 {
    let shown = run(namespace, "ip", &["-json", "-statistics", "link", "show", link]);
    let links: Value = serde_json::from_str(&shown).unwrap();
    links[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
}

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: socket takes plain numbers, and what it answers with is nobody else's.
    unsafe {
        let socket = libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol);
        if socket < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(socket)) }
    }
}

/// Has a socket's packets go by one link, whatever the routes.
fn bind_to(socket: &impl AsRawFd, link: &str) {
    // SAFETY: the name has as many bytes as it says.
    let outcome = unsafe {
        let (name, length) = (link.as_ptr().cast(), u32::try_from(link.len()).unwrap());
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name, length)
    };
    assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
}

/// Sends a datagram to any port of an address. What the kernel takes goes nowhere, or is refused at once.
fn datagram(to: IpAddr, link: Option<&str>) -> io::Result<usize> {
    let socket = UdpSocket::bind((if to.is_ipv4() { "0.0.0.0" } else { "::" }, 0))?;
    socket.set_broadcast(true)?;
    if let Some(link) = link {
        bind_to(&socket, link);
    }
    socket.send_to(b"hello", (to, 53))
}

#[test]
fn a_vmm_reaches_nothing_from_inside_its_slot() {
    let host = Networked::start(1);
    let machine = id("machine1");
    let guest = host.guest(&machine);
    host.policy(&machine, &json!("open"));
    guest.tcp("9.9.9.9:443").unwrap();
    let (_, attached) = host.attach(&machine);
    let slot = host.world.slot(attached["slot"].as_str().unwrap());
    let range = json!(host.network.status())["range"].as_str().unwrap().to_owned();
    let router = range.split('/').next().unwrap().replace(".0", ".2");
    for port in [22, 53] {
        support::network::serve_tcp(&guest.namespace, port);
    }
    let counts = || [sent(&slot, "tap0"), sent(&slot, "up0")];
    // The connection from before is closed by packets of its own.
    let before = until("silence", || {
        let before = counts();
        std::thread::sleep(Duration::from_millis(300));
        (counts() == before).then_some(before)
    });
    let listener = within_as(&slot, USER, || {
        let links = [None, Some("tap0"), Some("up0"), Some("hop0"), Some("hop1")];
        let four = ["127.0.0.1", "192.0.0.1", "192.0.0.2", "192.0.0.3", "9.9.9.9", HOST, &router, "224.0.0.1"];
        for (address, link) in four.iter().chain(&["255.255.255.255"]).flat_map(|to| links.map(|link| (to, link))) {
            let outcome = datagram(address.parse().unwrap(), link);
            assert!(outcome.is_err(), "{address} by {link:?}: {outcome:?}");
        }
        for address in ["::1", "fe80::1", "2001:db8::1", "ff02::1", "::ffff:9.9.9.9"] {
            let outcome = datagram(address.parse().unwrap(), Some("up0"));
            assert!(outcome.is_err(), "{address}: {outcome:?}");
        }
        for address in four {
            let address = SocketAddr::new(address.parse().unwrap(), 22);
            let outcome = TcpStream::connect_timeout(&address, Duration::from_millis(200));
            assert!(outcome.is_err(), "{address}");
        }
        for (family, kind, protocol) in [
            (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
            (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
            (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
            (libc::AF_PACKET, libc::SOCK_RAW, 0x0300),
            (libc::AF_PACKET, libc::SOCK_DGRAM, 0x0008),
        ] {
            let error = socket(family, kind, protocol).unwrap_err();
            let is_refused = matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES));
            assert!(is_refused, "a socket of family {family}, kind {kind}: {error}");
        }
        // The kernel has sockets of its own below this one.
        if let Ok(socket) = socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP) {
            let stream = TcpStream::from(socket);
            stream.set_nonblocking(true).unwrap();
            let to = nix::sys::socket::SockaddrIn::new(9, 9, 9, 9, 443);
            let _ = nix::sys::socket::connect(stream.as_raw_fd(), &to);
            std::thread::sleep(Duration::from_millis(200));
            assert!(stream.peer_addr().is_err());
        }
        TcpListener::bind("0.0.0.0:8080").unwrap()
    });
    // Nor as root.
    within(&slot, || assert!(datagram("9.9.9.9".parse().unwrap(), None).is_err()));
    assert_eq!(counts(), before);

    // The guest is answered all the same, by the kernel.
    refused(guest.tcp("192.0.0.1:8080"), "the VMM");
    refused(guest.tcp("10.9.9.9:443"), "a private address");
    refused(guest.udp("10.9.9.9:53"), "a private address");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    guest.tcp("9.9.9.9:443").unwrap();
    assert!(host.usage(&machine, "/deniedPackets") >= 3);
}

#[test]
fn a_guest_leaves_checksums_and_segments_to_its_slot() {
    let host = Networked::start(1);
    let machine = id("machine1");
    let guest = host.guest(&machine);
    host.policy(&machine, &json!("open"));
    guest.udp("9.9.9.9:53").unwrap();
    guest.ping("8.8.4.4").unwrap();
    let mut stream = within(&guest.namespace, || TcpStream::connect("9.9.9.9:443")).unwrap();
    let sent = b"a line of text\n".repeat(1 << 16);
    let (mut writer, bytes) = (stream.try_clone().unwrap(), sent.clone());
    let writing = std::thread::spawn(move || writer.write_all(&bytes).unwrap());
    let mut line = vec![0; HOST.len() + 1];
    stream.read_exact(&mut line).unwrap();
    let mut back = vec![0; sent.len()];
    stream.read_exact(&mut back).unwrap();
    writing.join().unwrap();
    assert!(back == sent, "the bytes are others");
    // Frames of more than a packet came, and were cut up before they were counted.
    let (_, attached) = host.attach(&machine);
    let slot = host.world.slot(attached["slot"].as_str().unwrap());
    let shown = run(&slot, "ip", &["-json", "-statistics", "link", "show", "tap0"]);
    let links: Value = serde_json::from_str(&shown).unwrap();
    let frames = links[0]["stats64"]["rx"]["packets"].as_u64().unwrap();
    let (packets, bytes) = (host.usage(&machine, "/sent/packets"), host.usage(&machine, "/sent/bytes"));
    assert!(frames * 2 < packets && bytes / packets < 1500, "{frames} frames, {packets} packets, {bytes} bytes");
}

#[test]
fn members_of_a_shared_network_reach_each_other_by_the_hop() {
    let host = Networked::start(2);
    let network = NetworkId::try_from("network00001".to_owned()).unwrap();
    let [(first, _), (second, address)] = ["machine1", "machine2"].map(|name| {
        let machine = id(name);
        let guest = host.guest(&machine);
        let address = guest.readdress(&json!(host.network.join(&machine, &network).unwrap()));
        (guest, address)
    });
    support::network::serve_tcp(&second.namespace, 80);
    first.tcp(&format!("{address}:80")).unwrap().answers().unwrap();
    refused(first.tcp(&format!("{address}:81")), "a port without a server");
    refused(first.tcp("9.9.9.9:443"), "the internet without a policy");
}

/// A machine's tap with headers of virtio-net: handed over, or opened as a VMM that gets no header would not.
fn with_header(host: &Networked, machine: &Id, is_handed_over: bool) -> std::fs::File {
    let rule = |protocol: &str, port: u16| json!({ "cidr": "9.9.9.9", "protocol": protocol, "ports": [port, port] });
    host.policy(machine, &json!({ "allowlist": [rule("udp", 53), rule("tcp", 80)] }));
    if is_handed_over {
        let place = host.hand_over(machine);
        return open_as(&place.namespace, USER, place.device).unwrap();
    }
    let (_, attached) = host.attach(machine);
    let slot = host.world.slot(attached["slot"].as_str().unwrap());
    within(&slot, || support::network::open_tap("tap0", true)).unwrap()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    [5000_u16.to_be_bytes(), port.to_be_bytes(), length.to_be_bytes(), [0; 2]]
        .concat()
        .into_iter()
        .chain(payload.iter().copied())
        .collect()
}

fn tcp(payload: usize) -> Vec<u8> {
    let mut header = vec![0x13, 0x88, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 4, 0, 0, 0, 0, 0];
    header.resize(20 + payload, b'x');
    header
}

/// Where a packet goes, by address and port.
fn to(packet: &[u8]) -> ([u8; 4], u16) {
    (packet[16..20].try_into().unwrap(), u16::from_be_bytes([packet[22], packet[23]]))
}

#[test]
fn what_a_header_has_the_kernel_write_is_seen_by_the_rules() {
    let host = Networked::start(2);
    // As the checksums of most hosts are written by their cards.
    write_checksums(&host.world.root, "eth0");
    let capture = Capture::new(&host.world.internet);
    let good = Header::checksum(34, 6).before(&unfinished(UDP, INTERNET, udp(53, b"good"), 6));
    let hostile = [(34, 2), (20, 12), (20, 10), (35, 1)]
        .map(|(start, offset)| Header::checksum(start, offset).before(&packet(UDP, INTERNET, &udp(53, b"evil"))));
    for is_handed_over in [false, true] {
        let machine = id(if is_handed_over { "machine1" } else { "machine2" });
        let mut tap = with_header(&host, &machine, is_handed_over);
        for frame in hostile.iter().chain([&good]) {
            // Some are refused by the kernel that reads them.
            let _ = tap.write_all(frame);
        }
        let all = capture.packets(UDP);
        let gone_astray: Vec<_> = all.iter().map(|packet| to(packet)).filter(|to| *to != (INTERNET, 53)).collect();
        if is_handed_over {
            assert_eq!(gone_astray, []);
            assert!(all.iter().any(|packet| packet.ends_with(b"good") && sum(packet) == 0xffff), "{all:x?}");
            assert!(host.usage(&machine, "/deniedPackets") > 0, "the rules saw another port");
        } else {
            // This is what there would be without it.
            assert!(gone_astray.iter().any(|(address, _)| *address != INTERNET), "{gone_astray:?}");
            assert!(gone_astray.iter().any(|(_, port)| *port != 53), "{gone_astray:?}");
        }
    }
}

#[test]
fn one_frame_becomes_no_more_packets_than_are_counted() {
    let host = Networked::start(2);
    write_checksums(&host.world.root, "eth0");
    let capture = Capture::new(&host.world.internet);
    let cut = |kind, segment, size| Header { kind, segment, header: 54, ..Header::checksum(34, size) };
    // Segments of one byte, of TCP and of UDP; fragments of UDP.
    let frames = [
        (TCP, cut(1, 1, 16).before(&unfinished(TCP, INTERNET, tcp(200), 16))),
        (UDP, cut(5, 100, 6).before(&unfinished(UDP, INTERNET, udp(53, &[b'x'; 5000]), 6))),
    ];
    for is_handed_over in [false, true] {
        let machine = id(if is_handed_over { "machine1" } else { "machine2" });
        let mut tap = with_header(&host, &machine, is_handed_over);
        for (protocol, frame) in &frames {
            let before = host.usage(&machine, "/sent/packets");
            tap.write_all(frame).unwrap();
            let came = capture.packets(*protocol).len() as u64;
            let counted =
                until("it is counted", || Some(host.usage(&machine, "/sent/packets") - before).filter(|now| *now > 0));
            if is_handed_over {
                assert!(came > 1 && came <= counted, "{came} came of {counted}");
            } else {
                assert!(counted == 1 && came > 10, "{came} came of {counted}");
            }
        }
    }
    // What would keep the kernel from all else is dropped whole; what is cut as usual passes.
    let mut tap = with_header(&host, &id("machine1"), true);
    let before = host.usage(&id("machine1"), "/sent/packets");
    for (segment, payload) in [(1, 65_000), (1, 257), (255, 65_430), (1, 1)] {
        let start = Instant::now();
        tap.write_all(&cut(1, segment, 16).before(&unfinished(TCP, INTERNET, tcp(payload), 16))).unwrap();
        assert!(start.elapsed() < Duration::from_millis(100), "{:?} for {payload} bytes", start.elapsed());
    }
    tap.write_all(&cut(1, 1000, 16).before(&unfinished(TCP, INTERNET, tcp(65_000), 16))).unwrap();
    let sent = || host.usage(&id("machine1"), "/sent/packets") - before;
    until("all of the last", || (sent() >= 66).then_some(()));
    assert_eq!(sent(), 66);
}
