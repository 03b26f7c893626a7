use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Default)]
struct Seen(BTreeMap<u64, u8>);

impl Pages for Seen {
    fn page(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        assert_eq!(bytes.len(), PAGE);
        self.0.insert(offset, bytes[0]);
        Ok(())
    }
    fn zero(&mut self, offset: u64) -> io::Result<()> {
        self.0.remove(&offset);
        Ok(())
    }
}

const SIZE: u64 = 0x10000;

fn word(offset: u64, flags: u64) -> [u8; 8] {
    (offset | flags).to_be_bytes()
}

/// What QEMU 7.2 writes, with a page of firmware among those of memory; `with_memory` false gives what is to be left.
fn stream(with_memory: bool) -> Vec<u8> {
    let mut bytes = b"QEVM\0\0\0\x03\x07\0\0\0\x07microvm".to_vec();
    bytes.extend(b"\x05\x1aconfiguration/capabilities\0\0\0\x01\0\0\0\x01\x0fx-ignore-shared");
    bytes.extend(b"\x01\0\0\0\x02\x03ram\0\0\0\0\0\0\0\x04");
    bytes.extend(word(SIZE + 0x1000, flag::BLOCKS));
    for (name, size) in [(&b"ram"[..], SIZE), (b"pc.bios", 0x1000)] {
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend(name);
        bytes.extend(size.to_be_bytes());
        bytes.extend(0_u64.to_be_bytes());
    }
    bytes.extend(word(0, flag::END));
    bytes.extend(b"\x7e\0\0\0\x02\x02\0\0\0\x02");
    if with_memory {
        bytes.extend(word(0, flag::PAGE));
        bytes.extend(b"\x03ram");
        bytes.extend([1; PAGE]);
        bytes.extend(word(0x1000, flag::ZERO | flag::CONTINUE));
        bytes.push(0);
    }
    bytes.extend(word(0, flag::PAGE));
    bytes.extend(b"\x07pc.bios");
    bytes.extend([9; PAGE]);
    if with_memory {
        bytes.extend(word(0x2000, flag::PAGE));
        bytes.extend(b"\x03ram");
        bytes.extend([3; PAGE]);
    }
    bytes.extend(word(0, flag::END));
    bytes.extend(b"\x7e\0\0\0\x02\x03\0\0\0\x02");
    if with_memory {
        bytes.extend(word(0xf000, flag::PAGE | flag::CONTINUE));
        bytes.extend([4; PAGE]);
    }
    bytes.extend(word(0, flag::END));
    bytes.extend(b"\x7e\0\0\0\x02\x04device state\0");
    bytes
}

#[test]
fn memory_goes_one_way_and_the_rest_the_other() {
    let mut seen = Seen::default();
    let left = split(&stream(true)[..], SIZE, &mut seen).unwrap();
    assert_eq!(left, stream(false));
    assert_eq!(seen.0, BTreeMap::from([(0, 1), (0x2000, 3), (0xf000, 4)]));
    // And what is left has nothing more to give.
    assert_eq!(split(&left[..], SIZE, &mut Seen::default()).unwrap(), left);
}

#[test]
fn a_stream_that_is_cut_or_of_another_size_is_refused() {
    let whole = stream(true);
    let end = whole.len() - b"\x04device state\0".len();
    for at in (0..end).step_by(7) {
        assert!(split(&whole[..at], SIZE, &mut Seen::default()).is_err(), "cut at {at}");
    }
    assert!(split(&whole[..], SIZE * 2, &mut Seen::default()).is_err());
    assert!(split(&whole[..], SIZE / 2, &mut Seen::default()).is_err());
}

#[test]
fn what_is_left_is_bounded() {
    let endless = io::Cursor::new(stream(true)).chain(io::repeat(0));
    let mut reader = io::BufReader::new(endless);
    assert!(split(&mut reader, SIZE, &mut Seen::default()).unwrap_err().to_string().contains("MiB"));
}

proptest! {
    #[test]
    fn no_change_of_a_byte_panics_or_writes_beyond_the_memory(at in 0usize..500, value in any::<u8>()) {
        let mut bytes = stream(true);
        bytes[at] = value;
        let mut seen = Seen::default();
        let _ = split(&bytes[..], SIZE, &mut seen);
        prop_assert!(seen.0.keys().all(|offset| *offset < SIZE));
    }
}
