//! What a VMM in its jail may write while it is saved: the taking apart ends with memory and state of bounded size, every page inside the
//! guest's memory, or with a refusal.
#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use microterm_host::untrusted::{BLOCK, Pages, split};

const SIZE: u64 = 0x10000;
const PAGE: u64 = 4096;

struct Inside(usize);

impl Pages for Inside {
    fn page(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        assert_eq!(bytes.len() as u64, PAGE);
        self.zero(offset)
    }
    fn zero(&mut self, offset: u64) -> io::Result<()> {
        assert!(offset.is_multiple_of(PAGE) && offset < SIZE, "a page at {offset:#x}");
        self.0 += 1;
        Ok(())
    }
}

/// Bytes of the input stand for what chance does not come upon: a beginning, a section of memory, pages, ends.
fn expand(input: &[u8]) -> Vec<u8> {
    let mut stream = b"QEVM\0\0\0\x03".to_vec();
    for &byte in input {
        match byte {
            0xf0 => stream.extend(b"\x01\0\0\0\x02\x03ram\0\0\0\0\0\0\0\x04"),
            0xf1 => stream.extend(b"\x02\0\0\0\x02"),
            0xf2 => stream.extend(b"\x03\0\0\0\x02"),
            0xf3 => stream.extend(b"\x7e\0\0\0\x02"),
            0xf4 => stream.extend(b"\0\0\0\0\0\0\0\x10"),
            0xf5 => {
                stream.extend(b"\0\0\0\0\0\0\0\x08\x03");
                stream.extend(BLOCK);
                stream.extend([byte; PAGE as usize]);
            }
            0xf6 => stream.extend(b"\0\0\0\0\0\0\0\x22"),
            0xf7 => {
                stream.extend(b"\0\0\0\0\0\x01\0\x04\x03ram");
                stream.extend(SIZE.to_be_bytes());
                stream.extend([0; 8]);
            }
            0xf8 => stream.extend(b"\x07\0\0\0\x07microvm"),
            0xf9 => stream.extend(b"\x05\x1aconfiguration/capabilities\0\0\0\x01\0\0\0\x01\x01x"),
            _ => stream.push(byte),
        }
    }
    stream
}

fuzz_target!(|input: &[u8]| {
    let stream = expand(input);
    let mut pages = Inside(0);
    if let Ok(left) = split(&stream[..], SIZE, &mut pages) {
        assert!(left.len() <= stream.len() && left.starts_with(b"QEVM"), "what is left was there");
    }
    assert!(pages.0 * 8 <= stream.len(), "each page has its word in the stream");
});
