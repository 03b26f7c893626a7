//! What a guest reaches through its slot and what it does not, shown by packets.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::UdpSocket;
use support::network::{FORBIDDEN, HOST, PUBLIC, World, ip, refused, run, within};
use support::until;

const GUEST_MAC: [u8; 6] = [0x02, 0x6d, 0x74, 0, 0, 2];

fn open(world: &World, machine: &str) {
    world.policy(machine, &json!("open"));
}

#[test]
fn a_guest_reaches_the_internet_and_nothing_else() {
    let world = World::start(2);
    let guest = world.guest("machine1");
    let [first, second, _] = PUBLIC;
    refused(guest.tcp(&format!("{first}:443")), "the internet without a policy");
    refused(guest.udp(&format!("{first}:53")), "the internet without a policy");
    open(&world, "machine1");
    assert_eq!(guest.tcp(&format!("{first}:443")).unwrap().peer, HOST, "it is not behind the host's address");
    guest.udp(&format!("{first}:53")).unwrap();
    guest.ping(second).unwrap();

    for address in FORBIDDEN {
        refused(guest.tcp(&format!("{address}:443")), address);
        refused(guest.udp(&format!("{address}:53")), address);
    }
    let status = world.host.call("network.status", json!({}));
    let range = status["range"].as_str().unwrap().split('/').next().unwrap().to_owned();
    let of_range = |number: u8| range.strip_suffix('0').unwrap().to_owned() + &number.to_string();
    // The host by its own address, by that towards the router, and the router; the slot itself.
    for address in [HOST.to_owned(), of_range(1), of_range(2), "192.0.0.1".to_owned()] {
        refused(guest.tcp(&format!("{address}:22")), &address);
    }
    // An address that the host gets later is the host's as well.
    ip(&world.root, "address add 6.6.6.6/32 dev lo");
    refused(guest.tcp("6.6.6.6:22"), "a new address of the host");

    let other = world.guest("machine2");
    open(&world, "machine2");
    other.tcp(&format!("{first}:80")).unwrap();
    let listener = within(&other.namespace, || std::net::TcpListener::bind("0.0.0.0:80").unwrap());
    for number in 16..20 {
        refused(guest.tcp(&format!("{}:80", of_range(number))), "another slot");
    }
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);

    // From outside, by a router that leads there: the second guest's datagram comes after it, and is answered.
    let inbound = within(&guest.namespace, || UdpSocket::bind("0.0.0.0:5353").unwrap());
    ip(&world.internet, &format!("route add {} via {HOST}", status["range"].as_str().unwrap()));
    for number in 16..20 {
        let sender = within(&world.internet, || UdpSocket::bind("9.9.9.9:5353").unwrap());
        sender.send_to(b"inbound", format!("{}:5353", of_range(number))).unwrap();
    }
    guest.udp(&format!("{first}:53")).unwrap();
    inbound.set_nonblocking(true).unwrap();
    assert_eq!(inbound.recv(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);

    let denials =
        world.host.call("network.denials", json!({ "machineId": "machine1" }))["denials"].as_array().unwrap().clone();
    let denial = |address: &str, protocol: u64, port: u64| {
        let is =
            |denial: &&Value| denial["address"] == address && denial["protocol"] == protocol && denial["port"] == port;
        denials.iter().find(is).unwrap_or_else(|| panic!("no denial of {address}: {denials:?}")).clone()
    };
    assert_eq!(denial(first, 6, 443)["isForbidden"], false);
    assert_eq!(denial("169.254.169.254", 17, 53)["isForbidden"], true);
    let usage = world.usage("machine1");
    assert!(
        usage["sent"]["bytes"].as_u64().unwrap() > 0 && usage["received"]["packets"].as_u64().unwrap() > 2,
        "{usage}"
    );
    assert!(usage["deniedPackets"].as_u64().unwrap() >= 20, "{usage}");
}

/// A UDP datagram of four bytes to port 53, in a frame.
fn datagram(mac: [u8; 6], from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0];
    ip.extend(from.iter().chain(&to));
    let words = |bytes: &[u8]| bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
    let sum = words(&ip);
    let checksum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    // Without a checksum of its own, which IPv4 allows.
    ip.extend([0x13, 0x88, 0, 53, 0, 12, 0, 0]);
    ip.extend(b"spoo");
    frame(mac, 0x0800, &ip)
}

fn frame(mac: [u8; 6], kind: u16, body: &[u8]) -> Vec<u8> {
    let gateway = [0x02, 0x6d, 0x74, 0, 0, 1];
    [gateway.as_slice(), &mac, &kind.to_be_bytes(), body].concat()
}

/// With a header of virtio-net a guest has the kernel write into packets, and cut them up, behind the rules.
#[test]
fn a_tap_takes_frames_alone() {
    let world = World::start(1);
    let attached = world.host.call("network.attach", json!({ "machineId": "machine1" }));
    let slot = world.slot(attached["slot"].as_str().unwrap());
    let shown = run(&slot, "ip", &["-details", "-json", "link", "show", "tap0"]);
    let links: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let data = &links[0]["linkinfo"]["info_data"];
    assert_eq!((&data["type"], &data["vnet_hdr"]), (&json!("tap"), &json!(false)), "{shown}");
}

#[test]
fn frames_that_are_not_the_guests_own_are_dropped() {
    let world = World::start(1);
    let guest = world.guest("machine1");
    open(&world, "machine1");
    let (address, to) = ([192, 0, 0, 2], [9, 9, 9, 9]);
    let count = || world.usage("machine1")["spoofedPackets"].as_u64().unwrap();
    guest.udp("9.9.9.9:53").unwrap();
    let before = count();
    guest.frame(&datagram(GUEST_MAC, address, to));
    assert_eq!(count(), before, "its own are counted, too");
    let sent = world.usage("machine1")["sent"]["packets"].as_u64().unwrap();
    guest.frame(&datagram([2, 0, 0, 0, 0, 9], address, to));
    guest.frame(&datagram(GUEST_MAC, [192, 0, 0, 3], to));
    guest.frame(&datagram(GUEST_MAC, [10, 9, 9, 9], to));
    let arp = |mac: [u8; 6], ip: [u8; 4]| {
        let mut body = vec![0, 1, 8, 0, 6, 4, 0, 2];
        body.extend(mac.iter().chain(&ip).chain(&[2, 0x6d, 0x74, 0, 0, 1]).chain(&[192, 0, 0, 1]));
        frame(GUEST_MAC, 0x0806, &body)
    };
    guest.frame(&arp([2, 0, 0, 0, 0, 9], address));
    guest.frame(&arp(GUEST_MAC, [192, 0, 0, 1]));
    // IPv6, and a VLAN around what would be admitted.
    guest.frame(&frame(GUEST_MAC, 0x86dd, &[0x60; 60]));
    let inner = datagram(GUEST_MAC, address, to).split_off(12);
    guest.frame(&frame(GUEST_MAC, 0x8100, &[&[0, 5], inner.as_slice()].concat()));
    assert_eq!(count(), before + 7);
    assert_eq!(world.usage("machine1")["sent"]["packets"].as_u64().unwrap(), sent);
    guest.udp("9.9.9.9:53").unwrap();
}

#[test]
fn a_policy_changes_while_connections_are_open() {
    let world = World::start(1);
    let guest = world.guest("machine1");
    let rule = |cidr: &str| json!({ "cidr": cidr, "protocol": "tcp", "ports": [443, 443] });
    let named = json!({ "name": "*.example.com", "protocol": "tcp", "ports": [80, 80] });
    // The second overlaps the first.
    let marks = world
        .policy("machine1", &json!({ "allowlist": [rule("9.9.9.9"), rule("9.9.9.0/24"), rule("8.8.4.4/32"), named] }));
    assert_eq!(marks, [1, 2, 3, 4]);
    let mut stays = guest.tcp("9.9.9.9:443").unwrap();
    let mut goes = guest.tcp("8.8.4.4:443").unwrap();
    refused(guest.tcp("9.9.9.9:80"), "another port");
    refused(guest.udp("9.9.9.9:53"), "another protocol");

    let admit = |mark: u64, address: &str, port: u16| {
        json!({ "machineId": "machine1", "entries": [
            { "mark": mark, "address": address, "protocol": "tcp", "port": port, "ttlSeconds": 60 }] })
    };
    refused(guest.tcp("1.2.3.4:80"), "a name that nobody has asked for");
    world.host.call("network.admit", admit(4, "1.2.3.4", 80));
    world.host.call("network.admit", admit(4, "1.2.3.4", 80));
    let mut by_name = guest.tcp("1.2.3.4:80").unwrap();
    refused(guest.tcp("1.2.3.4:443"), "another port of a name");
    assert_eq!(world.host.refused("network.admit", admit(4, "10.9.9.9", 80)), "denied");
    assert_eq!(world.host.refused("network.admit", admit(3, "1.2.3.4", 80)), "not-found");
    assert_eq!(world.host.refused("network.admit", admit(4, "1.2.3.4", 81)), "bad-request");

    // The rule that allowed it goes, another that allows it stays.
    assert_eq!(world.policy("machine1", &json!({ "allowlist": [rule("9.9.9.0/24"), named] })), [2, 4]);
    stays.answers().unwrap();
    by_name.answers().unwrap();
    assert!(goes.is_cut());
    refused(guest.tcp("8.8.4.4:443"), "what is allowed no more");
    assert_eq!(world.policy("machine1", &json!("open")), [5]);
    stays.answers().unwrap();
    by_name.answers().unwrap();
    world.policy("machine1", &json!({ "allowlist": [rule("9.9.9.0/24")] }));
    stays.answers().unwrap();
    assert!(by_name.is_cut());
    world.policy("machine1", &json!("none"));
    assert!(stays.is_cut());
    for wrong in
        [json!({ "allowlist": [{ "protocol": "tcp" }] }), json!("closed"), json!({ "allowlist": [rule("9.9.9.9/8")] })]
    {
        assert_eq!(
            world.host.refused("network.policy", json!({ "machineId": "machine1", "policy": wrong })),
            "bad-request"
        );
    }
}

#[test]
fn names_of_many_addresses_make_room_and_renew() {
    let world = World::start(1);
    let guest = world.guest("machine1");
    world.policy("machine1", &json!({ "allowlist": [{ "name": "example.com", "protocol": "tcp" }] }));
    for part in 0..20 {
        let entry = |number: u32| json!({ "mark": 1, "address": format!("20.{part}.0.{number}"), "protocol": "tcp", "port": 443, "ttlSeconds": 600 });
        let entries: Vec<_> = (0..50).map(entry).collect();
        world.host.call("network.admit", json!({ "machineId": "machine1", "entries": entries }));
    }
    let last = |ttl: u32| {
        json!({ "machineId": "machine1", "entries": [
        { "mark": 1, "address": "9.9.9.9", "protocol": "tcp", "port": 443, "ttlSeconds": ttl }] })
    };
    world.host.call("network.admit", last(1));
    world.host.call("network.admit", last(3600));
    guest.tcp("9.9.9.9:443").unwrap();
    let slot = world.slot("s0");
    let text = run(&slot, "nft", &["list", "map", "ip", "slot", "admitted"]);
    assert_eq!(text.matches(" . tcp . ").count(), 512, "{text}");
    // A daemon that knows nothing of it reads it.
    let daemon = world.host.call("hello", json!({}))["pid"].as_i64().unwrap();
    kill(Pid::from_raw(daemon.try_into().unwrap()), Signal::SIGKILL).unwrap();
    until("another daemon", || {
        world.host.try_call("network.admit", &last(7200)).filter(|answer| answer.get("ok").is_some())
    });
    guest.tcp("9.9.9.9:443").unwrap();
}

#[test]
fn flows_go_on_over_a_restart_and_a_slot_is_adopted() {
    let mut world = World::start(1);
    let guest = world.guest("machine1");
    world.policy("machine1", &json!({ "allowlist": [{ "cidr": "9.9.9.9", "protocol": "tcp" }] }));
    let mut connection = guest.tcp("9.9.9.9:443").unwrap();
    world.host.end(Signal::SIGKILL);
    connection.answers().unwrap();
    guest.tcp("9.9.9.9:80").unwrap();
    world.host.run(None);
    connection.answers().unwrap();
    assert_eq!(world.host.call("network.attach", json!({ "machineId": "machine1" }))["slot"], "s0");
    assert_eq!(world.policy("machine1", &json!({ "allowlist": [{ "cidr": "9.9.9.9", "protocol": "tcp" }] })), [1]);
    connection.answers().unwrap();
    // Another ceiling is in force for slots that are in use as well.
    refused(guest.tcp("192.168.9.9:443"), "a private address");
    world.host.end(Signal::SIGTERM);
    world.host.network.as_mut().unwrap().1.extend(["--allow-private".to_owned(), "192.168.9.0/24".to_owned()]);
    world.host.run(None);
    open(&world, "machine1");
    guest.tcp("192.168.9.9:443").unwrap();
    refused(guest.tcp("10.9.9.9:443"), "another private address");
    connection.answers().unwrap();
}

#[test]
fn new_connections_are_limited() {
    let world = World::start(1);
    let guest = world.guest("machine1");
    open(&world, "machine1");
    for port in 1000..1600 {
        let socket = within(&guest.namespace, || UdpSocket::bind("0.0.0.0:0").unwrap());
        let _ = socket.send_to(b"x", format!("9.9.9.9:{port}"));
    }
    let counted = until("some were refused", || {
        let usage = world.usage("machine1");
        (usage["exceededPackets"].as_u64().unwrap() > 0).then_some(usage)
    });
    let (connections, opened) = (counted["connections"].as_u64().unwrap(), counted["opened"].as_u64().unwrap());
    assert!(opened >= 200 && connections >= 200, "{counted}");
    assert!(opened + counted["exceededPackets"].as_u64().unwrap() <= 600, "{counted}");
}

#[test]
fn a_guest_that_is_refused_everything_still_shows_what_it_is_refused_last() {
    let world = World::start(1);
    let guest = world.guest("machine1");
    let socket = within(&guest.namespace, || UdpSocket::bind("0.0.0.0:0").unwrap());
    let denials = || {
        world.host.call("network.denials", json!({ "machineId": "machine1" }))["denials"].as_array().unwrap().clone()
    };
    for port in 1000..1192 {
        let _ = socket.send_to(b"hello", ("9.9.9.9", port));
    }
    until("a list that is full", || (denials().len() == 192).then_some(()));
    refused(guest.tcp("8.8.4.4:443"), "the internet without a policy");
    let is = |denial: &Value| (&denial["address"], &denial["port"]) == (&json!("8.8.4.4"), &json!(443));
    assert!(denials().iter().any(is));
    // And there is an end to it.
    for port in 2000..2400 {
        let _ = socket.send_to(b"hello", ("9.9.9.9", port));
    }
    until("all of them", || (world.usage("machine1")["deniedPackets"].as_u64() >= Some(593)).then_some(()));
    assert_eq!(denials().len(), 256);
    assert!(denials().iter().any(is));
}
