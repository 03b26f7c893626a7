//! Sparse files in tars: the pax formats of GNU tar, read in all three versions and written in the last ("Sparse Formats"
//! of its manual), and the holes of files.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;

const BLOCK: usize = 512;
/// Pieces of data in one file. A map of more is refused, and a file with more is written without holes.
const MAX_PIECES: usize = 100_000;

/// Offset and length of data; holes are between.
pub type Piece = (u64, u64);

/// What the pax records of a member say of its holes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SparseRecords {
    /// The file's own name, where the header carries a made-up one.
    pub name: Option<Vec<u8>>,
    pub size: u64,
    /// `None`: the map stands at the data's beginning (version 1.0).
    pub map: Option<Vec<Piece>>,
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a sparse file with {what}"))
}

fn number(text: &[u8]) -> io::Result<u64> {
    let text = std::str::from_utf8(text).map_err(|_| malformed("a number that is none"))?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed("a number that is none"));
    }
    text.parse().map_err(|_| malformed("a number out of range"))
}

/// Reads the records that begin with `GNU.sparse.`; `None` when there are none.
pub fn records<'a>(pax: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> io::Result<Option<SparseRecords>> {
    let mut found = None;
    let mut sparse = SparseRecords::default();
    let mut map: Vec<Piece> = Vec::new();
    let mut offset = None;
    let mut is_in_data = false;
    for (key, value) in pax {
        let Some(key) = key.strip_prefix(b"GNU.sparse.") else { continue };
        found = Some(());
        match key {
            b"name" => sparse.name = Some(value.to_vec()),
            b"size" | b"realsize" => sparse.size = number(value)?,
            b"major" => is_in_data = number(value)? >= 1,
            b"offset" => offset = Some(number(value)?),
            b"numbytes" => {
                let from = offset.take().ok_or_else(|| malformed("a length without an offset"))?;
                map.push((from, number(value)?));
            }
            b"map" => {
                let numbers: Vec<u64> = value.split(|byte| *byte == b',').map(number).collect::<Result<_, _>>()?;
                if !numbers.len().is_multiple_of(2) {
                    return Err(malformed("half a piece"));
                }
                map = numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect();
            }
            _ => {}
        }
        if map.len() > MAX_PIECES {
            return Err(malformed("too many pieces"));
        }
    }
    if !is_in_data {
        sparse.map = Some(check(map, sparse.size)?);
    }
    Ok(found.map(|()| sparse))
}

/// Reads the map of version 1.0 off the data: decimal lines, filled up to a whole block.
pub fn read_map(data: &mut impl Read, size: u64) -> io::Result<Vec<Piece>> {
    let mut block = [0; BLOCK];
    let mut at = BLOCK;
    let mut next = || -> io::Result<u64> {
        let mut digits = Vec::new();
        loop {
            if at == BLOCK {
                data.read_exact(&mut block)?;
                at = 0;
            }
            at += 1;
            match block[at - 1] {
                b'\n' => return number(&digits),
                // More digits than 2^64 has.
                _ if digits.len() == 20 => return Err(malformed("a number out of range")),
                byte => digits.push(byte),
            }
        }
    };
    let count = next()?;
    if count > MAX_PIECES as u64 {
        return Err(malformed("too many pieces"));
    }
    let mut map = Vec::new();
    for _ in 0..count {
        map.push((next()?, next()?));
    }
    check(map, size)
}

/// Pieces in order, apart, and within the file.
fn check(map: Vec<Piece>, size: u64) -> io::Result<Vec<Piece>> {
    let mut end = 0;
    for (offset, length) in &map {
        if *offset < end {
            return Err(malformed("pieces out of order"));
        }
        end = offset.checked_add(*length).ok_or_else(|| malformed("a piece out of range"))?;
    }
    if end > size { Err(malformed("a piece behind its end")) } else { Ok(map) }
}

/// The map in the format of version 1.0. A hole at the end needs an empty piece there.
pub fn write_map(pieces: &[Piece], size: u64) -> Vec<u8> {
    let ends_in_hole = pieces.last().is_none_or(|(offset, length)| offset + length < size);
    let end = if ends_in_hole { Some((size, 0)) } else { None };
    let mut map = format!("{}\n", pieces.len() + usize::from(ends_in_hole));
    for (offset, length) in pieces.iter().copied().chain(end) {
        map += &format!("{offset}\n{length}\n");
    }
    let mut map = map.into_bytes();
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

/// The data of a file of this size; `None` where holes are not worth it, or not reported.
pub fn pieces_of(file: &File, size: u64) -> Option<Vec<Piece>> {
    let seek = |from: u64, whence: libc::c_int| {
        // SAFETY: lseek takes numbers alone.
        let at = unsafe { libc::lseek(file.as_raw_fd(), from as libc::off_t, whence) };
        if at >= 0 { Ok(at as u64) } else { Err(io::Error::last_os_error()) }
    };
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < size {
        let from = match seek(at, libc::SEEK_DATA) {
            Ok(from) => from.min(size),
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => break,
            Err(_) => return None,
        };
        let to = seek(from, libc::SEEK_HOLE).ok()?.min(size);
        if from < to {
            pieces.push((from, to - from));
        }
        if to <= at || pieces.len() > MAX_PIECES {
            break;
        }
        at = to;
    }
    let whole = pieces == [(0, size)];
    if whole || pieces.len() > MAX_PIECES { None } else { Some(pieces) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pax: &[(&str, &str)]) -> io::Result<Option<SparseRecords>> {
        records(pax.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())))
    }

    #[test]
    fn all_versions_are_read() {
        assert_eq!(parse(&[("path", "x")]).unwrap(), None);
        let zero = [
            ("GNU.sparse.size", "100"),
            ("GNU.sparse.offset", "0"),
            ("GNU.sparse.numbytes", "5"),
            ("GNU.sparse.offset", "50"),
            ("GNU.sparse.numbytes", "7"),
        ];
        assert_eq!(parse(&zero).unwrap().unwrap().map, Some(vec![(0, 5), (50, 7)]));
        let one = [("GNU.sparse.size", "100"), ("GNU.sparse.map", "0,5,50,7"), ("GNU.sparse.name", "n")];
        let expected = SparseRecords { name: Some(b"n".to_vec()), size: 100, map: Some(vec![(0, 5), (50, 7)]) };
        assert_eq!(parse(&one).unwrap(), Some(expected));
        let last = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "100")];
        assert_eq!(parse(&last).unwrap().unwrap().map, None);
        let map = write_map(&[(0, 5), (50, 7)], 100);
        assert_eq!(read_map(&mut map.as_slice(), 100).unwrap(), [(0, 5), (50, 7), (100, 0)]);
        assert_eq!(map.len() % BLOCK, 0);
    }

    #[test]
    fn no_map_leads_out_of_its_file() {
        for map in ["0", "5,1,0,1", "0,101", "100,1", "18446744073709551615,2", "0,18446744073709551616", "a,b", ""] {
            assert!(parse(&[("GNU.sparse.size", "100"), ("GNU.sparse.map", map)]).is_err(), "{map}");
        }
        assert!(parse(&[("GNU.sparse.numbytes", "1")]).is_err());
        for text in ["2\n0\n1\n", "1\n5\n", "999999999\n", "-1\n", "1\n0\n101\n", "111111111111111111111\n"] {
            let mut block = text.as_bytes().to_vec();
            block.resize(BLOCK, 0);
            assert!(read_map(&mut block.as_slice(), 100).is_err(), "{text:?}");
        }
    }

    /// Whatever the bytes: an error, or pieces in order within the file.
    #[test]
    fn any_map_is_refused_or_sound() {
        let mut state = 1u64;
        for _ in 0..20_000 {
            let mut text = Vec::new();
            for _ in 0..(state >> 60) + 1 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                text.extend(format!("{}", (state >> 33) % 60).bytes());
                text.push([b'\n', b'\n', b'\n', b',', 0][(state >> 20) as usize % 5]);
            }
            text.resize(BLOCK, b'\n');
            if let Ok(map) = read_map(&mut text.as_slice(), 100) {
                let mut end = 0;
                for (offset, length) in map {
                    assert!(offset >= end && offset + length <= 100);
                    end = offset + length;
                }
            }
        }
    }
}
