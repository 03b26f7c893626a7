//! Slots: how they come, are used, and go, and what the host has of them.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::time::Duration;
use support::network::{World, ip, refused, run, within};
use support::{launch_args, until};

/// What there is of a network namespace that slots could add to.
fn counts(namespace: &OwnedFd) -> [usize; 5] {
    let lines = |program: &str, arguments: &[&str]| run(namespace, program, arguments).lines().count();
    let settings = within(namespace, || fs::read_dir("/proc/sys/net/ipv4/conf").unwrap().count());
    [
        lines("nft", &["list", "ruleset"]),
        lines("ip", &["-4", "route", "show", "table", "all"]),
        lines("ip", &["-o", "link"]),
        lines("ip", &["-4", "rule"]),
        settings,
    ]
}

/// All that the network changes of the host, as text.
fn state(namespace: &OwnedFd) -> String {
    let forwarding = within(namespace, || {
        let mut all: Vec<_> =
            fs::read_dir("/proc/sys/net/ipv4/conf").unwrap().flatten().map(|entry| entry.path()).collect();
        all.sort();
        all.iter()
            .map(|path| format!("{} {}", path.display(), fs::read_to_string(path.join("forwarding")).unwrap()))
            .collect::<String>()
    });
    let said = |program: &str, arguments: &[&str]| run(namespace, program, arguments);
    said("nft", &["list", "ruleset"])
        + &said("ip", &["-4", "route", "show", "table", "all"])
        + &said("ip", &["-br", "link"])
        + &forwarding
}

fn open(world: &World, machine: &str) {
    world.policy(machine, &json!("open"));
}

#[test]
fn a_released_slot_leaves_nothing_to_the_next_machine() {
    let world = World::start(1);
    let guest = world.guest("machine1");
    open(&world, "machine1");
    let mut connection = guest.tcp("9.9.9.9:443").unwrap();
    let removed = world.host.call("network.release", json!({ "machineId": "machine1" }))["removed"].clone();
    // The tap is gone though the guest still has it open.
    assert_eq!((&removed["namespaces"], &removed["links"], &removed["flows"]), (&json!(1), &json!(2), &json!(1)));
    assert_eq!(world.host.call("network.release", json!({ "machineId": "machine1" }))["removed"]["links"], 0);
    assert_eq!(world.host.refused("network.usage", json!({ "machineId": "machine1" })), "not-found");
    drop(guest);
    let free = || world.host.call("network.status", json!({}))["freeSlots"] == 1;
    until("another slot is ready", || free().then_some(()));
    // The one that was ready before it, and then the one that was made instead.
    world.host.call("network.attach", json!({ "machineId": "machine3" }));
    let next = world.guest("machine2");
    assert_eq!(world.host.call("network.attach", json!({ "machineId": "machine2" }))["slot"], "s0");
    refused(next.tcp("9.9.9.9:443"), "the internet under the former policy");
    let usage = world.usage("machine2");
    assert_eq!((&usage["sent"]["bytes"], &usage["received"]["bytes"]), (&json!(0), &json!(0)));
    open(&world, "machine2");
    next.tcp("9.9.9.9:443").unwrap();
    assert!(connection.answers().is_err());
}

#[test]
fn a_neighbour_that_comes_and_goes_disturbs_nobody() {
    let world = World::start(1);
    let guest = world.guest("machine1");
    open(&world, "machine1");
    let mut connection = guest.tcp("9.9.9.9:443").unwrap();
    let router = world.slot("router");
    let mac = || run(&router, "ip", &["-br", "link", "show", "br0"]);
    let before = mac();
    for number in 0..5 {
        let machine = json!({ "machineId": format!("neighbour{number}") });
        world.host.call("network.attach", machine.clone());
        assert_eq!(mac(), before);
        world.host.call("network.release", machine);
        assert_eq!(mac(), before);
        connection.answers().unwrap();
    }
}

#[test]
fn the_host_has_no_more_for_many_slots_than_for_one_and_gets_all_back() {
    let mut world = World::prepare(1, &[]);
    let before = state(&world.root);
    let ready = |world: &World, wanted: u64| {
        until("slots are ready", || {
            (world.host.call("network.status", json!({}))["freeSlots"].as_u64() == Some(wanted)).then_some(())
        });
    };
    world.host.run(None);
    ready(&world, 1);
    let one = counts(&world.root);
    world.host.end(Signal::SIGTERM);
    world.host.network.as_mut().unwrap().1[1] = "50".to_owned();
    world.host.run(None);
    ready(&world, 50);
    assert_eq!(counts(&world.root), one);
    world.host.call("network.remove", json!({}));
    assert_eq!(state(&world.root), before);
    assert_eq!(world.host.refused("network.attach", json!({ "machineId": "machine1" })), "no-network");
}

#[test]
fn the_uplink_is_followed() {
    let world = World::start(1);
    let guest = world.guest("machine1");
    open(&world, "machine1");
    guest.tcp("9.9.9.9:443").unwrap();
    let there = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&*world.internet));
    ip(
        &world.root,
        &format!(
            "link add eth1 type veth peer name inet1 netns {there}\naddress add 7.7.7.2/24 dev eth1\nlink set eth1 up"
        ),
    );
    ip(&world.internet, "address add 7.7.7.1/24 dev inet1\nlink set inet1 up");
    ip(&world.root, "route replace default via 7.7.7.1");
    until("it is followed", || (world.host.call("network.status", json!({}))["uplink"] == "eth1").then_some(()));
    assert_eq!(guest.tcp("9.9.9.9:443").unwrap().peer, "7.7.7.2");
    let forwarding = |name: &str| {
        within(&world.root, || fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{name}/forwarding")).unwrap())
    };
    assert_eq!((forwarding("eth0").as_str(), forwarding("eth1").as_str()), ("0\n", "1\n"));
    ip(&world.root, "route del default");
    until("it is gone", || world.host.call("network.status", json!({}))["uplink"].is_null().then_some(()));
    let error = guest.tcp("9.9.9.9:443").err().expect("there is no way to the internet");
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
}

/// As `systemctl restart nftables` does.
#[test]
fn rules_that_others_remove_are_made_again() {
    let world = World::start(1);
    let guest = world.guest("machine1");
    open(&world, "machine1");
    let rules = || run(&world.root, "nft", &["list", "ruleset"]);
    let before = rules();
    for removed in
        ["flush ruleset".to_owned(), before.lines().next().unwrap().replace("table", "flush table").replace(" {", "")]
    {
        run(&world.root, "nft", &[&removed]);
        until("they are there again", || (rules() == before).then_some(()));
        refused(guest.tcp("5.5.5.2:22"), "the host");
        guest.tcp("9.9.9.9:443").unwrap();
    }
    world.host.call("network.remove", json!({}));
    assert_eq!(rules(), "");
}

#[test]
fn forwarding_that_others_turn_on_stays_theirs() {
    let world = World::start(1);
    let rule = "oifname != \"mt-*\" drop";
    let rules = || run(&world.root, "nft", &["list", "ruleset"]);
    world.host.call("network.attach", json!({ "machineId": "machine1" }));
    assert!(rules().contains(rule), "{}", rules());
    within(&world.root, || fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
    until("others' packets are forwarded", || (!rules().contains(rule)).then_some(()));
    world.host.call("network.remove", json!({}));
    let forwarding = within(&world.root, || fs::read_to_string("/proc/sys/net/ipv4/conf/eth0/forwarding").unwrap());
    assert_eq!(forwarding, "1\n");
}

#[test]
fn a_vmm_gets_the_tap_and_no_network_of_its_own() {
    let world = World::start(2);
    let attached = world.host.call("network.attach", json!({ "machineId": "machine1~" }));
    let mut args = launch_args("machine1~", None);
    args["slot"] = json!("s9");
    assert_eq!(world.host.refused("machine.launch", args.clone()), "bad-request");
    args["slot"] = attached["slot"].clone();
    let other = world.guest("machine1~");
    assert_eq!(world.host.refused("machine.launch", args.clone()), "busy");
    drop(other);
    let pid = world.host.call("machine.launch", args.clone())["pid"].as_i64().unwrap();
    let links: Vec<_> = fs::read_link(format!("/proc/{pid}/fd/6")).into_iter().collect();
    assert_eq!(links, [std::path::Path::new("/dev/net/tun")]);
    let devices = fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap();
    assert!(!devices.contains("tap") && devices.lines().count() == 3, "{devices}");
    assert_eq!(world.host.refused("network.remove", json!({})), "busy");
    assert!(world.host.scan(&["machine1~"]).to_string().contains(r#"{"kind":"slot","name":"s"#));
    let said = fs::read_to_string(world.host.folder().join(world.host.named("machines/machine1~/stderr.log"))).unwrap();
    assert_eq!(said, "", "QEMU misses something of its tap");
    // A machine that is started again has it again.
    world.host.kill("machine1~");
    world.host.call("machine.launch", args);
    world.host.kill("machine1~");
    let removed = world.host.call("network.release", json!({ "machineId": "machine1~" }))["removed"].clone();
    assert_eq!(removed["links"], 2, "{removed}");
    assert_eq!(world.host.scan(&["machine1~"]), json!([]));
}

#[test]
fn a_number_of_which_no_slot_can_be_made_is_passed_over() {
    let world = World::start(1);
    // Waits for the router.
    assert_eq!(world.host.call("network.status", json!({}))["isAvailable"], true);
    // The index of the second slot's port.
    ip(&world.slot("router"), "link add taken index 1001 type bridge");
    for (machine, slot) in [("machine1", "s0"), ("machine2", "s2")] {
        assert_eq!(world.host.call("network.attach", json!({ "machineId": machine }))["slot"], slot);
    }
}

#[test]
fn a_daemon_without_slots_has_no_network() {
    let host = support::Host::start();
    assert_eq!(host.call("network.status", json!({}))["isAvailable"], false);
    assert_eq!(host.refused("network.attach", json!({ "machineId": "machine1" })), "no-network");
    assert_eq!(host.call("network.release", json!({ "machineId": "machine1" }))["removed"]["links"], 0);
}

/// A success of a daemon that may die over it, or of the next one.
fn answered(world: &World, verb: &str, args: &Value) {
    until("an answer", || world.host.try_call(verb, args).filter(|answer| answer.get("ok").is_some()));
}

/// A life of a slot with a daemon that dies at the point.
fn survives(point: &str) {
    let mut world = World::prepare(2, &[]);
    let before = state(&world.root);
    world.host.run(Some(point));
    let first = |verb: &str, args: &Value| answered(&world, verb, args);
    let machine = json!({ "machineId": "machine1" });
    first("network.attach", &machine);
    first("network.policy", &json!({ "machineId": "machine1", "policy": "open" }));
    {
        let guest = world.guest("machine1");
        guest.tcp("9.9.9.9:443").unwrap_or_else(|error| panic!("{point}: {error}"));
    }
    first("network.release", &machine);
    assert_eq!(world.host.call("network.list", json!({}))["slots"], json!([]), "{point}");
    first("network.remove", &json!({}));
    // What was removed by a daemon that died of it, the next has made again.
    world.host.call("network.remove", json!({}));
    assert_eq!(state(&world.root), before, "{point}");
}

macro_rules! points {
    ($($name:ident: $($point:literal)*)*) => { $(#[test] fn $name() { $(survives($point);)* })* };
}

points! {
    dies_while_it_makes_the_hosts_side: "network.router" "network.linked" "network.forwarding" "network.rules"
    dies_while_it_makes_a_slot: "slot.namespace" "slot.linked" "slot.furnished"
    dies_while_it_serves_a_slot: "slot.claimed" "slot.policy"
    dies_while_it_removes: "slot.unlinked" "slot.forgotten" "network.emptied" "network.unlinked"
}

/// Slots that are kept ready while a machine has another.
const READY: usize = 2;

/// That nothing is there but the keeper's slot and those that are ready, in any of the places that a slot leaves traces.
fn only_the_keeper(world: &World, round: &str) {
    let free = || world.host.call("network.status", json!({}))["freeSlots"] == READY;
    until("slots are ready", || free().then_some(()));
    let list = world.host.call("network.list", json!({}));
    assert_eq!(list["spare"].as_array().map(Vec::len), Some(READY), "{round}: {list}");
    let listed = list["slots"].clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{round}: {listed}");
    assert_eq!(listed[0]["machineId"], "keeper~", "{round}");
    assert_eq!(world.host.scan(&["victim~"]), json!([]), "{round}");
    let prefix = format!("microterm-{}-", world.host.instance);
    let names = |folder: &str| {
        let entries = fs::read_dir(folder).unwrap().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let namespaces = names("/run/netns").into_iter().filter(|name| name.starts_with(&prefix)).collect::<Vec<_>>();
    assert_eq!(namespaces.len(), READY + 2, "{round}: {namespaces:?}");
    let records = names(&format!("/run/microterm-host/slots/{}", world.host.instance));
    assert_eq!(records.len(), READY + 2, "{round}: {records:?}");
    let ports = run(&world.slot("router"), "ip", &["-o", "link", "show", "master", "br0"]);
    assert_eq!(ports.lines().count(), READY + 1, "{round}: {ports}");
}

#[test]
fn a_slot_in_use_keeps_its_connection_however_often_the_daemon_dies_over_another() {
    const POINTS: [&str; 7] = [
        "slot.namespace",
        "slot.linked",
        "slot.furnished",
        "slot.claimed",
        "slot.policy",
        "slot.unlinked",
        "slot.forgotten",
    ];
    let rounds = if std::env::var("MICROTERM_SOAK").is_ok_and(|value| value == "1") { 200 } else { 2 * POINTS.len() };
    let mut world = World::start(READY.try_into().unwrap());
    let guest = world.guest("keeper~");
    let near = json!({ "cidr": "9.9.9.9/32", "protocol": "any" });
    let far = json!({ "cidr": "8.8.4.4/32", "protocol": "any" });
    world.policy("keeper~", &json!({ "allowlist": [near] }));
    let mut connection = guest.tcp("9.9.9.9:443").unwrap();
    only_the_keeper(&world, "at first");
    let before = counts(&world.root);
    for number in 0..rounds {
        // Every other one dies at a step, the rest at whatever moment it is by then.
        let point = (number % 2 == 0).then(|| POINTS[number / 2 % POINTS.len()]);
        let delay = Duration::from_millis(number as u64 * 7 % 40);
        let round = format!("round {number}, at {}", point.map_or_else(|| format!("{delay:?}"), str::to_owned));
        let daemon = || world.host.call("hello", json!({}))["pid"].as_i64().unwrap();
        let killer = if point.is_some() {
            world.host.end(Signal::SIGKILL);
            world.host.run(point);
            None
        } else {
            let pid = Pid::from_raw(daemon().try_into().unwrap());
            Some(std::thread::spawn(move || {
                std::thread::sleep(delay);
                kill(pid, Signal::SIGKILL).unwrap();
            }))
        };
        let is_wide = number % 4 < 2;
        let allowed = if is_wide { json!([near, far]) } else { json!([near]) };
        let victim = json!({ "machineId": "victim~" });
        answered(&world, "network.attach", &victim);
        answered(&world, "network.policy", &json!({ "machineId": "victim~", "policy": "open" }));
        answered(&world, "network.policy", &json!({ "machineId": "keeper~", "policy": { "allowlist": allowed } }));
        connection.answers().unwrap_or_else(|error| panic!("{round}: {error}"));
        answered(&world, "network.release", &victim);
        if let Some(killer) = killer {
            killer.join().unwrap();
        }
        only_the_keeper(&world, &round);
        assert_eq!(counts(&world.root), before, "{round}");
        connection.answers().unwrap_or_else(|error| panic!("{round}: {error}"));
        assert_eq!(guest.tcp("8.8.4.4:443").is_ok(), is_wide, "{round}");
    }
}

/// A namespace that is made has the settings of the host's first one, of which anything may be expected.
#[test]
fn a_namespace_has_settings_of_its_own() {
    let world = World::start(1);
    world.guest("machine1");
    world.join("machine1", "network00001");
    for (name, links) in [("s0", ["tap0", "up0", "net0"]), ("router", ["br0", "up0", "n-network00001"])] {
        let namespace = world.slot(name);
        let read = |name: String| within(&namespace, || fs::read_to_string(format!("/proc/sys/net/{name}")).ok());
        for link in links.into_iter().chain(["all", "default"]) {
            // The end of the hop takes what routes lead to the tap for; all others have their own.
            let sources = if (name, link) == ("s0", "all") { "0" } else { "1" };
            let settings = [
                ("rp_filter", sources),
                ("accept_source_route", "0"),
                ("accept_redirects", "0"),
                ("send_redirects", "0"),
                ("proxy_arp", "0"),
                ("arp_ignore", "1"),
                ("arp_announce", "2"),
                ("arp_accept", "0"),
            ];
            for (name, value) in settings {
                let found = read(format!("ipv4/conf/{link}/{name}"));
                assert_eq!(found.as_deref().map(str::trim), Some(value), "{link} {name}");
            }
            let ipv6 = read(format!("ipv6/conf/{link}/disable_ipv6"));
            assert!(ipv6.is_none_or(|value| value.trim() == "1"), "{link}");
        }
    }
}

#[test]
fn records_of_an_earlier_version_are_taken_over_and_all_go_with_the_network() {
    let mut world = World::start(1);
    let guest = world.guest("machine1");
    open(&world, "machine1");
    let mut connection = guest.tcp("9.9.9.9:443").unwrap();
    let records = std::path::Path::new("/run/microterm-host/slots").join(&world.host.instance);
    world.host.end(Signal::SIGTERM);
    let earlier = world.host.folder().join("slots");
    fs::create_dir(&earlier).unwrap();
    for name in ["host.json", "s0.json"] {
        fs::copy(records.join(name), earlier.join(name)).unwrap();
    }
    // One of both is taken over already.
    fs::remove_file(records.join("s0.json")).unwrap();
    fs::write(earlier.join("s1.new"), "{").unwrap();
    world.host.run(None);
    assert_eq!(world.host.call("network.attach", json!({ "machineId": "machine1" }))["slot"], "s0");
    connection.answers().unwrap();
    assert!(!earlier.exists());
    world.host.call("network.remove", json!({}));
    assert!(!records.exists());
}
