//! Sets, counters and the number of rules of nf_tables (linux/netfilter/nf_tables.h). A change is a batch: all of it or nothing, and no
//! packet sees a half.

use crate::network::netlink::message::{ACKNOWLEDGE, CREATE, DUMP, Message, attributes};
use crate::network::netlink::{Netlink, attribute};
use serde::Serialize;
use std::io;

const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const TABLES: u16 = 10 << 8;
const GET_RULE: u16 = TABLES + 7;
const NEW_ELEMENT: u16 = TABLES + 12;
const GET_ELEMENT: u16 = TABLES + 13;
const DELETE_ELEMENT: u16 = TABLES + 14;
const GET_OBJECT: u16 = TABLES + 19;
/// `struct nfgenmsg`.
const FIXED: usize = 4;

/// Of a list of elements.
const TABLE: u16 = 1;
const SET: u16 = 2;
const ELEMENTS: u16 = 3;
/// Of an element.
const KEY: u16 = 1;
const DATA: u16 = 2;
const TIMEOUT: u16 = 4;
const EXPIRATION: u16 = 5;
const EXPRESSION: u16 = 7;
const KEY_END: u16 = 10;
const EXPRESSIONS: u16 = 11;

/// Of a message, whose list has at most 64 KiB.
const MOST_ELEMENTS: usize = 400;

#[derive(Clone, Copy)]
pub enum Family {
    Ip = 2,
    Netdev = 5,
}

fn of_family(family: Family) -> [u8; 4] {
    [family as u8, 0, 0, 0]
}

/// An element of a set, keys as the set lays them out.
#[derive(Default)]
pub struct Element {
    pub key: Vec<u8>,
    /// Of a range: its last.
    pub key_end: Option<Vec<u8>>,
    /// Of a map.
    pub data: Option<u32>,
    /// In milliseconds; `None` for ever.
    pub timeout: Option<u64>,
}

/// One change of a batch.
pub enum Change<'a> {
    Clear(&'a str),
    Add(&'a str, Vec<Element>),
    Remove(&'a str, Vec<Element>),
}

/// Makes changes in one table.
///
/// # Errors
/// What the kernel refused; then nothing has changed.
pub fn change(socket: &Netlink, family: Family, table: &str, changes: Vec<Change<'_>>) -> io::Result<()> {
    let mut messages = vec![edge(BATCH_BEGIN)];
    for change in changes {
        let (kind, flags, set, elements) = match change {
            Change::Clear(set) => {
                messages.push(list(DELETE_ELEMENT, 0, (family, table, set), &[]));
                continue;
            }
            Change::Add(set, elements) => (NEW_ELEMENT, CREATE, set, elements),
            Change::Remove(set, elements) => (DELETE_ELEMENT, 0, set, elements),
        };
        messages.extend(elements.chunks(MOST_ELEMENTS).map(|part| list(kind, flags, (family, table, set), part)));
    }
    if messages.len() == 1 {
        return Ok(());
    }
    messages.push(edge(BATCH_END));
    socket.change(messages)
}

fn edge(kind: u16) -> Message {
    let mut message = Message::new(kind, 0);
    // Of no family, version 0, and for nf_tables, in the network's order.
    message.put(&[0, 0, 0, 10]);
    message
}

fn list(kind: u16, flags: u16, (family, table, set): (Family, &str, &str), elements: &[Element]) -> Message {
    let mut message = Message::new(kind, flags | ACKNOWLEDGE);
    message.put(&of_family(family));
    message.text(TABLE, table);
    message.text(SET, set);
    if !elements.is_empty() {
        message.nested(ELEMENTS, |all| {
            for (number, element) in (1..).zip(elements) {
                all.nested(number, |one| put(one, element));
            }
        });
    }
    message
}

fn put(message: &mut Message, element: &Element) {
    message.nested(KEY, |key| key.attribute(1, &element.key));
    if let Some(end) = &element.key_end {
        message.nested(KEY_END, |key| key.attribute(1, end));
    }
    if let Some(data) = element.data {
        message.nested(DATA, |value| value.attribute(1, &data.to_ne_bytes()));
    }
    if let Some(timeout) = element.timeout {
        message.attribute(TIMEOUT, &timeout.to_be_bytes());
    }
}

/// What an element of a set is found as.
pub struct Found {
    pub key: Vec<u8>,
    /// Milliseconds until it goes.
    pub expiration: Option<u64>,
    pub count: Count,
}

#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Count {
    pub bytes: u64,
    pub packets: u64,
}

/// # Errors
/// What the kernel refused.
pub fn elements(socket: &Netlink, table: &str, set: &str) -> io::Result<Vec<Found>> {
    let mut message = Message::new(GET_ELEMENT, DUMP);
    message.put(&of_family(Family::Ip));
    message.text(TABLE, table);
    message.text(SET, set);
    let mut found = Vec::new();
    for body in socket.dump(&message)? {
        let all = attribute(&body, FIXED, ELEMENTS).unwrap_or_default();
        found.extend(attributes(all).filter_map(|(_, element)| read(element)));
    }
    Ok(found)
}

fn read(element: &[u8]) -> Option<Found> {
    let key = attribute(attribute(element, 0, KEY)?, 0, 1)?.to_vec();
    // One expression stands by itself, or several in a list, of which each has its name (1) and its data (2).
    let listed = attribute(element, 0, EXPRESSIONS).and_then(|all| attributes(all).next().map(|(_, first)| first));
    let expression = attribute(element, 0, EXPRESSION).or(listed);
    let count = expression.and_then(|counter| attribute(counter, 0, 2)).map_or(Count::default(), count);
    let expiration = attribute(element, 0, EXPIRATION).and_then(u64_of);
    Some(Found { key, expiration, count })
}

/// Bytes (1) and packets (2) of a counter.
fn count(data: &[u8]) -> Count {
    let number = |kind| attribute(data, 0, kind).and_then(u64_of).unwrap_or(0);
    Count { bytes: number(1), packets: number(2) }
}

fn u64_of(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// The named counters of a table.
///
/// # Errors
/// What the kernel refused.
pub fn counters(socket: &Netlink, family: Family, table: &str) -> io::Result<Vec<(String, Count)>> {
    let mut message = Message::new(GET_OBJECT, DUMP);
    message.put(&of_family(family));
    message.text(TABLE, table);
    let named = |body: &Vec<u8>| {
        let name = attribute(body, FIXED, 2)?.strip_suffix(&[0])?;
        Some((String::from_utf8_lossy(name).into_owned(), count(attribute(body, FIXED, 4)?)))
    };
    Ok(socket.dump(&message)?.iter().filter_map(named).collect())
}

/// How many rules a table of the family `ip` has; none where there is no such table.
///
/// # Errors
/// What the kernel refused.
pub fn count_rules(socket: &Netlink, table: &str) -> io::Result<usize> {
    let mut message = Message::new(GET_RULE, DUMP);
    message.put(&of_family(Family::Ip));
    message.text(TABLE, table);
    Ok(socket.dump(&message)?.len())
}
