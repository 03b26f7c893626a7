import type { ClientRequest, ClientRequestArgs, IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { PlatformError } from "@microterm/protocol";
import { SAFE_METHODS } from "../auth/authenticator.ts";
import { MOVED_HEADER } from "../http/problem.ts";
import type { Forwarded } from "./forwarded.ts";
import { hasBody, requestHeaders, responseHeaders } from "./forwarded-headers.ts";

/** `again`: nothing of it was carried out, nor answered; of what changes nothing, it may have been begun. */
export type Attempt = "answered" | "again";

/** Begins a request to one peer. */
export type ToPeer = (options: ClientRequestArgs) => ClientRequest;

/** Why there is no answer. */
class NoAnswer extends Error {
  /** There was a connection to send it on. */
  readonly wasSent: boolean;

  constructor(wasSent: boolean, cause: unknown) {
    super("the peer did not answer", { cause });
    this.wasSent = wasSent;
  }
}

/**
 * Hands a request on to a peer, and its answer back, each as it comes. A body is sent only once the peer has said that it carries the
 * request out (100, RFC 9110, 10.1.1). Rejects with `SERVER_LOST` where it may have been, and no answer came.
 */
export async function forwardRequest(
  request: IncomingMessage,
  response: ServerResponse,
  forwarded: Forwarded,
  toPeer: ToPeer,
): Promise<Attempt> {
  if (response.destroyed) return "answered";
  const { method, url: path } = request;
  const outgoing = toPeer({ method, path, headers: requestHeaders(request, forwarded, false) });
  const gone = (): void => void outgoing.destroy();
  response.once("close", gone);
  try {
    const answered = answerOf(outgoing);
    if (hasBody(request)) {
      outgoing.flushHeaders();
      outgoing.once("continue", () => request.pipe(outgoing));
    } else outgoing.end();
    const answer = await answered;
    if (isMoved(answer)) return discard(answer);
    await sendAnswer(answer, response);
    if (!request.complete) request.unpipe(outgoing).resume();
    return "answered";
  } catch (error) {
    if (response.destroyed) return "answered";
    // By the connection's end the client learns that there is no more.
    if (!response.headersSent) return again(error, request);
    response.destroy();
    return "answered";
  } finally {
    response.off("close", gone);
    request.unpipe(outgoing);
    if (!outgoing.writableEnded) outgoing.destroy();
  }
}

/** Whether nothing is lost by another attempt. */
export function again(error: unknown, { method = "GET" }: Pick<IncomingMessage, "method">): "again" {
  if (!(error instanceof NoAnswer)) throw error;
  if (!error.wasSent || SAFE_METHODS.has(method)) return "again";
  throw new PlatformError(
    "SERVER_LOST",
    "The server that has the environment ended before it answered: it is not known whether this was done.",
    { cause: error },
  );
}

/** The peer has found that another one has the environment now. */
export const isMoved = ({ statusCode, headers }: IncomingMessage): boolean =>
  statusCode === 503 && headers[MOVED_HEADER] !== undefined;

export function discard(answer: IncomingMessage): "again" {
  answer.resume();
  return "again";
}

/** Rejects with {@link NoAnswer}. */
export function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    let wasSent = false;
    outgoing.once("socket", () => {
      wasSent = true;
    });
    const failed = (cause?: unknown): void => reject(new NoAnswer(wasSent, cause));
    outgoing.once("response", resolve);
    outgoing.on("error", failed);
    outgoing.once("close", failed);
  });
  // An upgrade has no other answer.
  answered.catch(() => undefined);
  return answered;
}

/** The peer's answer as it stands; rejects where it breaks off. */
export async function sendAnswer(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  response.sendDate = false;
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? "", responseHeaders(answer));
  // A stream of events says nothing for a while, and its head is what a client waits for.
  response.flushHeaders();
  await pipeline(answer, response);
}
