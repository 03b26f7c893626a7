import type { ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { type Limits, withDeadline } from "@microterm/host";
import { PlatformError, plainText } from "@microterm/protocol";
import { z } from "zod";
import { BoundedBody, readBounded } from "./bounded-body.ts";
import { cancelStream, type GuestSession, MAX_STREAMS } from "./guest-session.ts";

/** The codes of docs/reference/agent-protocol.md, Errors. */
const AgentError = z.strictObject({
  code: z.enum([
    "bad-request",
    "not-found",
    "exists",
    "not-a-file",
    "not-a-directory",
    "too-many",
    "offset-out-of-range",
    "permission",
    "no-space",
    "sealed",
    "unsupported",
    "refused",
    "superseded",
    "internal",
  ]),
  message: z.string(),
});
export type AgentErrorCode = z.infer<typeof AgentError>["code"];

/** The agent answered a call with an error. Adapters turn it into a `PlatformError` that fits the call. */
export class AgentRefusal extends Error {
  override readonly name = "AgentRefusal";
  readonly code: AgentErrorCode;

  constructor(code: AgentErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** One HTTP request to an agent. */
export interface AgentCall extends Limits {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON, ≤ 64 KiB. */
  readonly json?: unknown;
  /** The caller writes the body itself. */
  readonly isStreaming?: boolean;
  /** Of those that a streaming call may use, it leaves so many free. */
  readonly sparedStreams?: number;
}

export interface AgentAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly stream: ClientHttp2Stream;
  readonly session: GuestSession;
}

/** Streams that are kept for calls when attaches and execs use up a session. */
const RESERVED_STREAMS = 8;
const MAX_ERROR_BYTES = 16_384;

export const guestProtocol = (message: string, cause?: unknown): PlatformError =>
  new PlatformError("GUEST_PROTOCOL", `the guest's agent ${message}`, { cause });

export const guestUnreachable = (message: string, cause?: unknown): PlatformError =>
  new PlatformError("GUEST_UNREACHABLE", message, { cause });

/**
 * Sends a request. `answer` resolves with a success's headers, the body unread. It rejects with {@link AgentRefusal}, or
 * with `GUEST_UNREACHABLE` / `GUEST_PROTOCOL`, or the signal's reason; the stream is cancelled then.
 * The caller of a streaming call writes to `stream`, and sets the deadline itself by `withDeadline`.
 */
export function startCall(
  session: GuestSession,
  call: AgentCall,
): { stream: ClientHttp2Stream; answer: Promise<AgentAnswer> } {
  call.signal?.throwIfAborted();
  const limit = call.isStreaming === true ? MAX_STREAMS - RESERVED_STREAMS - (call.sparedStreams ?? 0) : MAX_STREAMS;
  if (session.openStreams >= limit) {
    throw new PlatformError("TOO_MANY", `${session.openStreams} streams to one guest are open already`);
  }
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(call.query ?? {})) if (value !== undefined) query.set(key, value);
  const headers: OutgoingHttpHeaders = {
    ":method": call.method,
    ":path": query.size === 0 ? call.path : `${call.path}?${query.toString().replaceAll("+", "%20")}`,
  };
  const body = call.json === undefined ? undefined : Buffer.from(JSON.stringify(call.json));
  if (body !== undefined) headers["content-type"] = "application/json";
  let stream: ClientHttp2Stream;
  try {
    stream = session.request(headers, { endStream: body === undefined && call.isStreaming !== true });
  } catch (error) {
    throw guestUnreachable("the connection to the guest has ended", error);
  }
  if (body !== undefined) stream.end(body);
  const answer = awaitAnswer(session, stream);
  // A caller that fails before it waits for the answer must not leave a rejection that nobody handles.
  answer.catch(() => {});
  return { stream, answer };
}

/** As {@link startCall}, within the call's deadline. A call without an answer makes the session prove that it lives. */
export function openCall(session: GuestSession, call: AgentCall): Promise<AgentAnswer> {
  const { stream, answer } = startCall(session, call);
  return answerWithin(session, stream, answer, call);
}

export function answerWithin<T>(
  session: GuestSession,
  stream: ClientHttp2Stream,
  work: Promise<T>,
  limits: Limits,
): Promise<T> {
  return withDeadline(
    work,
    limits,
    (ms) => {
      session.prove();
      return guestUnreachable(`the guest did not answer within ${ms} ms`);
    },
    () => cancelStream(stream),
  );
}

/** Calls and reads a JSON answer of at most `maxBytes`. An empty answer (204) is `undefined` to the schema. */
export async function callJson<T>(
  session: GuestSession,
  call: AgentCall,
  schema: z.ZodType<T>,
  maxBytes = 262_144,
): Promise<T> {
  const { stream, answer } = startCall(session, call);
  return answerWithin(session, stream, readJson(answer, schema, maxBytes), call);
}

export async function readJson<T>(answer: Promise<AgentAnswer>, schema: z.ZodType<T>, maxBytes: number): Promise<T> {
  const { status, ...from } = await answer;
  const bytes = await readAnswer(from, maxBytes);
  const parsed = schema.safeParse(status === 204 && bytes.length === 0 ? undefined : parseJson(bytes));
  if (!parsed.success)
    throw guestProtocol(
      `sent an invalid answer: ${plainText(z.prettifyError(parsed.error), { layout: "lines", max: 200 })}`,
    );
  return parsed.data;
}

function awaitAnswer(session: GuestSession, stream: ClientHttp2Stream): Promise<AgentAnswer> {
  return new Promise((resolve, reject) => {
    stream.once("response", (headers) => {
      const status = Number(headers[":status"]);
      if (status >= 200 && status < 300) resolve({ status, headers, stream, session });
      else refuse({ stream, session }, status).then(reject, reject);
    });
    stream.once("error", (error) => reject(guestUnreachable("the connection to the guest broke", error)));
    stream.once("close", () => reject(guestUnreachable("the guest ended the call without an answer")));
  });
}

async function refuse(from: Pick<AgentAnswer, "stream" | "session">, status: number): Promise<Error> {
  try {
    const parsed = AgentError.safeParse(parseJson(await readAnswer(from, MAX_ERROR_BYTES)));
    if (!parsed.success) return guestProtocol(`answered ${status} without a valid error`);
    return new AgentRefusal(parsed.data.code, plainText(parsed.data.message, { layout: "lines", max: 500 }));
  } finally {
    // A refused upload's other half is still open.
    cancelStream(from.stream);
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw guestProtocol("sent JSON that cannot be parsed", error);
  }
}

/** Reads a body to its end. Rejects with `GUEST_PROTOCOL` past `maxBytes`, with `GUEST_UNREACHABLE` when it breaks off. */
function readAnswer({ stream, session }: Pick<AgentAnswer, "stream" | "session">, maxBytes: number): Promise<Buffer> {
  const body = new BoundedBody(session.answers, maxBytes);
  const reading = new Promise<Buffer>((resolve, reject) => {
    readBounded(stream, body, (how, error) => {
      if (how === "whole") return resolve(body.bytes);
      if (how === "long") reject(guestProtocol(`sent an answer of more than ${maxBytes} bytes`));
      else reject(error ?? guestUnreachable("the guest broke off its answer"));
      cancelStream(stream);
    });
  });
  return reading.finally(() => {
    stream.removeAllListeners("data");
    stream.resume();
    body.release();
  });
}
