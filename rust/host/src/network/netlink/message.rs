//! A netlink message: a header, a fixed part, and attributes that may hold others (linux/netlink.h).

pub const REQUEST: u16 = 1;
pub const ACKNOWLEDGE: u16 = 4;
pub const CREATE: u16 = 0x400;
pub const EXCLUSIVE: u16 = 0x200;
pub const REPLACE: u16 = 0x100;
pub const DUMP: u16 = 0x300;
/// Of an attribute that holds others.
const NESTED: u16 = 0x8000;
/// What of an attribute's type is its number.
const KIND: u16 = 0x3fff;

#[derive(Clone)]
pub struct Message {
    bytes: Vec<u8>,
    flags: u16,
}

impl Message {
    pub fn new(kind: u16, flags: u16) -> Self {
        let flags = flags | REQUEST;
        let mut bytes = vec![0; 16];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Self { bytes, flags }
    }

    pub fn is_acknowledged(&self) -> bool {
        self.flags & ACKNOWLEDGE != 0
    }

    /// Adds to the fixed part, before any attribute.
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nested_as(kind, |message| message.put(value));
    }

    /// With the zero byte that the kernel wants.
    pub fn text(&mut self, kind: u16, value: &str) {
        self.nested_as(kind, |message| {
            message.put(value.as_bytes());
            message.put(&[0]);
        });
    }

    pub fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        self.nested_as(kind | NESTED, fill);
    }

    fn nested_as(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.put(&[0; 4]);
        fill(self);
        let length = u16::try_from(self.bytes.len() - at).unwrap_or(u16::MAX);
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes[at + 2..at + 4].copy_from_slice(&kind.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub fn finish(mut self, number: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&number.to_ne_bytes());
        self.bytes
    }
}

/// Kinds and values of attributes that follow each other; whatever is cut short ends them.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let head = u32_at(bytes, 0)?.to_ne_bytes();
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([head[2], head[3]]) & KIND, value))
    })
}

/// In the machine's order of bytes.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
