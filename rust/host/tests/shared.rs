//! Shared networks: who reaches whom, and what is left of them.

mod support;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;
use support::network::{World, ip, refused, run, serve_tcp, within};
use support::until;

const ONE: &str = "network00001";
const TWO: &str = "network00002";

fn at(address: &str) -> String {
    format!("{address}:80")
}

fn unanswered(from: &OwnedFd, address: &str) {
    let to = at(address).parse().unwrap();
    assert!(within(from, || TcpStream::connect_timeout(&to, Duration::from_secs(1))).is_err(), "{address} was reached");
}

fn range_of(world: &World) -> String {
    world.host.call("network.status", json!({}))["range"].as_str().unwrap().to_owned()
}

/// The links that the router has for shared networks: bridges, and members' ports of them.
fn links(world: &World) -> Vec<String> {
    let all = run(&world.slot("router"), "ip", &["-br", "link"]);
    let names = all.lines().filter_map(|line| line.split([' ', '@']).next());
    names.filter(|name| name.starts_with("n-") || name.starts_with('m')).map(str::to_owned).collect()
}

#[test]
fn members_reach_each_other_and_nobody_else_reaches_them() {
    let world = World::start(4);
    let (one, one_address) = world.member("machine1", ONE);
    let (two, two_address) = world.member("machine2", ONE);
    let (other, other_address) = world.member("machine3", TWO);
    let outsider = world.guest("machine4");
    world.policy("machine2", &json!("open"));
    world.policy("machine4", &json!("open"));

    // Under whatever policy, and with addresses of their own on both sides.
    let mut there = one.tcp(&at(&two_address)).unwrap();
    assert_eq!(there.peer, one_address);
    there.answers().unwrap();
    assert_eq!(two.tcp(&at(&one_address)).unwrap().peer, two_address);
    one.ping(&two_address).unwrap();
    let usage = world.usage("machine1");
    assert!(usage["sent"]["packets"].as_u64() > Some(3) && usage["received"]["packets"].as_u64() > Some(3), "{usage}");

    // A policy is about the internet, as before.
    refused(one.tcp("9.9.9.9:443"), "the internet under the policy `none`");
    assert_eq!(two.tcp("9.9.9.9:443").unwrap().peer, support::network::HOST);

    unanswered(&other.namespace, &one_address);
    unanswered(&one.namespace, &other_address);
    refused(outsider.tcp(&at(&one_address)), "a member, from outside");
    let range = range_of(&world);
    let [first, second, third, _] = range.split(['.', '/']).take(4).collect::<Vec<_>>()[..] else { panic!("{range}") };
    let leg = |number: u8| format!("{first}.{second}.{}.{number}", third.parse::<u8>().unwrap() + 8);
    for number in 0..4 {
        // Of the members' slots: the own one's, that of the other, and those of none.
        refused(one.tcp(&at(&leg(number))), "a link of a member's slot");
    }
    // From the host nothing leads to a member, not even an answer.
    unanswered(&world.root, &one_address);
    there.answers().unwrap();
}

#[test]
fn a_member_speaks_for_itself_alone() {
    let world = World::start(3);
    let (one, _) = world.member("machine1", ONE);
    let (two, two_address) = world.member("machine2", ONE);
    let (_three, three_address) = world.member("machine3", ONE);
    let heard = within(&two.namespace, || UdpSocket::bind("0.0.0.0:9000").unwrap());
    heard.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let own = within(&one.namespace, || UdpSocket::bind("0.0.0.0:0").unwrap());
    ip(&one.namespace, &format!("address add {three_address}/32 dev eth0"));
    let stolen = within(&one.namespace, || UdpSocket::bind((three_address.as_str(), 0)).unwrap());
    let before = world.usage("machine1")["spoofedPackets"].as_u64().unwrap();
    let mut text = [0; 16];
    for number in 0..5 {
        stolen.send_to(b"stolen", (two_address.as_str(), 9000)).unwrap();
        own.send_to(format!("own {number}").as_bytes(), (two_address.as_str(), 9000)).unwrap();
        let (read, _) = heard.recv_from(&mut text).unwrap();
        assert_eq!(text[..read], *format!("own {number}").as_bytes());
    }
    assert!(world.usage("machine1")["spoofedPackets"].as_u64().unwrap() >= before + 5);
    // The address of before is none that members speak from.
    ip(
        &one.namespace,
        "address flush dev eth0\naddress add 192.0.0.2/30 dev eth0\nroute replace default via 192.0.0.1",
    );
    refused(one.tcp(&at(&two_address)), "a member, from another address than a member's");
}

/// Neighbours that are found by ARP have places in a table that all of the host shares, its uplink as well.
#[test]
fn a_member_that_asks_for_every_address_gets_no_neighbour_and_reaches_no_leg() {
    let world = World::start(2);
    let (one, address) = world.member("machine1", ONE);
    let (_two, two_address) = world.member("machine2", ONE);
    one.tcp(&at(&two_address)).unwrap();
    let slots = ["machine1", "machine2"].map(|machine| world.slot_of(machine));
    let frames = || {
        let said = run(&slots[1], "ip", &["-s", "-o", "link", "show", "net0"]);
        said.split_whitespace().skip_while(|word| *word != "RX:").nth(9).unwrap().parse::<u64>().unwrap()
    };
    let before = frames();
    let sent = || world.usage("machine1")["sent"]["packets"].as_u64().unwrap();
    let sent_before = sent();
    let [first, second, third, _] = address.parse::<std::net::Ipv4Addr>().unwrap().octets();
    let socket = within(&one.namespace, || UdpSocket::bind("0.0.0.0:0").unwrap());
    for number in 1..=150 {
        let _ = socket.send_to(b"scan", (std::net::Ipv4Addr::new(first, second, third + 2, number), 9));
    }
    until("the scan to be seen", || (sent() >= sent_before + 150).then_some(()));
    assert_eq!(frames(), before);
    one.tcp(&at(&two_address)).unwrap();
    assert!(frames() > before);
    for namespace in slots.iter().chain([&world.slot("router")]) {
        let all = run(namespace, "ip", &["neigh", "show", "nud", "all"]);
        // Multicast is not asked for.
        let known = |line: &str| ["PERMANENT", "NOARP"].iter().any(|state| line.contains(state));
        assert!(all.lines().count() > 1 && all.lines().all(known), "{all}");
    }
    // The host never asks for the router either, which answers nobody.
    let link = format!("mt-{}", world.host.instance);
    let host = run(&world.root, "ip", &["neigh", "show", "nud", "all", "dev", &link]);
    assert!(host.contains("PERMANENT"), "{host}");
}

/// The slot's rules see to it already; these are the router's, were the slot's to fail.
#[test]
fn a_port_of_the_router_takes_the_addresses_of_its_slot_alone() {
    let world = World::start(3);
    let (_one, own_member) = world.member("machine1", ONE);
    let (two, two_address) = world.member("machine2", ONE);
    let (_three, stolen_member) = world.member("machine3", ONE);
    let [slot, other] = ["machine1", "machine3"].map(|machine| world.slot_of(machine));
    let address_of = |slot: &OwnedFd| {
        let said = run(slot, "ip", &["-o", "-4", "address", "show", "up0"]);
        said.split("inet ").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned()
    };
    let (own, stolen) = (address_of(&slot), address_of(&other));
    run(&slot, "nft", &["flush", "ruleset"]);
    for address in [&stolen, &own_member, &stolen_member] {
        ip(&slot, &format!("address add {address}/32 dev lo"));
    }
    for (own, stolen, to, namespace) in
        [(own, stolen, "9.9.9.9", &world.internet), (own_member, stolen_member, &two_address, &two.namespace)]
    {
        let heard = within(namespace, || UdpSocket::bind((to, 9000)).unwrap());
        heard.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let [stolen, own] = [stolen, own].map(|from| within(&slot, || UdpSocket::bind((from, 0)).unwrap()));
        let mut text = [0; 16];
        for number in 0..5 {
            stolen.send_to(b"stolen", (to, 9000)).unwrap();
            own.send_to(format!("own {number}").as_bytes(), (to, 9000)).unwrap();
            let (read, _) = heard.recv_from(&mut text).unwrap();
            assert_eq!(text[..read], *format!("own {number}").as_bytes());
        }
    }
}

#[test]
fn who_leaves_is_cut_off_and_takes_its_links_along() {
    let world = World::start(3);
    let (one, _) = world.member("machine1", ONE);
    let (two, two_address) = world.member("machine2", ONE);
    let (three, _) = world.member("machine3", TWO);
    assert_eq!(links(&world).len(), 5);
    let mut connection = one.tcp(&at(&two_address)).unwrap();
    let left = world.host.call("network.leave", json!({ "machineId": "machine1" }));
    assert_eq!((&left["address"], &left["prefixLength"]), (&json!("192.0.0.2"), &json!(30)));
    assert!(connection.is_cut());
    one.readdress(&left);
    refused(one.tcp(&at(&two_address)), "the network that was left");
    world.policy("machine1", &json!("open"));
    one.tcp("9.9.9.9:443").unwrap();

    // From one network to the other, and back by leaving.
    two.readdress(&world.join("machine2", TWO));
    three.tcp(&at(&two_address)).unwrap();
    assert_eq!(links(&world).len(), 3);
    let release =
        |machine: &str| world.host.call("network.release", json!({ "machineId": machine }))["removed"].clone();
    assert_eq!(release("machine2")["links"], 3);
    assert_eq!(release("machine3")["links"], 4);
    assert!(links(&world).is_empty());
    world.host.call("network.leave", json!({ "machineId": "machine1" }));
    assert_eq!(world.host.refused("network.join", json!({ "machineId": "machine3", "network": ONE })), "not-found");
}

#[test]
fn members_stay_together_over_a_restart() {
    let mut world = World::start(2);
    let (one, one_address) = world.member("machine1", ONE);
    let (_two, two_address) = world.member("machine2", ONE);
    let mut connection = one.tcp(&at(&two_address)).unwrap();
    world.host.end(Signal::SIGKILL);
    connection.answers().unwrap();
    world.host.run(None);
    connection.answers().unwrap();
    let attached = world.host.call("network.attach", json!({ "machineId": "machine1" }));
    assert_eq!(attached["address"], one_address.as_str());
    assert_eq!(world.join("machine1", ONE), attached);
    connection.answers().unwrap();
    assert_eq!(links(&world).len(), 3);
}

#[test]
fn a_bridge_has_an_index_that_no_slot_uses() {
    let world = World::start(2);
    let index = |network: &str| {
        let said = run(&world.slot("router"), "ip", &["-o", "link", "show", &format!("n-{network}")]);
        said.split(':').next().unwrap().to_owned()
    };
    for (machine, network) in [("machine1", ONE), ("machine2", TWO)] {
        world.host.call("network.attach", json!({ "machineId": machine }));
        world.join(machine, network);
    }
    assert_eq!([index(ONE), index(TWO)], ["5000", "5001"]);
    world.host.call("network.leave", json!({ "machineId": "machine1" }));
    world.join("machine1", ONE);
    assert_eq!(index(ONE), "5000");
}

#[test]
fn a_slot_joins_under_the_ceiling_of_a_later_daemon_and_keeps_nothing_of_it() {
    let mut world = World::start(1);
    let guest = world.guest("machine1");
    world.policy("machine1", &json!("open"));
    until("another slot is ready", || (world.host.call("network.status", json!({}))["freeSlots"] == 1).then_some(()));
    let forbidden =
        |world: &World, slot: &str| run(&world.slot(slot), "nft", &["list", "set", "ip", "slot", "forbidden"]);
    let before = forbidden(&world, "s0");
    assert_eq!(forbidden(&world, "s1"), before);

    world.host.end(Signal::SIGTERM);
    world.host.network.as_mut().unwrap().1.extend(["--allow-private", "192.168.9.0/24"].map(str::to_owned));
    world.host.run(None);
    guest.readdress(&world.join("machine1", ONE));
    guest.tcp("192.168.9.9:443").unwrap();
    assert_ne!(forbidden(&world, "s0"), before);
    assert_eq!(forbidden(&world, "s1"), forbidden(&world, "s0"));

    world.host.end(Signal::SIGTERM);
    world.host.network.as_mut().unwrap().1.truncate(2);
    world.host.run(None);
    assert_eq!(world.host.call("network.attach", json!({ "machineId": "machine2" }))["slot"], "s1");
    refused(guest.tcp("192.168.9.9:443"), "a private address");
    assert_eq!([forbidden(&world, "s0"), forbidden(&world, "s1")], [before.clone(), before]);
}

#[test]
fn a_slot_that_cannot_be_plugged_again_stays_its_machines() {
    let mut world = World::prepare(1, &[]);
    world.host.run(Some("member.noted"));
    let guest = world.guest("machine1");
    world.policy("machine1", &json!("open"));
    let mut connection = guest.tcp("9.9.9.9:443").unwrap();
    // The index of its port in a network.
    ip(&world.slot("router"), "link add taken index 3000 type bridge");
    let of_network = json!({ "machineId": "machine1", "network": ONE });
    assert!(world.host.try_call("network.join", &of_network).is_none());
    let attach = json!({ "machineId": "machine1" });
    let answer = until("another daemon", || world.host.try_call("network.attach", &attach));
    assert_eq!((&answer["ok"]["slot"], &answer["ok"]["address"]), (&json!("s0"), &json!("192.0.0.2")));
    connection.answers().unwrap();
    assert_eq!(world.host.refused("network.join", of_network), "internal");
    assert!(links(&world).is_empty(), "{:?}", links(&world));
    ip(&world.slot("router"), "link delete taken");
    guest.readdress(&world.join("machine1", ONE));
    assert_eq!(links(&world).len(), 2);
}

#[test]
fn a_bridge_that_is_not_deleted_fails_no_join() {
    let world = World::start(1);
    let guest = world.guest("machine1");
    let router = world.slot("router");
    // To the daemon it is a bridge without ports, and the kernel refuses to delete it.
    let rename = |from: &str, to: &str| ip(&router, &format!("link set {from} down\nlink set {from} name {to}"));
    rename("lo", "n-lo");
    let joined = world.host.try_call("network.join", &json!({ "machineId": "machine1", "network": ONE }));
    rename("n-lo", "lo");
    guest.readdress(&joined.unwrap()["ok"]);
    assert_eq!(links(&world).len(), 2);
}

/// A member's life with a daemon that dies at the point.
fn survives(point: &str) {
    let mut world = World::prepare(2, &[]);
    world.host.run(Some(point));
    let answered =
        |verb: &str, args: &Value| until("an answer", || world.host.try_call(verb, args)?.get("ok").cloned());
    let named = |machine: &str| json!({ "machineId": machine });
    let of = |machine: &str| json!({ "machineId": machine, "network": ONE });
    let mut guests = Vec::new();
    for machine in ["machine1", "machine2"] {
        answered("network.attach", &named(machine));
        let attached = answered("network.join", &of(machine));
        let guest = world.guest(machine);
        guests.push((guest.readdress(&attached), guest));
    }
    serve_tcp(&guests[1].1.namespace, 80);
    guests[0].1.tcp(&at(&guests[1].0)).unwrap_or_else(|error| panic!("{point}: {error}"));
    answered("network.leave", &named("machine1"));
    assert_eq!(links(&world).len(), 2, "{point}");
    answered("network.release", &named("machine2"));
    assert!(links(&world).is_empty(), "{point}: {:?}", links(&world));
}

#[test]
fn a_daemon_that_dies_over_a_member_leaves_it_whole() {
    for point in ["member.noted", "member.linked", "member.bridge", "member.plugged", "slot.unlinked"] {
        survives(point);
    }
}

#[test]
fn a_daemon_that_dies_over_a_leave_is_followed_by_one_that_goes_on_from_there() {
    for point in ["member.left", "member.unplugged"] {
        let mut world = World::prepare(1, &[]);
        world.host.run(Some(point));
        let (guest, _) = world.member("machine1", ONE);
        let named = json!({ "machineId": "machine1" });
        assert!(world.host.try_call("network.leave", &named).is_none());
        let attached = until("another daemon", || world.host.try_call("network.attach", &named)?.get("ok").cloned());
        assert_eq!((&attached["slot"], &attached["address"]), (&json!("s0"), &json!("192.0.0.2")), "{point}");
        assert!(links(&world).is_empty(), "{point}: {:?}", links(&world));
        guest.readdress(&world.join("machine1", ONE));
        assert_eq!(links(&world).len(), 2, "{point}");
    }
}
