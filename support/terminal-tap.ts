import { FRAME } from "@microterm/protocol";
import { type PassedMessage, startTappingProxy } from "./tapping-proxy.ts";

/** One WebSocket of a terminal, as the browser had it. */
export interface TappedConnection {
  /** What the page asked to continue from; null when it asked for everything. */
  readonly from: number | null;
  /** READY's `from` and `end`: where the server began, and what the terminal had printed by then. */
  ready: { readonly from: number; readonly end: number } | null;
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
   * The terminal's output from its first byte, each byte as often as the page has drawn it: of every connection what comes before
   * the byte that the next one asks for. Throws where a connection skips or repeats a byte, where the next one does not
   * begin where the page said, and where both have a byte and differ.
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
  return { from: from === null ? null : Number(from), ready: null, gaps: [], output: [] };
}

function take(connection: TappedConnection, { bytes }: PassedMessage): void {
  const offset = (at: number): number => Number(bytes.readBigUInt64BE(at));
  switch (bytes[0]) {
    case FRAME.output:
      connection.output.push({ offset: offset(1), bytes: bytes.subarray(9) });
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

function continued(drawn: Buffer, { from, ready, gaps, output }: TappedConnection): Buffer {
  const start = from ?? 0;
  if (gaps.length > 0) throw new Error(`bytes were lost: ${gaps.join(", ")}`);
  if (ready?.from !== start) throw new Error(`the page asked for ${start}, the server began at ${ready?.from}`);
  if (start > drawn.length) throw new Error(`${drawn.length}..${start} were never received`);
  let at = start;
  for (const { offset, bytes } of output) {
    if (offset !== at) throw new Error(`the byte at ${at} is followed by that at ${offset}`);
    at += bytes.length;
  }
  const received = Buffer.concat(output.map(({ bytes }) => bytes));
  const again = drawn.subarray(start);
  const overlap = Math.min(again.length, received.length);
  if (!again.subarray(0, overlap).equals(received.subarray(0, overlap))) {
    throw new Error(`bytes from ${start} on differ when they are received again`);
  }
  return Buffer.concat([drawn.subarray(0, start), received]);
}
