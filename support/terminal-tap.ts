import { FRAME } from "@microterm/protocol";
import { type PassedMessage, startTappingProxy } from "./tapping-proxy.ts";

/** One WebSocket of a terminal, as the browser had it. */
export interface TappedConnection {
  /** What the page asked to continue from; null when it asked for everything. */
  readonly from: number | null;
  /** READY's `from` and `end`: where the server began, and what the terminal had printed by then. */
  ready: { readonly from: number; readonly end: number } | null;
  /** Offsets of the screens that the page was sent in place of the output before them. */
  readonly keyframes: number[];
  /** Bytes that the server could not send any more: none, in a good run. */
  readonly gaps: string[];
  readonly output: { readonly offset: number; readonly bytes: Buffer }[];
}

/** All output of one terminal that a browser receives, over refreshes and reconnects. */
export interface TerminalTap {
  /** For the browser: all it receives comes through here. */
  readonly proxy: string;
  /** Those that the server accepted, in their order. */
  readonly connections: readonly TappedConnection[];
  /**
   * The terminal's output by offset, each byte as often as the page has drawn it: of every connection what comes before
   * the byte that the next one asks for. What the first one was sent as a screen is zeros here. Throws where a connection skips
   * or repeats a byte, where the next one does not begin where the page said, or with a screen, and where both have a byte and differ.
   */
  drawnBytes(): Buffer;
  close(): Promise<void>;
}

export async function startTerminalTap(): Promise<TerminalTap> {
  const connections = new Map<number, TappedConnection>();
  const proxy = await startTappingProxy((message) => {
    const known = connections.get(message.connection) ?? newConnection(message.path);
    connections.set(message.connection, known);
    take(known, message);
  });
  const accepted = (): readonly TappedConnection[] => [...connections.values()];
  return {
    proxy: proxy.url,
    get connections() {
      return accepted();
    },
    drawnBytes: () => accepted().reduce(continued, Buffer.alloc(0)),
    close: () => proxy.close(),
  };
}

function newConnection(path: string): TappedConnection {
  const from = new URL(path, "http://server").searchParams.get("from");
  return { from: from === null ? null : Number(from), ready: null, keyframes: [], gaps: [], output: [] };
}

function take(connection: TappedConnection, { bytes }: PassedMessage): void {
  const offset = (at: number): number => Number(bytes.readBigUInt64BE(at));
  switch (bytes[0]) {
    case FRAME.output:
      connection.output.push({ offset: offset(1), bytes: bytes.subarray(9) });
      break;
    case FRAME.keyframe:
      connection.keyframes.push(offset(1));
      break;
    case FRAME.gap:
      connection.gaps.push(`${offset(1)}..${offset(9)}`);
      break;
    case FRAME.ready: {
      const { from, end } = JSON.parse(bytes.subarray(1).toString());
      connection.ready = { from: Number(from), end: Number(end) };
    }
  }
}

function continued(drawn: Buffer, { from, ready, keyframes, gaps, output }: TappedConnection): Buffer {
  if (gaps.length > 0) throw new Error(`bytes were lost: ${gaps.join(", ")}`);
  if (from === null && drawn.length > 0) throw new Error(`the page forgot ${drawn.length} bytes that it had drawn`);
  // A screen may be of more than there was when the page was greeted.
  const [screen] = keyframes;
  const start = from ?? screen ?? 0;
  if (from === null ? keyframes.length !== 1 : keyframes.length > 0) {
    throw new Error(`a page that asked for ${from ?? "everything"} was sent screens at ${keyframes.join(", ")}`);
  }
  if (from !== null && ready?.from !== from)
    throw new Error(`the page asked for ${from}, the server began at ${ready?.from}`);
  const before = from === null ? Buffer.alloc(start) : drawn;
  if (start > before.length) throw new Error(`${before.length}..${start} were never received`);
  let at = start;
  for (const { offset, bytes } of output) {
    if (offset !== at) throw new Error(`the byte at ${at} is followed by that at ${offset}`);
    at += bytes.length;
  }
  const received = Buffer.concat(output.map(({ bytes }) => bytes));
  const again = before.subarray(start);
  const overlap = Math.min(again.length, received.length);
  if (!again.subarray(0, overlap).equals(received.subarray(0, overlap))) {
    throw new Error(`bytes from ${start} on differ when they are received again`);
  }
  return Buffer.concat([before.subarray(0, start), received]);
}
