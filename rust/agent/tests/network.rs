//! The guest's interface, set up for real: by an agent in namespaces of its own, on one end of a veth pair.

mod support;

use http::Method;
use serde_json::{Value, json};
use support::{Agent, run};

const SEED: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
const MAC: &str = "02:00:00:00:00:0a";

/// An agent beside a device with this MAC address, which is down.
async fn agent_with_device(mac: &str) -> Agent {
    let agent = Agent::start_with_network().await;
    agent.run_beside(&["ip", "link", "add", "eth0", "address", mac, "type", "veth", "peer", "name", "peer"]);
    agent.run_beside(&["ip", "link", "set", "peer", "up"]);
    agent
}

fn interface() -> Value {
    json!({
        "name": "eth0", "macAddress": MAC, "address": "10.0.0.2", "prefixLength": 24, "gateway": "10.0.0.1",
        "resolvers": ["169.254.53.53"], "mtu": 1400, "hosts": [{ "name": "db", "address": "10.0.0.3" }],
    })
}

async fn put(agent: &Agent, network: Value) -> (u16, Value) {
    agent.call(Method::PUT, "/v1/network", Some(json!({ "network": network }))).await
}

fn link(agent: &Agent) -> Value {
    let mut links: Value =
        serde_json::from_str(&agent.run_beside(&["ip", "-j", "-4", "address", "show", "eth0"])).unwrap();
    if links[0].get("ifname").is_none() {
        links = serde_json::from_str(&agent.run_beside(&["ip", "-j", "link", "show", "eth0"])).unwrap();
    }
    let addresses = links[0]["addr_info"].as_array().cloned().unwrap_or_default();
    let of = |address: &Value| format!("{}/{}", address["local"].as_str().unwrap(), address["prefixlen"]);
    json!({
        "up": links[0]["flags"].as_array().unwrap().contains(&json!("UP")), "mtu": links[0]["mtu"],
        "addresses": addresses.iter().map(of).collect::<Vec<_>>(),
    })
}

fn mac(agent: &Agent) -> String {
    let links: Value = serde_json::from_str(&agent.run_beside(&["ip", "-j", "link", "show", "eth0"])).unwrap();
    links[0]["address"].as_str().unwrap().to_owned()
}

fn default_route(agent: &Agent) -> String {
    agent.run_beside(&["ip", "-4", "route", "show", "default"]).trim().to_owned()
}

#[test]
fn an_interface_comes_with_each_call_that_makes_a_guest_somebody_s_and_goes_again() {
    run(async {
        let agent = agent_with_device(MAC).await;
        let up = |address: &str| json!({ "up": true, "mtu": 1400, "addresses": [address] });
        let mut given = interface();
        let identity = json!({
            "hostname": "otter", "machineId": "0".repeat(32), "timeUnixMs": 0, "seed": SEED, "environment": "otter",
            "network": given,
        });
        assert_eq!(agent.call(Method::POST, "/v1/identity", Some(identity)).await.0, 200);
        assert_eq!(link(&agent), up("10.0.0.2/24"));
        assert_eq!(default_route(&agent), "default via 10.0.0.1 dev eth0 proto static onlink");
        assert_eq!(agent.run_beside(&["cat", "/etc/resolv.conf"]), "nameserver 169.254.53.53\n");
        assert!(agent.run_beside(&["cat", "/etc/hosts"]).ends_with("\n10.0.0.3\tdb\n"));
        let ipv6 = agent.run_beside(&["ip", "-6", "address", "show", "dev", "eth0"]);
        assert_eq!(ipv6, "", "no IPv6");

        given["address"] = json!("10.0.0.4");
        let claim = json!({ "environment": "otter", "network": given });
        assert_eq!(agent.call(Method::POST, "/v1/claim", Some(claim)).await.0, 204);
        assert_eq!(link(&agent), up("10.0.0.4/24"));

        // Another subnet, whose gateway is not in it, and no hosts.
        (given["address"], given["prefixLength"]) = (json!("10.9.0.5"), json!(32));
        (given["gateway"], given["hosts"]) = (json!("10.8.0.1"), json!([]));
        let wake = json!({ "timeUnixMs": 0, "seed": SEED, "network": given });
        assert_eq!(agent.call(Method::POST, "/v1/wake", Some(wake)).await.0, 204);
        assert_eq!(link(&agent), up("10.9.0.5/32"));
        assert_eq!(default_route(&agent), "default via 10.8.0.1 dev eth0 proto static onlink");
        assert!(!agent.run_beside(&["cat", "/etc/hosts"]).contains("db"));

        // A call that does not speak of it leaves it alone.
        assert_eq!(agent.call(Method::POST, "/v1/claim", Some(json!({ "environment": "fox" }))).await.0, 204);
        assert_eq!(link(&agent), up("10.9.0.5/32"));

        (given["gateway"], given["resolvers"]) = (json!(null), json!(["10.9.0.1", "10.9.0.2"]));
        assert_eq!(put(&agent, given).await.0, 204);
        assert_eq!(default_route(&agent), "");
        assert_eq!(agent.run_beside(&["cat", "/etc/resolv.conf"]), "nameserver 10.9.0.1\nnameserver 10.9.0.2\n");

        assert_eq!(put(&agent, json!(null)).await.0, 204);
        assert_eq!(link(&agent), json!({ "up": false, "mtu": 1400, "addresses": [] }));
        assert_eq!(agent.run_beside(&["cat", "/etc/resolv.conf"]), "nameserver 169.254.53.53\n");
    });
}

#[test]
fn a_device_of_the_name_gets_the_mac_address_as_in_a_restored_guest() {
    run(async {
        let agent = agent_with_device("02:00:00:00:00:99").await;
        agent.run_beside(&["ip", "link", "set", "eth0", "up"]);
        assert_eq!(put(&agent, interface()).await.0, 204);
        assert_eq!((mac(&agent).as_str(), link(&agent)["addresses"].clone()), (MAC, json!(["10.0.0.2/24"])));
    });
}

#[test]
fn a_device_that_was_given_another_name_is_found_by_its_mac_address() {
    run(async {
        let agent = agent_with_device(MAC).await;
        agent.run_beside(&["ip", "link", "set", "eth0", "name", "uplink"]);
        assert_eq!(put(&agent, interface()).await.0, 204);
        assert!(agent.run_beside(&["ip", "-4", "address", "show", "uplink"]).contains("10.0.0.2/24"));
    });
}

#[test]
fn the_same_interface_again_touches_no_address_and_no_connection() {
    run(async {
        let agent = agent_with_device(MAC).await;
        assert_eq!(put(&agent, interface()).await.0, 204);
        // The tenant's own, which the anti-spoofing rules of its network would drop.
        agent.run_beside(&["ip", "address", "add", "10.0.0.77/24", "dev", "eth0"]);
        // A connection from an address that is removed ends with an error when it is written to.
        let (sent, received) = agent.beside(|| {
            let listener = std::net::TcpListener::bind("10.0.0.2:0").unwrap();
            let sent = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (sent, listener.accept().unwrap().0)
        });
        let mut other = interface();
        other["mtu"] = json!(1300);
        for network in [interface(), other] {
            assert_eq!(put(&agent, network).await.0, 204);
            assert_eq!(link(&agent)["addresses"], json!(["10.0.0.2/24"]));
        }
        std::io::Write::write_all(&mut &sent, b"x").unwrap();
        std::io::Read::read_exact(&mut &received, &mut [0]).unwrap();
    });
}

#[test]
fn files_that_the_tenant_put_elsewhere_are_replaced_and_what_they_led_to_is_not_written() {
    run(async {
        let agent = agent_with_device(MAC).await;
        for tricks in [
            "ln -s victim /etc/resolv.conf && mkdir /etc/hosts",
            "mkfifo /etc/resolv.conf && ln -s /dev/full /etc/hosts",
        ] {
            agent.run_beside(&[
                "sh",
                "-c",
                &format!("echo kept > /etc/victim; rm -rf /etc/resolv.conf /etc/hosts; {tricks}"),
            ]);
            assert_eq!(put(&agent, interface()).await.0, 204);
            assert_eq!(agent.run_beside(&["cat", "/etc/resolv.conf"]), "nameserver 169.254.53.53\n");
            assert!(agent.run_beside(&["cat", "/etc/hosts"]).contains("10.0.0.3\tdb\n"));
            assert_eq!(agent.run_beside(&["cat", "/etc/victim"]), "kept\n");
            assert_eq!(put(&agent, json!(null)).await.0, 204);
        }
    });
}

#[test]
fn what_cannot_be_set_up_is_refused_and_leaves_no_half_of_it() {
    run(async {
        let agent = agent_with_device("02:00:00:00:00:99").await;
        let mut wrong = interface();
        wrong["name"] = json!("eth7");
        let (status, refusal) = put(&agent, wrong).await;
        assert_eq!((status, &refusal["code"]), (501, &json!("unsupported")));
        let mut wrong = interface();
        // A veth device takes no such MTU.
        (wrong["mtu"], wrong["hosts"]) = (json!(65_535), json!([{ "name": "a b", "address": "10.0.0.3" }]));
        assert_eq!(put(&agent, wrong).await.0, 400);
        assert_eq!(link(&agent)["addresses"], json!([]));
        let (status, _) = agent.call(Method::PUT, "/v1/network", Some(json!({}))).await;
        assert_eq!(status, 204, "no network is none");

        let shared = Agent::start().await;
        let (status, refusal) = put(&shared, interface()).await;
        assert_eq!((status, &refusal["code"]), (501, &json!("unsupported")));
        assert_eq!(put(&shared, json!(null)).await.0, 204);
        let claim = json!({ "environment": "otter", "network": interface() });
        assert_eq!(shared.call(Method::POST, "/v1/claim", Some(claim)).await.0, 501);
    });
}
