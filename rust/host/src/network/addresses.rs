//! IPv4 networks and ranges of addresses.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;

/// A network in CIDR notation, without bits beyond its prefix.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, Hash)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    first: u32,
    prefix: u8,
}

impl Cidr {
    pub const ALL: Self = Self { first: 0, prefix: 0 };

    /// `first` has no bits beyond the prefix.
    pub const fn new([a, b, c, d]: [u8; 4], prefix: u8) -> Self {
        Self { first: u32::from_be_bytes([a, b, c, d]), prefix }
    }

    pub fn of(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(32);
        Self { first: u32::from(address) & mask(prefix), prefix }
    }

    pub fn prefix(self) -> u8 {
        self.prefix
    }

    pub fn address(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.first.saturating_add(number))
    }

    pub fn range(self) -> Range {
        Range { first: self.first, last: self.first | !mask(self.prefix) }
    }

    pub fn overlaps(self, other: Self) -> bool {
        let (one, two) = (self.range(), other.range());
        one.first <= two.last && two.first <= one.last
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl TryFrom<String> for Cidr {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no IPv4 network such as 192.0.2.0/24");
        let (address, prefix) = text.split_once('/').unwrap_or((&text, "32"));
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        // `parse` takes a sign.
        let prefix = Some(prefix).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let prefix: u8 = prefix.and_then(|digits| digits.parse().ok()).filter(|bits| *bits <= 32).ok_or_else(wrong)?;
        let cidr = Self::of(address, prefix);
        if cidr.address(0) == address {
            Ok(cidr)
        } else {
            Err(format!("{text} has bits beyond its prefix; {cidr} is the network"))
        }
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(0), self.prefix)
    }
}

/// Addresses from one to another, both in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: u32,
    pub last: u32,
}

impl Range {
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&u32::from(address))
    }

    /// What is left of it.
    pub fn without(self, hole: Self) -> impl Iterator<Item = Self> {
        let before = (self.first < hole.first).then(|| Self { last: self.last.min(hole.first - 1), ..self });
        let after = (hole.last < self.last).then(|| Self { first: self.first.max(hole.last + 1), ..self });
        before.into_iter().chain(after)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", Ipv4Addr::from(self.first), Ipv4Addr::from(self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cidr(text: &str) -> Result<Cidr, String> {
        Cidr::try_from(text.to_owned())
    }

    #[test]
    fn reads_networks_and_says_what_is_wrong_with_others() {
        assert_eq!(cidr("10.0.0.0/8").unwrap().range().to_string(), "10.0.0.0-10.255.255.255");
        assert_eq!(cidr("0.0.0.0/0").unwrap(), Cidr::ALL);
        assert_eq!(cidr("1.2.3.4").unwrap().to_string(), "1.2.3.4/32");
        assert!(cidr("10.0.0.1/8").unwrap_err().contains("10.0.0.0/8 is the network"));
        for text in
            ["", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/", "010.0.0.0/8", "10.0.0/8", "::/0", "1.2.3.4/8 ", "a"]
        {
            assert!(cidr(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_the_range_without_the_hole(
            (a, b, c, d, at) in (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>()),
        ) {
            let range = |one: u8, two: u8| Range { first: u32::from(one.min(two)), last: u32::from(one.max(two)) };
            let (whole, hole, address) = (range(a, b), range(c, d), Ipv4Addr::from(u32::from(at)));
            let left = whole.without(hole).filter(|range| range.contains(address)).count();
            prop_assert_eq!(left, usize::from(whole.contains(address) && !hole.contains(address)));
        }

        #[test]
        fn a_network_is_written_as_it_is_read(first in any::<u32>(), prefix in 0_u8..=32) {
            let network = Cidr::of(Ipv4Addr::from(first), prefix);
            prop_assert_eq!(cidr(&network.to_string()).unwrap(), network);
            prop_assert!(network.range().contains(Ipv4Addr::from(first)));
        }
    }
}
