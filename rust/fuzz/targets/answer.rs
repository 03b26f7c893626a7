//! What a Firecracker that was taken over may answer on its API's socket: one answer of bounded size, or a refusal, and the same
//! wherever the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microterm_host::untrusted::answer::{LONGEST_BODY, parse};

fuzz_target!(|input: &[u8]| {
    if let Ok(Some(answer)) = parse(input) {
        assert!((200..600).contains(&answer.status) && answer.body.len() <= LONGEST_BODY);
        assert!(input.ends_with(&answer.body), "the body is what stands at the end");
        for length in 0..input.len() {
            assert_eq!(parse(&input[..length]), Ok(None), "a part of an answer is none yet");
        }
    }
});
