import { type ClientRequest, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { PlatformError } from "@microterm/protocol";
import type { GuestSocket } from "./guest-socket.ts";
import { requestHeaders, responseHeaders } from "./headers.ts";
import type { PreviewHost } from "./hosts.ts";

/** Of a program's answer, as Node's own default for requests. */
const MAX_HEAD_BYTES = 16_384;
/** 1xx answers to one request: a program has little to say before its answer. */
const MAX_INTERIM = 8;
/** What a browser still sends of a body that the program did not want is read for so long, so that the answer gets there. */
const LINGER_MS = 5_000;

const badAnswer = (cause?: unknown): PlatformError =>
  new PlatformError("PREVIEW_ANSWER", "the program at this port did not answer with valid HTTP", { cause });

/**
 * Hands a request to the program at the other end of `guest`, and its answer back. Both heads are read by Node's strict parser and
 * rewritten, never copied. Rejects with `PREVIEW_ANSWER` while nothing of the answer has been sent.
 */
export async function forwardRequest(
  request: IncomingMessage,
  response: ServerResponse,
  guest: GuestSocket,
  host: PreviewHost,
): Promise<void> {
  const outgoing = startRequest(request, guest, requestHeaders(request, host, false));
  const gone = (): void => void outgoing.destroy();
  response.once("close", gone);
  try {
    // Not a pipeline: that would end the browser's connection with the program's, and the answer with it.
    request.pipe(outgoing);
    const answer = await answerOf(outgoing);
    writeHead(response, answer, host);
    await pipeline(answer, response);
    if (!request.complete) linger(request);
  } catch (error) {
    // The head is on its way: the browser learns by the connection's end that there is no more.
    if (response.headersSent) response.destroy();
    else throw error;
  } finally {
    response.off("close", gone);
    request.unpipe(outgoing);
    outgoing.destroy();
  }
}

/**
 * As {@link forwardRequest} for a WebSocket: once the program has agreed, bytes go both ways as they are. What it answers
 * otherwise is answered through `response`.
 */
export async function forwardUpgrade(
  request: IncomingMessage,
  {
    client,
    head,
    response,
  }: { readonly client: Duplex; readonly head: Buffer; readonly response: () => ServerResponse },
  guest: GuestSocket,
  host: PreviewHost,
): Promise<void> {
  const outgoing = startRequest(request, guest, requestHeaders(request, host, true));
  const gone = (): void => void outgoing.destroy();
  client.once("close", gone);
  try {
    const upgraded = new Promise<readonly [IncomingMessage, Buffer]>((resolve) => {
      outgoing.once("upgrade", (answer: IncomingMessage, _socket: Duplex, rest: Buffer) => resolve([answer, rest]));
    });
    const answered = answerOf(outgoing);
    outgoing.end();
    const first = await Promise.race([upgraded, answered]);
    if (!Array.isArray(first)) {
      const refusal = response();
      writeHead(refusal, first as IncomingMessage, host);
      await pipeline(first as IncomingMessage, refusal);
      return;
    }
    const [answer, rest] = first as readonly [IncomingMessage, Buffer];
    client.write(upgradeHead(answer, host));
    if (rest.length > 0) client.write(rest);
    if (head.length > 0) guest.write(head);
    await Promise.all([pipeline(client, guest), pipeline(guest, client)]);
  } finally {
    client.off("close", gone);
    outgoing.destroy();
  }
}

function startRequest(
  request: IncomingMessage,
  guest: GuestSocket,
  headers: ReturnType<typeof requestHeaders>,
): ClientRequest {
  const outgoing = httpRequest({
    createConnection: () => guest,
    method: request.method,
    path: request.url,
    headers: headers.flat(),
    setHost: false,
    maxHeaderSize: MAX_HEAD_BYTES,
    insecureHTTPParser: false,
  });
  let interim = 0;
  outgoing.on("information", () => {
    interim += 1;
    if (interim > MAX_INTERIM) outgoing.destroy(badAnswer());
  });
  // Each way to wait for it has a listener of its own; one that comes later has nobody to hear it.
  outgoing.on("error", () => undefined);
  return outgoing;
}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.once("error", (error) => reject(error instanceof PlatformError ? error : badAnswer(error)));
    outgoing.once("close", () => reject(badAnswer()));
  });
  answered.catch(() => undefined);
  return answered;
}

function writeHead(response: ServerResponse, answer: IncomingMessage, host: PreviewHost): void {
  const status = answer.statusCode ?? 0;
  // 101 without an upgrade, and what no browser knows.
  if (status < 200 || status > 599) throw badAnswer();
  try {
    response.writeHead(status, answer.statusMessage ?? "", responseHeaders(answer, host));
  } catch (cause) {
    throw badAnswer(cause);
  }
  // An event stream says nothing for a while, and its head is what a page waits for.
  response.flushHeaders();
}

/** Names and values were read by a parser that lets no line break into them. */
function upgradeHead(answer: IncomingMessage, host: PreviewHost): string {
  const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  const headers = responseHeaders(answer, host);
  for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function linger(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), LINGER_MS);
  request.once("close", () => clearTimeout(timer));
  request.unpipe().resume();
}
