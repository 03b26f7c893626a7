/**
 * All numbers on which the flow of a terminal's output and input depends, for server and clients; the guest's own are in the agent
 * (docs/reference/agent-protocol.md, The ring). `flow-limits.test.ts` holds them to each other and to the agent's.
 *
 * Names end in their unit: bytes, or ms. An offset of output is a bigint, and so are the bytes that are compared with one.
 */
import { MAX_FRAME_PAYLOAD, MAX_UNACKNOWLEDGED } from "@microterm/protocol";

// When the guest is read no further, and for how long: flow-plan.ts.

/** A consumer of the log that is waited for may be so far behind; then the guest is read no further. */
export const PAUSE_BEHIND_BYTES = 512 * 1024;
/** What a paused guest is read on at. */
export const RESUME_BEHIND_BYTES = 256 * 1024;
/**
 * A client that goes (a refresh, a cut cable), and each of them when this server dies, comes back for the byte after the last that it
 * has acknowledged. The agent keeps 640 KiB before what was read of it, of which a stream's window and what is on its way take some, so
 * this is as far as the guest is read beyond that byte.
 */
export const PAUSE_UNACKNOWLEDGED_BYTES = 384n * 1024n;
/** What a paused guest is read on at. */
export const RESUME_UNACKNOWLEDGED_BYTES = 256n * 1024n;
/**
 * So long the guest is paused for clients that are behind. The agent holds its program for 5 s for a reader that does not move, and
 * gives bytes up then: before that the clients are evicted instead, and where the guest has to stay paused it is left by its reader, for
 * whose return the agent waits 30 s.
 */
export const PAUSE_MS = 4000;
/**
 * In all, for any clients: one on a bad line that comes and goes without end would hold up all others, and the agent gives bytes up 30 s
 * after the reader has left.
 */
export const MAX_PAUSE_MS = 30_000;
/** A client that was cut off is waited for so long while others are attached: it is they who wait. */
export const DISCONNECTED_MS = 4000;
/** Where none is attached; shorter than the 30 s for which the agent holds a program without a reader. */
export const DISCONNECTED_ALONE_MS = 25_000;
/** How often a plan is made where only the time changes. */
export const CHECK_MS = 250;
/** A terminal that has ended and has no client is closed after so long: one may be on its way. */
export const ENDED_MS = 2000;
/** A terminal that has printed nothing for so long keeps nothing in memory that the guest or its model has as well. */
export const IDLE_MS = 10_000;

// The log that all consumers share: output-log.ts.

/** Kept for a client that comes back in a moment, though none needs it now, while there is output. */
export const LOG_RECENT_BYTES = 256 * 1024;
/** Never more, however far a consumer is behind: as much as the agent's own ring. */
export const MAX_LOG_BYTES = 4 * 1024 * 1024;
/** What an item costs besides its frame: a guest may print byte by byte, or send sizes without end. */
export const LOG_ITEM_BYTES = 256;

// A client: hub-client.ts, client-socket.ts.

/** Unacknowledged; one frame less than the protocol promises, so that the frame under way stays within it. */
export const CLIENT_WINDOW_BYTES = MAX_UNACKNOWLEDGED - MAX_FRAME_PAYLOAD;
/**
 * While input waits for the guest the client is not read, so its acknowledgements stand in line behind that input. A program that echoes
 * a large paste would then wait for itself; so meanwhile the socket's own backpressure counts.
 */
export const CLIENT_WINDOW_WHILE_INPUT_WAITS_BYTES = 8 * 1024 * 1024;
/** Gaps that a client has not acknowledged: they cost no bytes of its window, and a guest may send as many as it likes. */
export const MAX_CLIENT_GAPS = 256;
/** One that continues at an offset is waited for from the beginning, until it has had the time to acknowledge something. */
export const CLIENT_GRACE_MS = 5000;
/** A client that was evicted is waited for again once it has kept up for so long. */
export const EVICTED_MS = 10_000;
/** What may wait in a socket before its source is paused. The kernel has buffers of its own below it. */
export const SOCKET_HIGH_WATER_BYTES = 512 * 1024;

// One who looks at a shared terminal: they are never waited for, and get keyframes once the log has no more what they need.

/** What may wait in the socket of one. */
export const VIEWER_HIGH_WATER_BYTES = 64 * 1024;
/** What may wait in the sockets of all of them together; past it each is sent a frame once the one before has left. */
export const VIEWERS_BUDGET_BYTES = 16 * 1024 * 1024;
/** They are sent what there is at most this often, */
export const VIEWER_ROUND_MS = 10;
/** and so many in one turn of the event loop: what has come for the owner meanwhile is next. */
export const VIEWERS_A_TURN = 16;
/** A keyframe serves others who need one while no more output than this follows it. */
export const SHARED_KEYFRAME_BEHIND_BYTES = 64 * 1024;

// Who is at a terminal: presence.ts.

/** Between two PRESENCE frames, and besides for each client that is sent them. */
export const PRESENCE_MS = 250;
export const PRESENCE_MS_A_CLIENT = 2;
/** One who typed within this time types. */
export const TYPING_MS = 2000;
/** Between two answers to KEYBOARD of one client; of those in between the latest counts. */
export const KEYBOARD_MS = 500;

// The other two consumers: model-feed.ts, recorder.ts.

/** Given to the worker and not parsed: more waits in the log, and pauses the guest in the end. */
export const MAX_UNPARSED_BYTES = 1024 * 1024;
/** The worker may be hanging when a model is to be opened, and is replaced then. */
export const MODEL_OPEN_MS = 30_000;
/** Of a recording, waiting for the disk; more waits in the log. */
export const MAX_UNWRITTEN_BYTES = 1024 * 1024;

// The guest's streams: guest-reader.ts.

/** How long a broken channel to a living guest is tried again before the clients are disconnected, to come back. */
export const REATTACH_TIMEOUT_MS = 30_000;
export const REATTACH_DELAY_MS = 100;
export const MAX_REATTACH_DELAY_MS = 1000;
/** So many streams in a row may end before they brought anything, and the next one is opened at once. */
export const MAX_EMPTY_STREAMS = 3;
/** A paused environment says when it has changed; this is for what is missed. */
export const ENVIRONMENT_CHECK_MS = 3000;

// Input: guest-input.ts.

/** Kept until the terminal has taken it; what would be more is refused. */
export const MAX_INPUT_BYTES = 1024 * 1024;
/** The typing client is not read while more than this is kept. */
export const INPUT_HIGH_WATER_BYTES = 256 * 1024;
/** A guest has 128 streams: one on which nothing was typed for so long is closed. */
export const INPUT_IDLE_MS = 60_000;
export const INPUT_RETRY_MS = 100;
export const MAX_INPUT_RETRY_MS = 2000;
