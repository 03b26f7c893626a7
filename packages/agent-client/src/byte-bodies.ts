import { type Limits, withDeadline } from "@microterm/host";
import { type AgentAnswer, answerWithin, guestProtocol, guestUnreachable } from "./channel/agent-call.ts";
import { cancelStream, type GuestSession } from "./channel/guest-session.ts";

/** A guest that neither sends nor takes a byte for this long while it should, is not coming back. */
const STALL_MS = 30_000;

type Stream = AgentAnswer["stream"];

/**
 * A download's bytes. The guest is held back by flow control while the reader does not ask. Throws `GUEST_UNREACHABLE` when it
 * stalls or breaks off, `GUEST_PROTOCOL` when it sends another number of bytes than `size`.
 */
export async function* readBody(stream: Stream, size: number | null, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const chunks = stream[Symbol.asyncIterator]();
  let received = 0;
  try {
    for (;;) {
      const { value, done } = await withDeadline(
        chunks.next() as Promise<IteratorResult<Buffer>>,
        { timeoutMs: STALL_MS, signal },
        (ms) => guestUnreachable(`the guest sent nothing for ${ms} ms`),
      ).catch((error: unknown) => {
        throw isOurs(error, signal) ? error : guestUnreachable("the guest broke off the transfer", error);
      });
      if (done === true) break;
      received += value.length;
      // Before it is handed on: the reader has announced the size already.
      if (size !== null && received > size) throw guestProtocol(`sent more than ${size} bytes`);
      yield value;
    }
    if (stream.aborted || stream.rstCode !== 0) throw guestUnreachable("the guest broke off the transfer");
    if (size !== null && received !== size) throw guestProtocol(`sent ${received} bytes of ${size}`);
  } finally {
    cancelStream(stream);
  }
}

/** Sends an upload's bytes and resolves as `answer` does, which may come early when the guest refuses. */
export async function writeBody<T>(
  session: GuestSession,
  stream: Stream,
  body: AsyncIterable<Uint8Array>,
  answer: Promise<T>,
  limits: Limits,
): Promise<T> {
  let isAnswered = false;
  const answered = (): void => {
    isAnswered = true;
  };
  answer.then(answered, answered);
  const sent = (async () => {
    for await (const chunk of body) {
      limits.signal?.throwIfAborted();
      if (isAnswered || stream.destroyed) return;
      if (!stream.write(chunk)) await drain(stream);
    }
    stream.end();
  })();
  try {
    // A broken body rejects `sent`; a refusal settles `answer` while the body may still be waiting for its client.
    await Promise.race([sent, answer]);
    return await answerWithin(session, stream, answer, limits);
  } catch (error) {
    sent.catch(() => {});
    cancelStream(stream);
    throw error;
  }
}

/** Resolves once there is room, or the stream has ended. */
export function drain(stream: Stream): Promise<void> {
  const drained = new Promise<void>((resolve) => {
    stream.once("drain", resolve);
    stream.once("close", resolve);
  });
  return withDeadline(drained, { timeoutMs: STALL_MS }, (ms) =>
    guestUnreachable(`the guest took nothing for ${ms} ms`),
  );
}

const isOurs = (error: unknown, signal: AbortSignal | undefined): boolean =>
  (error instanceof Error && error.name === "PlatformError") || (signal?.aborted === true && error === signal.reason);
