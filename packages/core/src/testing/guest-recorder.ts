import type { TerminalExit, TerminalId } from "@microterm/protocol";
import type { ExecEvents, GuestAgent, TerminalEvents, TerminalStream } from "../ports/guest-agent.ts";

const decoder = new TextDecoder();

/** Joins chunks of bytes. */
export function joinBytes(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

export async function readAll(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return joinBytes(chunks);
}

/** What one attach saw, and a way to wait for it. */
export class TerminalRecorder implements TerminalEvents {
  start: bigint | undefined;
  end = 0n;
  readonly sizes: { offset: bigint; cols: number; rows: number }[] = [];
  readonly gaps: { from: bigint; to: bigint }[] = [];
  exit: TerminalExit | undefined;
  isClosed = false;
  error: Error | undefined;
  readonly #chunks: Uint8Array[] = [];

  output(offset: bigint, bytes: Uint8Array): void {
    this.start ??= offset;
    this.#chunks.push(bytes);
    this.end = offset + BigInt(bytes.length);
  }

  gap(from: bigint, to: bigint): void {
    this.gaps.push({ from, to });
  }

  resized(offset: bigint, cols: number, rows: number): void {
    this.sizes.push({ offset, cols, rows });
  }

  exited(_offset: bigint, exit: TerminalExit): void {
    this.exit = exit;
  }

  closed(error?: Error): void {
    this.isClosed = true;
    this.error = error;
  }

  get bytes(): Uint8Array {
    return joinBytes(this.#chunks);
  }

  get text(): string {
    return decoder.decode(this.bytes);
  }
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: TerminalExit | undefined;
  readonly failure: string | undefined;
  readonly error: Error | undefined;
}

/** Runs a command to its end, with all of `input` on its stdin. */
export async function runInGuest(
  agent: GuestAgent,
  command: readonly string[],
  input?: Uint8Array,
): Promise<ExecResult> {
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  let exit: TerminalExit | undefined;
  let failure: string | undefined;
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  const events: ExecEvents = {
    started: () => {},
    stdout: (bytes) => stdout.push(bytes),
    stderr: (bytes) => stderr.push(bytes),
    exited: (ended) => {
      exit = ended;
    },
    failed: ({ code }) => {
      failure = code;
    },
    closed: (error) => resolve(error),
  };
  const stream = await agent.exec({ command: [...command], tty: null }, events);
  if (input !== undefined) stream.write(input);
  stream.endInput();
  const error = await promise;
  return { stdout: decoder.decode(joinBytes(stdout)), stderr: decoder.decode(joinBytes(stderr)), exit, failure, error };
}

export interface OpenedTerminal {
  readonly id: TerminalId;
  readonly seen: TerminalRecorder;
  readonly stream: TerminalStream;
  type(text: string): void;
}

export async function attachTo(agent: GuestAgent, id: TerminalId, from?: bigint): Promise<OpenedTerminal> {
  const seen = new TerminalRecorder();
  const stream = await agent.attach(id, { events: seen, ...(from === undefined ? {} : { from }) });
  return { id, seen, stream, type: (text) => void stream.write(new TextEncoder().encode(text)) };
}
