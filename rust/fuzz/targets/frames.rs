//! Any bytes in any pieces: the decoder gives the same frames as for the whole, holds no more than it says, and each
//! frame's bytes are exactly those that it was cut from.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use microterm_wire::frame::HEADER_LEN;
use microterm_wire::{AgentFrame, Decoder, Frame, FrameError, HostFrame, MAX_PAYLOAD};

fn decode<F: Frame>(pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> (Vec<F>, Option<FrameError>) {
    let mut decoder = Decoder::<F>::default();
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece.as_ref());
        while let Some(next) = decoder.next_frame() {
            match next {
                Ok(frame) => frames.push(frame),
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(decoder.buffered() < HEADER_LEN + MAX_PAYLOAD, "holds {} bytes", decoder.buffered());
    }
    (frames, None)
}

fn check<F: Frame + PartialEq + std::fmt::Debug>(size: usize, stream: &[u8]) {
    let whole = decode::<F>(std::iter::once(stream));
    assert_eq!(whole, decode::<F>(stream.chunks(size)));
    let mut again = BytesMut::new();
    for frame in &whole.0 {
        frame.encode(&mut again);
    }
    assert!(stream.starts_with(&again), "frames are encoded as they came");
}

fuzz_target!(|input: &[u8]| {
    let Some((&size, stream)) = input.split_first() else { return };
    let size = usize::from(size).max(1);
    check::<AgentFrame>(size, stream);
    check::<HostFrame>(size, stream);
});
