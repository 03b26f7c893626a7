//! What members of a shared network hear of each other's limits, and what one takes of another.

mod support;

use serde_json::json;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::network::{Guest, World, ip, run, within};
use support::until;

const NETWORK: &str = "network00001";

/// What a guest believes of the way to an address once it has sent as much as its own link takes.
fn way(guest: &Guest, address: &str) -> String {
    let socket = within(&guest.namespace, || UdpSocket::bind("0.0.0.0:0").unwrap());
    socket.connect((address, 9)).unwrap();
    until("a shorter way", || {
        let _ = socket.send(&[0; 1472]);
        let way = run(&guest.namespace, "ip", &["route", "get", address]);
        way.contains(" mtu ").then_some(way)
    })
}

#[test]
fn a_guest_hears_what_its_hosts_uplink_and_other_members_take() {
    let mut world = World::prepare(1, &[]);
    ip(&world.root, "link set eth0 mtu 1400");
    world.host.run(None);
    let (_short, short_address) = world.member("machine1", NETWORK);
    let attached = world.host.call("network.attach", json!({ "machineId": "machine1" }));
    assert_eq!(attached["mtu"], 1400);
    ip(&world.root, "link set eth0 mtu 1500");
    until("a slot of the other length", || {
        let mtu = &world.host.call("network.attach", json!({ "machineId": "machine2" }))["mtu"];
        if mtu != 1500 {
            world.host.call("network.release", json!({ "machineId": "machine2" }));
        }
        (mtu == 1500).then_some(())
    });
    assert_eq!(world.host.call("network.attach", json!({ "machineId": "machine1" })), attached);
    let (long, _) = world.member("machine2", NETWORK);
    world.policy("machine2", &json!("open"));
    assert!(way(&long, &short_address).contains("mtu 1400"));
    ip(&world.root, "link set eth0 mtu 1300");
    assert!(way(&long, "9.9.9.9").contains("mtu 1300"));
}

/// Whether a guest is told that a packet's time to live is over, by whatever is so many steps away.
fn hears_an_error(guest: &Guest, address: &str, steps: u32) -> bool {
    within(&guest.namespace, || {
        // SAFETY: socket takes plain numbers, and what it answers with is nobody else's.
        let raw = unsafe {
            OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_ICMP))
        };
        let raw = UdpSocket::from(raw);
        raw.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_ttl(steps).unwrap();
        socket.send_to(b"hello", (address, 9)).unwrap();
        raw.recv(&mut [0; 512]).is_ok()
    })
}

#[test]
fn a_member_is_told_what_becomes_of_its_packets() {
    let world = World::start(2);
    let (one, _) = world.member("machine1", NETWORK);
    let (_two, two_address) = world.member("machine2", NETWORK);
    // Its own slot, the slot of the other, and the other itself.
    for steps in 1..=3 {
        assert!(hears_an_error(&one, &two_address, steps), "{steps} steps away");
    }
}

#[test]
fn members_that_call_without_end_leave_others_their_share_of_one() {
    let world = World::start(4);
    let (_victim, address) = world.member("machine1", NETWORK);
    let [one, two, other] = ["machine2", "machine3", "machine4"].map(|machine| world.member(machine, NETWORK).0);
    let is_over = AtomicBool::new(false);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        for hostile in [&one, &two] {
            let (is_over, address) = (&is_over, &address);
            scope.spawn(move || {
                let socket = within(&hostile.namespace, || UdpSocket::bind("0.0.0.0:0").unwrap());
                for port in (1000..60000).cycle().take_while(|_| !is_over.load(Ordering::SeqCst)) {
                    let _ = socket.send_to(b"hello", (address.as_str(), port));
                }
            });
        }
        // Together they make more than one slot may, and twice what is let in from one.
        for machine in ["machine2", "machine3"] {
            until("more calls than one slot may make", || {
                (world.usage(machine)["exceededPackets"].as_u64() > Some(1000)).then_some(())
            });
        }
        let to = format!("{address}:80").parse().unwrap();
        let call = |_| within(&other.namespace, || TcpStream::connect_timeout(&to, Duration::from_secs(10)).map(drop));
        let outcomes = (0..20).map(call).collect();
        is_over.store(true, Ordering::SeqCst);
        outcomes
    });
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}
