//! The limits that servers plan by. Of terminals: how long a program waits for whom, and how much is kept for whom. The
//! server's terminal hub has limits of its own that lie within these; `docs/reference/agent-protocol.md` promises them.

use std::time::Duration;

/// Bytes of output that a terminal keeps, and that a program may be ahead of its readers. The server sends a client that
/// comes with an offset, or is behind the hub's log, what is missing from here; older output is a GAP, and a keyframe.
pub const RING_BYTES: u64 = 4 << 20;

/// Bytes kept before the position of a reader: its stream has taken them, and they may be lost when the server dies. The
/// hub reads no further than 384 KiB beyond what a client has acknowledged; the rest of this is what the stream's window
/// holds ([`STREAM_WINDOW_BYTES`]) and what is on its way.
pub const IN_FLIGHT_BYTES: u64 = 640 << 10;

/// How long a program waits for a reader that does not move. The hub stops waiting for slow clients, or closes its stream,
/// after 4 s: were it later, output that it wanted to read would be overwritten.
pub const STALLED_READER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a program waits while nobody reads. A restart of the server fits in it, and so do the 25 s for which the hub
/// waits for the return of a terminal's only client.
pub const NO_READER_TIMEOUT: Duration = Duration::from_secs(30);

/// Readers that leave within this time count as having left together, so that the slowest position is kept: a server that
/// dies takes all its streams with it.
pub const LEFT_TOGETHER_TIME: Duration = Duration::from_secs(1);

/// How long after input was accepted it is acknowledged, so that nothing precedes the echo of a key. The hub and
/// its clients keep the input until then.
pub const INPUT_ACK_DELAY: Duration = Duration::from_millis(10);

/// All rings of a guest take at most its memory divided by this …
pub const RING_BUDGET_DIVISOR: u64 = 32;
/// … but at least and at most so many bytes. The hub gets a GAP where the budget evicted what it still had to read.
pub const RING_BUDGET_BYTES: (u64, u64) = (8 << 20, 320 << 20);

/// Terminals whose program runs. The server follows as many as can run and as have ended ([`MAX_ENDED_TERMINALS`]).
pub const MAX_RUNNING_TERMINALS: usize = 64;
/// Ended terminals whose output can still be read; of more, those that ended first lose theirs.
pub const MAX_ENDED_RINGS: usize = 16;
/// Ended terminals that are listed; the server deletes those that it no longer needs.
pub const MAX_ENDED_TERMINALS: usize = 64;

/// Streams of one session at a time. The server needs two for each terminal that it follows, one of them only while
/// somebody types, and one for each exec, upload and download.
pub const MAX_STREAMS: u32 = 128;
/// Connections to ports at a time. The server opens no more, and leaves some of [`MAX_STREAMS`] to terminals.
pub const MAX_PORT_CONNECTIONS: usize = 64;
/// Bytes that a stream may have on its way unread. Part of [`IN_FLIGHT_BYTES`].
pub const STREAM_WINDOW_BYTES: u32 = 64 << 10;

/// Names that programs ask for and the server has not answered yet. It ends the stream of an agent that sends more.
pub const MAX_QUERIES_IN_FLIGHT: usize = 32;
/// Names that wait for their turn; what is asked beyond fails at once.
pub const MAX_QUERIES_WAITING: usize = 256;
/// How long a program waits for a name, its turn included. The server's own limit is 4.5 s.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
