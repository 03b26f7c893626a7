//! What no policy opens: addresses that are not of the internet, and the clouds' metadata. The host's own addresses are
//! more than a list can say; the rules of the host's side look them up.

use crate::network::addresses::{Cidr, Range};
use std::net::Ipv4Addr;

/// Not globally reachable: RFC 6890 and its updates, as in IANA's registry of special-purpose addresses, with multicast
/// (RFC 5771) and the deprecated anycast of 6to4 (RFC 7526).
const SPECIAL: [Cidr; 15] = [
    Cidr::new([0, 0, 0, 0], 8),
    Cidr::new([10, 0, 0, 0], 8),
    Cidr::new([100, 64, 0, 0], 10),
    Cidr::new([127, 0, 0, 0], 8),
    Cidr::new([169, 254, 0, 0], 16),
    Cidr::new([172, 16, 0, 0], 12),
    Cidr::new([192, 0, 0, 0], 24),
    Cidr::new([192, 0, 2, 0], 24),
    Cidr::new([192, 88, 99, 0], 24),
    Cidr::new([192, 168, 0, 0], 16),
    // Denied names are answered with addresses of this one.
    Cidr::new([198, 18, 0, 0], 15),
    Cidr::new([198, 51, 100, 0], 24),
    Cidr::new([203, 0, 113, 0], 24),
    Cidr::new([224, 0, 0, 0], 4),
    Cidr::new([240, 0, 0, 0], 4),
];
/// What even an operator's exception does not open: this host, metadata and credentials of clouds (AWS, Google, Azure,
/// DigitalOcean, Oracle; AWS's containers; Alibaba; Oracle Classic; Azure's wire server), the guest's own names, denied names,
/// multicast.
const NEVER: [Cidr; 9] = [
    Cidr::new([0, 0, 0, 0], 8),
    Cidr::new([127, 0, 0, 0], 8),
    Cidr::new([169, 254, 0, 0], 16),
    Cidr::new([100, 100, 100, 200], 32),
    Cidr::new([192, 0, 0, 0], 24),
    Cidr::new([168, 63, 129, 16], 32),
    Cidr::new([198, 18, 0, 0], 15),
    Cidr::new([224, 0, 0, 0], 4),
    Cidr::new([240, 0, 0, 0], 4),
];

pub struct Ceiling(Vec<Range>);

impl Ceiling {
    /// The ceiling of an instance: `allowed` are the operator's exceptions, `own` are the addresses of its slots.
    pub fn new(allowed: &[Cidr], own: Cidr) -> Self {
        let mut ranges: Vec<Range> = SPECIAL.iter().map(|cidr| cidr.range()).collect();
        for hole in allowed {
            ranges = ranges.into_iter().flat_map(|range| range.without(hole.range())).collect();
        }
        ranges.extend(NEVER.iter().chain([&own]).map(|cidr| cidr.range()));
        Self(ranges)
    }

    pub fn forbids(&self, address: Ipv4Addr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// Elements of a set of nft; some of them overlap.
    pub fn elements(&self) -> String {
        self.0.iter().map(Range::to_string).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbids(allowed: &[&str], address: &str) -> bool {
        let allowed: Vec<Cidr> = allowed.iter().map(|text| Cidr::try_from((*text).to_owned()).unwrap()).collect();
        Ceiling::new(&allowed, Cidr::new([10, 99, 0, 0], 20)).forbids(address.parse().unwrap())
    }

    #[test]
    fn only_the_internet_is_below_it() {
        for address in
            ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.32.0.0", "223.255.255.255"]
        {
            assert!(!forbids(&[], address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "169.254.53.53",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.19.255.255",
            "203.0.113.7",
            "224.0.0.251",
            "255.255.255.255",
            "168.63.129.16",
            "100.100.100.200",
        ] {
            assert!(forbids(&[], address), "{address}");
        }
    }

    #[test]
    fn an_operator_opens_private_networks_and_nothing_else() {
        assert!(!forbids(&["192.168.7.0/24"], "192.168.7.1"));
        assert!(forbids(&["192.168.7.0/24"], "192.168.8.1"));
        for address in
            ["127.0.0.1", "169.254.169.254", "168.63.129.16", "100.100.100.200", "10.99.3.4", "224.0.0.1", "198.18.0.1"]
        {
            assert!(forbids(&["0.0.0.0/0"], address), "{address}");
        }
        assert!(!forbids(&["0.0.0.0/0"], "10.98.0.1"));
    }
}
