//! The resync marker: the 16 bytes of the channel key, then a session id of 16 bytes.
//!
//! The scanner observes a stream and never withholds a byte: the reader of the channel hands every byte on at once, and
//! a marker that has been completed ends the session that got its bytes. Holding back a possible prefix stalls HTTP/2
//! for ever when a WINDOW_UPDATE ends in such a byte and silence follows.

/// Bytes of the channel key, and of a session id.
pub const PART_LEN: usize = 16;
/// Bytes of a marker, and of its echo.
pub const MARKER_LEN: usize = 2 * PART_LEN;

/// A whole marker, found in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Bytes of the piece up to and with the marker's last byte.
    pub end: usize,
    pub session: [u8; PART_LEN],
}

/// Finds markers in a stream of pieces of any size.
pub struct MarkerScanner {
    key: [u8; PART_LEN],
    /// Knuth–Morris–Pratt: the longest proper prefix of the key that is a suffix of its first `n + 1` bytes.
    fallback: [usize; PART_LEN],
    matched: usize,
    session: [u8; PART_LEN],
    /// Bytes of the session id so far; `None` when no key has been completed before.
    collected: Option<usize>,
}

impl MarkerScanner {
    pub fn new(key: [u8; PART_LEN]) -> Self {
        let mut fallback = [0; PART_LEN];
        for at in 1..PART_LEN {
            let mut length = fallback[at - 1];
            while length > 0 && key[at] != key[length] {
                length = fallback[length - 1];
            }
            fallback[at] = length + usize::from(key[at] == key[length]);
        }
        MarkerScanner { key, fallback, matched: 0, session: [0; PART_LEN], collected: None }
    }

    /// Observes a piece. Answers at the first marker that ends in it; the caller scans the rest, from `end`, again.
    ///
    /// The search for a key goes on inside a session id, and after one: a host that died in the middle of a marker is
    /// followed by one that sends a whole one, which must be found though the first swallowed its beginning as an id.
    pub fn scan(&mut self, piece: &[u8]) -> Option<Marker> {
        let mut at = 0;
        while at < piece.len() {
            if self.matched == 0 && self.collected.is_none() {
                // The common case, an upload without a trace of the key, runs at the speed of a byte search.
                at += piece[at..].iter().position(|&byte| byte == self.key[0])?;
            }
            let byte = piece[at];
            at += 1;
            let mut found = None;
            if let Some(have) = self.collected {
                self.session[have] = byte;
                self.collected = (have + 1 < PART_LEN).then_some(have + 1);
                found = self.collected.is_none().then_some(Marker { end: at, session: self.session });
            }
            while self.matched == PART_LEN || (self.matched > 0 && byte != self.key[self.matched]) {
                self.matched = self.fallback[self.matched - 1];
            }
            self.matched += usize::from(byte == self.key[self.matched]);
            if self.matched == PART_LEN {
                self.collected = Some(0);
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The echo of a marker: its own bytes.
    pub fn echo(&self, session: &[u8; PART_LEN]) -> [u8; MARKER_LEN] {
        let mut bytes = [0; MARKER_LEN];
        bytes[..PART_LEN].copy_from_slice(&self.key);
        bytes[PART_LEN..].copy_from_slice(session);
        bytes
    }
}
