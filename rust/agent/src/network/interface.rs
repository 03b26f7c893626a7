//! What the host says of a guest's interface: parsed strictly, though the host is trusted, so that a mistake is one error
//! and not half an interface.

use std::net::Ipv4Addr;

use serde::{Deserialize, Deserializer};

use crate::error::{CallResult, bad_request};
use crate::network::netlink::Address;

/// As many as the C library asks (resolv.conf(5), MAXNS).
const MAX_RESOLVERS: usize = 3;
const MAX_HOSTS: usize = 512;
/// What every IPv4 host takes (RFC 791), and the largest that a packet's length can say.
const MTU: std::ops::RangeInclusive<u32> = 576..=65_535;
/// IFNAMSIZ without the NUL.
const MAX_DEVICE_NAME: usize = 15;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Interface {
    /// Where no device has the MAC address: the one that is to get it.
    pub name: String,
    pub mac_address: MacAddress,
    address: Ipv4Addr,
    prefix_length: u8,
    /// `None`: nothing beyond its own subnet.
    pub gateway: Option<Ipv4Addr>,
    pub resolvers: Vec<Ipv4Addr>,
    pub mtu: u32,
    pub hosts: Vec<Host>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    pub name: String,
    pub address: Ipv4Addr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MacAddress(pub [u8; 6]);

/// What a call says of the guest's network.
#[derive(Default)]
pub enum Wish {
    /// Nothing: it stays as it is.
    #[default]
    Unchanged,
    /// `null`: no interface but the guest's own loopback.
    Is(Option<Interface>),
}

impl<'de> Deserialize<'de> for Wish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Wish::Is)
    }
}

impl TryFrom<String> for MacAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "macAddress is six pairs of lower-case hex digits with colons, of a single device";
        let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        let mut mac = [0; 6];
        let mut pairs = text.split(':');
        for byte in &mut mac {
            let pair = pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|digit| is_digit(&digit)));
            *byte = u8::from_str_radix(pair.ok_or(wrong)?, 16).map_err(|_| wrong)?;
        }
        // The lowest bit of the first byte is that of a group.
        if pairs.next().is_some() || mac[0] & 1 == 1 || mac == [0; 6] { Err(wrong) } else { Ok(MacAddress(mac)) }
    }
}

impl Interface {
    pub fn address(&self) -> Address {
        Address { address: self.address, prefix: self.prefix_length }
    }

    pub fn check(&self) -> CallResult<()> {
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let name = self.name.as_str();
        if name.is_empty() || name.len() > MAX_DEVICE_NAME || !name.bytes().all(is_name_byte) {
            return Err(bad_request("name is 1 to 15 letters, digits, dots, hyphens and underscores"));
        }
        if matches!(name, "lo" | "." | ".." | "all" | "default") {
            return Err(bad_request(format!("{name} is no name of a device that can be set up")));
        }
        if !(1..=32).contains(&self.prefix_length) {
            return Err(bad_request("prefixLength is 1 to 32"));
        }
        if !MTU.contains(&self.mtu) {
            return Err(bad_request("mtu is 576 to 65535"));
        }
        if self.resolvers.len() > MAX_RESOLVERS || self.hosts.len() > MAX_HOSTS {
            return Err(bad_request("there are at most 3 resolvers and 512 hosts"));
        }
        let hosts = self.hosts.iter().map(|host| host.address);
        for address in [self.address].into_iter().chain(self.gateway).chain(hosts) {
            if !is_single_host(address) {
                return Err(bad_request(format!("{address} is no address of a host")));
            }
        }
        if let Some(wrong) = self.resolvers.iter().find(|address| !is_single_host(**address) && !address.is_loopback())
        {
            return Err(bad_request(format!("{wrong} is no address of a name server")));
        }
        match self.hosts.iter().find(|host| !is_host_name(&host.name)) {
            Some(wrong) => Err(bad_request(format!("{:?} is no host's name", wrong.name))),
            None => Ok(()),
        }
    }
}

fn is_single_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    // 0/8, and from 224/4 on multicast, reserved, broadcast.
    first != 0 && first < 224 && !address.is_loopback()
}

/// Labels of letters, digits, hyphens and underscores with dots between them.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::{Interface, Wish};
    use serde_json::{Value, json};

    fn given() -> Value {
        json!({
            "name": "eth0", "macAddress": "02:00:00:00:00:0a", "address": "10.0.0.2", "prefixLength": 24,
            "gateway": "10.0.0.1", "resolvers": ["169.254.53.53"], "mtu": 1500,
            "hosts": [{ "name": "db.team", "address": "10.0.0.3" }],
        })
    }

    fn accepts(value: &Value) -> bool {
        serde_json::from_value::<Interface>(value.clone()).is_ok_and(|interface| interface.check().is_ok())
    }

    #[test]
    fn an_interface_is_taken_whole_or_not_at_all() {
        assert!(accepts(&given()));
        for (key, value) in
            [("gateway", json!(null)), ("resolvers", json!([])), ("hosts", json!([])), ("mtu", json!(576))]
        {
            let mut other = given();
            other[key] = value;
            assert!(accepts(&other), "{other}");
        }
        let wrong = [
            ("name", vec![json!(""), json!("lo"), json!(".."), json!("a/b"), json!("0123456789abcdef"), json!("a b")]),
            (
                "macAddress",
                [
                    "02:00:00:00:00:0A",
                    "01:00:00:00:00:01",
                    "00:00:00:00:00:00",
                    "02:00:00:00:00",
                    "02:00:00:00:00:00:00",
                ]
                .map(Value::from)
                .to_vec(),
            ),
            (
                "address",
                ["10.0.0.256", "010.0.0.1", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::1"]
                    .map(Value::from)
                    .to_vec(),
            ),
            ("prefixLength", vec![json!(0), json!(33), json!(-1), json!(1.5)]),
            ("gateway", vec![json!("0.0.0.0"), json!("fe80::1")]),
            (
                "resolvers",
                vec![json!(["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"]), json!(["host"]), json!(["0.0.0.0"])],
            ),
            ("mtu", vec![json!(575), json!(65_536)]),
            (
                "hosts",
                vec![
                    json!([{ "name": "two\nlines", "address": "10.0.0.3" }]),
                    json!([{ "name": "a..b", "address": "10.0.0.3" }]),
                    json!([{ "name": "a", "address": "127.0.0.1" }]),
                    json!([{ "name": "a", "address": "10.0.0.3", "more": 1 }]),
                    json!(vec![json!({ "name": "a", "address": "10.0.0.3" }); 513]),
                ],
            ),
            ("unknown", vec![json!(1)]),
        ];
        for (key, values) in wrong {
            for value in values {
                let mut other = given();
                other[key] = value;
                assert!(!accepts(&other), "{other}");
            }
        }
    }

    #[test]
    fn a_network_that_is_not_named_is_another_than_none() {
        #[derive(serde::Deserialize)]
        struct Call {
            #[serde(default)]
            network: Wish,
        }
        let wish = |text: &str| serde_json::from_str::<Call>(text).unwrap().network;
        assert!(matches!(wish("{}"), Wish::Unchanged));
        assert!(matches!(wish(r#"{"network":null}"#), Wish::Is(None)));
        assert!(matches!(wish(&json!({ "network": given() }).to_string()), Wish::Is(Some(_))));
    }
}
