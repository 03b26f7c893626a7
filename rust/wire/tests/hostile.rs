//! Whatever bytes come, in whatever pieces: no panic, bounded memory, the same answer as for the whole.

use bytes::{Bytes, BytesMut};
use microterm_wire::{AgentFrame, Decoder, Ended, Frame, FrameError, HostFrame, MAX_PAYLOAD, MarkerScanner, Transport};
use proptest::prelude::*;

/// Decodes pieces; checks the bound on what is held after each.
fn decode<F: Frame>(pieces: &[&[u8]]) -> (Vec<F>, Option<FrameError>) {
    let mut decoder = Decoder::<F>::default();
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Some(Ok(frame)) => frames.push(frame),
                Some(Err(error)) => {
                    assert_eq!(decoder.buffered(), 0, "a failed decoder holds nothing");
                    decoder.push(piece);
                    assert_eq!(decoder.next_frame().map(|frame| frame.err()), Some(Some(error)), "an error stays");
                    return (frames, Some(error));
                }
                None => break,
            }
        }
        assert!(decoder.buffered() < MAX_PAYLOAD + 5);
    }
    (frames, None)
}

fn pieces(bytes: &[u8], size: usize) -> Vec<&[u8]> {
    bytes.chunks(size.max(1)).collect()
}

fn payload() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..64).prop_map(Bytes::from),
        1 => Just(Bytes::from(vec![7; MAX_PAYLOAD - 8])),
    ]
}

fn dns(longest: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 12..=longest).prop_map(Bytes::from)
}

fn ended() -> impl Strategy<Value = Ended> {
    prop_oneof![any::<u32>().prop_map(Ended::Code), any::<u32>().prop_map(Ended::Signal)]
}

fn agent_frame() -> impl Strategy<Value = AgentFrame> {
    let size = || (1u16..=1000, 1u16..=1000);
    prop_oneof![
        (any::<u64>(), payload()).prop_map(|(offset, bytes)| AgentFrame::Output { offset, bytes }),
        (0..u64::MAX)
            .prop_flat_map(|from| (Just(from), from + 1..=u64::MAX))
            .prop_map(|(from, to)| AgentFrame::Gap { from, to }),
        (any::<u64>(), size()).prop_map(|(offset, (cols, rows))| AgentFrame::Resize { offset, cols, rows }),
        (any::<u64>(), ended()).prop_map(|(offset, ended)| AgentFrame::Exit { offset, ended }),
        any::<u32>().prop_map(|pid| AgentFrame::Started { pid }),
        payload().prop_map(AgentFrame::Stdout),
        payload().prop_map(AgentFrame::Stderr),
        ended().prop_map(AgentFrame::Exited),
        payload().prop_map(AgentFrame::Failed),
        (any::<u32>(), prop::bool::ANY, dns(1232)).prop_map(|(id, udp, message)| AgentFrame::Query {
            id,
            transport: if udp { Transport::Udp } else { Transport::Tcp },
            message,
        }),
    ]
}

fn host_frame() -> impl Strategy<Value = HostFrame> {
    prop_oneof![
        payload().prop_map(HostFrame::Input),
        (1u16..=1000, 1u16..=1000).prop_map(|(cols, rows)| HostFrame::Resize { cols, rows }),
        payload().prop_map(HostFrame::Start),
        Just(HostFrame::StdinEof),
        (1u8..=64).prop_map(HostFrame::Signal),
        (any::<u32>(), dns(4096)).prop_map(|(id, message)| HostFrame::Answer { id, message }),
    ]
}

/// Bytes that often look like frames: a known type and a plausible length before noise.
fn nearly_frames() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![
        1u8, 2, 4, 5, 0x41, 0x43, 0x61, 0x62, 0x63, 0x71, 0x72, 0x73, 0x74, 0x75, 0x81, 0x82, 0, 255,
    ]);
    let length = prop_oneof![6 => 0u32..20, 1 => 65_530u32..65_545, 1 => any::<u32>()];
    let one = (kind, length, prop::collection::vec(any::<u8>(), 0..24)).prop_map(|(kind, length, noise)| {
        let mut bytes = vec![kind];
        bytes.extend(length.to_be_bytes());
        bytes.extend(noise);
        bytes
    });
    prop::collection::vec(one, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn noise_is_decoded_the_same_in_any_pieces(
        noise in prop_oneof![nearly_frames(), prop::collection::vec(any::<u8>(), 0..300)],
        size in 1usize..40,
    ) {
        prop_assert_eq!(decode::<AgentFrame>(&pieces(&noise, size)), decode::<AgentFrame>(&[&noise]));
        prop_assert_eq!(decode::<HostFrame>(&pieces(&noise, size)), decode::<HostFrame>(&[&noise]));
    }

    #[test]
    fn agent_frames_survive_encoding(frames in prop::collection::vec(agent_frame(), 0..6), size in 1usize..70_000) {
        let mut encoded = BytesMut::new();
        frames.iter().for_each(|frame| frame.encode(&mut encoded));
        prop_assert_eq!(decode(&pieces(&encoded, size)), (frames, None));
    }

    #[test]
    fn host_frames_survive_encoding(frames in prop::collection::vec(host_frame(), 0..6), size in 1usize..70_000) {
        let mut encoded = BytesMut::new();
        frames.iter().for_each(|frame| frame.encode(&mut encoded));
        prop_assert_eq!(decode(&pieces(&encoded, size)), (frames, None));
    }

    /// Keys of two different bytes overlap themselves in every way.
    #[test]
    fn markers_are_those_of_a_plain_search(
        key in prop::array::uniform16(0u8..2),
        parts in prop::collection::vec((any::<bool>(), prop::collection::vec(0u8..2, 0..40)), 0..8),
        size in 1usize..50,
    ) {
        let mut stream = Vec::new();
        for (marker, noise) in &parts {
            if *marker {
                stream.extend(key);
            }
            stream.extend(noise);
        }
        // The id of a key is what follows it, unless another key has ended before it is whole.
        let ends: Vec<usize> = (16..=stream.len()).filter(|end| stream[end - 16..*end] == key).collect();
        let mut expected = Vec::new();
        for (at, end) in ends.iter().enumerate() {
            let cut = ends.get(at + 1).is_some_and(|next| *next < end + 16);
            if !cut && end + 16 <= stream.len() {
                expected.push((end + 16, stream[*end..end + 16].to_vec()));
            }
        }
        let mut scanner = MarkerScanner::new(key);
        let mut found = Vec::new();
        let mut before = 0;
        for piece in pieces(&stream, size) {
            let mut at = 0;
            while let Some(marker) = scanner.scan(&piece[at..]) {
                at += marker.end;
                found.push((before + at, marker.session.to_vec()));
            }
            before += piece.len();
        }
        prop_assert_eq!(found, expected);
    }
}
