import type { NameQuery } from "@microterm/core";
import type { Limits } from "@microterm/host";
import { FRAME } from "@microterm/protocol";
import { answerWithin, startCall } from "./channel/agent-call.ts";
import { FrameError, type FramePiece, NAME_FRAMES } from "./channel/frame-decoder.ts";
import { FrameStream } from "./channel/frame-stream.ts";
import type { GuestSession } from "./channel/guest-session.ts";

/** Queries that an agent may have unanswered, by the protocol. */
const MAX_IN_FLIGHT = 32;

type AnswerName = (query: NameQuery) => Promise<Uint8Array>;

/** Answers the names that a guest asks for, until its agent ends the stream or `signal` aborts. Rejects when it breaks. */
export async function serveNames(session: GuestSession, answer: AnswerName, limits: Limits): Promise<void> {
  const { stream, answer: opened } = startCall(session, {
    ...{ method: "POST", path: "/v1/names", isStreaming: true },
    ...limits,
  });
  await answerWithin(session, stream, opened, limits);
  await new Promise<void>((resolve, reject) => {
    const close = (): void => frames.close();
    const reader = new NameReader(answer, (payload) => frames.send(FRAME.nameAnswer, payload));
    const frames = new FrameStream(stream, NAME_FRAMES, {
      piece: (piece) => reader.piece(piece),
      closed(error) {
        reader.close();
        limits.signal?.removeEventListener("abort", close);
        if (error === undefined) resolve();
        else reject(error);
      },
    });
    limits.signal?.addEventListener("abort", close, { once: true });
    if (limits.signal?.aborted === true) close();
  });
}

/** Turns queries into answers, and holds the agent to the number of those that are under way. */
export class NameReader {
  readonly #answer: AnswerName;
  readonly #send: (payload: Buffer) => void;
  readonly #inFlight = new Set<number>();
  #isClosed = false;

  constructor(answer: AnswerName, send: (payload: Buffer) => void) {
    this.#answer = answer;
    this.#send = send;
  }

  /** Throws FrameError where the agent breaks the protocol. */
  piece({ head, body }: FramePiece): void {
    const id = head.readUInt32BE(0);
    const how = head[4] as number;
    if (how > 1) throw new FrameError(`a name that is asked for in way ${how}`);
    if (this.#inFlight.has(id)) throw new FrameError(`two queries with the id ${id}`);
    if (this.#inFlight.size >= MAX_IN_FLIGHT) throw new FrameError(`more than ${MAX_IN_FLIGHT} names at once`);
    this.#inFlight.add(id);
    void this.#reply(id, { message: Uint8Array.from(body), transport: how === 0 ? "udp" : "tcp" });
  }

  /** Answers that are still to come are dropped. */
  close(): void {
    this.#isClosed = true;
  }

  async #reply(id: number, query: NameQuery): Promise<void> {
    const message = await this.#answer(query);
    this.#inFlight.delete(id);
    if (this.#isClosed) return;
    this.#send(answerPayload(id, message));
  }
}

/** The payload of an ANSWER to the agent. */
export function answerPayload(id: number, message: Uint8Array): Buffer {
  const payload = Buffer.allocUnsafe(4 + message.length);
  payload.writeUInt32BE(id, 0);
  payload.set(message, 4);
  return payload;
}
