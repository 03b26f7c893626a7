//! Any bytes in any pieces: the scanner finds the markers that a plain search finds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microterm_wire::{MARKER_LEN, MarkerScanner};

/// Its beginning repeats, which is where a search that goes on inside a match may err.
const KEY: [u8; 16] = *b"aabaaabaabaaaaba";

/// The positions behind every marker, and its session id.
fn find(pieces: &[&[u8]]) -> Vec<(usize, [u8; 16])> {
    let mut scanner = MarkerScanner::new(KEY);
    let (mut found, mut before) = (Vec::new(), 0);
    for piece in pieces {
        let mut at = 0;
        while let Some(marker) = scanner.scan(&piece[at..]) {
            assert!(marker.end > 0 && at + marker.end <= piece.len(), "an end inside the piece");
            at += marker.end;
            found.push((before + at, marker.session));
        }
        before += piece.len();
    }
    found
}

/// A key and 16 bytes behind it, unless another key has ended before them: that one's host is the newer.
fn expected(stream: &[u8]) -> Vec<(usize, [u8; 16])> {
    let starts: Vec<usize> = (0..stream.len()).filter(|&at| stream[at..].starts_with(&KEY)).collect();
    let is_cut_short = |at: usize| starts.iter().any(|&other| other > at && other < at + KEY.len());
    let whole = starts.iter().filter(|&&at| at + MARKER_LEN <= stream.len() && !is_cut_short(at));
    whole.map(|at| (at + MARKER_LEN, stream[at + KEY.len()..at + MARKER_LEN].try_into().expect("16 bytes"))).collect()
}

/// One byte of the input stands for the key and one for a part of it: chance does not come upon 16 bytes.
fn expand(input: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for byte in input {
        match byte {
            0xf0 => stream.extend(KEY),
            0xf1 => stream.extend(&KEY[..9]),
            _ => stream.push(*byte),
        }
    }
    stream
}

fuzz_target!(|input: &[u8]| {
    let Some((&size, rest)) = input.split_first() else { return };
    let stream = &expand(rest)[..];
    let pieces: Vec<&[u8]> = stream.chunks(usize::from(size).max(1)).collect();
    let found = find(&pieces);
    assert_eq!(find(&[stream]), found, "pieces of {size}");
    assert_eq!(found, expected(stream), "as a plain search");
});
