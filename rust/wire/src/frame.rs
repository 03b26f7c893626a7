//! Frames: type (u8), payload length (u32), payload. All numbers are big-endian.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::FrameError;

/// The largest payload of a frame in bytes. It bounds what a decoder ever holds.
pub const MAX_PAYLOAD: usize = 65_536;
/// Bytes before the payload: the type and the length.
pub const HEADER_LEN: usize = 5;
/// The largest number of columns or rows of a terminal.
pub const MAX_DIMENSION: u16 = 1000;
/// A DNS message's header, which all of them have; the longest query, and the longest answer.
pub const MIN_DNS_BYTES: usize = 12;
pub const MAX_QUERY_BYTES: usize = 1232;
pub const MAX_ANSWER_BYTES: usize = 4096;

/// How a program asked for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It called exit(2) with this status, 0 to 255.
    Code(u32),
    /// A signal of this number killed it.
    Signal(u32),
}

impl Ended {
    fn put(self, out: &mut BytesMut) {
        let (kind, value) = match self {
            Ended::Code(value) => (0, value),
            Ended::Signal(value) => (1, value),
        };
        out.put_u8(kind);
        out.put_u32(value);
    }

    fn parse(payload: &[u8]) -> Result<Self, FrameError> {
        let value = u32::from_be_bytes(fixed(&payload[1..])?);
        match payload[0] {
            0 => Ok(Ended::Code(value)),
            1 => Ok(Ended::Signal(value)),
            _ => Err(FrameError::BadValue),
        }
    }
}

/// What the agent sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentFrame {
    /// Terminal output that begins at this absolute offset.
    Output {
        offset: u64,
        bytes: Bytes,
    },
    /// The bytes from `from` to `to` (exclusive) were overwritten before they could be sent.
    Gap {
        from: u64,
        to: u64,
    },
    /// The terminal's size from this offset on.
    Resize {
        offset: u64,
        cols: u16,
        rows: u16,
    },
    /// The terminal's program ended; nothing follows.
    Exit {
        offset: u64,
        ended: Ended,
    },
    /// The terminal has taken this many bytes of input since it began.
    InputAck {
        offset: u64,
    },
    /// An exec's program runs under this process id.
    Started {
        pid: u32,
    },
    Stdout(Bytes),
    Stderr(Bytes),
    /// An exec's program ended, and all its output has been sent.
    Exited(Ended),
    /// An exec's program was not started; JSON.
    Failed(Bytes),
    /// A program asks for a name: a DNS message, to be answered under this id.
    Query {
        id: u32,
        transport: Transport,
        message: Bytes,
    },
}

/// What the host sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostFrame {
    /// Input of a terminal, or an exec's standard input.
    Input(Bytes),
    /// 1 to [`MAX_DIMENSION`] each.
    Resize {
        cols: u16,
        rows: u16,
    },
    /// The first frame of an exec; JSON.
    Start(Bytes),
    StdinEof,
    /// A signal number, 1 to 64, for the process group.
    Signal(u8),
    /// What the query of this id is answered with: a DNS message.
    Answer {
        id: u32,
        message: Bytes,
    },
}

/// One direction's frames.
pub trait Frame: Sized {
    /// Parses a payload whose length is at most [`MAX_PAYLOAD`].
    fn parse(kind: u8, payload: Bytes) -> Result<Self, FrameError>;
    /// Whether a payload of this length can belong to this type, so that a decoder refuses a header at once.
    fn accepts(kind: u8, length: usize) -> Result<(), FrameError>;
    /// Appends the frame's bytes.
    fn encode(&self, out: &mut BytesMut);
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], FrameError> {
    bytes.try_into().map_err(|_| FrameError::BadLength)
}

fn length_is(ok: bool) -> Result<(), FrameError> {
    if ok { Ok(()) } else { Err(FrameError::BadLength) }
}

fn put_frame(out: &mut BytesMut, kind: u8, payload: &[u8]) {
    header(out, kind, payload.len());
    out.put_slice(payload);
}

fn header(out: &mut BytesMut, kind: u8, length: usize) {
    debug_assert!(length <= MAX_PAYLOAD, "a payload of {length} bytes");
    out.reserve(HEADER_LEN + length);
    out.put_u8(kind);
    out.put_u32(length as u32);
}

impl Frame for AgentFrame {
    fn accepts(kind: u8, length: usize) -> Result<(), FrameError> {
        match kind {
            0x01 => length_is(length >= 8),
            0x02 => length_is(length == 16),
            0x04 => length_is(length == 12),
            0x05 => length_is(length == 13),
            0x0a => length_is(length == 8),
            0x71 => length_is(length == 4),
            0x72 | 0x73 | 0x75 => Ok(()),
            0x74 => length_is(length == 5),
            0x81 => length_is((5 + MIN_DNS_BYTES..=5 + MAX_QUERY_BYTES).contains(&length)),
            _ => Err(FrameError::UnknownType(kind)),
        }
    }

    fn parse(kind: u8, mut payload: Bytes) -> Result<Self, FrameError> {
        Self::accepts(kind, payload.len())?;
        Ok(match kind {
            0x01 => {
                let bytes = payload.split_off(8);
                AgentFrame::Output { offset: u64::from_be_bytes(fixed(&payload)?), bytes }
            }
            0x02 => {
                let (from, to) = (u64::from_be_bytes(fixed(&payload[..8])?), u64::from_be_bytes(fixed(&payload[8..])?));
                if from >= to {
                    return Err(FrameError::BadValue);
                }
                AgentFrame::Gap { from, to }
            }
            0x04 => {
                let (cols, rows) = size(&payload[8..])?;
                AgentFrame::Resize { offset: u64::from_be_bytes(fixed(&payload[..8])?), cols, rows }
            }
            0x05 => AgentFrame::Exit {
                offset: u64::from_be_bytes(fixed(&payload[..8])?),
                ended: Ended::parse(&payload[8..])?,
            },
            0x0a => AgentFrame::InputAck { offset: u64::from_be_bytes(fixed(&payload)?) },
            0x71 => AgentFrame::Started { pid: u32::from_be_bytes(fixed(&payload)?) },
            0x72 => AgentFrame::Stdout(payload),
            0x73 => AgentFrame::Stderr(payload),
            0x74 => AgentFrame::Exited(Ended::parse(&payload)?),
            0x75 => AgentFrame::Failed(payload),
            0x81 => {
                let message = payload.split_off(5);
                let transport = match payload[4] {
                    0 => Transport::Udp,
                    1 => Transport::Tcp,
                    _ => return Err(FrameError::BadValue),
                };
                AgentFrame::Query { id: u32::from_be_bytes(fixed(&payload[..4])?), transport, message }
            }
            _ => return Err(FrameError::UnknownType(kind)),
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        match self {
            AgentFrame::Output { offset, bytes } => {
                header(out, 0x01, 8 + bytes.len());
                out.put_u64(*offset);
                out.put_slice(bytes);
            }
            AgentFrame::Gap { from, to } => {
                header(out, 0x02, 16);
                out.put_u64(*from);
                out.put_u64(*to);
            }
            AgentFrame::Resize { offset, cols, rows } => {
                header(out, 0x04, 12);
                out.put_u64(*offset);
                out.put_u16(*cols);
                out.put_u16(*rows);
            }
            AgentFrame::Exit { offset, ended } => {
                header(out, 0x05, 13);
                out.put_u64(*offset);
                ended.put(out);
            }
            AgentFrame::InputAck { offset } => put_frame(out, 0x0a, &offset.to_be_bytes()),
            AgentFrame::Started { pid } => put_frame(out, 0x71, &pid.to_be_bytes()),
            AgentFrame::Stdout(bytes) => put_frame(out, 0x72, bytes),
            AgentFrame::Stderr(bytes) => put_frame(out, 0x73, bytes),
            AgentFrame::Exited(ended) => {
                header(out, 0x74, 5);
                ended.put(out);
            }
            AgentFrame::Failed(json) => put_frame(out, 0x75, json),
            AgentFrame::Query { id, transport, message } => {
                header(out, 0x81, 5 + message.len());
                out.put_u32(*id);
                out.put_u8(match transport {
                    Transport::Udp => 0,
                    Transport::Tcp => 1,
                });
                out.put_slice(message);
            }
        }
    }
}

impl Frame for HostFrame {
    fn accepts(kind: u8, length: usize) -> Result<(), FrameError> {
        match kind {
            0x41 | 0x61 => Ok(()),
            0x43 => length_is(length == 4),
            0x62 => length_is(length == 0),
            0x63 => length_is(length == 1),
            0x82 => length_is((4 + MIN_DNS_BYTES..=4 + MAX_ANSWER_BYTES).contains(&length)),
            _ => Err(FrameError::UnknownType(kind)),
        }
    }

    fn parse(kind: u8, mut payload: Bytes) -> Result<Self, FrameError> {
        Self::accepts(kind, payload.len())?;
        Ok(match kind {
            0x82 => {
                let message = payload.split_off(4);
                HostFrame::Answer { id: u32::from_be_bytes(fixed(&payload)?), message }
            }
            0x41 => HostFrame::Input(payload),
            0x43 => {
                let (cols, rows) = size(&payload)?;
                HostFrame::Resize { cols, rows }
            }
            0x61 => HostFrame::Start(payload),
            0x62 => HostFrame::StdinEof,
            0x63 if (1..=64).contains(&payload[0]) => HostFrame::Signal(payload[0]),
            0x63 => return Err(FrameError::BadValue),
            _ => return Err(FrameError::UnknownType(kind)),
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        match self {
            HostFrame::Input(bytes) => put_frame(out, 0x41, bytes),
            HostFrame::Resize { cols, rows } => {
                header(out, 0x43, 4);
                out.put_u16(*cols);
                out.put_u16(*rows);
            }
            HostFrame::Start(json) => put_frame(out, 0x61, json),
            HostFrame::StdinEof => put_frame(out, 0x62, &[]),
            HostFrame::Signal(number) => put_frame(out, 0x63, &[*number]),
            HostFrame::Answer { id, message } => {
                header(out, 0x82, 4 + message.len());
                out.put_u32(*id);
                out.put_slice(message);
            }
        }
    }
}

/// Parses columns and rows; refuses what is not 1 to [`MAX_DIMENSION`].
fn size(payload: &[u8]) -> Result<(u16, u16), FrameError> {
    let (cols, rows) = (u16::from_be_bytes(fixed(&payload[..2])?), u16::from_be_bytes(fixed(&payload[2..])?));
    let range = 1..=MAX_DIMENSION;
    if range.contains(&cols) && range.contains(&rows) { Ok((cols, rows)) } else { Err(FrameError::BadValue) }
}
