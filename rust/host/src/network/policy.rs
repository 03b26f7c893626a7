//! What a guest may reach. Every policy is a list of rules, and every rule has a mark: the flows that it allows carry it,
//! so that a rule's end is its flows' end, and that of no others.
//!
//! The kernel looks a packet's (address, protocol, port) up in a set of ranges, which must not overlap. Rules may, so each
//! is taken apart into the boxes that no rule before it covers.

use crate::error::{Code, Outcome, failure};
use crate::network::addresses::{Cidr, Range};
use crate::network::netlink::sets::Element;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Most rules of a policy.
pub const MOST_RULES: usize = 256;
/// Most boxes that they may come to; only rules that were chosen to overlap come near it.
const MOST_BOXES: usize = 4096;
/// Most characters of a name, dots and `*.` included (RFC 1035, 2.3.4).
const LONGEST_NAME: usize = 255;

/// Of the network layer's payload.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Any,
    Tcp,
    Udp,
    Icmp,
}

impl Protocol {
    /// The number that stands in packets; `None` for all.
    pub fn number(self) -> Option<u8> {
        match self {
            Self::Any => None,
            Self::Tcp => Some(6),
            Self::Udp => Some(17),
            Self::Icmp => Some(1),
        }
    }
}

/// One thing that is allowed: a network, or whatever addresses are admitted under a name.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<Cidr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub protocol: Protocol,
    /// First and last; all where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<(u16, u16)>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    #[default]
    None,
    Open,
    Allowlist(Vec<Rule>),
}

impl Policy {
    /// # Errors
    /// `bad-request` with what is wrong with which rule.
    pub fn check(&self) -> Outcome<()> {
        let Self::Allowlist(rules) = self else { return Ok(()) };
        let refuse = |why: String| Err(failure(Code::BadRequest, why));
        if rules.len() > MOST_RULES {
            return refuse(format!("an allowlist has at most {MOST_RULES} rules"));
        }
        for (number, rule) in (1..).zip(rules) {
            if rule.cidr.is_some() == rule.name.is_some() {
                return refuse(format!("rule {number} needs either a cidr or a name"));
            }
            if rule.name.as_ref().is_some_and(|name| name.is_empty() || name.len() > LONGEST_NAME) {
                return refuse(format!("the name of rule {number} needs 1 to {LONGEST_NAME} bytes"));
            }
            if let Some((first, last)) = rule.ports {
                if !matches!(rule.protocol, Protocol::Tcp | Protocol::Udp) {
                    return refuse(format!("rule {number} has ports, which only tcp and udp have"));
                }
                if first > last {
                    return refuse(format!("the ports of rule {number} go from {first} down to {last}"));
                }
            }
        }
        Ok(())
    }

    fn rules(&self) -> Vec<Rule> {
        match self {
            Self::None => Vec::new(),
            Self::Open => vec![Rule { cidr: Some(Cidr::ALL), name: None, protocol: Protocol::Any, ports: None }],
            Self::Allowlist(rules) => rules.clone(),
        }
    }
}

/// A policy that is in force.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Marked {
    rules: Vec<(Rule, u32)>,
    /// The highest mark that was ever given.
    last: u32,
}

impl Marked {
    /// The policy that follows this one: a rule that stays keeps its mark.
    pub fn follow(&self, policy: &Policy) -> Self {
        let mut last = self.last;
        let marked = policy.rules().into_iter().map(|rule| {
            let known = self.rules.iter().find(|(known, _)| *known == rule).map(|(_, mark)| *mark);
            let mark = known.unwrap_or_else(|| {
                last += 1;
                last
            });
            (rule, mark)
        });
        let rules = marked.collect();
        Self { rules, last }
    }

    /// In the order of the rules.
    pub fn marks(&self) -> Vec<u32> {
        self.rules.iter().map(|(_, mark)| *mark).collect()
    }

    /// The rule of a mark that admits addresses under a name.
    pub fn named(&self, mark: u32) -> Option<&Rule> {
        self.rules.iter().find(|(rule, known)| *known == mark && rule.name.is_some()).map(|(rule, _)| rule)
    }

    /// The ranges of the map `allowed`.
    ///
    /// # Errors
    /// `bad-request` when its rules overlap in too many ways.
    pub fn allowed(&self) -> Outcome<Vec<Element>> {
        let mut boxes: Vec<(Box3, u32)> = Vec::new();
        for (rule, mark) in &self.rules {
            let Some(cidr) = rule.cidr else { continue };
            let mut pieces = vec![Box3::of(cidr, rule)];
            for (taken, _) in &boxes {
                pieces = pieces.iter().flat_map(|piece| piece.without(taken)).collect();
                if boxes.len() + pieces.len() > MOST_BOXES {
                    return Err(failure(Code::BadRequest, "the networks of the allowlist overlap in too many ways"));
                }
            }
            boxes.extend(pieces.into_iter().map(|piece| (piece, *mark)));
        }
        Ok(boxes.into_iter().map(|(piece, mark)| piece.element(mark)).collect())
    }
}

/// Addresses, protocols and ports, of each a range.
#[derive(Clone, Copy, Debug)]
struct Box3([Range; 3]);

impl Box3 {
    fn of(cidr: Cidr, rule: &Rule) -> Self {
        let protocols = rule.protocol.number().map_or((0, 255), |number| (number, number));
        let (first, last) = rule.ports.unwrap_or((0, u16::MAX));
        Self([
            cidr.range(),
            Range { first: protocols.0.into(), last: protocols.1.into() },
            Range { first: first.into(), last: last.into() },
        ])
    }

    /// What of this is not in the other.
    fn without(&self, other: &Self) -> Vec<Self> {
        let overlap =
            |axis: usize| self.0[axis].first <= other.0[axis].last && other.0[axis].first <= self.0[axis].last;
        if !(0..3).all(overlap) {
            return vec![*self];
        }
        let (mut rest, mut left) = (*self, Vec::new());
        for axis in 0..3 {
            for part in rest.0[axis].without(other.0[axis]) {
                let mut piece = rest;
                piece.0[axis] = part;
                left.push(piece);
            }
            rest.0[axis].first = rest.0[axis].first.max(other.0[axis].first);
            rest.0[axis].last = rest.0[axis].last.min(other.0[axis].last);
        }
        left
    }

    fn element(&self, mark: u32) -> Element {
        let of = |pick: fn(&Range) -> u32| {
            // Protocols have one byte and ports two: no others are made (`of`).
            let [address, [.., protocol], [_, _, high, low]] = [0, 1, 2].map(|axis| pick(&self.0[axis]).to_be_bytes());
            key(Ipv4Addr::from(address), protocol, u16::from_be_bytes([high, low]))
        };
        Element { key: of(|range| range.first), key_end: Some(of(|range| range.last)), data: Some(mark), timeout: None }
    }
}

/// `ipv4_addr . inet_proto . inet_service`: each part fills a register of four bytes.
pub fn key(address: Ipv4Addr, protocol: u8, port: u16) -> Vec<u8> {
    let ([a, b, c, d], [high, low]) = (address.octets(), port.to_be_bytes());
    vec![a, b, c, d, protocol, 0, 0, 0, high, low, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(cidr: &str, protocol: Protocol, ports: Option<(u16, u16)>) -> Rule {
        Rule { cidr: Some(Cidr::try_from(cidr.to_owned()).unwrap()), name: None, protocol, ports }
    }

    /// The marks of all elements that a packet is found in.
    fn found(elements: &[Element], packet: &[u8]) -> Vec<u32> {
        let within = |element: &&Element| {
            let end = element.key_end.as_ref().unwrap();
            [0..4, 4..5, 8..10]
                .into_iter()
                .all(|part| element.key[part.clone()] <= packet[part.clone()] && packet[part.clone()] <= end[part])
        };
        elements.iter().filter(within).map(|element| element.data.unwrap()).collect()
    }

    #[test]
    fn rules_that_stay_keep_their_marks() {
        let web = rule("1.2.3.0/24", Protocol::Tcp, Some((443, 443)));
        let names = rule("9.9.9.9", Protocol::Udp, Some((53, 53)));
        let first = Marked::default().follow(&Policy::Allowlist(vec![web.clone(), names.clone()]));
        assert_eq!(first.marks(), [1, 2]);
        let second = first.follow(&Policy::Allowlist(vec![names]));
        assert_eq!(second.marks(), [2]);
        assert_eq!(second.follow(&Policy::Allowlist(vec![web])).marks(), [3], "a mark is given once");
        assert_eq!(second.follow(&Policy::None).follow(&Policy::Open).marks(), [3]);
    }

    #[test]
    fn refuses_what_no_packet_could_match() {
        let check = |text: &str| {
            serde_json::from_str::<Policy>(text)
                .map_err(|error| error.to_string())
                .and_then(|policy| policy.check().map_err(|failure| failure.message))
        };
        assert_eq!(check(r#""open""#), Ok(()));
        assert_eq!(
            check(
                r#"{"allowlist":[{"cidr":"1.2.3.0/24","protocol":"tcp","ports":[80,443]},{"name":"*.a.b","protocol":"any"}]}"#
            ),
            Ok(())
        );
        for (wrong, why) in [
            (r#"{"protocol":"tcp"}"#, "either a cidr or a name"),
            (r#"{"cidr":"1.2.3.4","name":"a","protocol":"tcp"}"#, "either a cidr or a name"),
            (r#"{"name":"","protocol":"tcp"}"#, "1 to 255"),
            (r#"{"cidr":"1.2.3.4","protocol":"icmp","ports":[1,2]}"#, "only tcp and udp"),
            (r#"{"cidr":"1.2.3.4","protocol":"tcp","ports":[2,1]}"#, "from 2 down to 1"),
            (r#"{"cidr":"1.2.3.4/8","protocol":"tcp"}"#, "beyond its prefix"),
            (r#"{"cidr":"1.2.3.4","protocol":"tcp","port":1}"#, "unknown field"),
            (r#"{"cidr":"1.2.3.4","protocol":"sctp"}"#, "unknown variant"),
        ] {
            let refused = check(&format!(r#"{{"allowlist":[{wrong}]}}"#)).unwrap_err();
            assert!(refused.contains(why), "{wrong}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn a_packet_is_in_one_element_exactly_where_a_rule_allows_it(
            rules in proptest::collection::vec((0_u32..8, 28_u8..=32, 0_usize..4, (0_u16..6, 0_u16..6)), 0..12),
            (host, protocol, port) in (0_u32..16, 0_usize..3, 0_u16..6),
        ) {
            let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp, Protocol::Any];
            let rules: Vec<Rule> = rules.into_iter().map(|(host, prefix, protocol, (one, two))| Rule {
                cidr: Some(Cidr::of(Ipv4Addr::from(host), prefix)),
                name: None,
                protocol: protocols[protocol],
                ports: (protocol < 2).then(|| (one.min(two), one.max(two))),
            }).collect();
            let packet = key(Ipv4Addr::from(host), protocols[protocol].number().unwrap(), port);
            let allows = |rule: &Rule| rule.cidr.unwrap().range().contains(Ipv4Addr::from(host))
                && (rule.protocol == protocols[protocol] || rule.protocol == Protocol::Any)
                && rule.ports.is_none_or(|(first, last)| (first..=last).contains(&port));
            let first = rules.iter().position(allows);
            let marked = Marked::default().follow(&Policy::Allowlist(rules));
            let expected: Vec<u32> = first.map(|number| marked.marks()[number]).into_iter().collect();
            prop_assert_eq!(found(&marked.allowed().unwrap(), &packet), expected);
        }
    }
}
