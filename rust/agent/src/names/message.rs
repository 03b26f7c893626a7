//! As much of a DNS message (RFC 1035, 4.1) as the agent looks at: it parses no name and no record.

use bytes::Bytes;
use microterm_wire::frame::{MAX_QUERY_BYTES, MIN_DNS_BYTES as HEADER};

const MAX_LABEL: u8 = 63;
const MAX_NAME: usize = 255;

const FORMAT_ERROR: u8 = 1;
pub const SERVER_FAILURE: u8 = 2;
const NOT_IMPLEMENTED: u8 = 4;

/// What becomes of bytes from a program.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    Query(Bytes),
    /// Answered at once.
    Refused(Bytes),
    /// No query at all: an answer to it could be sent round in a circle.
    Ignored,
}

pub fn read(message: &[u8]) -> Incoming {
    if message.len() < HEADER || message[2] & 0x80 != 0 {
        return Incoming::Ignored;
    }
    if message[2] & 0x78 != 0 {
        return Incoming::Refused(failure(message, NOT_IMPLEMENTED));
    }
    if message.len() > MAX_QUERY_BYTES || question_end(message).is_none() {
        return Incoming::Refused(failure(message, FORMAT_ERROR));
    }
    Incoming::Query(Bytes::copy_from_slice(message))
}

/// An answer without records. It repeats the question where that can be read, by which resolvers know what it answers.
pub fn failure(query: &[u8], code: u8) -> Bytes {
    let end = question_end(query);
    let mut answer = query[..end.unwrap_or(HEADER)].to_vec();
    // An answer, of the query's kind, with its wish for recursion; and recursion is there.
    answer[2] = 0x80 | (query[2] & 0x79);
    answer[3] = 0x80 | code;
    answer[4..HEADER].fill(0);
    answer[5] = u8::from(end.is_some());
    answer.into()
}

/// The host's answer under the query's id; `None` where it is no answer.
pub fn answer_to(query: &[u8], answer: &Bytes) -> Option<Bytes> {
    if answer[2] & 0x80 == 0 {
        return None;
    }
    let mut answer = answer.to_vec();
    answer[..2].copy_from_slice(&query[..2]);
    Some(answer.into())
}

/// Where the one question ends; `None` where there is not exactly one whole.
fn question_end(message: &[u8]) -> Option<usize> {
    if message.get(4..6)? != [0, 1] {
        return None;
    }
    let mut at = HEADER;
    loop {
        let length = *message.get(at)?;
        // A pointer has nothing to point at before the first name.
        if length > MAX_LABEL || at - HEADER > MAX_NAME {
            return None;
        }
        at += 1 + usize::from(length);
        if length == 0 {
            break;
        }
    }
    // Type and class.
    (at + 4 <= message.len() && at - HEADER <= MAX_NAME).then_some(at + 4)
}

#[cfg(test)]
mod tests {
    use super::{Incoming, MAX_QUERY_BYTES, answer_to, failure, read};
    use bytes::Bytes;

    fn query(name: &[u8]) -> Vec<u8> {
        [b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".as_slice(), name, b"\0\x01\0\x01"].concat()
    }

    #[test]
    fn a_query_is_passed_on_as_it_is() {
        let mut whole = query(b"\x07example\x03com\0");
        assert_eq!(read(&whole), Incoming::Query(whole.clone().into()));
        // With an OPT record behind it.
        whole.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
        assert_eq!(read(&whole), Incoming::Query(whole.clone().into()));
    }

    #[test]
    fn what_is_no_query_is_ignored_and_what_is_none_of_ours_refused() {
        let mut answer = query(b"\0");
        answer[2] |= 0x80;
        for noise in [b"".as_slice(), b"short", &answer] {
            assert_eq!(read(noise), Incoming::Ignored);
        }
        let code = |message: &[u8]| match read(message) {
            Incoming::Refused(answer) => answer[3] & 15,
            other => panic!("{other:?}"),
        };
        let mut update = query(b"\0");
        update[2] |= 5 << 3;
        assert_eq!(code(&update), 4);
        let mut two = query(b"\0");
        two[5] = 2;
        let long = [query(b"\0"), vec![0; MAX_QUERY_BYTES]].concat();
        let far = query(&[[63; 64].repeat(4), vec![0]].concat());
        for wrong in [&two, &long, &far, &query(b"\x40a"), &query(b"\xc0\x0c"), &query(b"\x07exam")[..18].to_vec()] {
            assert_eq!(code(wrong), 1);
        }
    }

    #[test]
    fn a_failure_repeats_the_question_and_nothing_else() {
        let whole = [query(b"\x01a\0"), b"\0\0\x29\x04\xd0\0\0\0\0\0\0".to_vec()].concat();
        assert_eq!(&failure(&whole, 2)[..], b"\x12\x34\x81\x82\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01");
        assert_eq!(&failure(&whole[..14], 1)[..], b"\x12\x34\x81\x81\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn an_answer_gets_the_query_s_id() {
        let query = query(b"\x01a\0");
        let answer = Bytes::from_static(b"\xff\xff\x81\x80\0\0\0\0\0\0\0\0");
        assert_eq!(&answer_to(&query, &answer).unwrap()[..3], b"\x12\x34\x81");
        assert_eq!(answer_to(&query, &query.clone().into()), None);
    }
}
