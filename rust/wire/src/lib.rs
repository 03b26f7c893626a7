//! What both ends of the guest channel agree on byte by byte: the frames in the bodies of `attach` and `exec`
//! ([`frame`]), their incremental decoder ([`decode`]) and the marker that opens a session on a virtio-serial port
//! ([`marker`]). The contract is `docs/reference/agent-protocol.md`; golden cases are in `fixtures/agent`.

pub mod decode;
pub mod error;
pub mod frame;
pub mod marker;

pub use decode::Decoder;
pub use error::FrameError;
pub use frame::{AgentFrame, Ended, Frame, HostFrame, MAX_PAYLOAD, Transport};
pub use marker::{MARKER_LEN, Marker, MarkerScanner};
