//! Routes of the host, as far as slots depend on them: which networks are taken, and where the default route goes.

use crate::network::netlink::message::{DUMP, Message, u32_at};
use crate::network::netlink::{Netlink, attribute};
use std::io;
use std::net::Ipv4Addr;

const GET_ROUTE: u16 = 26;
/// AF_INET.
const INET: u8 = 2;
const MAIN: u32 = 254;
const UNICAST: u8 = 1;
/// `struct rtmsg`.
const FIXED: usize = 12;
const DESTINATION: u16 = 1;
const LINK: u16 = 4;
const METRIC: u16 = 6;
const HOPS: u16 = 9;
const TABLE: u16 = 15;

/// One route of any table: those to the host's own addresses among them.
pub struct Route {
    pub network: Ipv4Addr,
    pub prefix: u8,
    link: Option<u32>,
    metric: u32,
    table: u32,
    kind: u8,
}

/// # Errors
/// What the kernel refused.
pub fn all(socket: &Netlink) -> io::Result<Vec<Route>> {
    let mut message = Message::new(GET_ROUTE, DUMP);
    message.put(&[INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    Ok(socket.dump(&message)?.iter().filter_map(|body| read(body)).collect())
}

fn read(body: &[u8]) -> Option<Route> {
    let number = |kind| u32_at(attribute(body, FIXED, kind)?, 0);
    // One of several next hops: struct rtnexthop has the link after four bytes.
    let first_hop = || u32_at(attribute(body, FIXED, HOPS)?, 4);
    let network = attribute(body, FIXED, DESTINATION).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    Some(Route {
        network: Ipv4Addr::from(network.unwrap_or_default()),
        prefix: *body.get(1)?,
        link: number(LINK).or_else(first_hop),
        metric: number(METRIC).unwrap_or(0),
        table: number(TABLE).unwrap_or_else(|| u32::from(body[4])),
        kind: *body.get(7)?,
    })
}

/// The link of the default route that is used.
pub fn default_link(routes: &[Route]) -> Option<u32> {
    let defaults = routes.iter().filter(|route| route.prefix == 0 && route.table == MAIN && route.kind == UNICAST);
    defaults.filter(|route| route.link.is_some()).min_by_key(|route| route.metric)?.link
}
